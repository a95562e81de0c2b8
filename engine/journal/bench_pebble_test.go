//go:build unix

package journal

import (
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

// base is Pebble alone with the journal's options, one committer and one
// goroutine that waits for fsyncs.
type base struct {
	b     *testing.B
	db    *pebble.DB
	queue chan *encoded
	// offset is the committer's, sends are encode's: how far each send has come.
	offset uint64
	mu     sync.Mutex
	sends  map[engine.MessageID]engine.Delivery
}

// encoded are one append's rows.
type encoded struct {
	rows
	done chan struct{}
}

// inBatch are the appends that one fsync makes durable.
type inBatch struct {
	batch *pebble.Batch
	list  []*encoded
}

func newBase(b *testing.B) *base {
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
	s := &base{b: b, db: db, queue: make(chan *encoded, maxQueuedAppends), sends: make(map[engine.MessageID]engine.Delivery)}
	var running sync.WaitGroup
	unsynced := make(chan inBatch, maxUnsynced)
	running.Go(func() { s.commit(unsynced) })
	running.Go(func() { s.sync(unsynced) })
	b.Cleanup(func() {
		close(s.queue)
		running.Wait()
		if err := db.Close(); err != nil {
			b.Errorf("close: got error %v, want none", err)
		}
	})
	return s
}

// encode makes the rows that Append writes for what was dealt.
func (s *base) encode(b *testing.B, dealt [][]engine.Append) [][]*encoded {
	b.Helper()
	all := make([][]*encoded, len(dealt))
	var wg sync.WaitGroup
	for worker := range dealt {
		wg.Go(func() {
			for i := range dealt[worker] {
				a := &dealt[worker][i]
				d := derivation{shard: journaltest.Shard}
				if err := d.derive(a, func(send uint64) (engine.Delivery, error) { return s.delivery(a, send), nil }); err != nil {
					b.Errorf("derive: got error %v, want none", err)
					return
				}
				s.keep(a, d.sends)
				all[worker] = append(all[worker], &encoded{rows: d.rows})
			}
		})
	}
	wg.Wait()
	return all
}

func (s *base) delivery(a *engine.Append, send uint64) engine.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sends[engine.MessageID{Conversation: a.Conversation, Version: send}]
}

// keep remembers sends until they were sent, after which nothing more comes.
func (s *base) keep(a *engine.Append, sends []changedSend) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, send := range sends {
		id := engine.MessageID{Conversation: a.Conversation, Version: send.version}
		if s.sends[id] = send.delivery; send.delivery.State == engine.Sent {
			delete(s.sends, id)
		}
	}
}

// write writes each worker's part in its order, all workers at once, and notes how
// long each took.
func (s *base) write(dealt [][]*encoded, laps [][]time.Duration) {
	var wg sync.WaitGroup
	for w, list := range dealt {
		wg.Go(func() {
			done := make(chan struct{}, 1)
			for _, e := range list {
				began := time.Now()
				e.done = done
				s.queue <- e
				<-done
				laps[w] = append(laps[w], time.Since(began))
			}
		})
	}
	wg.Wait()
}

func (s *base) commit(unsynced chan<- inBatch) {
	defer close(unsynced)
	for first := range s.queue {
		list := []*encoded{first}
		size := len(first.buf)
		for len(list) < maxBatchAppends && len(s.queue) > 0 {
			e := <-s.queue
			list, size = append(list, e), size+len(e.buf)
		}
		batch := s.db.NewBatchWithSize(size + size/8)
		for _, e := range list {
			s.offset++
			e.stamp(s.offset)
		}
		for g := range groupCount {
			for _, e := range list {
				if err := e.rows.write(batch, g); err != nil {
					s.b.Errorf("write: got error %v, want none", err)
				}
			}
		}
		if err := s.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
			s.b.Errorf("apply: got error %v, want none", err)
		}
		unsynced <- inBatch{batch, list}
	}
}

func (s *base) sync(unsynced <-chan inBatch) {
	for in := range unsynced {
		if err := in.batch.SyncWait(); err != nil {
			s.b.Errorf("sync: got error %v, want none", err)
		}
		for _, e := range in.list {
			e.done <- struct{}{}
		}
		if err := in.batch.Close(); err != nil {
			s.b.Errorf("close batch: got error %v, want none", err)
		}
	}
}

// sampleCount is how many values a histogram has seen.
func sampleCount(h prometheus.Histogram) uint64 {
	var m dto.Metric
	if err := h.Write(&m); err != nil {
		panic(err)
	}
	return m.GetHistogram().GetSampleCount()
}
