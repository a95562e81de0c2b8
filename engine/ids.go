package engine

import (
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

type (
	// WorkspaceID names one business, the tenant.
	WorkspaceID string
	// ChannelID names one WhatsApp number of one workspace.
	ChannelID string
	// AgentID names whoever may hold a conversation: an agent or a supervisor.
	AgentID string
	// Shard owns whole channels with everything on them.
	Shard uint16
)

// ConversationID is random and carries its shard; it says nothing about the
// contact, so it may stand in logs and URLs.
type ConversationID [16]byte

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// NewConversationID makes an ID of shard from random bytes that the caller drew.
func NewConversationID(shard Shard, random [14]byte) ConversationID {
	var id ConversationID
	binary.BigEndian.PutUint16(id[:2], uint16(shard))
	copy(id[2:], random[:])
	return id
}

// ParseConversationID reads what String wrote.
func ParseConversationID(s string) (ConversationID, error) {
	var id ConversationID
	if len(s) != idEncoding.EncodedLen(len(id)) {
		return ConversationID{}, fmt.Errorf("conversation id has %d characters, want %d", len(s), idEncoding.EncodedLen(len(id)))
	}
	if _, err := idEncoding.Decode(id[:], []byte(s)); err != nil {
		return ConversationID{}, fmt.Errorf("conversation id: %w", err)
	}
	if id.String() != s {
		return ConversationID{}, fmt.Errorf("conversation id is not in its canonical form")
	}
	return id, nil
}

func (id ConversationID) String() string { return idEncoding.EncodeToString(id[:]) }

// Shard is the shard that owns the conversation.
func (id ConversationID) Shard() Shard { return Shard(binary.BigEndian.Uint16(id[:2])) }

// IsZero reports that id names no conversation.
func (id ConversationID) IsZero() bool { return id == ConversationID{} }

// MessageID names a message by the event that made it. It is also the op id
// that a send carries to WhatsApp and back.
type MessageID struct {
	Conversation ConversationID
	Version      uint64
}

// ParseMessageID reads what String wrote.
func ParseMessageID(s string) (MessageID, error) {
	head, tail, ok := strings.Cut(s, ".")
	if !ok {
		return MessageID{}, fmt.Errorf("message id has no version")
	}
	conversation, err := ParseConversationID(head)
	if err != nil {
		return MessageID{}, fmt.Errorf("message id: %w", err)
	}
	version, err := strconv.ParseUint(tail, 10, 64)
	if err != nil || version == 0 || strconv.FormatUint(version, 10) != tail {
		return MessageID{}, fmt.Errorf("message id has a malformed version")
	}
	return MessageID{conversation, version}, nil
}

func (id MessageID) String() string {
	return id.Conversation.String() + "." + strconv.FormatUint(id.Version, 10)
}

// CommandID is the UUID that a caller gives a command, so that a retry of it
// has one effect. The zero value means that the command has none.
type CommandID [16]byte

// IsZero reports that the command carries no ID.
func (id CommandID) IsZero() bool { return id == CommandID{} }

func (id CommandID) String() string { return hex.EncodeToString(id[:]) }

// Digest is a hash of a command's whole payload and of who gave it: what tells
// a retry from another command under the same ID.
type Digest [16]byte
