package rpc

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// TestStreamsShareAView: however many streams show a board, the backend is
// watched once, and each of them is told everything.
func TestStreamsShareAView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		id := e.held()
		var boards []*reader[intervenev1.WatchBoardResponse]
		for _, token := range []string{ashaToken, benToken, samToken} {
			boards = append(boards, readBoard(t, e.client(token), &intervenev1.WatchBoardRequest{}))
		}
		boards = append(boards, readBoard(t, e.client(ashaToken, connect.WithProtoJSON()), &intervenev1.WatchBoardRequest{}))
		for _, board := range boards {
			settle(t, board)
		}
		if got := e.watching(); got != 1 {
			t.Errorf("got %d watches of the backend, want 1", got)
		}
		e.move("acme", id, engine.SetTags{Tags: []string{"vip"}})
		for n, board := range boards {
			cards := board.next().GetDeltaBatch().GetUpserts()
			if len(cards) != 1 || !slices.Equal(cards[0].GetTags(), []string{"vip"}) {
				t.Errorf("board %d: got %v, want the card with its tag", n, cards)
			}
		}
		settle(t, readBoard(t, e.client(samToken), &intervenev1.WatchBoardRequest{Window: 7}))
		if got := e.watching(); got != 2 {
			t.Errorf("got %d watches with another window, want 2", got)
		}
		for _, board := range boards {
			board.cancel()
		}
		synctest.Wait()
		if got := e.watching(); got != 1 {
			t.Errorf("got %d watches once they left, want 1", got)
		}
	})
}

// fan is a view without a backend.
func fan() *view {
	return &view{
		key: viewKey{workspace: "acme", columns: engine.BoardColumns}, ended: make(chan struct{}),
		cards: make(map[engine.ConversationID]*viewCard), shared: make(map[uint64]change), bells: make(map[bell]struct{}),
	}
}

func (v *view) mustTake(t *testing.T, u engine.BoardUpdate) {
	t.Helper()
	if err := v.take(u); err != nil {
		t.Fatalf("take: %v", err)
	}
}

func cardOn(n byte, version uint64) engine.Card {
	return engine.Card{Conversation: engine.NewConversationID(1, [14]byte{n}), Workspace: "acme", Version: version, Column: engine.Active}
}

func removalOf(c engine.Card) engine.BoardRemoval {
	return engine.BoardRemoval{Conversation: c.Conversation, Version: c.Version}
}

// TestWhoIsBehindGetsTheNewest: what changed twice is told once, what came and
// went is only gone, what left and came back was never gone.
func TestWhoIsBehindGetsTheNewest(t *testing.T) {
	v := fan()
	a, b, c := cardOn(1, 1), cardOn(2, 1), cardOn(3, 1)
	v.mustTake(t, engine.BoardUpdate{Snapshot: true, Upserts: []engine.Card{a, b}, Counters: []engine.ColumnCounter{{Column: engine.Active, Conversations: 2}}})
	here, _ := v.after(0)
	a.Version = 2
	v.mustTake(t, engine.BoardUpdate{Upserts: []engine.Card{a, c}})
	a.Version = 3
	v.mustTake(t, engine.BoardUpdate{Upserts: []engine.Card{a}, Removed: []engine.BoardRemoval{removalOf(b), removalOf(c)}})
	v.mustTake(t, engine.BoardUpdate{Upserts: []engine.Card{b}})
	got, ok := v.after(here.to)
	if !ok || got.reset != 0 || len(got.frames) != 1 {
		t.Fatalf("got %v, want one difference", got)
	}
	delta := got.frames[0].message.GetDeltaBatch()
	if up := delta.GetUpserts(); len(up) != 2 || up[0].GetVersion() != 3 || up[1].GetConversationId() != b.Conversation.String() {
		t.Errorf("got upserts %v, want the newest of a, and b", up)
	}
	if gone := delta.GetRemoved(); len(gone) != 1 || gone[0].GetConversationId() != c.Conversation.String() {
		t.Errorf("got removed %v, want c", gone)
	}
	if delta.GetCounters() != nil {
		t.Errorf("got counters %v that did not change, want none", delta.GetCounters())
	}
	again, _ := v.after(here.to)
	if again.frames[0] != got.frames[0] {
		t.Error("got another frame at the same place, want it made once")
	}
	if _, more := v.after(got.to); more {
		t.Error("got more after everything, want nothing")
	}
}

