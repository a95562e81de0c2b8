package standin

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// Receipt is one read receipt that the stand-in took.
type Receipt struct {
	PhoneNumberID PhoneNumberID `json:"phone_number_id"`
	MessageID     WAMID         `json:"message_id"`
	Typing        bool          `json:"typing,omitempty"`
	At            time.Time     `json:"at"`
}

// serveReceipt takes {"status": "read", "message_id": …}, with or without a
// typing indicator.
func (g *Graph) serveReceipt(
	w http.ResponseWriter, r *http.Request, n *number, fields map[string]json.RawMessage,
) {
	receipt, refusal := parseReceipt(fields)
	if refusal != nil {
		g.writeError(w, refusal)
		return
	}
	if g.struck(w, r, g.faults.planCall(CallReceipt, n.ID, receipt.MessageID.String())) {
		return
	}
	receipt.PhoneNumberID = n.ID
	receipt.At = time.Now()
	g.log.receipt(receipt)
	g.writeAnswer(w, http.StatusOK, map[string]bool{"success": true})
}

func parseReceipt(fields map[string]json.RawMessage) (Receipt, *graphError) {
	var status, messageID string
	if refusal := readField(fields, "status", &status); refusal != nil {
		return Receipt{}, refusal
	}
	if status != string(StatusRead) {
		return Receipt{}, invalidParameter("Param status must be one of {READ}")
	}
	if refusal := readField(fields, "message_id", &messageID); refusal != nil {
		return Receipt{}, refusal
	}
	if messageID == "" {
		return Receipt{}, invalidParameter("The parameter message_id is required.")
	}
	if !strings.HasPrefix(messageID, "wamid.") {
		return Receipt{}, invalidValue("Message id is not valid")
	}
	raw, typing := fields["typing_indicator"]
	if typing {
		var indicator struct {
			Type string `json:"type"`
		}
		if refusal := decode(raw, "typing_indicator", &indicator); refusal != nil {
			return Receipt{}, refusal
		}
		if indicator.Type != typeText {
			return Receipt{}, invalidParameter("Param typing_indicator['type'] must be one of {TEXT}")
		}
	}
	return Receipt{MessageID: WAMID(messageID), Typing: typing}, nil
}
