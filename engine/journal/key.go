package journal

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/intervenehq/intervene/engine"
)

// space is the first byte of a key: what sort of row it is. The numbers are on
// disk: never reordered, never reused. docs/JOURNAL.md holds the table.
type space byte

const (
	spaceMeta         space = 0x01 // name
	spaceConversation space = 0x10 // conversation, version; the head's version is all ones
	spaceSnapshot     space = 0x11 // conversation, version / snapshotInterval
	spaceDelivery     space = 0x12 // conversation, version of the send
	spaceParked       space = 0x13 // conversation, hash of the item
	spaceAmendment    space = 0x14 // conversation, hash of the message's external
	spaceMedia        space = 0x15 // conversation, version of the message
	spaceClaimed      space = 0x16 // conversation, hash of channel, kind and value
	spacePurge        space = 0x17 // conversation
	spaceLog          space = 0x20 // shard, offset
	spaceDedupe       space = 0x21 // shard, minute, hash of channel and external
	spaceExternal     space = 0x22 // shard, generation, hash of channel and external
	spaceIdentity     space = 0x23 // shard, hash of channel, kind and value
	spaceEarly        space = 0x24 // shard, day, hash of channel and external, state
	spaceBoard        space = 0x30 // shard, workspace, column, order, conversation
	spaceHistory      space = 0x31 // shard, workspace, order, conversation
	spaceDeadLetter   space = 0x32 // shard, workspace, instant, conversation, version of the send
	spaceDue          space = 0x40 // shard, kind, instant, conversation
	spaceHeld         space = 0x41 // shard, kind, conversation
)

var spaceNames = map[space]string{
	spaceMeta: "meta", spaceConversation: "event", spaceSnapshot: "snapshot", spaceDelivery: "delivery",
	spaceLog: "log", spaceDedupe: "dedupe", spaceExternal: "external", spaceIdentity: "identity",
	spaceParked: "parked", spaceBoard: "board", spaceHistory: "history", spaceDue: "due",
	spaceAmendment: "amendment", spaceMedia: "media", spaceClaimed: "claimed", spaceEarly: "early", spaceDeadLetter: "dead letter",
	spacePurge: "purge", spaceHeld: "held",
}

func (s space) String() string { return spaceNames[s] }

const (
	// headVersion sorts a head directly after the newest event.
	headVersion = ^uint64(0)
	// maxKeyPart bounds what of a caller's string may stand in a key.
	maxKeyPart = 4096
	// idBytes is the size of a conversation's ID, which begins with its shard.
	idBytes = len(engine.ConversationID{})
)

// conversationKey appends the key of one of a conversation's own rows. The ID
// begins with its shard, so that the shard's rows stand together here too.
func conversationKey(key []byte, s space, id engine.ConversationID, n uint64) []byte {
	key = append(key, byte(s))
	key = append(key, id[:]...)
	return binary.BigEndian.AppendUint64(key, n)
}

// conversationRange begins all keys of one space that a conversation has.
func conversationRange(key []byte, s space, id engine.ConversationID) []byte {
	return append(append(key, byte(s)), id[:]...)
}

// hashKey appends the key of one of a conversation's rows that stands under a hash.
func hashKey(key []byte, s space, id engine.ConversationID, d digest) []byte {
	return append(conversationRange(key, s, id), d[:]...)
}

func headKey(key []byte, id engine.ConversationID) []byte {
	return conversationKey(key, spaceConversation, id, headVersion)
}

// conversationKeyNumber is n of a key that conversationKey made.
func conversationKeyNumber(key []byte) uint64 { return binary.BigEndian.Uint64(key[1+idBytes:]) }

func conversationKeyID(key []byte) engine.ConversationID {
	return engine.ConversationID(key[1 : 1+idBytes])
}

// shardKey begins the key of a row that belongs to a whole shard.
func shardKey(key []byte, s space, shard engine.Shard) []byte {
	key = append(key, byte(s))
	return binary.BigEndian.AppendUint16(key, uint16(shard))
}

func logKey(key []byte, shard engine.Shard, offset uint64) []byte {
	return binary.BigEndian.AppendUint64(shardKey(key, spaceLog, shard), offset)
}

