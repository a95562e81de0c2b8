package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
)

// fields are one JSON object. Names are the record's, and stay.
type fields map[string]any

// Dump writes the events of a conversation of the journal in dir to w, or with
// the zero ID those of all, one after the other: one JSON object a line, oldest
// first. It holds everything that was said: treat it so. The engine must be
// stopped, or dir be a checkpoint.
func Dump(dir string, fs vfs.FS, id engine.ConversationID, w io.Writer) (err error) {
	return inspected(dir, fs, w, func(in *inspection, lines *json.Encoder) error {
		found := false
		lower, upper := conversationKey(nil, spaceConversation, id, 0), headKey(nil, id)
		if id.IsZero() {
			lower = shardKey(nil, spaceConversation, in.shard)
			upper = afterAll(lower)
		}
		err := scan(in.db, lower, upper, func(key, value []byte) (bool, error) {
			version := conversationKeyNumber(key)
			if version == headVersion {
				return true, nil
			}
			found = true
			e, _, err := decodeEvent(version, value)
			if err != nil {
				return false, err
			}
			return true, lines.Encode(dumped(conversationKeyID(key), &e))
		})
		if err == nil && !found && !id.IsZero() {
			err = &engine.Error{Code: engine.CodeNotFound}
		}
		return err
	})
}

// DumpConversations writes a line for each conversation of the journal in dir:
// its ID, version, workspace, channel and column.
func DumpConversations(dir string, fs vfs.FS, w io.Writer) error {
	return inspected(dir, fs, w, func(in *inspection, lines *json.Encoder) error {
		prefix := shardKey(nil, spaceConversation, in.shard)
		return scan(in.db, prefix, afterAll(prefix), func(key, value []byte) (bool, error) {
			if conversationKeyNumber(key) != headVersion {
				return true, nil
			}
			card, _, err := decodeCard(conversationKeyID(key), value)
			if err != nil {
				return false, err
			}
			return true, lines.Encode(fields{
				"conversation": card.Conversation.String(), "version": card.Version, "workspace": card.Workspace,
				"channel": card.Channel, "column": card.Column.String(), "last_activity": instant(card.LastActivity),
			})
		})
	})
}

func inspected(dir string, fs vfs.FS, w io.Writer, use func(*inspection, *json.Encoder) error) (err error) {
	in, err := inspect(dir, fs)
	if err != nil {
		return fmt.Errorf("dump: %w", err)
	}
	defer func() { err = errors.Join(err, in.close()) }()
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	if err := use(in, lines); err != nil {
		return fmt.Errorf("dump: %w", err)
	}
	return nil
}

func instant(i engine.Instant) any {
	if i == 0 {
		return nil
	}
	return i.Time().Format(time.RFC3339Nano)
}

func dumped(id engine.ConversationID, e *engine.Event) fields {
	line := fields{
		"conversation": id.String(), "version": e.Version, "at": instant(e.At), "kind": e.Body.Kind().String(),
		"by": fields{"kind": e.By.Kind.String(), "id": e.By.ID}, "body": dumpedBody(e.Body),
	}
	if !e.Command.IsZero() {
		line["command"], line["digest"] = e.Command.String(), fmt.Sprintf("%x", e.Digest)
	}
	return line
}

func dumpedBody(body engine.Body) fields {
	switch b := body.(type) {
	case engine.Opened:
		return fields{"workspace": b.Workspace, "channel": b.Channel, "contact": dumpedContact(b.Contact)}
	case engine.ContactChanged:
		return fields{"contact": dumpedContact(b.Contact)}
	case engine.MessageReceived:
		return fields{
			"external": b.External, "sent_at": instant(b.SentAt), "content": dumpedContent(b.Content), "reply_to": b.ReplyTo,
		}
	case engine.MessageQueued:
		return fields{"content": dumpedContent(b.Content), "epoch": b.Epoch}
	case engine.DeliveryChanged:
		return fields{
			"send": b.Send, "state": b.State.String(), "attempt": b.Attempt, "external": b.External,
			"error": b.Error, "not_before": instant(b.NotBefore),
		}
	case engine.Moved:
		return fields{
			"to": b.To.String(), "cause": b.Cause.String(), "holder": b.Holder, "reason": b.Reason,
			"auto_resolve_at": instant(b.AutoResolveAt),
		}
	case engine.TurnEnded:
		return fields{
			"through": b.Through, "failed": b.Failed, "sets_variables": b.Variables != nil, "variables": dumpedVariables(b.Variables),
		}
	case engine.BotDiscarded:
		return fields{"content": dumpedContent(b.Content), "epoch": b.Epoch, "reason": b.Reason.String()}
	case engine.NoteAdded:
		return fields{"body": b.Body}
	case engine.Tagged:
		return fields{"tags": append([]string{}, b.Tags...)}
	case engine.TimerArmed:
		return fields{"timer": b.Timer.String(), "at": instant(b.At)}
	}
	return fields{} // the rest say all by their kind
}

func dumpedContact(c engine.Contact) fields {
	return fields{"name": c.Name, "wa_id": c.WaID, "user_id": c.UserID}
}

func dumpedContent(c engine.Content) fields {
	return fields{"kind": c.Kind.String(), "text": c.Text, "payload": c.Payload, "raw": c.Raw}
}

func dumpedVariables(vars []engine.Variable) []fields {
	list := []fields{}
	for _, v := range vars {
		list = append(list, fields{"name": v.Name, "value": v.Value})
	}
	return list
}
