package rpc

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

func readConversation(t *testing.T, c intervenev1connect.LiveChatServiceClient, id engine.ConversationID, after uint64) *reader[intervenev1.WatchConversationResponse] {
	t.Helper()
	r := watchConversation(t, c, &intervenev1.WatchConversationRequest{ConversationId: id.String(), AfterVersion: after})
	r.next() // Hello
	return r
}

func watchConversation(t *testing.T, c intervenev1connect.LiveChatServiceClient, r *intervenev1.WatchConversationRequest) *reader[intervenev1.WatchConversationResponse] {
	t.Helper()
	return read(t, func(ctx context.Context) (*connect.ServerStreamForClient[intervenev1.WatchConversationResponse], error) {
		return c.WatchConversation(ctx, r)
	})
}

func TestWatchConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		id := e.held()
		c := readConversation(t, e.client(ashaToken), id, 0)
		card := c.next().GetCard()
		if card.GetHolderAgentId() != "asha" {
			t.Fatalf("got card %v, want that of Asha's", card)
		}
		after := uint64(0)
		for after < card.GetVersion() {
			for _, event := range c.next().GetEvents().GetEvents() {
				if after++; event.GetVersion() != after {
					t.Fatalf("got version %d, want %d", event.GetVersion(), after)
				}
			}
		}
		e.move("acme", id, engine.AddNote{Body: "knows us"})
		if events := c.next().GetEvents().GetEvents(); len(events) != 1 || events[0].GetNote().GetBody() != "knows us" || events[0].GetBy().GetId() != "sam" {
			t.Errorf("got %v, want Sam's note", events)
		}
		if got := c.next().GetCard().GetVersion(); got != after+1 {
			t.Errorf("got a card of version %d, want %d", got, after+1)
		}
		if frame := c.next(); frame.GetHeartbeat() == nil {
			t.Errorf("got %v, want a heartbeat", frame)
		}

		c = readConversation(t, e.client(ashaToken), id, after)
		c.next() // the card
		if events := c.next().GetEvents().GetEvents(); len(events) != 1 || events[0].GetVersion() != after+1 {
			t.Errorf("resumed: got %v, want version %d alone", events, after+1)
		}
	})
}

// TestEventFrames: a long history comes in frames of a bounded size.
func TestEventFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		id := e.open("acme")
		for range maxFrameEvents {
			e.receive("acme", id, "short")
		}
		for range 3 {
			e.receive("acme", id, strings.Repeat("x", maxFrameBytes/2))
		}
		c := readConversation(t, e.client(ashaToken), id, 0)
		version := c.next().GetCard().GetVersion()
		frames := 0
		for after := uint64(0); after < version; frames++ {
			events := c.next().GetEvents().GetEvents()
			bytes := 0
			for _, event := range events {
				bytes += len(event.GetMessage().GetContent().GetText().GetBody())
			}
			if len(events) == 0 || len(events) > maxFrameEvents || bytes > maxFrameBytes {
				t.Fatalf("got a frame of %d events, %d bytes, want at most %d, %d", len(events), bytes, maxFrameEvents, maxFrameBytes)
			}
			after = events[len(events)-1].GetVersion()
		}
		if frames < 4 {
			t.Errorf("got %d frames, want 4 at least", frames)
		}
	})
}

// trimmed is a backend whose oldest events are gone.
type trimmed struct{ *memory }

func (b trimmed) WatchConversation(ctx context.Context, ws engine.WorkspaceID, id engine.ConversationID, after uint64, update func(engine.Card, []engine.Event) error) error {
	return b.memory.WatchConversation(ctx, ws, id, max(after, 2), update)
}

// TestTrimmedHistory: a stream begins with what is still there.
func TestTrimmedHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, func(o *Options) { o.Boards = trimmed{o.Boards.(*memory)} })
		c := readConversation(t, e.client(ashaToken), e.held(), 0)
		c.next() // the card
		if events := c.next().GetEvents().GetEvents(); len(events) == 0 || events[0].GetVersion() != 3 {
			t.Errorf("got %v, want events from version 3 on", events)
		}
	})
}

// gap is a backend that leaves an event out.
type gap struct{ *memory }

func (g gap) WatchConversation(ctx context.Context, ws engine.WorkspaceID, id engine.ConversationID, after uint64, update func(engine.Card, []engine.Event) error) error {
	return g.memory.WatchConversation(ctx, ws, id, after, func(card engine.Card, events []engine.Event) error {
		return update(card, append(events[:1:1], events[2:]...))
	})
}

func TestGapIsNotShown(t *testing.T) {
	e := newEdge(t, func(o *Options) { o.Boards = gap{o.Boards.(*memory)} })
	id := e.held()
	stream, err := e.client(ashaToken).WatchConversation(t.Context(), &intervenev1.WatchConversationRequest{ConversationId: id.String()})
	wantRefusal(t, streamError(stream, err), connect.CodeInternal, "INTERNAL")
	if got := e.log.String(); !strings.Contains(got, "got version 3, want 2") {
		t.Errorf("got log %q, want it to name the gap", got)
	}
}

// overtaken is a backend of which an event goes, by retention or an erasure, before
// the caller was told of it.
type overtaken struct{ *memory }

func (o overtaken) WatchConversation(ctx context.Context, ws engine.WorkspaceID, id engine.ConversationID, after uint64, update func(engine.Card, []engine.Event) error) error {
	return o.memory.WatchConversation(ctx, ws, id, after, func(card engine.Card, events []engine.Event) error {
		if err := update(card, events[:1:1]); err != nil {
			return err
		}
		return update(card, events[2:])
	})
}

func TestWhatGoesUnreadEndsTheStream(t *testing.T) {
	e := newEdge(t, func(o *Options) { o.Boards = overtaken{o.Boards.(*memory)} })
	id := e.held()
	stream, err := e.client(ashaToken).WatchConversation(t.Context(), &intervenev1.WatchConversationRequest{ConversationId: id.String()})
	wantRefusal(t, streamError(stream, err), connect.CodeUnavailable, "UNAVAILABLE")
	if got := e.log.String(); strings.Contains(got, "procedure failed") {
		t.Errorf("got log %q, want no failure in it", got)
	}
}

// behind is a backend whose card was read before the newest event was.
type behind struct{ *memory }

func (b behind) WatchConversation(ctx context.Context, ws engine.WorkspaceID, id engine.ConversationID, after uint64, update func(engine.Card, []engine.Event) error) error {
	return b.memory.WatchConversation(ctx, ws, id, after, func(card engine.Card, events []engine.Event) error {
		card.Version--
		return update(card, events)
	})
}

// TestCardFollowsItsEvents: the newest card comes, also when the backend's is older.
func TestCardFollowsItsEvents(t *testing.T) {
	e := newEdge(t, func(o *Options) { o.Boards = behind{o.Boards.(*memory)} })
	id := e.held()
	want, err := e.Card(id)
	if err != nil {
		t.Fatalf("Card: %v", err)
	}
	c := readConversation(t, e.client(ashaToken), id, 0)
	if got := c.next().GetCard().GetVersion(); got != want.Version-1 {
		t.Fatalf("got first card of version %d, want the backend's %d", got, want.Version-1)
	}
	if got := len(c.next().GetEvents().GetEvents()); uint64(got) != want.Version {
		t.Errorf("got %d events, want %d", got, want.Version)
	}
	if got := c.next().GetCard().GetVersion(); got != want.Version {
		t.Errorf("got last card of version %d, want %d", got, want.Version)
	}
}
