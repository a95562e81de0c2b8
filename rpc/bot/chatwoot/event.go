package chatwoot

import (
	"hash/fnv"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// The events that Chatwoot sends agent bots, as far as there is something to tell.
const (
	messageCreated       = "message_created"
	conversationResolved = "conversation_resolved"
)

// The statuses of a conversation, as Chatwoot has them: pending is with the bot,
// open waits for a person or has one.
const (
	statusOpen     = "open"
	statusPending  = "pending"
	statusResolved = "resolved"
	statusSnoozed  = "snoozed"
)

// incoming is message_type within a conversation, where Chatwoot writes numbers.
const (
	incoming = 0
	outgoing = 1
)

// event is what is posted: a messageEvent or a conversationEvent.
type event any

type named struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

type sender struct {
	named
	Type string `json:"type"`
}

type conversation struct {
	AdditionalAttributes struct{}     `json:"additional_attributes"`
	CustomAttributes     struct{}     `json:"custom_attributes"`
	CanReply             bool         `json:"can_reply"`
	Channel              string       `json:"channel"`
	ID                   int64        `json:"id"`
	InboxID              int64        `json:"inbox_id"`
	ContactInbox         contactInbox `json:"contact_inbox"`
	Messages             []message    `json:"messages"`
	Meta                 meta         `json:"meta"`
	Status               string       `json:"status"`
	UnreadCount          int          `json:"unread_count"`
	Timestamp            int64        `json:"timestamp"`
}

type contactInbox struct {
	ID        int64  `json:"id"`
	ContactID int64  `json:"contact_id"`
	InboxID   int64  `json:"inbox_id"`
	SourceID  string `json:"source_id"`
}

type meta struct {
	Sender sender `json:"sender"`
}

// message stands within a conversation, and is what the bot's own is answered with.
type message struct {
	ID                int64          `json:"id"`
	Content           string         `json:"content"`
	AccountID         int64          `json:"account_id"`
	InboxID           int64          `json:"inbox_id"`
	ConversationID    int64          `json:"conversation_id"`
	MessageType       int            `json:"message_type"`
	CreatedAt         int64          `json:"created_at"`
	Private           bool           `json:"private"`
	Status            string         `json:"status"`
	SourceID          *string        `json:"source_id"`
	ContentType       string         `json:"content_type"`
	ContentAttributes map[string]any `json:"content_attributes"`
	Attachments       []attachment   `json:"attachments,omitempty"`
}

// attachment tells that there is a file. The bot is not given it.
type attachment struct {
	FileType string `json:"file_type"`
}

type messageEvent struct {
	Event             string         `json:"event"`
	ID                int64          `json:"id"`
	Content           string         `json:"content"`
	CreatedAt         string         `json:"created_at"`
	MessageType       string         `json:"message_type"`
	ContentType       string         `json:"content_type"`
	Private           bool           `json:"private"`
	ContentAttributes map[string]any `json:"content_attributes"`
	SourceID          *string        `json:"source_id"`
	Sender            sender         `json:"sender"`
	Inbox             named          `json:"inbox"`
	Conversation      conversation   `json:"conversation"`
	Account           named          `json:"account"`
	Attachments       []attachment   `json:"attachments,omitempty"`
}

type conversationEvent struct {
	conversation
	Event string `json:"event"`
}

// events are r in Chatwoot's words, oldest first.
func (b *Bot) events(r *engine.TurnRequest) []event {
	var events []event
	about := b.conversation(r)
	if r.Returned {
		resolved := about
		resolved.Status = statusResolved
		events = append(events, conversationEvent{conversation: resolved, Event: conversationResolved})
	}
	for i := range r.Messages {
		m := b.message(r, &r.Messages[i])
		in := about
		in.Messages, in.UnreadCount, in.Timestamp = []message{m}, 1, m.CreatedAt
		events = append(events, messageEvent{
			Event: messageCreated, ID: m.ID, Content: m.Content, CreatedAt: time.Unix(m.CreatedAt, 0).UTC().Format(time.RFC3339),
			MessageType: "incoming", ContentType: m.ContentType, ContentAttributes: m.ContentAttributes,
			Sender: in.Meta.Sender, Inbox: named{in.InboxID, string(r.Channel)}, Conversation: in,
			Account: named{b.options.Account, string(r.Workspace)}, Attachments: m.Attachments,
		})
	}
	return events
}

func (b *Bot) conversation(r *engine.TurnRequest) conversation {
	number := numberOf(r.ID.Conversation)
	status := statusPending
	if r.Column == engine.Requesting {
		status = statusOpen
	}
	inbox := inboxOf(r.Channel)
	return conversation{
		CanReply: true, Channel: "Channel::Whatsapp", ID: number, InboxID: inbox,
		ContactInbox: contactInbox{ID: number, ContactID: number, InboxID: inbox, SourceID: r.ID.Conversation.String()},
		Messages:     []message{}, Meta: meta{Sender: sender{named{number, r.Contact.Name}, "contact"}}, Status: status,
	}
}

func (b *Bot) message(r *engine.TurnRequest, m *engine.TurnMessage) message {
	wire := message{
		ID: int64(m.Version), Content: m.Content.Text, AccountID: b.options.Account, InboxID: inboxOf(r.Channel),
		ConversationID: numberOf(r.ID.Conversation), MessageType: incoming, CreatedAt: int64(m.At) / 1000, Status: "sent",
		ContentType: "text", ContentAttributes: map[string]any{},
	}
	switch c := &m.Content; {
	case c.Kind == engine.ContentButtonReply && c.Payload != "":
		wire.Content = c.Payload // the value of the item that was chosen
		wire.ContentAttributes["submitted_values"] = []map[string]string{{"title": c.Text, "value": c.Payload}}
	case c.Kind.IsMedia():
		wire.Attachments = []attachment{{fileTypes[c.Kind]}}
	case c.Location != nil:
		wire.Attachments = []attachment{{"location"}}
	case c.Kind == engine.ContentUnsupported || c.Text == "":
		wire.Content = "[" + c.Kind.String() + "]"
	}
	return wire
}

// fileTypes are Chatwoot's names of files.
var fileTypes = map[engine.ContentKind]string{
	engine.ContentImage: "image", engine.ContentSticker: "image", engine.ContentVideo: "video", engine.ContentAudio: "audio", engine.ContentDocument: "file",
}

// inboxOf is a channel's number, which nobody looks up.
func inboxOf(channel engine.ChannelID) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(channel)) // never fails
	return int64(h.Sum32()>>1) + 1
}
