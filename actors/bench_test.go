package actors_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// instant is a store that takes everything at once and keeps nothing: what is
// measured on it is what router and conversation cost alone.
type instant struct{}

func (instant) Append(a engine.Append) (engine.Change, error) {
	return engine.Change{Conversation: a.Conversation, Version: a.After.Version, Before: a.Before, After: a.After.Index()}, nil
}

func (instant) Load(id engine.ConversationID) (engine.Conversation, error) {
	return engine.Conversation{ID: id}, nil
}

func (instant) LoadAt(id engine.ConversationID, _ uint64) (engine.Conversation, error) {
	return engine.Conversation{ID: id}, nil
}

func (instant) Events(engine.ConversationID, uint64, int) ([]engine.Event, error) { return nil, nil }

func (instant) Message(engine.MessageID) (engine.Message, error) { return engine.Message{}, nil }

func (instant) OldestSince(engine.ConversationID, engine.Instant) (uint64, error) { return 0, nil }

func (instant) Delivery(engine.MessageID) (engine.Delivery, error) {
	return engine.Delivery{State: engine.Accepted, Attempt: 1}, nil
}

// caller is one customer with the bot that answers them.
type caller struct {
	id    engine.ConversationID
	n     int
	items int
}

// chat is a question, its answer, and the three steps of the answer's delivery.
func (c *caller) chat(b *testing.B, router *actors.Router) {
	do := func(by engine.Party, epoch uint64, body engine.CommandBody) engine.Receipt {
		receipt, err := router.Do(context.Background(), c.id, engine.Command{Workspace: acme, By: by, Epoch: epoch, Body: body})
		if err != nil {
			panic(err)
		}
		return receipt
	}
	c.items++
	asked := do(engine.Party{Kind: engine.Customer}, 0, engine.Receive{
		Channel: channel, Contact: engine.Contact{Name: fmt.Sprintf("customer %d", c.n), WaID: fmt.Sprintf("99900%06d", c.n)},
		External: fmt.Sprintf("wamid.%s.%d", c.id, c.items), SentAt: engine.InstantOf(time.Now()),
		Content: engine.Content{Kind: engine.ContentText, Text: "a question of the usual length, about an order"},
	})
	do(engine.Party{Kind: engine.Bot}, asked.Card.Epoch, engine.AnswerTurn{
		From: asked.Version, Through: asked.Version,
		Say: []engine.Content{{Kind: engine.ContentText, Text: "an answer of the usual length, about an order"}},
	})
	send, name := asked.Version+1, fmt.Sprintf("wamid.%s.out.%d", c.id, c.items)
	courier := engine.Party{Kind: engine.Engine}
	do(courier, 0, engine.AttemptSend{})
	do(courier, 0, engine.RecordAttempt{Send: send, Attempt: 1, Result: engine.AttemptResult{State: engine.Accepted, External: name}})
	do(courier, 0, engine.RecordStatus{Send: send, State: engine.Sent, External: name})
}

// BenchmarkRouter is a chat's five commands without a journal: mailbox, Decide,
// Apply, answer.
//
//	go test -run '^$' -bench Router -benchmem ./actors
func BenchmarkRouter(b *testing.B) {
	router := actors.NewRouter(actors.RouterOptions{Store: instant{}})
	b.Cleanup(router.Stop)
	c := &caller{id: actors.NewConversationID(0)}
	b.ReportAllocs()
	for b.Loop() {
		c.chat(b, router)
	}
}

// BenchmarkResident is the memory of a conversation that has chatted and is idle.
//
//	go test -run '^$' -bench Resident -benchtime 1x ./actors
func BenchmarkResident(b *testing.B) {
	const conversations = 50_000
	for b.Loop() {
		router := actors.NewRouter(actors.RouterOptions{Store: instant{}})
		before := heap()
		var group sync.WaitGroup
		for worker := range 64 {
			group.Go(func() {
				for n := worker; n < conversations; n += 64 {
					c := &caller{id: actors.NewConversationID(0), n: n}
					c.chat(b, router)
				}
			})
		}
		group.Wait()
		b.ReportMetric(float64(heap()-before)/conversations, "B/conversation")
		b.ReportMetric(float64(router.Resident()), "resident")
		router.Stop()
	}
}

// heap is what is reachable.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
