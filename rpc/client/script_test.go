package client_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/intervenehq/intervene/rpc"
	"github.com/intervenehq/intervene/rpc/client"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// script is a server that says what no server of ours can be brought to say. It
// keeps what each of its boards' callers asked.
type script struct {
	intervenev1connect.UnimplementedLiveChatServiceHandler
	board        func(ctx context.Context, nth int, send func(*intervenev1.WatchBoardResponse)) error
	conversation func(ctx context.Context, nth int, send func(*intervenev1.WatchConversationResponse)) error

	mu     sync.Mutex
	asked  []*intervenev1.WatchBoardRequest
	after  []uint64
	called []time.Time
}

func (s *script) WatchBoard(ctx context.Context, r *intervenev1.WatchBoardRequest, out *connect.ServerStream[intervenev1.WatchBoardResponse]) error {
	s.mu.Lock()
	s.asked, s.called = append(s.asked, r), append(s.called, time.Now())
	nth := len(s.asked)
	s.mu.Unlock()
	return s.board(ctx, nth, func(frame *intervenev1.WatchBoardResponse) { _ = out.Send(frame) }) // nobody may listen
}

func (s *script) WatchConversation(ctx context.Context, r *intervenev1.WatchConversationRequest, out *connect.ServerStream[intervenev1.WatchConversationResponse]) error {
	s.mu.Lock()
	s.after, s.called = append(s.after, r.GetAfterVersion()), append(s.called, time.Now())
	nth := len(s.after)
	s.mu.Unlock()
	return s.conversation(ctx, nth, func(frame *intervenev1.WatchConversationResponse) { _ = out.Send(frame) })
}

// between is the time from one call to the next.
func (s *script) between(first int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.called[first].Sub(s.called[first-1])
}

// play runs scenario against s in a synctest bubble.
func play(t *testing.T, s *script, scenario func(t *testing.T, c *client.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		mux := http.NewServeMux()
		mux.Handle(intervenev1connect.NewLiveChatServiceHandler(s))
		server := rpc.NewHTTPServer(mux)
		served := make(chan error, 1)
		listener := w.listen()
		go func() { served <- server.Serve(listener) }()
		transport := &http.Transport{DialContext: w.dial}
		scenario(t, client.New(&http.Client{Transport: transport}, edgeURL, ashaToken))
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Errorf("close server: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: got %v, want %v", err, http.ErrServerClosed)
		}
		synctest.Wait() // for the handlers
	})
}

func hello(interval time.Duration) *intervenev1.WatchBoardResponse {
	return &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_Hello{Hello: &intervenev1.Hello{HeartbeatInterval: durationpb.New(interval)}}}
}

func lastChunk(cards ...*intervenev1.Card) *intervenev1.WatchBoardResponse {
	return &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_SnapshotChunk{SnapshotChunk: &intervenev1.SnapshotChunk{
		Cards: cards, Last: true, Counters: &intervenev1.Counters{}, ResumeToken: []byte("token"),
	}}}
}

func goAway(after time.Duration) *intervenev1.WatchBoardResponse {
	return &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_GoAway{GoAway: &intervenev1.GoAway{RetryAfter: durationpb.New(after)}}}
}

