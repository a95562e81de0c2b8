package client

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	active     = intervenev1.Column_COLUMN_ACTIVE
	requesting = intervenev1.Column_COLUMN_REQUESTING
	intervened = intervenev1.Column_COLUMN_INTERVENED
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

type frame = *intervenev1.WatchBoardResponse

func chunk(last bool, cards ...*intervenev1.Card) frame {
	c := &intervenev1.SnapshotChunk{Cards: cards, Last: last}
	if last {
		c.ResumeToken, c.Counters = []byte("snapshot"), counted(uint64(len(cards)))
	}
	return &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_SnapshotChunk{SnapshotChunk: c}}
}

func delta(removed []*intervenev1.Removal, cards ...*intervenev1.Card) frame {
	d := &intervenev1.DeltaBatch{Upserts: cards, Removed: removed, ResumeToken: []byte("delta")}
	return &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_DeltaBatch{DeltaBatch: d}}
}

// lastDelta is what a resume's answer ends with.
func lastDelta(cards ...*intervenev1.Card) frame {
	d := delta(nil, cards...)
	d.GetDeltaBatch().Counters = counted(7)
	return d
}

func reset(reason intervenev1.ResetReason) frame {
	return &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_Reset_{Reset_: &intervenev1.Reset{Reason: reason}}}
}

func heartbeat() frame {
	return &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_Heartbeat{Heartbeat: &intervenev1.Heartbeat{}}}
}

func counted(n uint64) *intervenev1.Counters {
	return &intervenev1.Counters{Columns: []*intervenev1.ColumnCounter{{Column: active, Conversations: n}}}
}

func card(id string, version uint64, column intervenev1.Column) *intervenev1.Card {
	return &intervenev1.Card{ConversationId: id, Version: version, Column: column}
}

func gone(id string, version uint64) []*intervenev1.Removal {
	return []*intervenev1.Removal{{ConversationId: id, Version: version}}
}

// lost is the end of a stream, applied the card of an answer, later a heartbeat
// after a pause; the rest are frames.
type (
	lost    struct{}
	applied struct{ *intervenev1.Card }
	later   time.Duration
)

const unknown, rebuilt = intervenev1.ResetReason_RESET_REASON_TOKEN_UNKNOWN, intervenev1.ResetReason_RESET_REASON_REBUILT

