package engine_test

import (
	"slices"
	"testing"

	"github.com/intervenehq/intervene/engine"
)

func TestBoardLess(t *testing.T) {
	row := func(id byte, order engine.Instant) engine.BoardRow {
		return engine.BoardRow{Conversation: engine.NewConversationID(1, [14]byte{id}), Index: engine.Index{Order: order}}
	}
	old, older, tie := row(3, 20), row(2, 10), row(1, 20)
	for column, want := range map[engine.Column][]engine.BoardRow{
		engine.Active:     {tie, old, older},
		engine.History:    {tie, old, older},
		engine.Requesting: {older, tie, old},
		engine.Intervened: {older, tie, old},
	} {
		got := []engine.BoardRow{old, older, tie}
		less := engine.BoardLess(column)
		slices.SortFunc(got, func(a, b engine.BoardRow) int {
			switch {
			case less(a, b):
				return -1
			case less(b, a):
				return 1
			}
			return 0
		})
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", column, got, want)
		}
	}
}

func TestBoardFilter(t *testing.T) {
	held := engine.Index{Channel: channel, Holder: asha.ID, Tags: "billing\nvip"}
	free := engine.Index{Channel: "acme-other"}
	tests := []struct {
		name       string
		filter     engine.BoardFilter
		held, free bool
	}{
		{"none", engine.BoardFilter{}, true, true},
		{"holder", engine.BoardFilter{Holder: asha.ID}, true, false},
		{"another holder", engine.BoardFilter{Holder: ravi.ID}, false, false},
		{"unassigned", engine.BoardFilter{Unassigned: true}, false, true},
		{"channel", engine.BoardFilter{Channel: channel}, true, false},
		{"tag", engine.BoardFilter{Tag: "vip"}, true, false},
		{"part of a tag", engine.BoardFilter{Tag: "vi"}, false, false},
		{"holder and tag", engine.BoardFilter{Holder: asha.ID, Tag: "urgent"}, false, false},
	}
	for _, tt := range tests {
		if got := tt.filter.Admits(&held); got != tt.held {
			t.Errorf("%s: held: got %t, want %t", tt.name, got, tt.held)
		}
		if got := tt.filter.Admits(&free); got != tt.free {
			t.Errorf("%s: free: got %t, want %t", tt.name, got, tt.free)
		}
	}
}

func TestBoardUpdateEmpty(t *testing.T) {
	if !(&engine.BoardUpdate{}).Empty() {
		t.Errorf("got an update of nothing not empty, want it empty")
	}
	for _, u := range []engine.BoardUpdate{
		{Snapshot: true}, {Upserts: make([]engine.Card, 1)}, {Removed: make([]engine.BoardRemoval, 1)}, {Counters: []engine.ColumnCounter{}},
	} {
		if u.Empty() {
			t.Errorf("got %+v empty, want not", u)
		}
	}
}

func TestSameFace(t *testing.T) {
	w := newWorld(t)
	reachIntervened(w)
	before := w.c.Card()
	w.mustDo(asha, engine.AddNote{Body: "seen"})
	after := w.c.Card()
	if !before.SameFace(&after) || before.Version == after.Version {
		t.Errorf("got another face after a note, want the same at another version")
	}
	w.mustDo(asha, engine.SetTags{Tags: []string{"vip"}})
	tagged := w.c.Card()
	w.mustDo(asha, engine.MarkRead{})
	read := w.c.Card()
	if after.SameFace(&tagged) || tagged.SameFace(&read) {
		t.Errorf("got the same face after tags or mark read, want another")
	}
	w.mustDo(customer, engine.SetConsent{Channel: channel, Contact: meera, Consent: engine.Stop, At: w.now})
	chosen := w.c.Card()
	w.mustDo(courier, engine.LinkContact{Other: engine.NewConversationID(7, [14]byte{2})})
	linked := w.c.Card()
	muted := linked
	muted.MutedUntil = start
	if read.SameFace(&chosen) || chosen.SameFace(&linked) || linked.SameFace(&muted) {
		t.Errorf("got the same face after an opt-out, a link or a mute, want another")
	}
	emptied := after
	if emptied.Tags = []string{}; !emptied.SameFace(&after) {
		t.Errorf("got another face with no tags written in two ways, want the same")
	}
}
