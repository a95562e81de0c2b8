//go:build unix

package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

// chatSteps are the appends of one question and its answer.
const chatSteps = 5

const (
	question = "a question of the usual length, about an order"
	reply    = "an answer of the usual length, about an order"
)

// chat makes a conversation's commands and what they lead to, without a journal.
type chat struct {
	journaltest.Writer
	step    int
	waiting engine.Delivery
	known   engine.Delivery
}

// next is the chat's next append.
func (c *chat) next(b *testing.B) engine.Append {
	a, _ := c.give(b)
	return a
}

// give is the chat's next command, and the append that it leads to.
func (c *chat) give(b *testing.B) (engine.Append, command) {
	cmd := engine.Command{Workspace: c.Workspace, By: journaltest.Engine}
	var send engine.Send
	if len(c.Conversation.Sends) > 0 {
		send = c.Conversation.Sends[0]
	}
	switch c.step % chatSteps {
	case 0:
		cmd.By, cmd.Body = journaltest.Customer, c.Receive(question)
	case 1:
		cmd.By, cmd.Epoch = journaltest.Bot, c.Conversation.Epoch
		cmd.Body = engine.AnswerTurn{
			From: c.Conversation.Turn.From, Through: c.Conversation.Version, Say: []engine.Content{journaltest.Text(reply)},
		}
	case 2:
		cmd.Body = engine.AttemptSend{}
	case 3:
		c.waiting = engine.Delivery{State: engine.Accepted, Attempt: 1, External: sendName(c.Conversation.ID, send.Version)}
		cmd.Body = engine.RecordAttempt{
			Send: send.Version, Attempt: 1, Result: engine.AttemptResult{State: engine.Accepted, External: c.waiting.External},
		}
	case 4:
		cmd.Body = engine.RecordStatus{
			Send: c.Conversation.GateSend, State: engine.Sent, External: c.waiting.External, Known: c.waiting,
		}
	}
	a, refusal := c.Prepare(cmd)
	if refusal != nil || len(a.Events) == 0 {
		b.Fatalf("step %d: got refusal %v and %d events, want events", c.step%chatSteps, refusal, len(a.Events))
	}
	c.know(&a)
	c.Conversation, c.Now, c.step = *a.After, c.Now.Add(time.Second), c.step+1
	return a, command{Command: cmd, to: a.Conversation}
}

// know tells a of the newest send what a conversation in memory knows.
func (c *chat) know(a *engine.Append) {
	for i := range a.Events {
		change, ok := a.Events[i].Body.(engine.DeliveryChanged)
		if !ok {
			continue
		}
		if change.State == engine.Attempted {
			c.known = engine.Delivery{}
		}
		a.Known = append(a.Known, engine.KnownDelivery{Send: change.Send, Delivery: c.known})
		c.known = c.known.Fold(change, a.Events[i].At)
	}
}

// sendName is what the platform calls a send.
func sendName(id engine.ConversationID, send uint64) string {
	return fmt.Sprintf("wamid.%s.%d", id, send)
}

// load is a number of chats, dealt out to as many workers as are in flight, so
// that each conversation's order is its worker's own.
type load struct {
	chats [][]*chat
	turn  []int
}

func newLoad(inFlight, hot int) *load {
	l := &load{chats: make([][]*chat, inFlight), turn: make([]int, inFlight)}
	for id := range hot {
		w := id % inFlight
		l.chats[w] = append(l.chats[w], &chat{Writer: writer(id)})
	}
	return l
}

// writer is the nth conversation. Its ID is as random as a real one's: that
// spreads conversations over tables.
func writer(n int) journaltest.Writer {
	w := *journaltest.NewWriter(nil, uint64(n))
	w.Conversation.ID = conversationOf(n)
	return w
}

func conversationOf(n int) engine.ConversationID {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return engine.NewConversationID(journaltest.Shard, [14]byte(sum[:14]))
}

// now sets the clock of all chats.
func (l *load) now(now engine.Instant) {
	for _, chats := range l.chats {
		for _, c := range chats {
			c.Now = now
		}
	}
}

// next makes n appends, one of each chat in turn, and the commands that lead to
// them.
func (l *load) next(b *testing.B, n int) ([][]engine.Append, [][]command) {
	b.Helper()
	dealt, given := make([][]engine.Append, len(l.chats)), make([][]command, len(l.chats))
	var wg sync.WaitGroup
	for w, chats := range l.chats {
		wg.Go(func() {
			for range share(n, len(l.chats), w) {
				a, cmd := chats[l.turn[w]%len(chats)].give(b)
				dealt[w], given[w] = append(dealt[w], a), append(given[w], cmd)
				l.turn[w]++
			}
		})
	}
	wg.Wait()
	return dealt, given
}

// share is what of n the part'th of parts does.
func share(n, parts, part int) int { return (n + part) / parts }
