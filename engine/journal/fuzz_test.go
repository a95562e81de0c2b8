package journal

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/fuzztest"
)

// codec is one sort of value: again decodes it and encodes what it was.
type codec struct {
	name  string // as goldenValues name it
	again func(value []byte) ([]byte, error)
}

// codecs are all values that stand in the store.
var codecs = []codec{
	{"event", func(value []byte) ([]byte, error) {
		e, ends, err := decodeEvent(7, value)
		if err != nil {
			return nil, err
		}
		return appendEvent(nil, &e, ends)
	}},
	{"head", func(value []byte) ([]byte, error) {
		card, _, err := decodeCard(engine.ConversationID{1}, value)
		if err != nil {
			return nil, err
		}
		return appendHead(nil, shownAs(&card)), nil
	}},
	{"snapshot", func(value []byte) ([]byte, error) {
		c, err := decodeSnapshot(engine.ConversationID{1}, value)
		if err != nil {
			return nil, err
		}
		return appendRecord(nil, snapshot(&c))
	}},
	{"change", func(value []byte) ([]byte, error) {
		l, err := decodeChange(9, value)
		return appendChange(nil, &l), err
	}},
	{"delivery", func(value []byte) ([]byte, error) {
		d, err := decodeDelivery(value)
		return appendDelivery(nil, &d), err
	}},
	{"board", func(value []byte) ([]byte, error) {
		var row engine.BoardRow
		err := decodeBoardRow(&row, value)
		return appendBoardRow(nil, &row.Index), err
	}},
	{"amendment", func(value []byte) ([]byte, error) {
		a, err := decodeAmendments(value)
		return appendAmendments(nil, &a), err
	}},
	{"media", func(value []byte) ([]byte, error) {
		m, err := decodeMediaStatus(value)
		return appendMediaStatus(nil, &m), err
	}},
	{"parked", func(value []byte) ([]byte, error) {
		p, err := decodeParked(make([]byte, 1+idBytes+len(digest{})), value)
		if err != nil {
			return nil, err
		}
		return appendParked(nil, &p)
	}},
	{"reference", func(value []byte) ([]byte, error) {
		m, err := decodeReference("test", value)
		return appendReference(nil, m.Conversation, m.Version), err
	}},
	{"number", func(value []byte) ([]byte, error) {
		n, err := decodeNumber("test", value)
		return appendNumberRecord(nil, n), err
	}},
}

// shownAs is a conversation whose card is c, but for its window.
func shownAs(c *engine.Card) *engine.Conversation {
	return &engine.Conversation{
		ID: c.Conversation, Workspace: c.Workspace, Channel: c.Channel, Version: c.Version, Column: c.Column, Epoch: c.Epoch,
		Holder: c.Holder, Contact: c.Contact, Preview: c.Preview, Unread: c.Unread, Tags: c.Tags, Cause: c.Cause, Reason: c.Reason,
		RequestedAt: c.RequestedAt, Since: c.Since, LastActivity: c.LastActivity, OptedOut: c.OptedOut, MutedUntil: c.MutedUntil, Linked: c.Linked,
	}
}

// FuzzValue reads any bytes as any value of the store: what is no value is
// corrupt, without a word of what it holds, and what is one keeps its meaning when
// it is written anew.
//
//	go test -run '^$' -fuzz FuzzValue -fuzztime 10m ./engine/journal
func FuzzValue(f *testing.F) {
	for _, line := range goldenLines(f) {
		name, text, _ := strings.Cut(line, " ")
		value, err := hex.DecodeString(text)
		if err != nil {
			f.Fatalf("golden value %s: %v", name, err)
		}
		sort, _, _ := strings.Cut(name, "/")
		n := slices.IndexFunc(codecs, func(c codec) bool { return c.name == sort })
		if n < 0 {
			f.Fatalf("golden value %s: got no codec, want one", name)
		}
		f.Add(byte(n), value)
	}
	for n := range codecs {
		f.Add(byte(n), []byte{})
		f.Add(byte(n), []byte{recordVersion})
		f.Add(byte(n), append([]byte{recordVersion, 1, 0x0a, byte(len(fuzztest.Canary))}, fuzztest.Canary...))
	}
	f.Add(byte(9), appendReference(nil, engine.ConversationID{3}, 4))
	f.Add(byte(10), appendNumberRecord(nil, 77))
	for _, item := range parkedItems() {
		value, err := appendParked(nil, &item)
		if err != nil {
			f.Fatalf("encode: %v", err)
		}
		f.Add(byte(8), value)
	}
	f.Fuzz(func(t *testing.T, sort byte, value []byte) {
		c := codecs[int(sort)%len(codecs)]
		var first []byte
		var err error
		fuzztest.Bounded(t, len(value), func() { first, err = c.again(value) })
		if err != nil {
			fuzztest.Silent(t, err)
			if engine.CodeOf(err) != engine.CodeCorrupt {
				t.Fatalf("%s: got error %v, want code %q", c.name, err, engine.CodeCorrupt)
			}
			return
		}
		second, err := c.again(first)
		if err != nil {
			t.Fatalf("%s: written anew: got error %v, want it read", c.name, err)
		}
		if !bytes.Equal(first, second) {
			t.Errorf("%s: written anew twice: got %x, then %x", c.name, first, second)
		}
	})
}

