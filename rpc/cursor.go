package rpc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"

	"github.com/intervenehq/intervene/engine"
)

// cursorKey authenticates what callers carry from one call to the next. A
// cursor grants nothing: the key is there so that one of another journal,
// workspace or list is noticed instead of misread, and follows from the
// journal's identity alone, so that cursors outlive restarts.
type cursorKey [sha256.Size]byte

const (
	// cursorVersion begins every cursor: another layout takes another number.
	cursorVersion  = 1
	cursorMACBytes = 16
)

func newCursorKey(journal [16]byte) cursorKey {
	return sha256.Sum256(append([]byte("intervene cursor "), journal[:]...))
}

// name is the journal's for clients, to whom its identity is nothing.
func (k cursorKey) name() string { return hex.EncodeToString(k.mac([]byte("name"))) }

// mac is over parts, each with its length, so that no two lists are alike.
func (k cursorKey) mac(parts ...[]byte) []byte {
	h := hmac.New(sha256.New, k[:])
	var size [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write(part)
	}
	return h.Sum(nil)[:cursorMACBytes]
}

// resumeToken names the journal and everything of q that shapes a board. The
// position is in the versions that the caller knows, not in the token.
func (k cursorKey) resumeToken(q *engine.BoardQuery) []byte {
	columns := make([]byte, len(q.Columns))
	for i, c := range q.Columns {
		columns[i] = byte(c)
	}
	parts := append([][]byte{[]byte("board"), []byte(q.Workspace), columns}, filterParts(q.Filter)...)
	mac := k.mac(append(parts, binary.BigEndian.AppendUint32(nil, uint32(q.Window)))...)
	return append([]byte{cursorVersion}, mac...)
}

func filterParts(f engine.BoardFilter) [][]byte {
	var unassigned byte
	if f.Unassigned {
		unassigned = 1
	}
	return [][]byte{[]byte(f.Holder), {unassigned}, []byte(f.Channel), []byte(f.Tag)}
}

// resumes reports whether token is the one that was made.
func (k cursorKey) resumes(token, made []byte) bool { return hmac.Equal(token, made) }

// conversationToken names the journal and one conversation: versions mean
// nothing elsewhere.
func (k cursorKey) conversationToken(id engine.ConversationID) []byte {
	return append([]byte{cursorVersion}, k.mac([]byte("conversation"), id[:])...)
}

// pageToken seals position, which is a place in list and nowhere else.
func (k cursorKey) pageToken(position []byte, list ...[]byte) string {
	token := append([]byte{cursorVersion}, position...)
	token = append(token, k.mac(append(list, position)...)...)
	return base64.RawURLEncoding.EncodeToString(token)
}

// position is what pageToken sealed for list, or false.
func (k cursorKey) position(token string, size int, list ...[]byte) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 1+size+cursorMACBytes || raw[0] != cursorVersion {
		return nil, false
	}
	position := raw[1 : 1+size]
	return position, hmac.Equal(raw[1+size:], k.mac(append(list, position)...))
}

// A place in a column: the order, then the conversation.
const rowBytes = 8 + len(engine.ConversationID{})

func (k cursorKey) rowToken(ws engine.WorkspaceID, column engine.Column, filter engine.BoardFilter, row engine.BoardRow) string {
	position := binary.BigEndian.AppendUint64(nil, uint64(row.Index.Order))
	position = append(position, row.Conversation[:]...)
	return k.pageToken(position, columnList(ws, column, filter)...)
}

func (k cursorKey) row(token string, ws engine.WorkspaceID, column engine.Column, filter engine.BoardFilter) (engine.BoardRow, bool) {
	position, ok := k.position(token, rowBytes, columnList(ws, column, filter)...)
	if !ok {
		return engine.BoardRow{}, false
	}
	row := engine.BoardRow{Conversation: engine.ConversationID(position[8:])}
	row.Index.Order = engine.Instant(binary.BigEndian.Uint64(position))
	return row, true
}

func columnList(ws engine.WorkspaceID, column engine.Column, filter engine.BoardFilter) [][]byte {
	return append([][]byte{[]byte("column"), []byte(ws), {byte(column)}}, filterParts(filter)...)
}

// A place that is a number: the version of a message, or a place in a list.
const placeBytes = 8

func (k cursorKey) placeToken(place uint64, list ...[]byte) string {
	return k.pageToken(binary.BigEndian.AppendUint64(nil, place), list...)
}

func (k cursorKey) place(token string, list ...[]byte) (uint64, bool) {
	position, ok := k.position(token, placeBytes, list...)
	if !ok {
		return 0, false
	}
	return binary.BigEndian.Uint64(position), true
}

func (k cursorKey) versionToken(id engine.ConversationID, version uint64) string {
	return k.placeToken(version, messageList(id)...)
}

func (k cursorKey) version(token string, id engine.ConversationID) (uint64, bool) {
	return k.place(token, messageList(id)...)
}

func messageList(id engine.ConversationID) [][]byte {
	return [][]byte{[]byte("messages"), id[:]}
}

// A place among dead letters: when it died, then the message.
const deadLetterBytes = 8 + len(engine.ConversationID{}) + 8

func (k cursorKey) deadLetterToken(ws engine.WorkspaceID, l engine.DeadLetter) string {
	position := binary.BigEndian.AppendUint64(nil, uint64(l.At))
	position = append(position, l.Message.Conversation[:]...)
	return k.pageToken(binary.BigEndian.AppendUint64(position, l.Message.Version), deadLetterList(ws)...)
}

func (k cursorKey) deadLetter(token string, ws engine.WorkspaceID) (engine.DeadLetter, bool) {
	position, ok := k.position(token, deadLetterBytes, deadLetterList(ws)...)
	if !ok {
		return engine.DeadLetter{}, false
	}
	l := engine.DeadLetter{At: engine.Instant(binary.BigEndian.Uint64(position))}
	l.Message.Conversation = engine.ConversationID(position[8:])
	l.Message.Version = binary.BigEndian.Uint64(position[8+len(l.Message.Conversation):])
	return l, true
}

func deadLetterList(ws engine.WorkspaceID) [][]byte {
	return [][]byte{[]byte("dead letters"), []byte(ws)}
}

// A place of a find: the column, then the place in it.
const findBytes = 1 + rowBytes

func (k cursorKey) findToken(ws engine.WorkspaceID, query string, at findPlace) string {
	position := binary.BigEndian.AppendUint64([]byte{byte(at.column)}, uint64(at.after.Index.Order))
	return k.pageToken(append(position, at.after.Conversation[:]...), findList(ws, query)...)
}

func (k cursorKey) findPlace(token string, ws engine.WorkspaceID, query string) (findPlace, bool) {
	position, ok := k.position(token, findBytes, findList(ws, query)...)
	if !ok {
		return findPlace{}, false
	}
	at := findPlace{column: engine.Column(position[0])}
	at.after.Index.Order = engine.Instant(binary.BigEndian.Uint64(position[1:]))
	at.after.Conversation = engine.ConversationID(position[9:])
	return at, true
}

func findList(ws engine.WorkspaceID, query string) [][]byte {
	return [][]byte{[]byte("find"), []byte(ws), []byte(query)}
}
