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
// journal, with Pebble alone, which is fed the keys and bytes that these very
// commands made. The rest is as in BenchmarkAppend. No courier, bot or board
// runs: the benchmark gives their commands itself.
//
//	go test -run '^$' -bench Command -benchtime 10s ./engine/journal
func BenchmarkCommand(b *testing.B) {
	eachLoad(b, func(b *testing.B, inFlight, hot int) {
		j := benchmarkJournal(b)
		base := newBase(b)
		recorder := newRecorder(j, inFlight, hot)
		router := actors.NewRouter(actors.RouterOptions{Store: recorder})
		b.Cleanup(router.Stop)
		load := newCommands(router, inFlight, hot)
		slice := func(n int, subject, pebble *meter) {
			recorder.room(n)
			subject.time(n, func() { load.run(b, n) })
			rows := base.encode(b, recorder.take())
			pebble.time(n, func() { base.write(rows) })
		}
		compare(b, j, inFlight, hot, slice)
	})
}

// recorder is a journal that remembers what was appended.
type recorder struct {
	*Journal
	// worker is whose conversation it is. Nobody writes to it; of dealt each
	// worker's part is guarded by its lock.
	worker map[engine.ConversationID]int
	locks  []sync.Mutex
	dealt  [][]engine.Append
}

func newRecorder(j *Journal, inFlight, hot int) *recorder {
	r := &recorder{
		Journal: j, worker: make(map[engine.ConversationID]int, hot),
		locks: make([]sync.Mutex, inFlight), dealt: make([][]engine.Append, inFlight),
	}
	for id := range hot {
		r.worker[conversationOf(id)] = id % inFlight
	}
	return r
}

func (r *recorder) Append(a engine.Append) (engine.Change, error) {
	w := r.worker[a.Conversation]
	r.locks[w].Lock()
	r.dealt[w] = append(r.dealt[w], a)
	r.dealt[w][len(r.dealt[w])-1].Known = nil // only valid until it is answered
	r.locks[w].Unlock()
	return r.Journal.Append(a)
}

// take is what was appended since there was room made.
func (r *recorder) take() [][]engine.Append {
	return r.dealt
}

// room forgets what was appended, and makes room for n appends.
func (r *recorder) room(n int) {
	for w := range r.dealt {
		r.dealt[w] = make([]engine.Append, 0, share(n, len(r.dealt), w))
	}
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
