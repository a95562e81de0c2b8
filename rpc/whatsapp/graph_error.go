package whatsapp

import (
	"net/http"
	"strconv"
)

// action is what an error of Meta's asks of a send.
type action uint8

const (
	// actionRetryNumber: the number sends too fast; surely not sent.
	actionRetryNumber action = iota + 1
	// actionRetryQuota: a quota of the app or the account, counted by the hour.
	actionRetryQuota
	// actionRetryPair: the number sends too fast to this one contact.
	actionRetryPair
	// actionAmbiguous: it may have been sent.
	actionAmbiguous
	// actionPause: nothing of this channel will be sent before an operator acts.
	// The send waits; the channel's others find out for themselves.
	actionPause
	// actionPermanent: this message will never be sent.
	actionPermanent
	// actionNeedsTemplate: the window is closed by Meta's clock.
	actionNeedsTemplate
	// actionNextDay: not before 24 hours have passed. A free message's window
	// has closed by then, so that for it this is the end.
	actionNextDay
	// actionTemplateWrong: the template must be mended first.
	actionTemplateWrong
)

// actions is Meta's list of error codes
// (developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes) by what
// each asks for. 200 to 299 stand for themselves; see actionOf.
var actions = map[int32]action{
	130429: actionRetryNumber, // too many messages a second
	4:      actionRetryQuota,  // the app's calls
	80007:  actionRetryQuota,  // the account's calls
	131056: actionRetryPair,   // too many messages to one contact

	1:      actionAmbiguous, // unknown error
	2:      actionAmbiguous, // service down
	131000: actionAmbiguous, // something went wrong
	131016: actionAmbiguous, // service overloaded
	131057: actionAmbiguous, // the number is being upgraded
	133004: actionAmbiguous, // server unavailable

	0:      actionPause, // cannot authenticate
	3:      actionPause, // the app lacks a capability
	10:     actionPause, // permission denied
	190:    actionPause, // the token expired
	368:    actionPause, // blocked for a violation of policy
	130497: actionPause, // not allowed in this country
	131031: actionPause, // the account is locked
	131042: actionPause, // no payment method
	131045: actionPause, // the number's certificate
	131048: actionPause, // too much of it was reported as spam
	131064: actionPause, // the account is limited
	133010: actionPause, // the number is not registered

	131047: actionNeedsTemplate, // more than 24 hours since the customer wrote
	131049: actionNextDay,       // held back for the health of the ecosystem

	100:    actionPermanent, // a parameter is wrong
	130472: actionPermanent, // the contact is part of an experiment
	131008: actionPermanent, // a parameter is missing
	131009: actionPermanent, // a parameter's value is wrong
	131021: actionPermanent, // the recipient is the sender
	131026: actionPermanent, // undeliverable to this contact
	131050: actionPermanent, // the contact stopped marketing messages
	131051: actionPermanent, // message type not supported
	131053: actionPermanent, // media cannot be uploaded
	131062: actionPermanent, // the recipient's user ID is not usable here

	132000: actionTemplateWrong, // number of parameters
	132001: actionTemplateWrong, // does not exist
	132005: actionTemplateWrong, // text too long
	132007: actionTemplateWrong, // content violates policy
	132012: actionTemplateWrong, // format of parameters
	132015: actionTemplateWrong, // paused
	132016: actionTemplateWrong, // disabled
	132068: actionTemplateWrong, // flow blocked
	132069: actionTemplateWrong, // flow throttled
}

// Permissions are a whole range of codes.
const (
	firstPermissionCode = 200
	lastPermissionCode  = 299
)

func isPermission(code int32) bool { return code >= firstPermissionCode && code <= lastPermissionCode }

// actionOf decides by the code, whatever the HTTP status. The status speaks for
// codes that are not in the table.
func actionOf(code int32, status int) action {
	known, ok := actions[code]
	switch {
	case ok:
		return known
	case isPermission(code):
		return actionPause
	default:
		return actionOfStatus(status)
	}
}

// actionOfStatus decides on an answer whose code says nothing to us, or that
// has none, because it comes from something that stands before the Graph API.
func actionOfStatus(status int) action {
	switch status {
	case http.StatusTooManyRequests:
		return actionRetryNumber
	case http.StatusRequestTimeout:
		return actionAmbiguous
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired:
		return actionPause // a proxy refuses us, or graph_base_url is wrong
	}
	switch status / 100 {
	case 3:
		return actionPause // redirects are not followed: graph_base_url is wrong
	case 4:
		return actionPermanent
	default:
		return actionAmbiguous
	}
}

const (
	codeLabelNone       = "none"
	codeLabelOther      = "other"
	codeLabelPermission = "200-299"
)

// codeLabelOf is codeLabel of an answer that may have no code.
func codeLabelOf(answer graphAnswer) string {
	if !answer.hasCode {
		return codeLabelNone
	}
	return codeLabel(answer.code)
}

// codeLabel names code in metrics, where only the table's codes have a name.
func codeLabel(code int32) string {
	_, known := actions[code]
	switch {
	case known:
		return strconv.Itoa(int(code))
	case isPermission(code):
		return codeLabelPermission
	default:
		return codeLabelOther
	}
}