// TestWhoIsTooFarBehindBeginsAnew: a view remembers so many departures, and no
// more.
func TestWhoIsTooFarBehindBeginsAnew(t *testing.T) {
	v := fan()
	kept := cardOn(1, 1)
	v.mustTake(t, engine.BoardUpdate{Snapshot: true, Upserts: []engine.Card{kept}})
	for n := range maxDepartures {
		v.mustTake(t, engine.BoardUpdate{Removed: []engine.BoardRemoval{{Conversation: engine.NewConversationID(2, [14]byte{byte(n), byte(n >> 8)}), Version: 1}}})
	}
	if c, _ := v.after(1); c.reset != 0 || len(c.frames[0].removed) != maxDepartures {
		t.Errorf("got reset %v, want all departures told", c.reset)
	}
	v.mustTake(t, engine.BoardUpdate{Removed: []engine.BoardRemoval{{Conversation: kept.Conversation, Version: 1}}})
	if c, _ := v.after(1); c.reset != intervenev1.ResetReason_RESET_REASON_TOO_FAR_BEHIND || c.frames[0].message.GetSnapshotChunk() == nil {
		t.Errorf("got reset %v, want TOO_FAR_BEHIND with a snapshot", c.reset)
	}
	if len(v.departures) > maxDepartures {
		t.Errorf("got %d departures kept, want at most %d", len(v.departures), maxDepartures)
	}
}

// TestMineBesideABoard: what the caller holds is on its board wherever it
// stands, and leaves when it is neither its own nor in the window.
func TestMineBesideABoard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		first := e.held()
		time.Sleep(time.Second)
		second := e.held()
		board := readBoard(t, e.client(ashaToken), &intervenev1.WatchBoardRequest{Window: 1, IncludeMine: true})
		shown := make(map[string]uint64)
		take := func() {
			frame := board.next()
			if frame.GetReset_() != nil {
				clear(shown)
			}
			for _, card := range append(frame.GetSnapshotChunk().GetCards(), frame.GetDeltaBatch().GetUpserts()...) {
				shown[card.GetConversationId()] = max(shown[card.GetConversationId()], card.GetVersion())
			}
			for _, r := range frame.GetDeltaBatch().GetRemoved() {
				if r.GetVersion() >= shown[r.GetConversationId()] {
					delete(shown, r.GetConversationId())
				}
			}
		}
		rest := func() {
			for range 3 { // heartbeats, at last
				take()
			}
		}
		want := func(when string, ids ...engine.ConversationID) {
			t.Helper()
			rest()
			for _, id := range ids {
				if shown[id.String()] == 0 {
					t.Errorf("%s: got %v, want %v in it", when, shown, id)
				}
			}
			if len(shown) != len(ids) {
				t.Errorf("%s: got %v, want %d cards", when, shown, len(ids))
			}
		}
		take() // Hello
		want("at first", first, second)
		e.move("acme", first, engine.Transfer{To: "ben"}) // Since moves on: second is the oldest now
		want("handed over", second)
		e.move("acme", second, engine.Transfer{To: "ben"})
		want("nothing is mine", first)
		e.move("acme", second, engine.Transfer{To: "asha"})
		want("one is back", first, second)
		e.move("acme", second, engine.Resolve{})
		want("resolved: Active has room", first, second)
	})
}

