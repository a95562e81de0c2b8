package whatsapp

import (
	"encoding/json"

	"github.com/intervenehq/intervene/engine"
)

// statusStates are the statuses that say how far a send has come.
var statusStates = map[string]engine.DeliveryState{
	"sent":      engine.Sent,
	"delivered": engine.Delivered,
	"read":      engine.Read,
	"played":    engine.Played,
	"failed":    engine.Failed,
}

var statusEvents = map[engine.DeliveryState]eventKind{
	engine.Sent:      eventStatusSent,
	engine.Delivered: eventStatusDelivered,
	engine.Read:      eventStatusRead,
	engine.Played:    eventStatusPlayed,
	engine.Failed:    eventStatusFailed,
}

// otherStatusTypes have statuses that are no message's, under the same words: of
// a payment that failed, the message arrived.
var otherStatusTypes = map[lenientString]bool{"payment": true, "call": true}

// status is what became of a send
// (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status).
func (d *delivery) status(raw json.RawMessage, channel Channel) {
	var status struct {
		ID, Type, Status, Timestamp, Opaque lenientString
		Errors                              json.RawMessage
	}
	if !members(raw, func(name string, value json.RawMessage) {
		switch name {
		case "id":
			status.ID = lenient(value)
		case "type":
			status.Type = lenient(value)
		case "status":
			status.Status = lenient(value)
		case "timestamp":
			status.Timestamp = lenient(value)
		case "biz_opaque_callback_data":
			status.Opaque = lenient(value)
		case "errors":
			status.Errors = value
		}
	}) {
		d.odd(oddStatus, notAnObject, 1)
		return
	}
	state, known := statusStates[string(status.Status)]
	at, timed := instant(status.Timestamp)
	switch {
	case status.Status == "deleted":
		d.events[eventStatusDeleted]++
		return
	case !known || otherStatusTypes[status.Type]:
		d.odd(oddStatus, unknownStatus, 1)
		return
	case status.ID == "":
		d.odd(oddStatus, missingID, 1)
		return
	case len(status.ID) > MaxExternalBytes:
		d.odd(oddStatus, oversizedID, 1)
		return
	case !timed:
		d.odd(oddStatus, badTimestamp, 1)
		return
	}
	d.events[statusEvents[state]]++
	code, detail := firstError(status.Errors)
	d.items = append(d.items, engine.Inbound{
		Workspace: channel.Workspace,
		Channel:   channel.ID,
		Status: &engine.Status{
			External: string(status.ID), Op: opID(status.Opaque), State: state, Error: code, Detail: detail, At: at,
		},
	})
}

// opID is the ID that a send of ours carried along. What others sent over the
// same number carries theirs, or nothing.
func opID(opaque lenientString) engine.MessageID {
	id, err := engine.ParseMessageID(string(opaque))
	if err != nil {
		return engine.MessageID{}
	}
	return id
}
