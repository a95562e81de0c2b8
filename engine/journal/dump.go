package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

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
	if e.Trace != "" {
		line["trace"] = fmt.Sprintf("%x", e.Trace)
	}
	return line
}

func dumpedBody(body engine.Body) fields {
	switch b := body.(type) {
	case engine.Opened:
		return fields{"workspace": b.Workspace, "channel": b.Channel, "contact": dumpedContact(b.Contact)}
	case engine.ContactChanged:
		return fields{"contact": dumpedContact(b.Contact), "external": b.External, "sent_at": instant(b.SentAt)}
	case engine.MessageReceived:
		return fields{
			"external": b.External, "sent_at": instant(b.SentAt), "content": dumpedContent(b.Content), "reply_to": b.ReplyTo,
			"context": dumpedRecord(messageContext(b.Context)),
		}
	case engine.MessageQueued:
		return fields{
			"content": dumpedContent(b.Content), "epoch": b.Epoch, "reply_to": b.ReplyTo,
			"repeatable": b.Repeatable, "resend_of": b.ResendOf,
		}
	case engine.DeliveryChanged:
		return fields{
			"send": b.Send, "state": b.State.String(), "attempt": b.Attempt, "external": b.External,
			"error": b.Error, "not_before": instant(b.NotBefore), "detail": b.Detail, "held": b.Held, "repeated": b.Repeated,
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
	return dumpedSeldom(body)
}

func dumpedSeldom(body engine.Body) fields {
	switch b := body.(type) {
	case engine.Amended:
		return fields{
			"external": b.External, "sent_at": instant(b.SentAt), "target": b.Target, "what": b.What.String(),
			"content": dumpedContent(b.Content),
		}
	case engine.EchoReceived:
		return fields{
			"external": b.External, "sent_at": instant(b.SentAt), "content": dumpedContent(b.Content), "reply_to": b.ReplyTo,
			"muted_until": instant(b.MutedUntil),
		}
	case engine.ContactLinked:
		return fields{"other": b.Other.String()}
	case engine.ConsentChanged:
		return fields{"consent": b.Consent.String()}
	case engine.MediaChanged:
		return fields{
			"message": b.Message, "state": b.State.String(), "blob": b.Blob, "bytes": b.Bytes, "attempt": b.Attempt,
			"not_before": instant(b.NotBefore),
		}
	case engine.Trimmed:
		return fields{"oldest_kept": b.OldestKept}
	case engine.TurnAccepted:
		return fields{"through": b.Through, "until": instant(b.Until)}
	}
	return fields{} // the rest say all by their kind
}

func dumpedContact(c engine.Contact) fields {
	return fields{"name": c.Name, "wa_id": c.WaID, "user_id": c.UserID, "parent_user_id": c.ParentUserID}
}

// dumpedContent shows what texts have, and anything else that is there.
func dumpedContent(c engine.Content) fields {
	line := fields{"kind": c.Kind.String(), "text": c.Text, "payload": c.Payload, "raw": c.Raw}
	if c.Error != 0 {
		line["error"] = c.Error
	}
	if len(c.Contacts) > 0 {
		cards := []fields{}
		for i := range c.Contacts {
			cards = append(cards, dumpedRecord(contactCard(&c.Contacts[i])))
		}
		line["contacts"] = cards
	}
	for name, m := range map[string]proto.Message{
		"media": media(c.Media), "location": location(c.Location), "order": order(c.Order), "menu": menu(c.Menu), "template": template(c.Template),
	} {
		if detail := dumpedRecord(m); detail != nil {
			line[name] = detail
		}
	}
	return line
}

// dumpedRecord shows every field of m that is set, by its name in record.proto.
// It is nil when m is.
func dumpedRecord(m proto.Message) fields {
	r := m.ProtoReflect()
	if !r.IsValid() {
		return nil
	}
	line := fields{}
	r.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(field.Name())
		switch {
		case field.IsList():
			list := []fields{}
			for i := range v.List().Len() {
				list = append(list, dumpedRecord(v.List().Get(i).Message().Interface()))
			}
			line[name] = list
		case field.Message() != nil:
			line[name] = dumpedRecord(v.Message().Interface())
		default:
			line[name] = v.Interface()
		}
		return true
	})
	return line
}

func dumpedVariables(vars []engine.Variable) []fields {
	list := []fields{}
	for _, v := range vars {
		list = append(list, fields{"name": v.Name, "value": v.Value})
	}
	return list
}
