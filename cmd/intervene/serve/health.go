package serve

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// LookInterval is how often the watchdog looks whether journal and router answer.
	LookInterval = 2 * time.Second
	// WedgedAfter is how long one of them may take before the process is of no use any
	// more. The journal ends the process itself when a write takes ten seconds.
	WedgedAfter = 15 * time.Second
	// JournalSlow is how long a write may be under way before callers are sent elsewhere.
	JournalSlow = 3 * time.Second
)

// Why an engine is not ready.
const (
	unreadyDraining = "draining"
	unreadyJournal  = "journal"
	unreadyDisk     = "disk"
)

// watchdog looks at what everything else waits for, one after the other. One that hangs
// keeps it there, which is what is told; nothing else is held up by that.
type watchdog struct {
	looks []look
	alive func() // called after each round
	stop  chan struct{}
	done  chan struct{} // closed when it rests for ever

	mu    sync.Mutex
	at    string // what it looks at; empty: it rests
	since time.Time
}

// look is one thing that must answer.
type look struct {
	name string
	ask  func()
}

func (d *watchdog) run(interval time.Duration) {
	defer close(d.done)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		for _, l := range d.looks {
			d.begin(l.name)
			l.ask()
		}
		d.begin("")
		d.alive()
		select {
		case <-d.stop:
			return
		case <-tick.C:
		}
	}
}

func (d *watchdog) begin(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at, d.since = name, time.Now()
}

// wedged says what does not answer, and for how long; empty: all is well.
func (d *watchdog) wedged() (what string, took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if took = time.Since(d.since); d.at == "" || took < WedgedAfter {
		return "", 0
	}
	return d.at, took
}

// halt ends it, and waits for that until ctx ends: it may hang.
func (d *watchdog) halt(ctx context.Context) {
	close(d.stop)
	select {
	case <-d.done:
	case <-ctx.Done():
	}
}

// startWatchdog watches through the drain, too, until the router stops.
func (e *Engine) startWatchdog() {
	e.watchdog = &watchdog{
		alive: notifyAlive, stop: make(chan struct{}), done: make(chan struct{}),
		looks: []look{
			{"the journal", func() { e.journal.Health() }},
			{"the router", e.router.Answer},
		},
	}
	interval := LookInterval
	if wanted := watchdogInterval(); wanted > 0 {
		interval = min(interval, wanted)
	}
	go e.watchdog.run(interval)
}

func (e *Engine) serveLive(w http.ResponseWriter, _ *http.Request) {
	if what, took := e.watchdog.wedged(); what != "" {
		say(w, http.StatusServiceUnavailable, fmt.Sprintf("wedged: %s has not answered for %s\n", what, took.Round(time.Second)))
		return
	}
	say(w, http.StatusOK, "ok\n")
}

// check is one condition of being ready: its problem is empty when it holds.
type check struct{ reason, problem string }

// checks are all of them. That the journal was recovered is not among them: nothing is
// listened to before.
func (e *Engine) checks() []check {
	health := e.journal.Health()
	all := []check{{reason: unreadyDraining}, {reason: unreadyJournal}, {reason: unreadyDisk}}
	if e.draining.Load() {
		all[0].problem = "the engine stops"
	}
	switch {
	case health.Dead:
		all[1].problem = "it takes no writes any more"
	case health.Oldest > JournalSlow:
		all[1].problem = "a write is unfinished after " + health.Oldest.Round(time.Second).String()
	}
	if health.Full {
		all[2].problem = "too little room is left for the journal"
	}
	return all
}

// Ready reports whether callers should come here. It does not ask whether Meta answers:
// what cannot be sent now waits.
func (e *Engine) Ready() bool { return len(e.unready()) == 0 }

func (e *Engine) unready() (reasons []string) {
	for _, c := range e.checks() {
		if c.problem != "" {
			reasons = append(reasons, c.reason)
		}
	}
	return reasons
}

// serveReady tells the reasons, and of every check where the query has verbose.
func (e *Engine) serveReady(w http.ResponseWriter, r *http.Request) {
	var text strings.Builder
	status := http.StatusOK
	for _, c := range e.checks() {
		switch {
		case c.problem != "":
			status = http.StatusServiceUnavailable
			fmt.Fprintf(&text, "%s: %s\n", c.reason, c.problem)
		case r.URL.Query().Has("verbose"):
			fmt.Fprintf(&text, "%s: ok\n", c.reason)
		}
	}
	if text.Len() == 0 {
		text.WriteString("ok\n")
	}
	say(w, status, text.String())
}
