package standin

import (
	"bytes"
	"net/http"
	"strconv"
	"time"
)

// Codes that the stand-in itself answers with.
const (
	codeTokenMissing     = 104
	codeTokenInvalid     = 190
	codeInvalidParameter = 100
	codeRateLimit        = 130429
	codeMissing          = 131008
	codeInvalidValue     = 131009
	codeUnavailable      = 131016
	codeToSender         = 131021
	codeUndeliverable    = 131026 // also why a send fails that a rule gave no code
	codeOutsideWindow    = 131047
	codeOptedOut         = 131050
	codeMediaUpload      = 131053
	codePairRateLimit    = 131056
	codeUserIDRecipient  = 131062

	codeTemplateCount    = 132000
	codeNoTemplate       = 132001
	codeTemplateTooLong  = 132005
	codeTemplateFormat   = 132012
	codeTemplatePaused   = 132015
	codeTemplateDisabled = 132016

	subcodeNoObject = 33
)

// graphError is an error as Graph answers it. Never used through the error
// interface: a nil *graphError means that the request passed.
type graphError struct {
	Status     int
	Type       string
	Code       int
	Subcode    int
	Message    string
	Details    string
	RetryAfter time.Duration
}

// titles holds the title and the HTTP status of each code, as Meta's page
// "Error codes" lists them, or the message that clients have seen where that
// differs. Meta documents the code as the thing to decide by.
var titles = map[int]struct {
	status int
	title  string
}{
	0:      {http.StatusUnauthorized, "AuthException"},
	1:      {http.StatusBadRequest, "API Unknown"},
	2:      {http.StatusServiceUnavailable, "API Service"},
	3:      {http.StatusInternalServerError, "API Method"},
	4:      {http.StatusBadRequest, "API Too Many Calls"},
	10:     {http.StatusForbidden, "Permission Denied"},
	100:    {http.StatusBadRequest, "Invalid parameter"},
	104:    {http.StatusUnauthorized, "An access token is required to request this resource."},
	190:    {http.StatusUnauthorized, "Invalid OAuth access token"},
	200:    {http.StatusForbidden, "API Permission"},
	368:    {http.StatusForbidden, "Temporarily blocked for policies violations"},
	80007:  {http.StatusBadRequest, "Rate limit issues"},
	130429: {http.StatusTooManyRequests, "Rate limit hit"},
	130472: {http.StatusBadRequest, "User's number is part of an experiment"},
	130497: {http.StatusForbidden, "Business account is restricted from messaging users in this country"},
	131000: {http.StatusInternalServerError, "Something went wrong"},
	131008: {http.StatusBadRequest, "Required parameter is missing"},
	131009: {http.StatusBadRequest, "Parameter value is not valid"},
	131016: {http.StatusInternalServerError, "Service unavailable"},
	131021: {http.StatusBadRequest, "Recipient cannot be sender"},
	131026: {http.StatusBadRequest, "Message undeliverable"},
	131031: {http.StatusForbidden, "Account has been locked"},
	131042: {http.StatusBadRequest, "Business eligibility payment issue"},
	131045: {http.StatusInternalServerError, "Incorrect certificate"},
	131047: {http.StatusBadRequest, "Re-engagement message"},
	131048: {http.StatusBadRequest, "Spam rate limit hit"},
	131049: {http.StatusBadRequest, "Message not delivered to maintain healthy ecosystem engagement"},
	131050: {http.StatusBadRequest, "User has stopped marketing messages"},
	131051: {http.StatusBadRequest, "Unsupported message type"},
	131053: {http.StatusBadRequest, "Media upload error"},
	131056: {http.StatusBadRequest, "(Business Account, Consumer Account) pair rate limit hit"},
	131057: {http.StatusInternalServerError, "Account in maintenance mode"},
	131062: {http.StatusBadRequest, "Business-scoped user ID recipients are not supported for this message"},
	131064: {http.StatusForbidden, "Business account is restricted from messaging"},
	132000: {http.StatusBadRequest, "Number of parameters does not match the expected number of params"},
	132001: {http.StatusNotFound, "Template name does not exist in the translation"},
	132005: {http.StatusBadRequest, "Template hydrated text too long"},
	132007: {http.StatusBadRequest, "Template format character policy violated"},
	132012: {http.StatusBadRequest, "Parameter format does not match format in the created template"},
	132015: {http.StatusBadRequest, "Template is paused"},
	132016: {http.StatusBadRequest, "Template is disabled"},
	132068: {http.StatusBadRequest, "Flow is blocked"},
	132069: {http.StatusBadRequest, "Flow is throttled"},
	133004: {http.StatusInternalServerError, "Server temporarily unavailable"},
	133010: {http.StatusBadRequest, "Phone number not registered"},
}

