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

const (
	eventStatusSent      eventKind = "status_sent"
	eventStatusDelivered eventKind = "status_delivered"
	eventStatusRead      eventKind = "status_read"
	eventStatusPlayed    eventKind = "status_played"
	eventStatusFailed    eventKind = "status_failed"
	eventStatusDeleted   eventKind = "status_deleted" // counted, and nothing more
)

var statusEvents = map[engine.DeliveryState]eventKind{
	engine.Sent:      eventStatusSent,
	engine.Delivered: eventStatusDelivered,
	engine.Read:      eventStatusRead,
	engine.Played:    eventStatusPlayed,
	engine.Failed:    eventStatusFailed,
}

func (d *delivery) status(raw json.RawMessage, channel Channel) {
	var status struct {
		ID        lenientString   `json:"id"`
		Status    lenientString   `json:"status"`
		Timestamp lenientString   `json:"timestamp"`
		Errors    json.RawMessage `json:"errors"`
		Opaque    lenientString   `json:"biz_opaque_callback_data"`
	}
	if !object(raw, &status) {
		d.odd(oddStatus, notAnObject, 1)
		return
	}
	state, known := statusStates[string(status.Status)]
	at, timed := instant(status.Timestamp)
	switch {
	case status.Status == "deleted":
		d.events[eventStatusDeleted]++
		return
	case !known:
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
	d.items = append(d.items, engine.Inbound{
		Workspace: channel.Workspace,
		Channel:   channel.ID,
		Status: &engine.Status{
			External: string(status.ID), Op: opID(status.Opaque), State: state, Error: firstError(status.Errors), At: at,
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

// firstError is the code of the first error that Meta lists, 0 if it lists none.
func firstError(raw json.RawMessage) int32 {
	errs, ok := list(raw)
	if !ok || len(errs) == 0 {
		return 0
	}
	var first struct {
		Code int32 `json:"code"`
	}
	if !object(errs[0], &first) {
		return 0
	}
	return first.Code
}
