package standin

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// envelopeBytes is kept free of items in a full POST, for what stands
	// around them: at most one entry and one change for each.
	envelopeBytes = 512 << 10
	// redeliveryJitter is the share by which a redelivery may come earlier.
	redeliveryJitter = 0.2
	// roomShare of the queue limit is where writers that wait are let in
	// again: all at once, so not at every answered item.
	roomShare = 0.75

	webhookUserAgent = "facebookexternalua"
)

var errNoWebhook = errors.New("app has no webhook URL yet")

// Ack is one webhook POST and its answer.
type Ack struct {
	App      AppID
	Messages int
	Statuses int
	Changes  int
	Offer    int // 1 for the first
	Forged   bool
	Status   int // 0: there was no answer
	Duration time.Duration
}

// dispatcher offers the items of one app to its webhook. Its pump is the only
// taker of the queue; it starts one goroutine for each POST, never more than
// Parallelism, and waits for them all.
type dispatcher struct {
	graph  *Graph
	app    App
	client *http.Client
	url    atomic.Pointer[string]
	wake   chan struct{} // tells the pump that something new may be due first

	mu      sync.Mutex
	queue   schedule
	queued  uint64
	pending int           // items queued or in flight, each copy counted
	room    chan struct{} // non-nil while somebody waits for room
	idle    chan struct{} // non-nil while somebody waits for pending to be 0
}

func newDispatcher(g *Graph, app App, client *http.Client) *dispatcher {
	d := &dispatcher{graph: g, app: app, client: client, wake: make(chan struct{}, 1)}
	d.url.Store(&app.WebhookURL)
	return d
}

// offer queues an item, with whatever faults meet it.
func (g *Graph) offer(it *item, due time.Time) {
	plan := g.faults.planOffer(it)
	d := it.number.app
	g.log.queue(it)
	due = due.Add(plan.delay)
	d.push(&parcel{due: due, items: []*item{it}})
	for _, later := range plan.copies {
		d.push(&parcel{due: due.Add(later), items: []*item{it}})
	}
	for copyNo := range plan.forgeries {
		twin := g.forgedTwin(it, copyNo)
		g.log.queue(twin)
		d.push(&parcel{due: due, items: []*item{twin}, sealed: true, forged: true})
	}
}

func (d *dispatcher) push(p *parcel) {
	if gather := d.graph.config.Webhook.Gather; gather > 0 && !p.sealed {
		p.due = p.due.Truncate(gather).Add(gather)
	}
	d.mu.Lock()
	d.pending += len(p.items)
	d.enqueue(p)
	d.mu.Unlock()
	d.ring()
}

// enqueue is called with mu held.
func (d *dispatcher) enqueue(p *parcel) {
	d.queued++
	p.seq = d.queued
	heap.Push(&d.queue, p)
}

func (d *dispatcher) ring() {
	select {
	case d.wake <- struct{}{}:
	default: // the pump has a ring that it has not heard yet
	}
}

// run is the pump. It first has a free POST and then looks what is due, so
// that under load items wait together and share one.
func (d *dispatcher) run(ctx context.Context) {
	var posts sync.WaitGroup
	defer posts.Wait()
	free := make(chan struct{}, d.graph.config.Webhook.Parallelism)
	for {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		p := d.next(ctx)
		if p == nil {
			return
		}
		posts.Go(func() {
			defer func() { <-free }()
			d.post(ctx, p)
		})
	}
}

// next waits for a parcel. Nil: the stand-in is closing.
func (d *dispatcher) next(ctx context.Context) *parcel {
	w := d.graph.config.Webhook
	for ctx.Err() == nil {
		d.mu.Lock()
		p, wait := d.queue.take(time.Now(), w.MaxBatch, maxWebhookBytes-envelopeBytes)
		d.mu.Unlock()
		if p != nil {
			if p.offers == 0 {
				arrange(p.items, w.Shuffle)
			}
			return p
		}
		d.sleep(ctx, wait)
	}
	return nil
}

// arrange puts the items of a POST into the order drawn, or else brings those
// of one number together in their own order.
func arrange(items []*item, shuffle bool) {
	slices.SortStableFunc(items, func(a, b *item) int {
		if shuffle {
			return cmp.Compare(a.lot, b.lot)
		}
		return cmp.Compare(a.number.ID, b.number.ID)
	})
}

// sleep ends when something is due (wait 0: nothing is queued), or pushed.
func (d *dispatcher) sleep(ctx context.Context, wait time.Duration) {
	var due <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-due:
	case <-d.wake:
	case <-ctx.Done():
	}
}