func TestBoardFold(t *testing.T) {
	tests := []struct {
		name   string
		steps  []any
		want   string // id, version and column of each card that is shown
		resume string // token, and what it knows
	}{
		{"snapshot in parts", []any{chunk(false, card("a", 1, active)), chunk(true, card("b", 2, active))}, "a1A b2A", "snapshot a1 b2"},
		{"part of a snapshot", []any{chunk(false, card("a", 1, active))}, "", ""},
		{"part of a snapshot, then its stream is lost", []any{chunk(false, card("a", 1, active)), lost{}, chunk(true, card("b", 2, active))}, "b2A", "snapshot b2"},
		{"newer and older cards", []any{chunk(true, card("a", 3, active)), delta(nil, card("a", 5, active)), delta(nil, card("a", 4, active))}, "a5A", "delta a5"},
		{"removal", []any{chunk(true, card("a", 3, active)), delta(gone("a", 3))}, "", "delta"},
		{"removal of before", []any{chunk(true, card("a", 3, active)), delta(gone("a", 2))}, "a3A", "delta a3"},
		{"back in the window", []any{chunk(true, card("a", 3, active)), delta(gone("a", 3)), delta(nil, card("a", 3, active))}, "a3A", "delta a3"},

		{"reset", []any{chunk(true, card("a", 3, active)), reset(rebuilt), chunk(true, card("b", 1, active))}, "b1A", "snapshot b1"},
		{"reset shows what was until there is more", []any{chunk(true, card("a", 3, active)), reset(rebuilt), chunk(false, card("b", 1, active))}, "a3A", ""},
		{"reset, then its stream is lost", []any{chunk(true, card("a", 3, active)), reset(rebuilt), chunk(false, card("b", 1, active)), lost{}}, "a3A", ""},
		{"delta after a reset", []any{chunk(true, card("a", 3, active)), reset(rebuilt), delta(nil, card("b", 1, active))}, "a3A error", ""},
		{"delta before all", []any{delta(nil, card("b", 1, active))}, "error", ""},

		{"resume in parts", []any{chunk(true, card("a", 3, active)), lost{}, delta(gone("a", 4), card("b", 1, active)), lastDelta(card("c", 1, active))}, "b1A c1A", "delta b1 c1"},
		{"part of a resume", []any{chunk(true, card("a", 3, active)), lost{}, delta(gone("a", 4), card("b", 1, active))}, "a3A", "snapshot a3"},
		{"part of a resume, then its stream is lost", []any{chunk(true, card("a", 3, active)), lost{}, delta(gone("a", 4)), lost{}, lastDelta(card("c", 1, active))}, "a3A c1A", "delta a3 c1"},
		{"resume that a heartbeat ends", []any{chunk(true, card("a", 3, active)), lost{}, delta(gone("a", 4)), heartbeat()}, "", "delta"},
		{"snapshot in answer to a resume", []any{chunk(true, card("a", 3, active)), lost{}, reset(unknown), chunk(true, card("a", 1, active))}, "a1A", "snapshot a1"},

		{"answer", []any{chunk(true, card("a", 3, requesting)), applied{card("a", 4, intervened)}}, "a4I", "snapshot a3"},
		{"answer of before", []any{chunk(true, card("a", 3, requesting)), applied{card("a", 2, intervened)}}, "a3R", "snapshot a3"},
		{"older answer", []any{chunk(true), applied{card("a", 5, intervened)}, applied{card("a", 4, requesting)}}, "a5I", "snapshot"},
		{"answer before the stream", []any{chunk(true), applied{card("a", 4, intervened)}, delta(nil, card("a", 3, requesting))}, "a4I", "delta a3"},
		{"answer, then the stream", []any{chunk(true), applied{card("a", 4, intervened)}, delta(nil, card("a", 5, active))}, "a5A", "delta a5"},
		{"answer, then a removal of before", []any{chunk(true, card("a", 3, active)), applied{card("a", 4, active)}, delta(gone("a", 3))}, "a4A", "delta"},
		{"answer beyond the window", []any{chunk(true, card("a", 3, active)), applied{card("a", 4, active)}, delta(gone("a", 3)), later(appliedFor)}, "", "delta"},
		{"answer that changed the version alone", []any{chunk(true, card("a", 3, active)), applied{card("a", 4, active)}, later(appliedFor), later(appliedFor)}, "a4A", "snapshot a4"},
		{"answer, then its removal", []any{chunk(true, card("a", 3, active)), applied{card("a", 4, active)}, delta(gone("a", 4))}, "", "delta"},
		{"answer to what the stream took away", []any{chunk(true, card("a", 3, active)), delta(gone("a", 5)), applied{card("a", 4, active)}}, "", "delta"},
		{"answer in a column that is not followed", []any{chunk(true, card("a", 3, active)), applied{card("a", 4, intervenev1.Column_COLUMN_HISTORY)}}, "", "snapshot a3"},
		{"answer, lost, part of a resume", []any{chunk(true, card("a", 3, active)), applied{card("a", 4, active)}, lost{}, delta(nil, card("a", 5, active)), lost{}, lastDelta()}, "a4A", "delta a3"},
		{"answer, then a rebuilt board of before", []any{chunk(true), applied{card("a", 4, active)}, reset(rebuilt), chunk(true, card("a", 3, active))}, "a4A", "snapshot a3"},
		{"answer, then another journal", []any{chunk(true), applied{card("a", 4, active)}, reset(unknown), chunk(true, card("a", 3, active))}, "a3A", "snapshot a3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newBoardFold(BoardQuery{})
			now := noon
			failed := ""
			for _, step := range tt.steps {
				var err error
				switch step := step.(type) {
				case frame:
					_, err = f.take(step, now)
				case lost:
					f.interrupt()
				case applied:
					f.apply(step.Card, now)
				case later:
					now = now.Add(time.Duration(step))
					_, err = f.take(heartbeat(), now)
				}
				if errors.Is(err, ErrOutOfOrder) {
					failed = "error"
				}
			}
			if got := join(append(shown(&f), failed)); got != tt.want {
				t.Errorf("got board %q, want %q", got, tt.want)
			}
			request := f.request(BoardQuery{})
			known := make([]string, 0, len(request.GetKnown()))
			for _, k := range request.GetKnown() {
				known = append(known, fmt.Sprintf("%s%d", k.GetConversationId(), k.GetVersion()))
			}
			slices.Sort(known)
			if got := join(append([]string{string(request.GetResumeToken())}, known...)); got != tt.resume {
				t.Errorf("got resume %q, want %q", got, tt.resume)
			}
		})
	}
}

func join(words []string) string {
	text := ""
	for _, w := range words {
		if w != "" && text != "" {
			text += " "
		}
		text += w
	}
	return text
}

