package client_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/client"
)

func TestConversationFollows(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		id := w.says(0)
		conversation := w.client(ashaToken).FollowConversation(t.Context(), id.String(), client.ConversationQuery{})
		defer conversation.Close()
		seen, err := conversation.Next(t.Context(), nil)
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		known := w.version(id)
		if seen.Card.GetVersion() != known || uint64(len(seen.Events)) != known {
			t.Fatalf("got %d events and a card of version %d, want %d of both", len(seen.Events), seen.Card.GetVersion(), known)
		}
		w.must(id, engine.AddNote{Body: "knows us"})
		for len(seen.After(known)) == 0 {
			if seen, err = conversation.Next(t.Context(), seen); err != nil {
				t.Fatalf("Next: %v", err)
			}
		}
		if got := seen.After(known); len(got) != 1 || got[0].GetNote().GetBody() != "knows us" {
			t.Errorf("got %v, want the note alone", got)
		}
	})
}

// TestConversationResumes: what happened while the stream was down comes, once.
func TestConversationResumes(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		id := w.says(0)
		conversation := w.client(ashaToken).FollowConversation(t.Context(), id.String(), client.ConversationQuery{})
		defer conversation.Close()
		if _, err := conversation.Next(t.Context(), nil); err != nil {
			t.Fatalf("Next: %v", err)
		}
		w.wire.cut(true)
		for range 300 {
			w.says(0)
		}
		synctest.Wait()
		if conversation.Snapshot().Interrupted == nil {
			t.Error("got a live conversation, want its stream cut off")
		}
		w.wire.heal()
		w.restart(true, time.Second)
		time.Sleep(time.Minute)
		seen := conversation.Snapshot()
		if seen.Interrupted != nil || uint64(len(seen.Events)) != w.version(id) {
			t.Fatalf("got %d events, interrupted by %v, want %d", len(seen.Events), seen.Interrupted, w.version(id))
		}
		for n, e := range seen.Events {
			if e.GetVersion() != uint64(n)+1 {
				t.Fatalf("got version %d as event %d, want them without a gap", e.GetVersion(), n+1)
			}
		}
	})
}

// TestConversationFromVersion: a follower may begin at the end, or beyond it,
// which is what a restored journal looks like.
func TestConversationFromVersion(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		id := w.says(0)
		known := w.version(id)
		for _, after := range []uint64{known, known + 5} {
			conversation := w.client(ashaToken).FollowConversation(t.Context(), id.String(), client.ConversationQuery{After: after})
			seen, err := conversation.Next(t.Context(), nil)
			if err != nil {
				t.Fatalf("Next: %v", err)
			}
			want := 0
			if after > known {
				want = int(known)
			}
			if len(seen.Events) != want || seen.Card == nil {
				t.Errorf("after %d of %d: got %d events, want %d", after, known, len(seen.Events), want)
			}
			conversation.Close()
		}
	})
}

func TestNoSuchConversation(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		none := engine.NewConversationID(1, [14]byte{9})
		conversation := w.client(ashaToken).FollowConversation(t.Context(), none.String(), client.ConversationQuery{})
		defer conversation.Close()
		_, err := conversation.Next(t.Context(), nil)
		if refused, ok := errors.AsType[*client.RefusedError](err); !ok || refused.Code != connect.CodeNotFound || refused.Reason != "NOT_FOUND" {
			t.Errorf("got error %v, want NOT_FOUND", err)
		}
		conversation.Close()
		if _, ok := errors.AsType[*client.RefusedError](conversation.Err()); !ok {
			t.Errorf("got end %v, want the refusal still", conversation.Err())
		}
	})
}
