package rpc

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

func TestWatchBoard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		id := e.open("acme")
		board := readBoard(t, e.client(ashaToken), &intervenev1.WatchBoardRequest{})
		chunk := settle(t, board)
		if cards := chunk.GetCards(); len(cards) != 1 || cards[0].GetConversationId() != id.String() {
			t.Fatalf("got cards %v, want that of %v", cards, id)
		}
		e.move("acme", id, engine.RequestAgent{Reason: "refund"})
		delta := board.next().GetDeltaBatch()
		if cards := delta.GetUpserts(); len(cards) != 1 || cards[0].GetColumn() != intervenev1.Column_COLUMN_REQUESTING {
			t.Errorf("got upserts %v, want one in Requesting", cards)
		}
		want := map[intervenev1.Column]uint64{1: 0, 2: 1, 3: 0}
		got := make(map[intervenev1.Column]uint64)
		for _, c := range delta.GetCounters().GetColumns() {
			got[c.GetColumn()] = c.GetConversations()
			if c.GetColumn() == intervenev1.Column_COLUMN_REQUESTING && c.GetOldestWaitingSince() == nil {
				t.Error("got no oldest_waiting_since, want one")
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("got counters with a difference (-want +got):\n%s", diff)
		}
	})
}

// TestBoardFilters: what leaves a filter is removed, and counters count only
// the columns that are watched.
func TestBoardFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		mine, theirs := e.held(), e.held()
		e.move("acme", theirs, engine.Transfer{To: "ben"})
		e.open("acme")
		board := readBoard(t, e.client(ashaToken), &intervenev1.WatchBoardRequest{
			Columns: []intervenev1.Column{intervenev1.Column_COLUMN_INTERVENED, intervenev1.Column_COLUMN_ACTIVE},
			Filter:  &intervenev1.Filter{Mine: true},
		})
		chunk := settle(t, board)
		if cards := chunk.GetCards(); len(cards) != 1 || cards[0].GetConversationId() != mine.String() {
			t.Errorf("got cards %v, want that of %v", cards, mine)
		}
		if got := len(chunk.GetCounters().GetColumns()); got != 2 {
			t.Errorf("got %d counters, want 2", got)
		}
		e.move("acme", mine, engine.Transfer{To: "ben"})
		removed := board.next().GetDeltaBatch().GetRemoved()
		card, err := e.Card(mine)
		if err != nil {
			t.Fatalf("Card: %v", err)
		}
		if len(removed) != 1 || removed[0].GetConversationId() != mine.String() || removed[0].GetVersion() != card.Version {
			t.Errorf("got removed %v, want %v at version %d", removed, mine, card.Version)
		}
	})
}

func TestSnapshotChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		const conversations = maxPageSize + 1
		for range conversations {
			e.open("acme")
		}
		board := readBoard(t, e.client(ashaToken), &intervenev1.WatchBoardRequest{Window: 1000})
		board.next() // Hello
		var sizes []int
		for {
			chunk := board.next().GetSnapshotChunk()
			sizes = append(sizes, len(chunk.GetCards()))
			if (chunk.GetCounters() != nil) != chunk.GetLast() || (chunk.GetResumeToken() != nil) != chunk.GetLast() {
				t.Errorf("got chunk %d with counters or token, want them on the last alone", len(sizes))
			}
			if chunk.GetLast() {
				break
			}
		}
		if diff := cmp.Diff(slices.Repeat([]int{maxChunkCards}, maxPageSize/maxChunkCards), sizes); diff != "" {
			t.Errorf("got chunks with a difference (-want +got):\n%s", diff)
		}
	})
}

// resume asks to go on from what a client knows.
func resume(token []byte, cards ...*intervenev1.Card) *intervenev1.WatchBoardRequest {
	r := &intervenev1.WatchBoardRequest{ResumeToken: token}
	for _, card := range cards {
		r.Known = append(r.Known, &intervenev1.KnownCard{ConversationId: card.GetConversationId(), Version: card.GetVersion()})
	}
	return r
}

func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		same, changed, gone := e.open("acme"), e.open("acme"), e.open("acme")
		client := e.client(ashaToken)
		board := readBoard(t, client, &intervenev1.WatchBoardRequest{})
		chunk := settle(t, board)
		board.cancel()
		synctest.Wait() // else the next stream may join its view, which tells what is new a moment later

		e.move("acme", changed, engine.RequestAgent{})
		added := e.open("acme")
		e.leave(gone)

		// A server that came after this one resumes it as well.
		later := newEdge(t, func(o *Options) { o.Commands, o.Conversations, o.Boards = e.memory, e.memory, e.memory })
		for _, client := range []*edge{e, later} {
			board = readBoard(t, client.client(ashaToken), resume(chunk.GetResumeToken(), chunk.GetCards()...))
			board.next() // Hello
			delta := board.next().GetDeltaBatch()
			got := make(map[string]bool)
			for _, card := range delta.GetUpserts() {
				got[card.GetConversationId()] = true
			}
			if diff := cmp.Diff(map[string]bool{changed.String(): true, added.String(): true}, got); diff != "" {
				t.Errorf("got upserts with a difference (-want +got):\n%s", diff)
			}
			if removed := delta.GetRemoved(); len(removed) != 1 || removed[0].GetConversationId() != gone.String() {
				t.Errorf("got removed %v, want %v", removed, gone)
			}
			if delta.GetCounters() == nil || cmp.Diff(delta.GetResumeToken(), chunk.GetResumeToken()) != "" {
				t.Errorf("got %v, want counters and the same token", delta)
			}
		}
		e.move("acme", same, engine.RequestAgent{})
		if delta := board.next().GetDeltaBatch(); len(delta.GetUpserts()) != 1 {
			t.Errorf("got %v, want the stream to go on", delta)
		}
	})
}

