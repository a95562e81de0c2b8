//go:build unix

package journal

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

// BenchmarkCommand compares durable commands, through router, conversation and
// journal, with Pebble alone, which is fed the keys and bytes that these commands
// make: a chat works out beside the engine what each leads to. That, and the
// commands, are made while no clock runs. The rest is as in BenchmarkAppend. No
// courier, bot or board runs: the benchmark gives their commands itself.
//
//	go test -run '^$' -bench Command -benchtime 10s ./engine/journal
func BenchmarkCommand(b *testing.B) {
	eachLoad(b, func(b *testing.B, inFlight, hot int) {
		j := benchmarkJournal(b)
		base := newBase(b)
		router := actors.NewRouter(actors.RouterOptions{Store: j})
		b.Cleanup(router.Stop)
		load := newLoad(inFlight, hot)
		slice := func(n int, subject, pebble *meter) {
			load.now(engine.InstantOf(time.Now()))
			dealt, given := load.next(b, n)
			rows := base.encode(b, dealt)
			laps, pebbleLaps := subject.laps(inFlight, n), pebble.laps(inFlight, n)
			subject.time(n, func() { give(b, router, given, laps) })
			pebble.time(n, func() { base.write(rows, pebbleLaps) })
		}
		compare(b, j, base, inFlight, hot, slice)
	})
}

// command is one for a conversation.
type command struct {
	engine.Command
	to engine.ConversationID
}

// give gives each worker's commands in their order, all workers at once, and notes
// how long each took.
func give(b *testing.B, router *actors.Router, dealt [][]command, laps [][]time.Duration) {
	var wg sync.WaitGroup
	for w, commands := range dealt {
		wg.Go(func() {
			for i := range commands {
				began := time.Now()
				if _, err := router.Do(context.Background(), commands[i].to, commands[i].Command); err != nil {
					b.Errorf("command: got error %v, want none", err)
					return
				}
				laps[w] = append(laps[w], time.Since(began))
			}
		})
	}
	wg.Wait()
}

// commands give each conversation the steps of a chat, as its customer, its bot
// and its courier would.
type commands struct {
	router *actors.Router
	chats  [][]*steps
	turn   []int
}

// steps is a chat as seen from outside.
type steps struct {
	journaltest.Writer
	step     int
	question uint64 // version of the newest
	epoch    uint64
}

func newCommands(router *actors.Router, inFlight, hot int) *commands {
	c := &commands{router: router, chats: make([][]*steps, inFlight), turn: make([]int, inFlight)}
	for id := range hot {
		w := id % inFlight
		c.chats[w] = append(c.chats[w], &steps{Writer: writer(id)})
	}
	return c
}

// run gives n commands, one to each conversation in turn.
func (c *commands) run(b *testing.B, n int) {
	var wg sync.WaitGroup
	for w, chats := range c.chats {
		wg.Go(func() {
			for range share(n, len(c.chats), w) {
				if err := chats[c.turn[w]%len(chats)].next(c.router); err != nil {
					b.Errorf("command: got error %v, want none", err)
					return
				}
				c.turn[w]++
			}
		})
	}
	wg.Wait()
}

func (s *steps) next(router *actors.Router) error {
	cmd := engine.Command{Workspace: s.Workspace, By: journaltest.Engine}
	send := s.question + 1 // the bot's answer is the next event
	step := s.step % chatSteps
	switch step {
	case 0:
		s.Now = engine.InstantOf(time.Now())
		cmd.By, cmd.Body = journaltest.Customer, s.Receive(question)
	case 1:
		cmd.By, cmd.Epoch = journaltest.Bot, s.epoch
		cmd.Body = engine.AnswerTurn{From: s.question, Through: s.question, Say: []engine.Content{journaltest.Text(reply)}}
	case 2:
		cmd.Body = engine.AttemptSend{}
	case 3:
		cmd.Body = engine.RecordAttempt{
			Send: send, Attempt: 1,
			Result: engine.AttemptResult{State: engine.Accepted, External: sendName(s.Conversation.ID, send)},
		}
	case 4:
		cmd.Body = engine.RecordStatus{Send: send, State: engine.Sent, External: sendName(s.Conversation.ID, send)}
	}
	receipt, err := router.Do(context.Background(), s.Conversation.ID, cmd)
	if err != nil {
		return err
	}
	if step == 0 {
		s.question, s.epoch = receipt.Version, receipt.Card.Epoch
	}
	s.step++
	return nil
}