func TestPresenceOnABoard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		id := e.held()
		ben := e.client(benToken)
		renew := func(viewing string, typing, leave bool) {
			t.Helper()
			r, err := ben.UpdatePresence(t.Context(), &intervenev1.UpdatePresenceRequest{SessionId: "tab", ConversationId: viewing, Typing: typing, Leave: leave})
			if err != nil || (r.GetLease().AsDuration() == 0) != leave {
				t.Fatalf("UpdatePresence: got %v, error %v, want a lease", r, err)
			}
		}
		renew("", false, false)
		board := readBoard(t, e.client(ashaToken), &intervenev1.WatchBoardRequest{Presence: true})
		chat := watchConversation(t, e.client(ashaToken), &intervenev1.WatchConversationRequest{ConversationId: id.String()})
		settle(t, board)
		for chat.next().GetEvents() == nil {
		}
		p := board.next().GetPresence()
		if !p.GetComplete() || len(p.GetAgents()) != 1 || p.GetAgents()[0].GetAgentId() != "ben" || !p.GetAgents()[0].GetOnline() {
			t.Errorf("got %v, want Ben online, and that this is all", p)
		}
		for _, typing := range []bool{true, false} {
			renew(id.String(), typing, false)
			p = board.next().GetPresence()
			if v := p.GetAgents()[0].GetViewing(); p.GetComplete() || len(v) != 1 || v[0].GetConversationId() != id.String() || v[0].GetTyping() != typing {
				t.Errorf("got %v, want Ben in the conversation, typing %t", p, typing)
			}
			if v := chat.next().GetViewers().GetViewers(); len(v) != 1 || v[0].GetAgentId() != "ben" || v[0].GetTyping() != typing {
				t.Errorf("got %v, want Ben, typing %t", v, typing)
			}
		}
		renew("", false, true)
		if p = board.next().GetPresence(); len(p.GetAgents()) != 1 || p.GetAgents()[0].GetOnline() {
			t.Errorf("got %v, want Ben gone", p)
		}
		if frame := chat.next(); frame.GetViewers() == nil || len(frame.GetViewers().GetViewers()) != 0 {
			t.Errorf("got %v, want nobody", frame)
		}
		renew("", false, false)
		if p = board.next().GetPresence(); !p.GetAgents()[0].GetOnline() {
			t.Errorf("got %v, want Ben back", p)
		}
		start := time.Now()
		for p = nil; p == nil; p = board.next().GetPresence() { // heartbeats come meanwhile
		}
		if lease := time.Since(start); p.GetAgents()[0].GetOnline() || lease > time.Minute {
			t.Errorf("got %v after %v, want Ben gone with his lease", p, lease)
		}
	})
}

// TestTailOfAConversation: a client that pages backwards begins with the newest.
func TestTailOfAConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		id := e.held()
		for n := range 10 {
			e.move("acme", id, engine.AddNote{Body: fmt.Sprint("note ", n)})
		}
		chat := watchConversation(t, e.client(ashaToken), &intervenev1.WatchConversationRequest{ConversationId: id.String(), Tail: 3})
		hello := chat.next().GetHello()
		version := chat.next().GetCard().GetVersion()
		events := chat.next().GetEvents().GetEvents()
		if hello.GetAgentId() != "asha" || len(events) != 3 || events[2].GetVersion() != version {
			t.Fatalf("got %v of version %d, and %v, want the newest three", events, version, hello)
		}

		resumed := watchConversation(t, e.client(ashaToken), &intervenev1.WatchConversationRequest{
			ConversationId: id.String(), AfterVersion: version - 1, ResumeToken: hello.GetResumeToken(), Tail: 5,
		})
		resumed.next() // Hello
		resumed.next() // the card
		if events := resumed.next().GetEvents().GetEvents(); len(events) != 1 {
			t.Errorf("resumed: got %v, want the newest alone", events)
		}

		// The journal was restored, and its versions mean something else.
		restored := newEdge(t, func(o *Options) {
			o.JournalID = [16]byte{2}
			o.Commands, o.Conversations, o.Boards = e.memory, e.memory, e.memory
		})
		again := watchConversation(t, restored.client(ashaToken), &intervenev1.WatchConversationRequest{
			ConversationId: id.String(), AfterVersion: version + 100, ResumeToken: hello.GetResumeToken(), Tail: 5,
		})
		again.next() // Hello
		if frame := again.next(); frame.GetReset_().GetReason() != intervenev1.ResetReason_RESET_REASON_TOKEN_UNKNOWN {
			t.Errorf("another journal: got %v, want a Reset", frame)
		}
		again.next() // the card
		if events := again.next().GetEvents().GetEvents(); len(events) != 5 {
			t.Errorf("another journal: got %v, want the newest five", events)
		}
	})
}

// TestPace: deliveries never take more than their share, and what is few goes at
// once.
func TestPace(t *testing.T) {
	p := newPace()
	now := time.Now()
	if got := p.take(now, 10); got != 0 {
		t.Errorf("got a pause of %v for ten, want none", got)
	}
	each := float64(p.limiter.Limit())
	var paid int
	for at := time.Duration(0); at < 10*time.Second; {
		paid += 5000
		at += max(p.take(now.Add(at), 5000), time.Millisecond)
	}
	if limit := each*10 + float64(p.limiter.Burst()) + 5000; float64(paid) > limit || float64(paid) < limit*9/10 {
		t.Errorf("got %d deliveries in 10 s, want nearly %.0f and no more", paid, limit)
	}
	if got := p.take(now.Add(10*time.Second), 1e9); got != maxPause {
		t.Errorf("got a pause of %v, want at most %v", got, maxPause)
	}
}