func goldenLines(tb testing.TB) []string {
	tb.Helper()
	text, err := os.ReadFile(goldenFile)
	if err != nil {
		tb.Fatalf("read the golden values: %v", err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// parkedItems are one of each kind.
func parkedItems() []engine.Parked {
	full := filled[engine.Inbound]()
	var items []engine.Parked
	for _, item := range []engine.Inbound{
		{Message: full.Message}, {Status: full.Status}, {Amend: full.Amend}, {Echo: full.Echo}, {Change: full.Change}, {Consent: full.Consent},
	} {
		item.Workspace, item.Channel = "ws", "ch"
		onChannel(&item)
		items = append(items, engine.Parked{Conversation: full.Status.Op.Conversation, At: 7, Item: item})
	}
	return items
}

// FuzzKey reads any bytes as any key that is read back: what is accepted is the one
// key of what it says.
//
//	go test -run '^$' -fuzz FuzzKey -fuzztime 10m ./engine/journal
func FuzzKey(f *testing.F) {
	id := engine.ConversationID{0, 1, 2, 3}
	for _, column := range []engine.Column{engine.Active, engine.Requesting, engine.Intervened, engine.History} {
		f.Add(rowKey(nil, 0, id, &engine.Index{Workspace: "acme\x00\xff", Column: column, Order: 5}))
	}
	f.Add(dueKey(nil, 0, engine.DueTurn, 7, id))
	f.Add(heldKey(nil, 0, engine.DueSend, id))
	f.Add(deadLetterKey(nil, 0, "acme", 7, engine.MessageID{Conversation: id, Version: 3}))
	f.Add([]byte{byte(spaceBoard), 0, 0})
	f.Fuzz(func(t *testing.T, key []byte) {
		if len(key) < 3 {
			return
		}
		shard := engine.Shard(key[1])<<8 | engine.Shard(key[2])
		row, ok := parseRowKey(key)
		if s := space(key[0]); ok && (s == spaceBoard || s == spaceHistory) {
			if again := rowKey(nil, shard, row.Conversation, &row.Index); !bytes.Equal(again, key) {
				t.Errorf("row: got %x, want %x", again, key)
			}
		}
		if item, ok := parseDueKey(key); ok && space(key[0]) == spaceDue {
			if again := dueKey(nil, shard, item.Kind, item.At, item.Conversation); !bytes.Equal(again, key) {
				t.Errorf("due: got %x, want %x", again, key)
			}
		}
		if kind, id, ok := parseHeldKey(key); ok && space(key[0]) == spaceHeld {
			if again := heldKey(nil, shard, kind, id); !bytes.Equal(again, key) {
				t.Errorf("held: got %x, want %x", again, key)
			}
		}
		if l, ok := parseDeadLetterKey(key); ok && space(key[0]) == spaceDeadLetter {
			workspace, _, _ := cutPart(key[3:])
			if again := deadLetterKey(nil, shard, engine.WorkspaceID(workspace), l.At, l.Message); !bytes.Equal(again, key) {
				t.Errorf("dead letter: got %x, want %x", again, key)
			}
		}
	})
}

// FuzzMark reads any bytes as a slot of the durable mark: only what was written is
// one.
//
//	go test -run '^$' -fuzz FuzzMark -fuzztime 10m ./engine/journal
func FuzzMark(f *testing.F) {
	f.Add(encodeMark(1, marked{}))
	f.Add(encodeMark(1<<63, marked{identity: [16]byte{1, 2}, offset: 77, changes: 3, state: markUnchecked}))
	f.Add([]byte(markMagic))
	f.Fuzz(func(t *testing.T, slot []byte) {
		if written, m, ok := decodeMark(slot); ok {
			if again := encodeMark(written, m); !bytes.Equal(again, slot) {
				t.Errorf("got %x, want %x", again, slot)
			}
		}
	})
}

// FuzzErasures reads any text as a ledger: what it answers is what a ledger of it
// holds, and a line that is damaged in the middle is refused.
//
//	go test -run '^$' -fuzz FuzzErasures -fuzztime 10m ./engine/journal
func FuzzErasures(f *testing.F) {
	erasures := []Erasure{{engine.ConversationID{0, 0, 1}, 1_760_000_000_000}, {engine.ConversationID{0, 0, 2}, 1_760_000_000_001}}
	var whole bytes.Buffer
	if err := PrintErasures(&whole, erasures); err != nil {
		f.Fatalf("print: %v", err)
	}
	f.Add(whole.Bytes())
	f.Add(whole.Bytes()[:whole.Len()-5])
	f.Add(append(whole.Bytes(), make([]byte, ledgerLine)...))
	f.Add(append(whole.Bytes(), fuzztest.Canary+"\n"...))
	f.Add([]byte(ledgerHeader + ledgerHeader))
	f.Fuzz(func(t *testing.T, text []byte) {
		var read []Erasure
		var err error
		fuzztest.Bounded(t, len(text), func() { read, err = ReadErasures(bytes.NewReader(text)) })
		if err != nil {
			fuzztest.Silent(t, err)
			return
		}
		var again bytes.Buffer
		if err := PrintErasures(&again, read); err != nil {
			t.Fatalf("print: %v", err)
		}
		lines := 0
		for scan := bufio.NewScanner(bytes.NewReader(text)); scan.Scan(); {
			if _, ok := parseErasure(scan.Text() + "\n"); ok {
				lines++
			}
		}
		same, err := ReadErasures(&again)
		if err != nil || !reflect.DeepEqual(same, read) {
			t.Errorf("printed and read: got %v, error %v, want %v", same, err, read)
		}
		// A line without its end was not acknowledged, though it may be whole.
		if lines < len(read) || lines > len(read)+1 {
			t.Errorf("got %d erasures of %d whole lines, want all", len(read), lines)
		}
	})
}
