package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// openAtOnce bounds how many streams are being opened.
	openAtOnce = 50
	// openPatience is how long an opening that fails is tried again.
	openPatience = 15 * time.Second
	// longestReturn is how long who lost a stream takes to come back.
	longestReturn = time.Second
	// probeShare: one in so many subscribers reads every card.
	probeShare = 10
)

// fleet is many subscribers that read, in one process.
type fleet struct {
	subscribers []*subscriber
	lags        atomic.Pointer[lags]
	sizes       *sizes

	// lost streams came back, but for those of the end.
	lost    atomic.Int64
	cancel  context.CancelFunc
	reading sync.WaitGroup
	mu      sync.Mutex
	err     error // of an opening; read after all of them
}

// openFleet opens a stream for each. Whoever opens a fleet closes it.
func openFleet(ctx context.Context, subscribers []*subscriber) (*fleet, error) {
	f := &fleet{subscribers: subscribers, sizes: new(sizes)}
	f.sizes.wanted.Store(true)
	ctx, f.cancel = context.WithCancel(ctx)
	slots := make(chan struct{}, openAtOnce)
	var opening sync.WaitGroup
	subscribers[0].sizes = f.sizes
	for _, s := range subscribers {
		slots <- struct{}{}
		opening.Go(func() {
			defer func() { <-slots }()
			s.lags = &f.lags
			response, err := f.open(ctx, s)
			if err != nil {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.err = err
				return
			}
			f.reading.Go(func() { f.read(ctx, s, response) })
		})
	}
	opening.Wait()
	if f.err != nil {
		f.close()
		return nil, f.err
	}
	return f, nil
}

// open comes again while the server, busy with the others, lets a connection go.
func (f *fleet) open(ctx context.Context, s *subscriber) (*http.Response, error) {
	for deadline := time.Now().Add(openPatience); ; {
		response, err := s.open(ctx)
		if err == nil || time.Now().After(deadline) {
			return response, err
		}
		f.lost.Add(1)
		if rest(ctx, rand.N(longestReturn)) != nil {
			return nil, err
		}
	}
}

// read comes back when a stream is lost, as frontends do.
func (f *fleet) read(ctx context.Context, s *subscriber, response *http.Response) {
	for {
		err := s.read(ctx, response)
		for err != nil {
			f.lost.Add(1)
			if rest(ctx, rand.N(longestReturn)) != nil {
				return
			}
			response, err = s.open(ctx)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func (f *fleet) close() {
	f.cancel()
	f.reading.Wait()
	for _, s := range f.subscribers {
		s.transport.CloseIdleConnections()
	}
}

// received is what subscribers have read: all of them, but deltas and cards are
// of the probes alone.
type received struct{ deliveries, bytes, deltas, cards, lost int64 }

func (f *fleet) received() received {
	r := received{lost: f.lost.Load()}
	for _, s := range f.subscribers {
		r.deliveries += s.deliveries.Load()
		r.bytes += s.bytes.Load()
		if s.probe != nil {
			r.deltas += s.probe.deltas.Load()
			r.cards += s.probe.cards.Load()
		}
	}
	return r
}

func (r received) minus(before received) received {
	return received{r.deliveries - before.deliveries, r.bytes - before.bytes, r.deltas - before.deltas, r.cards - before.cards, r.lost - before.lost}
}

// watchers are n subscribers of s, spread over its workspaces and their agents.
// So many in a row share a connection.
func watchers(s *site, d *driver, n, perConnection int, window uint32) ([]*subscriber, error) {
	body, err := watchRequest(window)
	if err != nil {
		return nil, err
	}
	var subscribers []*subscriber
	var transport *http.Transport
	for i := range n {
		if i%perConnection == 0 {
			transport = plainHTTP2()
		}
		w := s.workspaces[i%len(s.workspaces)]
		nth := i / len(s.workspaces)
		sub := &subscriber{transport: transport, url: s.url() + watchPath, token: w.agents[nth%len(w.agents)], body: body}
		if (nth+i)%probeShare == 0 {
			sub.probe = newProbe(d)
		}
		subscribers = append(subscribers, sub)
	}
	return subscribers, nil
}

// rawReaders are n subscribers of a raw server, in groups, whose first frames
// have a size.
func rawReaders(r *raw, n, groups, perConnection, first int) []*subscriber {
	var subscribers []*subscriber
	var transport *http.Transport
	for i := range n {
		if i%perConnection == 0 {
			transport = plainHTTP2()
		}
		subscribers = append(subscribers, &subscriber{transport: transport, url: fmt.Sprintf("%s/stream/%d/%d", r.url, i%groups, first)})
	}
	return subscribers
}

// stalled are subscribers that do not read, until closed.
type stalled struct {
	cancel context.CancelFunc
	group  sync.WaitGroup
	mu     sync.Mutex
	errs   []error
}

func openStalled(ctx context.Context, subscribers []*subscriber) *stalled {
	st := new(stalled)
	ctx, st.cancel = context.WithCancel(ctx)
	for i, s := range subscribers {
		st.group.Go(func() {
			if err := s.stall(ctx, i%2 == 0); err != nil {
				st.mu.Lock()
				defer st.mu.Unlock()
				st.errs = append(st.errs, err)
			}
		})
	}
	return st
}

func (st *stalled) close() error {
	st.cancel()
	st.group.Wait()
	return errors.Join(st.errs...)
}
