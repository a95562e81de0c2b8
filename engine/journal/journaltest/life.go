package journaltest

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/engine"
)

var lifeTests = []test{
	{"a journal opened again is the same", testReopen},
	{"a closed journal is unavailable", testClosed},
	{"closing ends waiting readers", testCloseEndsTail},
}

func testReopen(t *testing.T, s Store) {
	j := s.Open(t)
	id := j.ID()
	if id == ([16]byte{}) {
		t.Error("got the zero identity, want one")
	}
	w := NewWriter(j, 1)
	first := w.Receive("hello")
	w.Do(t, Customer, first)
	w.Answer(t, "hi")
	w.Deliver(t)
	w.Chat(t, 30)
	w.Do(t, Bot, engine.RequestAgent{Reason: "please"})
	durable := j.Durable()
	if err := j.Close(); err != nil {
		t.Fatalf("close: got error %v, want none", err)
	}

	j = open(t, s)
	if got := j.ID(); got != id {
		t.Errorf("identity: got %x, want %x", got, id)
	}
	if got := j.Durable(); got != durable {
		t.Errorf("durable: got offset %d, want %d", got, durable)
	}
	wantConversation(t, "load", must2(t, "load", j.Load)(w.Conversation.ID), w.Conversation)
	if diff := cmp.Diff([]engine.BoardRow{w.row()}, column(t, j, Workspace, engine.Requesting, 10)); diff != "" {
		t.Errorf("board: got other rows than wanted (-want +got):\n%s", diff)
	}
	w.Journal = j
	if change := w.Do(t, Agent, engine.Intervene{}); change.Offset != durable+1 {
		t.Errorf("append: got offset %d, want %d", change.Offset, durable+1)
	}
	a, _ := w.Prepare(engine.Command{Workspace: Workspace, By: Customer, Body: first})
	_, err := j.Append(a)
	wantConflict(t, "an item of before", err, w.Conversation.ID, true)
}

func testClosed(t *testing.T, s Store) {
	j := s.Open(t)
	w := NewWriter(j, 1)
	w.Chat(t, 1)
	a, _ := w.Prepare(engine.Command{Workspace: Workspace, By: Customer, Body: w.Receive("late")})
	for range 2 {
		if err := j.Close(); err != nil {
			t.Fatalf("close: got error %v, want none", err)
		}
	}
	id := w.Conversation.ID
	for name, err := range map[string]error{
		"append":      second(j.Append(a)),
		"load":        second(j.Load(id)),
		"load at":     second(j.LoadAt(id, 1)),
		"card":        second(j.Card(id)),
		"events":      second(j.Events(id, 0, 1)),
		"messages":    second(j.Messages(id, 0, 1)),
		"message":     second(j.Message(engine.MessageID{Conversation: id, Version: 3})),
		"delivery":    second(j.Delivery(engine.MessageID{Conversation: id, Version: 3})),
		"by identity": third(j.ByIdentity(Channel, engine.Identity{Kind: engine.IdentityWaID, Value: w.Contact.WaID})),
		"by send":     third(j.BySend(Channel, "wamid.x")),
		"board page":  second(j.BoardPage(Workspace, engine.Active, engine.BoardRow{}, 1)),
		"board rows":  second(j.BoardRows(func(engine.BoardRow) error { return nil })),
		"tail":        second(j.Tail(t.Context(), j.Durable(), 1)),
		"due":         second(j.Due(engine.DueTurn, engine.DueItem{}, Start, 1)),
		"expire":      j.Expire(Start),
	} {
		wantCode(t, name, err, engine.CodeUnavailable)
	}
}

func third[A, B, C any](_ A, _ B, c C) C { return c }

func testCloseEndsTail(t *testing.T, s Store) {
	j := s.Open(t)
	ended := make(chan error, 1)
	go func() {
		_, err := j.Tail(context.Background(), 0, 1)
		ended <- err
	}()
	if err := j.Close(); err != nil {
		t.Fatalf("close: got error %v, want none", err)
	}
	if err := <-ended; engine.CodeOf(err) != engine.CodeUnavailable || errors.Is(err, context.Canceled) {
		t.Errorf("tail: got error %v, want code %q", err, engine.CodeUnavailable)
	}
}