func logKeyOffset(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

// appendPart appends a string of any length and content so that no part runs
// into the next and a prefix of parts is an exact range.
func appendPart(key []byte, part string) []byte {
	key = binary.BigEndian.AppendUint16(key, uint16(len(part)))
	return append(key, part...)
}

// cutPart takes what appendPart appended off the front of key.
func cutPart(key []byte) (part string, rest []byte, ok bool) {
	if len(key) < 2 {
		return "", nil, false
	}
	n := int(binary.BigEndian.Uint16(key))
	if len(key) < 2+n {
		return "", nil, false
	}
	return string(key[2 : 2+n]), key[2+n:], true
}

// appendNumber appends a signed number so that keys sort by it.
func appendNumber(key []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(key, uint64(n)^(1<<63))
}

func numberOf(key []byte) int64 { return int64(binary.BigEndian.Uint64(key) ^ (1 << 63)) }

// digest is what stands in a key in place of something that names a person or
// has any length: keys show up in Pebble's messages.
type digest [16]byte

// digestOf hashes parts so that no two lists of parts hash the same bytes.
func digestOf(s space, parts ...string) digest {
	buf := make([]byte, 0, 256)
	buf = append(buf, byte(s))
	for _, part := range parts {
		buf = binary.AppendUvarint(buf, uint64(len(part)))
		buf = append(buf, part...)
	}
	sum := sha256.Sum256(buf)
	return digest(sum[:len(digest{})])
}

// dedupeKey is where an item that the platform names external stands, if it is
// looked for under minute.
func dedupeKey(key []byte, shard engine.Shard, minute int64, d digest) []byte {
	key = appendNumber(shardKey(key, spaceDedupe, shard), minute)
	return append(key, d[:]...)
}

func externalDigest(channel engine.ChannelID, external string) digest {
	return digestOf(spaceDedupe, string(channel), external)
}

// sendKey is where the platform's ID of a send stands.
func sendKey(key []byte, shard engine.Shard, generation int64, channel engine.ChannelID, external string) []byte {
	key = appendNumber(shardKey(key, spaceExternal, shard), generation)
	d := digestOf(spaceExternal, string(channel), external)
	return append(key, d[:]...)
}

func identityDigest(channel engine.ChannelID, id engine.Identity) digest {
	return digestOf(spaceIdentity, string(channel), string(rune(id.Kind)), id.Value)
}

func identityKey(key []byte, shard engine.Shard, d digest) []byte {
	return append(shardKey(key, spaceIdentity, shard), d[:]...)
}

// columnRange begins all keys of one column of a workspace.
func columnRange(key []byte, shard engine.Shard, workspace engine.WorkspaceID, column engine.Column) []byte {
	if column == engine.History {
		return appendPart(shardKey(key, spaceHistory, shard), string(workspace))
	}
	key = appendPart(shardKey(key, spaceBoard, shard), string(workspace))
	return append(key, byte(column))
}

// newestFirst reports whether a column is read from the greatest order down.
func newestFirst(c engine.Column) bool { return c == engine.Active || c == engine.History }

// rowKey is where a conversation stands in its column.
func rowKey(key []byte, shard engine.Shard, id engine.ConversationID, i *engine.Index) []byte {
	key = columnRange(key, shard, i.Workspace, i.Column)
	order := int64(i.Order)
	if newestFirst(i.Column) {
		order = ^order
	}
	return append(appendNumber(key, order), id[:]...)
}

// parseRowKey reads what rowKey wrote.
func parseRowKey(key []byte) (engine.BoardRow, bool) {
	var row engine.BoardRow
	if len(key) < 3 {
		return row, false
	}
	s := space(key[0])
	workspace, rest, ok := cutPart(key[3:])
	if !ok {
		return row, false
	}
	row.Index.Workspace, row.Index.Column = engine.WorkspaceID(workspace), engine.History
	if s == spaceBoard {
		if len(rest) == 0 {
			return row, false
		}
		row.Index.Column, rest = engine.Column(rest[0]), rest[1:]
	}
	if len(rest) != 8+idBytes || (s == spaceBoard) != row.Index.Column.OnBoard() {
		return row, false
	}
	order := numberOf(rest)
	if newestFirst(row.Index.Column) {
		order = ^order
	}
	row.Index.Order = engine.Instant(order)
	row.Conversation = engine.ConversationID(rest[8:])
	return row, true
}

func dueRange(key []byte, shard engine.Shard, kind engine.DueKind) []byte {
	return append(shardKey(key, spaceDue, shard), byte(kind))
}

func dueKey(key []byte, shard engine.Shard, kind engine.DueKind, at engine.Instant, id engine.ConversationID) []byte {
	return append(appendNumber(dueRange(key, shard, kind), int64(at)), id[:]...)
}

// parseDueKey reads what dueKey wrote.
func parseDueKey(key []byte) (engine.DueItem, bool) {
	if len(key) != 1+2+1+8+idBytes {
		return engine.DueItem{}, false
	}
	return engine.DueItem{
		Kind: engine.DueKind(key[3]), At: engine.Instant(numberOf(key[4:])),
		Conversation: engine.ConversationID(key[12:]),
	}, true
}

func heldKey(key []byte, shard engine.Shard, kind engine.DueKind, id engine.ConversationID) []byte {
	return append(append(shardKey(key, spaceHeld, shard), byte(kind)), id[:]...)
}

// parseHeldKey reads what heldKey wrote.
func parseHeldKey(key []byte) (kind engine.DueKind, id engine.ConversationID, ok bool) {
	if len(key) != 1+2+1+idBytes {
		return 0, engine.ConversationID{}, false
	}
	return engine.DueKind(key[3]), engine.ConversationID(key[4:]), true
}

// afterAll is the smallest key greater than all that begin with prefix.
func afterAll(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
