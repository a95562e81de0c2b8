package journal

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

// BenchmarkAppend compares Append with Pebble alone: the same keys and bytes, put
// by one committer into batches whose fsyncs a second goroutine waits for, on the
// same disk in the same run. An operation is one append of a chat: a message of the
// customer, the bot's answer, and the three steps of its delivery. What is
// appended, and for Pebble what it is encoded to, is made before the clock runs.
//
//	go test -run '^$' -bench Append -benchtime 500000x ./engine/journal
func BenchmarkAppend(b *testing.B) {
	for _, inFlight := range []int{16, 256, 4096} {
		b.Run(fmt.Sprintf("journal/%d", inFlight), func(b *testing.B) { benchmarkJournal(b, inFlight) })
		b.Run(fmt.Sprintf("pebble/%d", inFlight), func(b *testing.B) { benchmarkPebble(b, inFlight) })
	}
}

// hotConversations is how many the appends go to.
const hotConversations = 10_000

// chat makes a conversation's appends without a journal.
type chat struct {
	journaltest.Writer
	step    int
	waiting engine.Delivery
}

// next is the chat's next append.
func (c *chat) next(b *testing.B) engine.Append {
	cmd := engine.Command{Workspace: c.Workspace, By: journaltest.Engine}
	var send engine.Send
	if len(c.Conversation.Sends) > 0 {
		send = c.Conversation.Sends[0]
	}
	switch c.step % 5 {
	case 0:
		cmd.By, cmd.Body = journaltest.Customer, c.Receive("a question of the usual length, about an order")
	case 1:
		cmd.By, cmd.Epoch = journaltest.Bot, c.Conversation.Epoch
		cmd.Body = engine.AnswerTurn{
			From: c.Conversation.Turn.From, Through: c.Conversation.Version,
			Say: []engine.Content{journaltest.Text("an answer of the usual length, about an order")},
		}
	case 2:
		cmd.Body = engine.AttemptSend{}
	case 3:
		c.waiting = engine.Delivery{State: engine.Accepted, Attempt: 1, External: fmt.Sprintf("wamid.%s.%d", c.Conversation.ID, send.Version)}
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
		b.Fatalf("step %d: got refusal %v and %d events, want events", c.step%5, refusal, len(a.Events))
	}
	c.Conversation, c.Now, c.step = *a.After, c.Now.Add(time.Second), c.step+1
	return a
}

// load makes n appends, dealt out to as many as are in flight. Each of these
// has conversations of its own, so that their order is its own too.
func load(b *testing.B, n, inFlight int) [][]engine.Append {
	b.Helper()
	dealt := make([][]engine.Append, inFlight)
	var wg sync.WaitGroup
	for worker := range inFlight {
		wg.Go(func() {
			var chats []*chat
			for id := worker; id < hotConversations; id += inFlight {
				chats = append(chats, &chat{Writer: *journaltest.NewWriter(nil, uint64(id))})
			}
			for i := 0; i < (n+inFlight-1)/inFlight; i++ {
				dealt[worker] = append(dealt[worker], chats[i%len(chats)].next(b))
			}
		})
	}
	wg.Wait()
	return dealt
}

func benchmarkOptions(b *testing.B) Options {
	return Options{Create: true, Shard: journaltest.Shard, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { b.Errorf("fatal: %v", err) }}
}

func benchmarkJournal(b *testing.B, inFlight int) {
	j, err := Open(b.TempDir(), benchmarkOptions(b))
	if err != nil {
		b.Fatalf("open: got error %v, want none", err)
	}
	dealt := load(b, b.N, inFlight)
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for _, appends := range dealt {
		wg.Go(func() {
			for _, a := range appends {
				if _, err := j.Append(a); err != nil {
					b.Errorf("append: got error %v, want none", err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	if err := j.Close(); err != nil {
		b.Fatalf("close: got error %v, want none", err)
	}
}

// encoded are one append's rows for Pebble alone.
type encoded struct {
	rows
	done chan struct{}
}

// encode makes the rows that Append would write.
func encode(b *testing.B, dealt [][]engine.Append) [][]*encoded {
	b.Helper()
	all := make([][]*encoded, len(dealt))
	var wg sync.WaitGroup
	for worker := range dealt {
		wg.Go(func() {
			sends := make(map[engine.MessageID]engine.Delivery)
			for i := range dealt[worker] {
				a := &dealt[worker][i]
				d := derivation{shard: journaltest.Shard}
				err := d.derive(a, func(send uint64) (engine.Delivery, error) {
					return sends[engine.MessageID{Conversation: a.Conversation, Version: send}], nil
				})
				if err != nil {
					b.Errorf("derive: got error %v, want none", err)
					return
				}
				for _, s := range d.sends {
					sends[engine.MessageID{Conversation: a.Conversation, Version: s.version}] = s.delivery
				}
				all[worker] = append(all[worker], &encoded{rows: d.rows})
			}
		})
	}
	wg.Wait()
	return all
}

// pebbleStore is a store with the journal's options and nothing around it.
func pebbleStore(b *testing.B) *pebble.DB {
	b.Helper()
	o, err := benchmarkOptions(b).withDefaults()
	if err != nil {
		b.Fatalf("options: got error %v, want none", err)
	}
	o.FS = vfs.Default
	options := storeOptions(o, &storeEvents{logger: o.Logger, die: o.Fatal})
	options.ErrorIfNotExists = false
	db, err := pebble.Open(b.TempDir(), options)
	if err != nil {
		b.Fatalf("open: got error %v, want none", err)
	}
	return db
}

func benchmarkPebble(b *testing.B, inFlight int) {
	db := pebbleStore(b)
	dealt := encode(b, load(b, b.N, inFlight))
	queue := make(chan *encoded, inFlight)
	type synced struct {
		batch *pebble.Batch
		list  []*encoded
	}
	unsynced := make(chan synced, maxUnsynced)
	var wg, committing sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	committing.Go(func() {
		defer close(unsynced)
		offset := uint64(0)
		for first := range queue {
			list := []*encoded{first}
			for len(list) < maxBatchAppends && len(queue) > 0 {
				list = append(list, <-queue)
			}
			batch := db.NewBatch()
			for _, e := range list {
				offset++
				e.stamp(offset)
			}
			for g := range groupCount {
				for _, e := range list {
					if err := e.write(batch, g); err != nil {
						b.Errorf("write: got error %v, want none", err)
					}
				}
			}
			if err := db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
				b.Errorf("apply: got error %v, want none", err)
			}
			unsynced <- synced{batch, list}
		}
	})
	committing.Go(func() {
		for s := range unsynced {
			if err := s.batch.SyncWait(); err != nil {
				b.Errorf("sync: got error %v, want none", err)
			}
			for _, e := range s.list {
				e.done <- struct{}{}
			}
			if err := s.batch.Close(); err != nil {
				b.Errorf("close batch: got error %v, want none", err)
			}
		}
	})
	for _, list := range dealt {
		wg.Go(func() {
			done := make(chan struct{}, 1)
			for _, e := range list {
				e.done = done
				queue <- e
				<-done
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	close(queue)
	committing.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	if err := db.Close(); err != nil {
		b.Fatalf("close: got error %v, want none", err)
	}
}
