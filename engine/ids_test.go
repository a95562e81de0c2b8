package engine_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/intervenehq/intervene/engine"
)

func TestConversationIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shard := engine.Shard(rapid.Uint16().Draw(t, "shard"))
		var random [14]byte
		copy(random[:], rapid.SliceOfN(rapid.Byte(), 14, 14).Draw(t, "random"))
		id := engine.NewConversationID(shard, random)
		if id.Shard() != shard {
			t.Fatalf("got shard %d, want %d", id.Shard(), shard)
		}
		if got, err := engine.ParseConversationID(id.String()); err != nil || got != id {
			t.Fatalf("parse %s: got %s (%v), want the same", id, got, err)
		}
		message := engine.MessageID{Conversation: id, Version: max(rapid.Uint64().Draw(t, "version"), 1)}
		if got, err := engine.ParseMessageID(message.String()); err != nil || got != message {
			t.Fatalf("parse %s: got %s (%v), want the same", message, got, err)
		}
	})
}

// TestIDsSortAsTheyAreStored: scans by shard are ranges.
func TestIDsSortAsTheyAreStored(t *testing.T) {
	a, b := engine.NewConversationID(1, [14]byte{255}), engine.NewConversationID(2, [14]byte{})
	if string(a[:]) >= string(b[:]) || a.String() >= b.String() {
		t.Errorf("got %s not before %s, want shards in order", a, b)
	}
}

func TestZeroIDs(t *testing.T) {
	if !(engine.ConversationID{}).IsZero() || (engine.ConversationID{1}).IsZero() {
		t.Errorf("conversation id: got zero told wrong, want the zero one alone")
	}
	if !(engine.CommandID{}).IsZero() || (engine.CommandID{1}).IsZero() {
		t.Errorf("command id: got zero told wrong, want the zero one alone")
	}
	if got, want := (engine.CommandID{0xab}).String(), "ab"+strings.Repeat("0", 30); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseRefusesOtherForms(t *testing.T) {
	id := engine.NewConversationID(7, [14]byte{1}).String()
	for _, s := range []string{"", id[:25], id + "0", strings.ToUpper(id[:25] + "v"), id[:25] + "v", id[:25] + "z", id[:25] + "\n", id + ".1"} {
		if got, err := engine.ParseConversationID(s); err == nil {
			t.Errorf("parse conversation id %q: got %s, want an error", s, got)
		}
	}
	for _, s := range []string{"", id, id + ".", id + ".0", id + ".01", id + ".+1", id + ".-1", id + ".1.2", id + ".18446744073709551616", id[:25] + ".1", ".1"} {
		if got, err := engine.ParseMessageID(s); err == nil {
			t.Errorf("parse message id %q: got %s, want an error", s, got)
		}
	}
}

// FuzzParseConversationID: whatever is taken has one way to be written.
func FuzzParseConversationID(f *testing.F) {
	f.Add("")
	f.Add(engine.NewConversationID(7, [14]byte{1, 2, 3}).String())
	f.Add(strings.Repeat("v", 26))
	f.Add(strings.Repeat("0", 25) + "\n")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := engine.ParseConversationID(s)
		if err == nil && id.String() != s {
			t.Errorf("got %s from %q, want the same", id, s)
		}
		if err != nil && !id.IsZero() {
			t.Errorf("got %s and %v, want no id with an error", id, err)
		}
	})
}

// FuzzParseMessageID: whatever is taken has one way to be written.
func FuzzParseMessageID(f *testing.F) {
	f.Add("")
	f.Add(engine.MessageID{Conversation: engine.NewConversationID(7, [14]byte{1, 2, 3}), Version: 42}.String())
	f.Add(strings.Repeat("0", 26) + ".007")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := engine.ParseMessageID(s)
		if err == nil && (id.String() != s || id.Version == 0) {
			t.Errorf("got %s from %q, want the same and a version", id, s)
		}
	})
}
