package journaltest

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// The world of the suite: two workspaces of one shard.
const (
	Shard     engine.Shard       = 7
	Workspace engine.WorkspaceID = "acme"
	Channel   engine.ChannelID   = "acme-main"
	Other     engine.WorkspaceID = "acme2"
	OtherChan engine.ChannelID   = "acme2-main"
	Asha      engine.AgentID     = "asha"
)

// ConversationID is the nth conversation of the shard.
func ConversationID(n uint64) engine.ConversationID {
	var random [14]byte
	binary.BigEndian.PutUint64(random[:], n*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint32(random[8:], uint32(n))
	return engine.NewConversationID(Shard, random)
}

// Writer is one conversation, written as its actor writes it: decided,
// appended, applied.
type Writer struct {
	Journal      Journal
	Conversation engine.Conversation
	Now          engine.Instant
	// Contact is who writes.
	Contact   engine.Contact
	Workspace engine.WorkspaceID
	Channel   engine.ChannelID
	items     int
}

// NewWriter is the nth conversation, which has no event yet.
func NewWriter(j Journal, n uint64) *Writer {
	return &Writer{
		Journal: j, Conversation: engine.Conversation{ID: ConversationID(n)}, Now: Start,
		Contact:   engine.Contact{Name: fmt.Sprintf("customer %d", n), WaID: fmt.Sprintf("99900%06d", n)},
		Workspace: Workspace, Channel: Channel,
	}
}

// Prepare decides cmd and makes the append of what comes of it, which may hold
// no event. A refusal may leave events too.
func (w *Writer) Prepare(cmd engine.Command) (a engine.Append, refusal error) {
	events, refusal := engine.Decide(&w.Conversation, cmd, engine.Policy{AutoResolveAfter: 24 * time.Hour}, w.Now)
	return w.AppendOf(events...), refusal
}

// AppendOf is the append of events to the conversation as it stands.
func (w *Writer) AppendOf(events ...engine.Event) engine.Append {
	before := w.Conversation.Index()
	next := w.Conversation.Clone()
	for i := range events {
		next.Apply(&events[i])
	}
	return engine.Append{
		Conversation: w.Conversation.ID, Expected: w.Conversation.Version, Events: events, Before: before, After: &next,
	}
}

// Commit appends a and takes it over once it is durable.
func (w *Writer) Commit(a engine.Append) (engine.Change, error) {
	change, err := w.Journal.Append(a)
	if err == nil {
		w.Conversation = *a.After
	}
	return change, err
}

// Do gives the conversation a command that must change it.
func (w *Writer) Do(t *testing.T, by engine.Party, body engine.CommandBody) engine.Change {
	t.Helper()
	return w.Give(t, engine.Command{Workspace: w.Workspace, By: by, Body: body})
}

// Give gives the conversation a command that must change it.
func (w *Writer) Give(t *testing.T, cmd engine.Command) engine.Change {
	t.Helper()
	a, refusal := w.Prepare(cmd)
	if len(a.Events) == 0 {
		t.Fatalf("%T: got no events and refusal %v, want events", cmd.Body, refusal)
	}
	change, err := w.Commit(a)
	if err != nil {
		t.Fatalf("append %T: got error %v, want none", cmd.Body, err)
	}
	return change
}

// Receive is a new message of the customer, sent now.
func (w *Writer) Receive(text string) engine.Receive {
	w.items++
	return engine.Receive{
		Channel: w.Channel, Contact: w.Contact,
		External: fmt.Sprintf("wamid.%s.%d", w.Conversation.ID, w.items),
		SentAt:   w.Now, Content: Text(text),
	}
}

// Text is a text message.
func Text(text string) engine.Content {
	return engine.Content{Kind: engine.ContentText, Text: text}
}

// Parties of the suite.
var (
	Customer   = engine.Party{Kind: engine.Customer}
	Bot        = engine.Party{Kind: engine.Bot, ID: "bot"}
	Agent      = engine.Party{Kind: engine.Agent, ID: Asha}
	Supervisor = engine.Party{Kind: engine.Supervisor, ID: "sam"}
	Engine     = engine.Party{Kind: engine.Engine}
)

// Chat lets customer and bot write to each other n times, the bot's message
// going all the way to read.
func (w *Writer) Chat(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		w.Do(t, Customer, w.Receive(fmt.Sprintf("question %d", i)))
		w.Answer(t, fmt.Sprintf("answer %d", i))
		w.Deliver(t)
		w.Now = w.Now.Add(20 * time.Second)
	}
}

// Answer is the bot's answer to the turn that is owed.
func (w *Writer) Answer(t *testing.T, text string) engine.Change {
	t.Helper()
	return w.Give(t, engine.Command{Workspace: w.Workspace, By: Bot, Epoch: w.Conversation.Epoch, Body: engine.AnswerTurn{
		From: w.Conversation.Turn.From, Through: w.Conversation.Version, Say: []engine.Content{Text(text)},
	}})
}

// Deliver sends the oldest queued message: attempted, accepted, sent.
func (w *Writer) Deliver(t *testing.T) engine.MessageID {
	t.Helper()
	if len(w.Conversation.Sends) == 0 {
		t.Fatal("deliver: got no send, want one")
	}
	send := w.Conversation.Sends[0]
	w.Now = max(w.Now, w.Conversation.SendDue())
	w.Do(t, Engine, engine.AttemptSend{})
	id := engine.MessageID{Conversation: w.Conversation.ID, Version: send.Version}
	external := "wamid.out." + id.String()
	w.Do(t, Engine, engine.RecordAttempt{
		Send: send.Version, Attempt: send.Attempt + 1, Result: engine.AttemptResult{State: engine.Accepted, External: external},
	})
	w.Status(t, id, engine.Sent, external)
	return id
}

// Status is a report of the platform.
func (w *Writer) Status(t *testing.T, id engine.MessageID, state engine.DeliveryState, external string) {
	t.Helper()
	known, err := w.Journal.Delivery(id)
	if err != nil {
		t.Fatalf("delivery: got error %v, want none", err)
	}
	w.Do(t, Engine, engine.RecordStatus{Send: id.Version, State: state, External: external, Known: known})
}
