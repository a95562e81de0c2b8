package whatsapp

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"github.com/intervenehq/intervene/engine"
)

const (
	// DefaultMessagesPerSecond is what a number may send and receive, together:
	// 80, once upgraded 1,000, in coexistence with a phone 20
	// (developers.facebook.com/docs/whatsapp/cloud-api/overview, "Throughput").
	DefaultMessagesPerSecond = 80
	// PairInterval and PairBurst are what may be sent to one contact
	// (the same page, "Pair rate limits").
	PairInterval = 6 * time.Second
	PairBurst    = 45
	// MaxPairs bounds the contacts whose pace is remembered. One that was quiet
	// for PairBurst x PairInterval has nothing to remember.
	MaxPairs = 65_536

	// RetryShare of the sends of a number may be retries; RetryBurst is what may
	// be saved up. Past it a retry waits as for a quota.
	RetryShare = 0.1
	RetryBurst = 100

	// BreakerFailures in a row, of requests that the Graph API did not answer or
	// could not serve, open a number's breaker.
	BreakerFailures = 10
	// ProbeTimeout is how long a half-open breaker waits for its one probe.
	ProbeTimeout = 30 * time.Second
	// probePause is how soon a send looks again while a probe is under way.
	probePause = time.Second
)

// paceBreaker is how long a breaker stays open that failures opened.
var paceBreaker = pacing{base: 5 * time.Second, longest: 2 * time.Minute}

// waitReason is why a send may not go yet, as metrics count it.
type waitReason string

const (
	waitNumber  waitReason = "number"  // the number's pace
	waitPair    waitReason = "pair"    // the contact's pace
	waitBackoff waitReason = "backoff" // Meta said: too fast
	waitBreaker waitReason = "breaker" // the number's breaker is open
)

var waitReasons = [...]waitReason{
	waitNumber, waitPair, waitBackoff, waitBreaker,
}

// pace says when a number's next send may go: by the limits of number and
// contact, by what Meta answered, and by the number's breaker. It remembers
// nothing over a restart. All methods are safe for concurrent use.
type pace struct {
	numbers atomic.Pointer[map[engine.ChannelID]*number] // replaced by serve
	metrics *Metrics
	draw    func(time.Duration) time.Duration // replaced by tests

	mu    sync.Mutex // guards pairs and what is in them
	pairs *simplelru.LRU[pairKey, *pair]
}

type pairKey struct {
	channel engine.ChannelID
	contact string
}

// pair is the pace towards one contact.
type pair struct {
	limiter *rate.Limiter
	until   time.Time // Meta said so
}

// number is one channel's pace and breaker.
type number struct {
	limiter *rate.Limiter

	mu      sync.Mutex
	until   time.Time // no send before it: Meta said that it is too fast
	retries float64   // how many may go now
	breaker breaker
}

// breaker is closed while opened is 0. Open, it lets nothing through until its
// time is over, and then one probe at a time.
type breaker struct {
	failures int    // in a row
	opened   uint32 // how often in a row
	until    time.Time
	probed   time.Time // when the present probe began
}

// newPace makes one that knows no channel yet.
func newPace(metrics *Metrics) (*pace, error) {
	pairs, err := simplelru.NewLRU[pairKey, *pair](MaxPairs, nil)
	if err != nil {
		return nil, err
	}
	p := &pace{metrics: metrics, draw: rand.N[time.Duration], pairs: pairs}
	p.numbers.Store(new(map[engine.ChannelID]*number))
	return p, nil
}

// serve makes channels those that there are. Each keeps what is known of it, if keep
// says so; its throughput is the new one in either case.
func (p *pace) serve(channels []Channel, keep func(engine.ChannelID) bool) {
	present := *p.numbers.Load()
	next := make(map[engine.ChannelID]*number, len(channels))
	for _, channel := range channels {
		perSecond := channel.MessagesPerSecond
		if perSecond == 0 {
			perSecond = DefaultMessagesPerSecond
		}
		known, ok := present[channel.ID]
		if ok && keep(channel.ID) {
			known.limiter.SetLimit(rate.Limit(perSecond))
			known.limiter.SetBurst(perSecond)
			next[channel.ID] = known
			continue
		}
		next[channel.ID] = &number{limiter: rate.NewLimiter(rate.Limit(perSecond), perSecond), retries: RetryBurst}
		p.metrics.beginChannel(channel.ID)
	}
	p.numbers.Store(&next)
	for id := range present {
		if _, stays := next[id]; !stays {
			p.metrics.forgetBreaker(id)
		}
	}
}

// number is a channel's.
func (p *pace) number(channel engine.ChannelID) (*number, bool) {
	n, ok := (*p.numbers.Load())[channel]
	return n, ok
}

// arrived counts n messages of customers, which use the number's throughput too.
func (p *pace) arrived(channel engine.ChannelID, n int) {
	number, ok := p.number(channel)
	if !ok {
		return
	}
	// What has arrived has arrived: it takes what room there is, and never so much
	// that sends would wait for it for longer than a second.
	now := time.Now()
	number.limiter.AllowN(now, min(n, max(0, int(number.limiter.TokensAt(now)))))
}

