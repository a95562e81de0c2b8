package main

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/intervenehq/intervene/bench/measure"
)

// The work is what one command of a chat leaves behind in the engine's journal,
// about 490 bytes of write-ahead log: an event, the conversation's head under a
// check of its version, for a message of a customer the hash that keeps it from
// being taken twice, and for what waits the time at which it is due.
const (
	eventBytes = 230
	headBytes  = 180
	hashBytes  = 32
	// chatSteps commands are a chat: the first is the customer's message, and two
	// change what is due.
	chatSteps = 5
)

// hot is how many conversations get commands in turn.
const hot = 10_000

// entry is one command's.
type entry struct {
	conversation uint64
	version      uint64 // that the head must have
	event, head  []byte
	hash         []byte    // nil: no message of a customer
	due          time.Time // zero: as before
}

// peer makes commands durable.
type peer interface {
	// write returns once e is durable, or why it is not.
	write(ctx context.Context, e *entry) error
	close() error
}

// conversation is one that its worker alone writes to.
type conversation struct {
	id, version uint64
	step        int
}

// work deals the conversations out to workers.
type work struct {
	peer          peer
	conversations [][]*conversation
	turn          []int
}

func newWork(p peer) *work {
	all := make([]*conversation, hot)
	for i := range all {
		all[i] = &conversation{id: uint64(i)}
	}
	return &work{peer: p, conversations: [][]*conversation{all}}
}

// run keeps so many commands in flight.
func (w *work) run(ctx context.Context, inFlight int, long time.Duration) *measure.Load {
	var all []*conversation
	for _, some := range w.conversations {
		all = append(all, some...)
	}
	w.conversations, w.turn = make([][]*conversation, inFlight), make([]int, inFlight)
	for i, c := range all {
		w.conversations[i%inFlight] = append(w.conversations[i%inFlight], c)
	}
	return measure.Closed(ctx, inFlight, long, func(worker, _ int) error {
		mine := w.conversations[worker]
		c := mine[w.turn[worker]%len(mine)]
		w.turn[worker]++
		if err := w.peer.write(ctx, c.next()); err != nil {
			return err
		}
		c.version++
		c.step++
		return nil
	})
}

// next is the next command's entry. Its bytes cannot be compressed away.
func (c *conversation) next() *entry {
	noise := make([]byte, eventBytes+headBytes+hashBytes)
	for at := 0; at+8 <= len(noise); at += 8 {
		binary.LittleEndian.PutUint64(noise[at:], rand.Uint64())
	}
	e := &entry{conversation: c.id, version: c.version, event: noise[:eventBytes], head: noise[eventBytes : eventBytes+headBytes]}
	switch c.step % chatSteps {
	case 0:
		e.hash = noise[eventBytes+headBytes:]
		e.due = time.Now().Add(time.Second)
	case 1:
		e.due = time.Now().Add(time.Minute)
	}
	return e
}