// post offers a parcel once and decides what becomes of it.
func (d *dispatcher) post(ctx context.Context, p *parcel) {
	g := d.graph
	body := appendEnvelope(make([]byte, 0, bodySize(p.items)), p.items)
	p.offers++
	started := time.Now()
	g.log.offered(p.items, started)
	status, err := d.send(ctx, body, d.signature(p, body))
	if ctx.Err() != nil {
		return // closing: whether it arrived is not known, so nothing is said
	}
	if err != nil {
		g.counters.unanswered.Add(1)
	}
	answered := time.Now()
	g.log.answered(p.items, status, answered)
	g.counters.countPost(p, status)
	if g.config.OnAck != nil {
		g.config.OnAck(d.ack(p, status, answered.Sub(started)))
	}
	d.settle(p, status)
}

func bodySize(items []*item) int {
	size := 128
	for _, it := range items {
		size += it.size() + 256
	}
	return size
}

func (d *dispatcher) signature(p *parcel, body []byte) string {
	if p.forged {
		return forge(d.app.Secret, body)
	}
	return sign(d.app.Secret, body)
}

// send makes one POST. A status of 0 goes with an error: nothing was answered.
func (d *dispatcher) send(ctx context.Context, body []byte, signature string) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.graph.config.Webhook.Timeout)
	defer cancel()
	address := *d.url.Load()
	if address == "" {
		return 0, errNoWebhook
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("make the webhook request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", webhookUserAgent)
	request.Header.Set(signatureHeader, signature)
	response, err := d.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("post to the webhook: %w", err)
	}
	// The answer counts, whatever becomes of its body; that is read only so
	// that the connection can be used again.
	_, readErr := io.CopyN(io.Discard, response.Body, maxAnswerBytes)
	if closeErr := response.Body.Close(); closeErr != nil || !errors.Is(readErr, io.EOF) {
		d.graph.counters.answersCut.Add(1)
	}
	return response.StatusCode, nil
}

func (d *dispatcher) ack(p *parcel, status int, took time.Duration) Ack {
	ack := Ack{App: d.app.ID, Offer: p.offers, Forged: p.forged, Status: status, Duration: took}
	for _, it := range p.items {
		switch it.kind {
		case ItemMessage:
			ack.Messages++
		case ItemStatus:
			ack.Statuses++
		case ItemChange:
			ack.Changes++
		}
	}
	return ack
}

// settle releases an answered parcel, or queues it for its next offer.
func (d *dispatcher) settle(p *parcel, status int) {
	if status == http.StatusOK || p.forged {
		d.release(len(p.items))
		return
	}
	if p.offers >= d.graph.config.Webhook.MaxOffers {
		d.graph.log.giveUp(p.items)
		d.graph.counters.givenUp.Add(uint64(len(p.items)))
		d.graph.logger.Warn("webhook items given up",
			"app", d.app.ID, "items", len(p.items), "offers", p.offers, "last_status", status)
		d.release(len(p.items))
		return
	}
	p.due = time.Now().Add(d.redeliverAfter(p))
	d.mu.Lock()
	d.enqueue(p)
	d.mu.Unlock()
	d.ring()
}

func (d *dispatcher) redeliverAfter(p *parcel) time.Duration {
	w := d.graph.config.Webhook
	wait := float64(w.RedeliveryFirst) * math.Pow(w.RedeliveryFactor, float64(p.offers-1))
	wait = min(wait, float64(w.RedeliveryLongest))
	early := redeliveryJitter * unit(d.graph.seed.draw("redelivery", itoa(p.offers), p.items[0].key))
	return time.Duration(wait * (1 - early))
}

// full tells whether more may be accepted. It is no reservation: what is
// being accepted at this moment may run over the limit by its own statuses.
func (d *dispatcher) full() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pending >= d.graph.config.Webhook.QueueLimit
}

func (d *dispatcher) release(items int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pending -= items
	if d.room != nil && float64(d.pending) <= roomShare*float64(d.graph.config.Webhook.QueueLimit) {
		close(d.room)
		d.room = nil
	}
	if d.idle != nil && d.pending == 0 {
		close(d.idle)
		d.idle = nil
	}
}

// waitRoom returns once the queue has room.
func (d *dispatcher) waitRoom(ctx context.Context) error {
	return d.wait(ctx, &d.room, func() bool { return d.pending < d.graph.config.Webhook.QueueLimit })
}

// waitIdle returns once nothing is pending.
func (d *dispatcher) waitIdle(ctx context.Context) error {
	return d.wait(ctx, &d.idle, func() bool { return d.pending == 0 })
}

// wait returns once there holds, which is looked at with mu held, and again
// whenever the signal is closed.
func (d *dispatcher) wait(ctx context.Context, signal *chan struct{}, there func() bool) error {
	for {
		if d.graph.ctx.Err() != nil {
			return ErrClosed
		}
		d.mu.Lock()
		if there() {
			d.mu.Unlock()
			return nil
		}
		if *signal == nil {
			*signal = make(chan struct{})
		}
		changed := *signal
		d.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-d.graph.ctx.Done():
		}
	}
}