// reserve answers 0 when a send may go now, or when to ask again.
func (p *pace) reserve(channel engine.ChannelID, to engine.Contact) time.Duration {
	number, ok := p.number(channel)
	if !ok {
		return 0 // the send itself finds out, and says so
	}
	wait, reason := p.take(number, pairKey{channel, contactKey(to)}, time.Now())
	if wait > 0 {
		p.metrics.graphWaits.WithLabelValues(string(channel), string(reason)).Inc()
	}
	return wait
}

func contactKey(to engine.Contact) string {
	if to.UserID != "" {
		return to.UserID
	}
	return to.WaID
}

// take takes a send's place if it may go at now.
func (p *pace) take(n *number, key pairKey, now time.Time) (time.Duration, waitReason) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	towards := p.pair(key)
	if wait := n.until.Sub(now); wait > 0 {
		return wait, waitBackoff
	}
	if wait := towards.until.Sub(now); wait > 0 {
		return wait, waitBackoff
	}
	if wait := n.breaker.wait(now); wait > 0 {
		return wait, waitBreaker
	}
	ofPair := towards.limiter.ReserveN(now, 1)
	if wait := ofPair.DelayFrom(now); wait > 0 {
		ofPair.CancelAt(now)
		return wait, waitPair
	}
	ofNumber := n.limiter.ReserveN(now, 1)
	if wait := ofNumber.DelayFrom(now); wait > 0 {
		ofNumber.CancelAt(now)
		ofPair.CancelAt(now)
		return wait, waitNumber
	}
	n.breaker.pass(now)
	return 0, ""
}

// pair is called with mu held.
func (p *pace) pair(key pairKey) *pair {
	if known, ok := p.pairs.Get(key); ok {
		return known
	}
	fresh := &pair{limiter: rate.NewLimiter(rate.Every(PairInterval), PairBurst)}
	p.pairs.Add(key, fresh)
	return fresh
}

// wait is how long b keeps a send back.
func (b *breaker) wait(now time.Time) time.Duration {
	switch {
	case b.opened == 0:
		return 0
	case now.Before(b.until):
		return b.until.Sub(now)
	case now.Before(b.probed.Add(ProbeTimeout)):
		return probePause
	}
	return 0
}

// pass notes that a send goes, which is the probe of a breaker that was open.
func (b *breaker) pass(now time.Time) {
	if b.opened > 0 {
		b.probed = now
	}
}

// served notes that the Graph API dealt with a send of channel, well or not.
func (p *pace) served(channel engine.ChannelID) {
	number, ok := p.number(channel)
	if !ok {
		return
	}
	number.mu.Lock()
	defer number.mu.Unlock()
	number.retries = min(number.retries+RetryShare, RetryBurst)
	if number.breaker.opened > 0 {
		p.metrics.breaker(channel, breakerClosed)
	}
	number.breaker = breaker{}
}

// failed notes that nobody knows of a send of channel, or that it found nobody.
func (p *pace) failed(channel engine.ChannelID) {
	number, ok := p.number(channel)
	if !ok {
		return
	}
	number.mu.Lock()
	defer number.mu.Unlock()
	number.breaker.failures++
	if number.breaker.opened > 0 || number.breaker.failures >= BreakerFailures {
		p.open(channel, number, paceBreaker, 0)
	}
}

// paused opens the breaker of a channel that Meta refuses as a whole. It
// answers how long it stays open.
func (p *pace) paused(channel engine.ChannelID, asked time.Duration) time.Duration {
	number, ok := p.number(channel)
	if !ok {
		return pacePause.wait(1, asked, p.draw)
	}
	number.mu.Lock()
	defer number.mu.Unlock()
	return p.open(channel, number, pacePause, asked)
}

// open is called with the number's mu held. What was on its way when the breaker
// opened fails too, and must not make it stay open for longer.
func (p *pace) open(channel engine.ChannelID, n *number, pace pacing, asked time.Duration) time.Duration {
	now := time.Now()
	if wait := n.breaker.until.Sub(now); n.breaker.opened > 0 && wait > 0 && asked == 0 {
		return wait
	}
	n.breaker.opened++
	wait := max(pace.wait(n.breaker.opened, asked, p.draw), probePause)
	n.breaker.until, n.breaker.probed = now.Add(wait), time.Time{}
	p.metrics.breaker(channel, breakerOpen)
	return wait
}

// tooFast keeps a number back, or only its sends to one contact.
func (p *pace) tooFast(o *engine.Outbound, wait time.Duration, contactAlone bool) {
	number, ok := p.number(o.Channel)
	if !ok {
		return
	}
	until := time.Now().Add(wait)
	number.mu.Lock()
	defer number.mu.Unlock()
	if !contactAlone {
		number.until = later(number.until, until)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	towards := p.pair(pairKey{o.Channel, contactKey(o.To)})
	towards.until = later(towards.until, until)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// mayRetry takes one retry from the number's budget.
func (p *pace) mayRetry(channel engine.ChannelID) bool {
	number, ok := p.number(channel)
	if !ok {
		return true
	}
	number.mu.Lock()
	defer number.mu.Unlock()
	if number.retries < 1 {
		p.metrics.graphRetriesDenied.WithLabelValues(string(channel)).Inc()
		return false
	}
	number.retries--
	return true
}