// codeError is the plain error of a code, known or not.
func codeError(code int, details string) *graphError {
	known, ok := titles[code]
	if !ok {
		known.status, known.title = http.StatusBadRequest, "Unknown error"
	}
	return &graphError{
		Status:  known.status,
		Type:    "OAuthException",
		Code:    code,
		Message: "(#" + itoa(code) + ") " + known.title,
		Details: details,
	}
}

// titleOf is what a failed status calls the code.
func titleOf(code int) string {
	if known, ok := titles[code]; ok {
		return known.title
	}
	return "Unknown error"
}

// details holds what Meta adds to the title of a code that needs no more
// said, in an answer and in a failed status alike.
var details = map[int]string{
	codeRateLimit: "Message failed to send because there were too many messages sent from this phone number" +
		" in a short period of time",
	codeOutsideWindow: "Message failed to send because more than 24 hours have passed since the customer last" +
		" replied to this number.",
	codeOptedOut: "Unable to deliver the message. This recipient has chosen to stop receiving marketing messages" +
		" on WhatsApp from your business",
	codeUndeliverable: "Message Undeliverable.",
	codeMediaUpload:   "Media file could not be used: its type is not the type of the message.",
	codePairRateLimit: "Message failed to send because there were too many messages sent from this phone number" +
		" to the same phone number in a short period of time.",
	codeToSender: "Recipient phone number is the number that sends.",
}

func detailsOf(code int) string {
	if text, ok := details[code]; ok {
		return text
	}
	return titleOf(code) + "."
}

func missing(details string) *graphError      { return codeError(codeMissing, details) }
func invalidValue(details string) *graphError { return codeError(codeInvalidValue, details) }

// invalidParameter is Graph's own layer refusing, before WhatsApp sees it: the
// message says everything and there are no details.
func invalidParameter(message string) *graphError {
	e := codeError(codeInvalidParameter, "")
	e.Message = "(#100) " + message
	return e
}

// noObject answers everything that Graph cannot find, or that the token may
// not see: it does not tell the two apart.
func noObject(method, object string) *graphError {
	return &graphError{
		Status:  http.StatusBadRequest,
		Type:    "GraphMethodException",
		Code:    codeInvalidParameter,
		Subcode: subcodeNoObject,
		Message: "Unsupported " + method + " request. Object with ID '" + object +
			"' does not exist, cannot be loaded due to missing permissions, or does not support this operation." +
			" Please read the Graph API documentation at https://developers.facebook.com/docs/graph-api",
	}
}

type errorBody struct {
	Message string     `json:"message"`
	Type    string     `json:"type"`
	Code    int        `json:"code"`
	Subcode int        `json:"error_subcode,omitempty"`
	Data    *errorData `json:"error_data,omitempty"`
	TraceID string     `json:"fbtrace_id"`
}

type errorData struct {
	Product string `json:"messaging_product"`
	Details string `json:"details"`
}

func (g *Graph) writeError(w http.ResponseWriter, e *graphError) {
	g.counters.refused.Add(1)
	body := errorBody{
		Message: e.Message,
		Type:    e.Type,
		Code:    e.Code,
		Subcode: e.Subcode,
		TraceID: g.newTraceID(),
	}
	if e.Details != "" {
		body.Data = &errorData{Product: messagingProduct, Details: e.Details}
	}
	if e.RetryAfter > 0 {
		seconds := int((e.RetryAfter + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", itoa(seconds))
	}
	g.writeAnswer(w, e.Status, map[string]errorBody{"error": body})
}

// writeAnswer escapes answers as Meta does. A client that went away has its
// own error; there is nobody left to tell.
func (g *Graph) writeAnswer(w http.ResponseWriter, status int, answer any) {
	encoded, err := encode(answer)
	if err != nil {
		panic("standin: answer cannot be encoded: " + err.Error())
	}
	body := appendEscaped(nil, bytes.TrimSpace(encoded))
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		g.counters.answersUnread.Add(1)
	}
}

func (g *Graph) newTraceID() string {
	n := g.counters.traces.Add(1)
	return "A" + strconv.FormatUint(g.seed.draw("trace", strconv.FormatUint(n, 10)), 36)
}
