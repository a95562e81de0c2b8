package standin

import (
	"strconv"
	"strings"
	"time"
)

// Status is how far an accepted send came.
type Status string

const (
	StatusSent      Status = "sent"
	StatusDelivered Status = "delivered"
	StatusRead      Status = "read"
	StatusPlayed    Status = "played"
	StatusFailed    Status = "failed"
)

func (s Status) String() string { return string(s) }

func (s Status) known() bool {
	switch s {
	case StatusSent, StatusDelivered, StatusRead, StatusPlayed, StatusFailed:
		return true
	}
	return false
}

// StatusStep is one step of the walk of an accepted send.
type StatusStep struct {
	Status Status
	After  time.Duration // from acceptance
	Jitter time.Duration // drawn for each send, on top
	// SkipShare is the share of sends that skip this step, as delivered is
	// skipped when read follows at once.
	SkipShare float64
}

// DefaultStatuses is a phone that is on and in somebody's hand.
func DefaultStatuses() []StatusStep {
	return []StatusStep{
		{Status: StatusSent, After: 20 * time.Millisecond},
		{Status: StatusDelivered, After: 100 * time.Millisecond},
		{Status: StatusRead, After: 500 * time.Millisecond},
	}
}

// walk makes the statuses of an accepted send due. A send that fails has one
// status, when the first would have come.
func (g *Graph) walk(n *number, delivery Delivery) {
	steps := g.config.Statuses
	if delivery.FailCode != 0 {
		failed := StatusStep{Status: StatusFailed}
		if len(steps) > 0 {
			failed.After, failed.Jitter = steps[0].After, steps[0].Jitter
		}
		steps = []StatusStep{failed}
	}
	for i, step := range steps {
		name := []string{"walk", itoa(i), delivery.WAMID.String()}
		if g.seed.chance(step.SkipShare, append(name, "skip")...) {
			continue
		}
		due := delivery.AcceptedAt.Add(step.After + g.seed.within(step.Jitter, append(name, "jitter")...))
		g.offer(g.newStatusItem(n, delivery, step.Status, due), due)
	}
}

// appendStatus writes the status object of a webhook.
func (g *Graph) appendStatus(dst []byte, wamid WAMID, delivery Delivery, status Status, at time.Time) []byte {
	unix := strconv.FormatInt(at.Unix(), 10)
	dst = appendField(append(dst, '{'), "id", wamid.String())
	dst = appendField(append(dst, ','), "status", status.String())
	dst = appendField(append(dst, ','), "timestamp", unix)
	dst = appendRecipient(dst, delivery)
	if g.config.Billing && (status == StatusSent || status == StatusDelivered) {
		dst = g.appendBilling(dst, delivery, status)
	}
	if status == StatusFailed {
		code := delivery.FailCode
		if code == 0 {
			code = codeUndeliverable
		}
		dst = append(dst, `,"errors":[`...)
		dst = appendStatusError(dst, code, delivery.FailDetails)
		dst = append(dst, ']')
	}
	if delivery.CallbackData != "" {
		dst = appendField(append(dst, ','), "biz_opaque_callback_data", delivery.CallbackData)
	}
	return append(dst, '}')
}

// appendRecipient tells all that is known of the recipient: since 2026 the user
// ID beside the wa_id.
func appendRecipient(dst []byte, delivery Delivery) []byte {
	identities := delivery.Aliases
	if len(identities) == 0 {
		identities = []Identity{delivery.To}
	}
	for _, identity := range identities {
		name := "recipient_id"
		switch {
		case identity.IsParentID() && len(identities) > 1:
			name = "recipient_parent_user_id"
		case identity.IsUserID():
			name = "recipient_user_id"
		}
		dst = appendField(append(dst, ','), name, identity.String())
	}
	return dst
}

// appendStatusError: Meta's page "Error codes", under "Error response webhooks".
func appendStatusError(dst []byte, code int, details string) []byte {
	if details == "" {
		details = detailsOf(code)
	}
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendInt(dst, int64(code), 10)
	dst = appendField(append(dst, ','), "title", titleOf(code))
	dst = appendField(append(dst, ','), "message", titleOf(code))
	dst = append(dst, `,"error_data":{`...)
	dst = appendField(dst, "details", details)
	dst = append(dst, `},`...)
	dst = appendField(dst, "href", "/documentation/business-messaging/whatsapp/support/error-codes")
	return append(dst, '}')
}

// appendBilling: Meta tells the end of the conversation only in its sent status.
func (g *Graph) appendBilling(dst []byte, delivery Delivery, status Status) []byte {
	lot := g.seed.draw("conversation", delivery.PhoneNumberID.String(), delivery.To.String())
	dst = append(dst, `,"conversation":{`...)
	dst = appendField(dst, "id", strconv.FormatUint(lot, 16))
	if status == StatusSent {
		ends := delivery.AcceptedAt.Add(customerServiceTime).Unix()
		dst = appendField(append(dst, ','), "expiration_timestamp", strconv.FormatInt(ends, 10))
	}
	category, billable, kind := "service", "false", "free_customer_service"
	if delivery.Category != "" {
		category, billable, kind = strings.ToLower(string(delivery.Category)), "true", "regular"
	}
	dst = append(dst, `,"origin":{"type":"`+category+`"}},"pricing":{"billable":`+billable+
		`,"pricing_model":"PMP","category":"`+category+`","type":"`+kind+`"}`...)
	return dst
}