// leave takes a conversation off the board.
func (m *memory) leave(id engine.ConversationID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := engine.Event{Version: m.conversations[id].Version + 1, Body: engine.Moved{To: engine.History, Cause: engine.CauseWindowLapsed}}
	m.conversations[id].Apply(&e)
	m.events[id] = append(m.events[id], e)
	m.announce()
}

// TestResumeNothingChanged: the answer to a resume is never silence.
func TestResumeNothingChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		e.open("acme")
		board := readBoard(t, e.client(ashaToken), &intervenev1.WatchBoardRequest{})
		chunk := settle(t, board)
		board = readBoard(t, e.client(ashaToken), resume(chunk.GetResumeToken(), chunk.GetCards()...))
		board.next() // Hello
		delta := board.next().GetDeltaBatch()
		if delta == nil || len(delta.GetUpserts()) != 0 || len(delta.GetRemoved()) != 0 || delta.GetCounters() == nil {
			t.Errorf("got %v, want a delta with counters alone", delta)
		}
	})
}

func TestTokenUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		e.open("acme")
		chunk := settle(t, readBoard(t, e.client(ashaToken), &intervenev1.WatchBoardRequest{}))
		request := func(change func(*intervenev1.WatchBoardRequest)) *intervenev1.WatchBoardRequest {
			r := resume(chunk.GetResumeToken(), chunk.GetCards()...)
			change(r)
			return r
		}
		restored := newEdge(t, func(o *Options) { o.JournalID = [16]byte{2} })
		tests := []struct {
			name    string
			edge    *edge
			token   string
			request *intervenev1.WatchBoardRequest
		}{
			{"nonsense", e, ashaToken, request(func(r *intervenev1.WatchBoardRequest) { r.ResumeToken = []byte("nonsense") })},
			{"another window", e, ashaToken, request(func(r *intervenev1.WatchBoardRequest) { r.Window = 3 })},
			{"other columns", e, ashaToken, request(func(r *intervenev1.WatchBoardRequest) { r.Columns = []intervenev1.Column{1} })},
			{"mine", e, ashaToken, request(func(r *intervenev1.WatchBoardRequest) { r.Filter = &intervenev1.Filter{Mine: true} })},
			{"unassigned", e, ashaToken, request(func(r *intervenev1.WatchBoardRequest) { r.Filter = &intervenev1.Filter{Unassigned: true} })},
			{"a channel", e, ashaToken, request(func(r *intervenev1.WatchBoardRequest) { r.Filter = &intervenev1.Filter{ChannelId: "main"} })},
			{"a tag", e, ashaToken, request(func(r *intervenev1.WatchBoardRequest) { r.Filter = &intervenev1.Filter{Tag: "main"} })},
			{"another workspace", e, oliToken, request(func(*intervenev1.WatchBoardRequest) {})},
			{"another journal", restored, ashaToken, request(func(*intervenev1.WatchBoardRequest) {})},
		}
		for _, tt := range tests {
			board := readBoard(t, tt.edge.client(tt.token), tt.request)
			board.next() // Hello
			if got := board.next().GetReset_().GetReason(); got != intervenev1.ResetReason_RESET_REASON_TOKEN_UNKNOWN {
				t.Errorf("%s: got reset %v, want TOKEN_UNKNOWN", tt.name, got)
			}
			if chunk := board.next().GetSnapshotChunk(); !chunk.GetLast() {
				t.Errorf("%s: got %v, want a snapshot", tt.name, chunk)
			}
		}
		// The columns are a set.
		ordered := request(func(r *intervenev1.WatchBoardRequest) { r.Columns = []intervenev1.Column{3, 1, 2} })
		board := readBoard(t, e.client(ashaToken), ordered)
		board.next() // Hello
		if frame := board.next(); frame.GetDeltaBatch() == nil {
			t.Errorf("all columns in another order: got %v, want it resumed", frame)
		}
	})
}

func TestRebuiltBoard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		e.open("acme")
		board := readBoard(t, e.client(ashaToken), &intervenev1.WatchBoardRequest{})
		settle(t, board)
		e.rebuild()
		if got := board.next().GetReset_().GetReason(); got != intervenev1.ResetReason_RESET_REASON_REBUILT {
			t.Errorf("got reset %v, want REBUILT", got)
		}
		if chunk := board.next().GetSnapshotChunk(); !chunk.GetLast() || len(chunk.GetCards()) != 1 {
			t.Errorf("got %v, want a whole snapshot", chunk)
		}
	})
}
