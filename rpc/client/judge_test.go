package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/rpc"
	"github.com/intervenehq/intervene/rpc/client"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// judge holds what was shown against the journal. It asks an edge of its own,
// whose backend is one conversation as the journal has it at one version, how
// that looks on the wire.
type judge struct {
	api *client.Client

	held   *journal.Journal
	card   engine.Card
	events []engine.Event
}

func newJudge(tokens *rpc.Tokens) (*judge, error) {
	j := new(judge)
	edge, err := rpc.New(rpc.Options{
		Commands: nothing{}, Conversations: asOf{judge: j}, Boards: asOf{judge: j}, Presences: nothing{}, Tokens: tokens,
		Starter: nothing{}, References: nothing{}, Identities: nothing{}, Overviews: nothing{}, DeadLetters: nothing{}, Templates: nothing{}, Receipts: nothing{}, Media: nothing{},
		Ready: func() bool { return true },
	})
	if err != nil {
		return nil, err
	}
	j.api = client.New(&http.Client{Transport: direct{edge.Handler()}}, edgeURL, ashaToken)
	return j, nil
}

// judge tells what of that was seen the journal does not hold.
func (j *judge) judge(ctx context.Context, held *journal.Journal, generation int, seen *tap, all *tally) (problems []string) {
	fresh, problems := seen.take()
	j.held = held
	events := make(map[string][]sighting)
	for _, s := range fresh {
		switch {
		case s.generation != generation:
			problems = append(problems, fmt.Sprintf("%+v: seen after generation %d began", s, generation))
		case s.event:
			events[s.conversation] = append(events[s.conversation], s)
		default:
			all.add("cards judged", 1)
			if err := j.judgeCard(ctx, held, s, seen.card(s)); err != nil {
				problems = append(problems, fmt.Sprintf("%+v: %v", s, err))
			}
		}
	}
	for id, list := range events {
		all.add("events judged", len(list))
		if err := j.judgeEvents(ctx, held, id, list, seen); err != nil {
			problems = append(problems, fmt.Sprintf("events of %s: %v", id, err))
		}
	}
	return problems
}

func (j *judge) judgeCard(ctx context.Context, held *journal.Journal, s sighting, got *intervenev1.Card) error {
	id, err := engine.ParseConversationID(s.conversation)
	if err != nil {
		return err
	}
	c, err := held.LoadAt(id, s.version)
	if err != nil {
		return fmt.Errorf("the journal never held it: %w", err)
	}
	j.card = c.Card()
	want, err := j.api.API().GetConversation(ctx, &intervenev1.GetConversationRequest{ConversationId: s.conversation})
	if err != nil {
		return fmt.Errorf("turn it to the wire: %w", err)
	}
	if !proto.Equal(got, want.GetCard()) {
		return fmt.Errorf("got card %v, want the journal's %v", got, want.GetCard())
	}
	return nil
}

func (j *judge) judgeEvents(ctx context.Context, held *journal.Journal, conversation string, list []sighting, seen *tap) error {
	slices.SortFunc(list, func(a, b sighting) int { return int(a.version) - int(b.version) })
	id, err := engine.ParseConversationID(conversation)
	if err != nil {
		return err
	}
	first, last := list[0].version, list[len(list)-1].version
	if j.card, err = held.Card(id); err != nil {
		return fmt.Errorf("the journal never held it: %w", err)
	}
	if j.events, err = held.Events(id, first-1, int(last-first)+1); err != nil {
		return err
	}
	if n := len(j.events); n == 0 || j.events[n-1].Version != last {
		return fmt.Errorf("the journal never held version %d: it has %d events after %d", last, n, first-1)
	}
	stream, err := j.api.API().WatchConversation(ctx, &intervenev1.WatchConversationRequest{ConversationId: conversation, AfterVersion: first - 1})
	if err != nil {
		return err
	}
	wire := make(map[uint64]*intervenev1.ConversationEvent)
	for stream.Receive() {
		for _, event := range stream.Msg().GetEvents().GetEvents() {
			wire[event.GetVersion()] = event
		}
	}
	_ = stream.Close() // it has told its end
	for _, s := range list {
		if got, want := seen.event(s), wire[s.version]; want == nil || !proto.Equal(got, want) {
			return fmt.Errorf("got event %v, want the journal's %v (stream ended with %w)", got, want, stream.Err())
		}
	}
	return nil
}

// asOf is a backend that has what its judge holds.
type asOf struct {
	rpc.Conversations
	rpc.Boards
	judge *judge
}

func (a asOf) Card(engine.ConversationID) (engine.Card, error) { return a.judge.card, nil }

func (a asOf) Message(id engine.MessageID) (engine.Message, error) { return a.judge.held.Message(id) }

// WatchConversation ends after all that there is.
func (a asOf) WatchConversation(
	_ context.Context, _ engine.WorkspaceID, _ engine.ConversationID, _ uint64, update func(engine.Card, []engine.Event) error,
) error {
	return update(a.judge.card, a.judge.events)
}

// direct calls a handler without a connection.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := endless{httptest.NewRecorder()}
	d.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// endless is an answer that takes deadlines, and has none.
type endless struct{ *httptest.ResponseRecorder }

func (endless) SetReadDeadline(time.Time) error  { return nil }
func (endless) SetWriteDeadline(time.Time) error { return nil }

var _ connect.Interceptor = (*tap)(nil)
