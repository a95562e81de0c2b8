package whatsapp

import (
	"encoding/json"
	"strings"

	"github.com/intervenehq/intervene/engine"
)

// button is the quick reply to a template.
func (r *reader) button(raw json.RawMessage) (engine.Content, bool) {
	var button struct {
		Payload lenientString `json:"payload"`
		Text    lenientString `json:"text"`
	}
	if !object(raw, &button) {
		return engine.Content{}, false
	}
	return r.pressed(button.Payload, button.Text)
}

// interactive is what a customer chose, filled in or allowed
// (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/interactive).
func (r *reader) interactive(raw json.RawMessage) (engine.Content, bool) {
	var interactive struct {
		Type           lenientString   `json:"type"`
		ButtonReply    json.RawMessage `json:"button_reply"`
		ListReply      json.RawMessage `json:"list_reply"`
		FlowReply      json.RawMessage `json:"nfm_reply"`
		CallPermission json.RawMessage `json:"call_permission_reply"`
		Product        json.RawMessage `json:"product"`
	}
	if !object(raw, &interactive) {
		return engine.Content{}, false
	}
	switch interactive.Type {
	case "button_reply":
		return r.chosen(interactive.ButtonReply)
	case "list_reply":
		return r.chosen(interactive.ListReply)
	case "nfm_reply":
		return r.flowReply(interactive.FlowReply)
	case "call_permission_reply":
		return r.callPermission(interactive.CallPermission)
	case "product":
		return r.chosenProduct(interactive.Product)
	default:
		return engine.Content{}, false
	}
}

// chosen is a button or the row of a list.
func (r *reader) chosen(raw json.RawMessage) (engine.Content, bool) {
	var reply struct {
		ID    lenientString `json:"id"`
		Title lenientString `json:"title"`
	}
	if !object(raw, &reply) {
		return engine.Content{}, false
	}
	return r.pressed(reply.ID, reply.Title)
}

// pressed is a button reply. One without a title is shown by its id.
func (r *reader) pressed(id, title lenientString) (engine.Content, bool) {
	if title == "" {
		title = id
	}
	return engine.Content{
		Kind: engine.ContentButtonReply, Text: r.clip(title, MaxTextBytes), Payload: r.clip(id, MaxNameBytes),
	}, title != ""
}

// chosenProduct is a product that was pressed: all that comes of it is its id,
// which a bot finds where it finds a button's. refersTo adds the catalogue.
func (r *reader) chosenProduct(raw json.RawMessage) (engine.Content, bool) {
	var product wireProduct
	if !object(raw, &product) {
		return engine.Content{}, false
	}
	return r.pressed(product.Retailer, "")
}

// flowReply is what a flow was answered with: a JSON text within the JSON
// (developers.facebook.com/documentation/business-messaging/whatsapp/flows/guides/flowswebhooks).
func (r *reader) flowReply(raw json.RawMessage) (engine.Content, bool) {
	var reply struct {
		Name     lenientString   `json:"name"`
		Body     lenientString   `json:"body"`
		Response json.RawMessage `json:"response_json"`
	}
	if !object(raw, &reply) {
		return engine.Content{}, false
	}
	answers := string(reply.Response)
	var text string
	if json.Unmarshal(reply.Response, &text) == nil {
		answers = text
	}
	if len(answers) == 0 || answers[0] != '{' || !json.Valid([]byte(answers)) {
		return engine.Content{}, false
	}
	return engine.Content{
		Kind: engine.ContentFlowReply, Text: r.clip(reply.Body, MaxTextBytes), Payload: r.clip(reply.Name, MaxNameBytes),
		Raw: r.whole(strings.ToValidUTF8(answers, "\uFFFD"), MaxRawBytes),
	}, true
}

func (r *reader) callPermission(raw json.RawMessage) (engine.Content, bool) {
	var reply struct {
		Response lenientString `json:"response"`
	}
	if !object(raw, &reply) || reply.Response != "accept" && reply.Response != "reject" {
		return engine.Content{}, false
	}
	return engine.Content{Kind: engine.ContentCallPermission, Payload: string(reply.Response)}, true
}