// TestGoAway: a client comes back when it was asked to, and names what it has.
func TestGoAway(t *testing.T) {
	const asked = 1700 * time.Millisecond
	s := &script{board: func(ctx context.Context, nth int, send func(*intervenev1.WatchBoardResponse)) error {
		send(hello(15 * time.Second))
		send(lastChunk(&intervenev1.Card{ConversationId: "c", Version: 4, Column: active}))
		if nth == 1 {
			send(goAway(asked))
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	play(t, s, func(t *testing.T, c *client.Client) {
		board := c.FollowBoard(t.Context(), client.BoardQuery{Window: 9})
		defer board.Close()
		synctest.Wait()
		if got := board.Snapshot(); !errors.Is(got.Interrupted, client.ErrSentAway) || got.Card("c") == nil {
			t.Errorf("got interrupted by %v, want %v on the board that there was", got.Interrupted, client.ErrSentAway)
		}
		time.Sleep(asked)
		synctest.Wait()
		if got := s.between(1); got != asked {
			t.Errorf("got a pause of %v, want %v", got, asked)
		}
		r := s.asked[1]
		if string(r.GetResumeToken()) != "token" || len(r.GetKnown()) != 1 || r.GetKnown()[0].GetVersion() != 4 || r.GetWindow() != 9 {
			t.Errorf("got request %v, want it to resume with the token and the card", r)
		}
	})
}

// TestSilentStream: a stream without heartbeats is given up.
func TestSilentStream(t *testing.T) {
	s := &script{board: func(ctx context.Context, _ int, send func(*intervenev1.WatchBoardResponse)) error {
		send(hello(2 * time.Second))
		send(lastChunk())
		<-ctx.Done()
		return ctx.Err()
	}}
	play(t, s, func(t *testing.T, c *client.Client) {
		board := c.FollowBoard(t.Context(), client.BoardQuery{})
		defer board.Close()
		seen, err := board.Next(t.Context(), nil)
		if err != nil || seen.Interrupted != nil {
			t.Fatalf("got error %v, want a live board", err)
		}
		start := time.Now()
		if seen, err = board.Next(t.Context(), seen); err != nil || !errors.Is(seen.Interrupted, client.ErrSilent) {
			t.Errorf("got interrupted by %v, error %v, want %v", seen.Interrupted, err, client.ErrSilent)
		}
		if got := time.Since(start); got != 4*time.Second {
			t.Errorf("got it given up after %v, want two intervals of 2s", got)
		}
	})
}

// TestServerThatDoesNotAnswer: a call that nobody answers is given up, too.
func TestServerThatDoesNotAnswer(t *testing.T) {
	s := &script{board: func(ctx context.Context, _ int, _ func(*intervenev1.WatchBoardResponse)) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	play(t, s, func(t *testing.T, c *client.Client) {
		board := c.FollowBoard(t.Context(), client.BoardQuery{})
		defer board.Close()
		if got := board.Snapshot(); !errors.Is(got.Interrupted, client.ErrConnecting) || got.Whole || len(got.Columns) != 3 {
			t.Errorf("got %+v, want three empty columns that are connecting", got)
		}
		time.Sleep(16 * time.Second)
		if got := board.Snapshot().Interrupted; !errors.Is(got, client.ErrSilent) {
			t.Errorf("got interrupted by %v, want %v", got, client.ErrSilent)
		}
	})
}

func events(versions ...uint64) *intervenev1.WatchConversationResponse {
	var list []*intervenev1.ConversationEvent
	for _, v := range versions {
		list = append(list, &intervenev1.ConversationEvent{Version: v})
	}
	return &intervenev1.WatchConversationResponse{Frame: &intervenev1.WatchConversationResponse_Events{Events: &intervenev1.Events{Events: list}}}
}

func cardOf(version uint64) *intervenev1.WatchConversationResponse {
	return &intervenev1.WatchConversationResponse{Frame: &intervenev1.WatchConversationResponse_Card{Card: &intervenev1.Card{ConversationId: "c", Version: version}}}
}

// TestGapIsNotShown: a stream that leaves an event out is left, and resumed
// before the gap.
func TestGapIsNotShown(t *testing.T) {
	s := &script{conversation: func(ctx context.Context, nth int, send func(*intervenev1.WatchConversationResponse)) error {
		send(cardOf(4))
		if nth == 1 {
			send(events(1, 2, 4))
		} else {
			send(events(3, 4))
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	play(t, s, func(t *testing.T, c *client.Client) {
		conversation := c.FollowConversation(t.Context(), "c", client.ConversationQuery{})
		defer conversation.Close()
		seen, err := conversation.Next(t.Context(), nil)
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		wantVersions(t, seen.Events, 1, 2, 3, 4)
		if s.after[1] != 2 {
			t.Errorf("got it resumed after version %d, want 2", s.after[1])
		}
	})
}

// TestRetentionWhileAway: what a resume begins with is what there still is; the
// events before it are gone for the client, too.
func TestRetentionWhileAway(t *testing.T) {
	s := &script{conversation: func(ctx context.Context, nth int, send func(*intervenev1.WatchConversationResponse)) error {
		if nth == 1 {
			send(cardOf(2))
			send(events(1, 2))
			return nil
		}
		send(cardOf(9))
		send(events(8, 9))
		<-ctx.Done()
		return ctx.Err()
	}}
	play(t, s, func(t *testing.T, c *client.Client) {
		conversation := c.FollowConversation(t.Context(), "c", client.ConversationQuery{})
		defer conversation.Close()
		time.Sleep(time.Second)
		seen := conversation.Snapshot()
		wantVersions(t, seen.Events, 8, 9)
		wantVersions(t, seen.After(8), 9)
		wantVersions(t, seen.After(7), 8, 9)
		wantVersions(t, seen.After(3), 8, 9)
		if got := seen.After(9); len(got) != 0 || seen.Interrupted != nil {
			t.Errorf("got %v after the newest, interrupted by %v, want nothing, live", got, seen.Interrupted)
		}
	})
}

func wantVersions(t *testing.T, events []*intervenev1.ConversationEvent, want ...uint64) {
	t.Helper()
	var got []uint64
	for _, e := range events {
		got = append(got, e.GetVersion())
	}
	if len(got) != len(want) {
		t.Errorf("got events %v, want %v", got, want)
		return
	}
	for n := range got {
		if got[n] != want[n] {
			t.Errorf("got events %v, want %v", got, want)
			return
		}
	}
}