// shown names the cards of a board, by id.
func shown(f *boardFold) []string {
	var names []string
	for _, column := range f.snapshot().Columns {
		for _, c := range column.Cards {
			names = append(names, fmt.Sprintf("%s%d%c", c.GetConversationId(), c.GetVersion(), c.GetColumn().String()[len("COLUMN_")]))
		}
	}
	slices.Sort(names)
	return names
}

func greeting(agent string) *intervenev1.WatchBoardResponse {
	return &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_Hello{Hello: &intervenev1.Hello{AgentId: agent}}}
}

// TestAnswersKeepToTheFilter: a board shows no answer that it would not show.
func TestAnswersKeepToTheFilter(t *testing.T) {
	mine := &intervenev1.Card{ConversationId: "a", Version: 2, Column: intervened, HolderAgentId: "asha", ChannelId: "main", Tags: []string{"vip"}}
	tests := []struct {
		name   string
		filter *intervenev1.Filter
		want   bool
	}{
		{"none", nil, true},
		{"mine", &intervenev1.Filter{Mine: true}, true},
		{"unassigned", &intervenev1.Filter{Unassigned: true}, false},
		{"its channel", &intervenev1.Filter{ChannelId: "main"}, true},
		{"another channel", &intervenev1.Filter{ChannelId: "second"}, false},
		{"its tag", &intervenev1.Filter{Tag: "vip"}, true},
		{"another tag", &intervenev1.Filter{Tag: "refund"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newBoardFold(BoardQuery{Filter: tt.filter})
			other := &intervenev1.Card{ConversationId: "b", Version: 1, Column: intervened, HolderAgentId: "asha"}
			if _, err := f.take(greeting("asha"), noon); err != nil {
				t.Fatalf("take: %v", err)
			}
			if _, err := f.take(chunk(true, other), noon); err != nil {
				t.Fatalf("take: %v", err)
			}
			f.apply(mine, noon)
			if got := f.snapshot().Card("a") != nil; got != tt.want {
				t.Errorf("got it shown %t, want %t", got, tt.want)
			}
		})
	}
	f := newBoardFold(BoardQuery{Filter: &intervenev1.Filter{Mine: true}})
	if _, err := f.take(chunk(true, mine), noon); err != nil {
		t.Fatalf("take: %v", err)
	}
	given := &intervenev1.Card{ConversationId: "a", Version: 3, Column: intervened, HolderAgentId: "ben"}
	if f.apply(given, noon); f.snapshot().Card("a") != nil {
		t.Error("got a card shown that was handed over, want it gone from what is mine")
	}
}

// TestAnswersAreBounded: neither answers nor departures pile up.
func TestAnswersAreBounded(t *testing.T) {
	f := newBoardFold(BoardQuery{})
	if _, err := f.take(chunk(true), noon); err != nil {
		t.Fatalf("take: %v", err)
	}
	for n := range 2 * maxApplied {
		f.apply(card(fmt.Sprint(n), 1, active), noon.Add(time.Duration(n)))
	}
	if got := f.snapshot(); len(f.applied) != maxApplied || got.Card("0") != nil || got.Card(fmt.Sprint(2*maxApplied-1)) == nil {
		t.Errorf("got %d answers kept, want the newest %d", len(f.applied), maxApplied)
	}
	for n := range 2 * maxDepartures {
		if _, err := f.take(delta(gone(fmt.Sprint("gone ", n), 1)), noon); err != nil {
			t.Fatalf("take: %v", err)
		}
	}
	if len(f.left) != maxDepartures || len(f.departures) != maxDepartures {
		t.Errorf("got %d departures known, in a list of %d, want %d", len(f.left), len(f.departures), maxDepartures)
	}
	if _, err := f.take(heartbeat(), noon.Add(appliedFor)); err != nil || len(f.left) != 0 {
		t.Errorf("got %d departures known later, error %v, want none", len(f.left), err)
	}
}

// TestTooManyKnown: a board of which a resume would be refused begins anew.
func TestTooManyKnown(t *testing.T) {
	f := newBoardFold(BoardQuery{})
	var cards []*intervenev1.Card
	for n := range maxKnown + 1 {
		cards = append(cards, card(fmt.Sprint(n), 1, active))
	}
	if _, err := f.take(chunk(true, cards...), noon); err != nil {
		t.Fatalf("take: %v", err)
	}
	if r := f.request(BoardQuery{}); len(r.GetKnown()) != 0 || len(r.GetResumeToken()) != 0 {
		t.Errorf("got a resume that knows %d cards, want none", len(r.GetKnown()))
	}
}
