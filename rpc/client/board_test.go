package client_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/client"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	active     = intervenev1.Column_COLUMN_ACTIVE
	requesting = intervenev1.Column_COLUMN_REQUESTING
	intervened = intervenev1.Column_COLUMN_INTERVENED
)

// next is the next state of a board, which must come.
func next(t *testing.T, b *client.Board, than *client.BoardSnapshot) *client.BoardSnapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	s, err := b.Next(ctx, than)
	if err != nil {
		t.Fatalf("Next: got error %v, want a board", err)
	}
	return s
}

func TestBoardFollows(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		id := w.says(0)
		board := w.follow(ashaToken, client.BoardQuery{})
		s := next(t, board, nil)
		for s.Card(id.String()) == nil { // a board is a moment behind
			s = next(t, board, s)
		}
		if card := s.Card(id.String()); s.Interrupted != nil || card.GetColumn() != active {
			t.Fatalf("got card %v, interrupted by %v, want one in Active, live", card, s.Interrupted)
		}
		w.must(id, engine.RequestAgent{})
		s = next(t, board, s)
		column := s.Column(requesting)
		if len(column.Cards) != 1 || column.Counter.GetConversations() != 1 || len(s.Column(active).Cards) != 0 {
			t.Errorf("got %v, want the conversation in Requesting alone", s.Columns)
		}
	})
}

// TestBoardResumes: what changed while the stream was down is there as soon as
// it is up, and the board is shown all the while.
func TestBoardResumes(t *testing.T) {
	for name, interrupt := range map[string]func(w *world){
		"cut off": func(w *world) { w.wire.cut(false) },
		"drained": func(w *world) { w.restart(true, time.Second) },
		"crashed": func(w *world) { w.restart(false, time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, w *world) {
				id := w.says(0)
				board := w.follow(ashaToken, client.BoardQuery{})
				next(t, board, nil)
				w.wire.cut(true)
				synctest.Wait()
				s := board.Snapshot()
				if s.Interrupted == nil || s.Card(id.String()) == nil {
					t.Errorf("got card %v, interrupted by %v, want the card and a reason", s.Card(id.String()), s.Interrupted)
				}
				w.must(id, engine.RequestAgent{})
				other := w.says(1)
				w.wire.heal()
				interrupt(w)
				for s.Interrupted != nil {
					s = next(t, board, s)
				}
				if s.Card(id.String()).GetColumn() != requesting || s.Card(other.String()).GetColumn() != active {
					t.Errorf("got %v, want both conversations where they stand now", s.Columns)
				}
			})
		})
	}
}

// TestRestoredJournal: another journal's board replaces what was known.
func TestRestoredJournal(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		before := w.says(0)
		board := w.follow(ashaToken, client.BoardQuery{})
		s := next(t, board, nil)
		w.lose()
		after := w.says(1)
		for s.Interrupted != nil || s.Card(after.String()) == nil {
			s = next(t, board, s)
		}
		if got := s.Card(before.String()); got != nil {
			t.Errorf("got card %v of the journal before, want none", got)
		}
	})
}

func TestRevokedTokenEndsTheBoard(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		board := w.follow(ashaToken, client.BoardQuery{})
		s := next(t, board, nil)
		synctest.Wait()
		if err := w.tokens.Replace(tokens()[1:]); err != nil {
			t.Fatalf("Replace: %v", err)
		}
		for err := error(nil); err == nil; {
			s, err = board.Next(t.Context(), s)
		}
		refused, ok := errors.AsType[*client.RefusedError](board.Err())
		if !ok || refused.Code != connect.CodeUnauthenticated || refused.Reason != "UNAUTHENTICATED" {
			t.Errorf("got end %v, want the token refused", board.Err())
		}
		if got := board.Snapshot(); got.Interrupted == nil || !got.Whole {
			t.Errorf("got interrupted by %v, want the refusal on a whole board", got.Interrupted)
		}
	})
}

func TestRefusedFromTheStart(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		board := w.follow("token-of-nobody", client.BoardQuery{})
		if _, err := board.Next(t.Context(), nil); connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Errorf("got error %v, want unauthenticated", err)
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.says(0)
		board := w.follow(ashaToken, client.BoardQuery{})
		s := next(t, board, nil)
		waited := make(chan error)
		go func() {
			_, err := board.Next(context.Background(), s)
			for err == nil { // the end is a state, too
				_, err = board.Next(context.Background(), board.Snapshot())
			}
			waited <- err
		}()
		synctest.Wait()
		board.Close()
		board.Close()
		if err := <-waited; !errors.Is(err, client.ErrClosed) || !errors.Is(board.Err(), client.ErrClosed) {
			t.Errorf("got errors %v and %v, want %v", err, board.Err(), client.ErrClosed)
		}
		ctx, cancel := context.WithCancel(t.Context())
		board = w.client(ashaToken).FollowBoard(ctx, client.BoardQuery{})
		next(t, board, nil)
		cancel()
		synctest.Wait()
		if !errors.Is(board.Err(), context.Canceled) {
			t.Errorf("got end %v, want that of the context", board.Err())
		}
		board.Close()
	})
}

// TestSlowReader: who never looks costs nobody anything, and sees the present
// when they do.
func TestSlowReader(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		id := w.says(0)
		board := w.follow(ashaToken, client.BoardQuery{})
		s := next(t, board, nil)
		for range 500 {
			w.says(0)
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		s = next(t, board, s)
		if got, want := s.Card(id.String()).GetVersion(), w.version(id); got != want || s.Interrupted != nil {
			t.Errorf("got version %d, interrupted by %v, want %d at once", got, s.Interrupted, want)
		}
	})
}

// TestReadYourWrites: the board shows a command's outcome at once, and does not
// go back when its stream is behind.
func TestReadYourWrites(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		id := w.says(0)
		w.must(id, engine.RequestAgent{})
		board := w.follow(ashaToken, client.BoardQuery{})
		next(t, board, nil)
		w.wire.cut(true)
		w.must(id, engine.Intervene{})
		w.wire.heal()
		answer, err := w.client(ashaToken).API().GetConversation(t.Context(), &intervenev1.GetConversationRequest{ConversationId: id.String()})
		if err != nil {
			t.Fatalf("GetConversation: %v", err)
		}
		w.wire.cut(true)
		board.Apply(answer.GetCard())
		if got := board.Snapshot().Card(id.String()); got.GetColumn() != intervened {
			t.Errorf("got %v while the stream is down, want what was answered", got)
		}
		w.wire.heal()
		time.Sleep(time.Minute)
		if s := board.Snapshot(); s.Interrupted != nil || len(s.Column(intervened).Cards) != 1 || len(s.Column(requesting).Cards) != 0 {
			t.Errorf("got %v, interrupted by %v, want the conversation in Intervened alone", s.Columns, s.Interrupted)
		}
	})
}
