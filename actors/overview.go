package actors

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/intervenehq/intervene/engine"
)

const (
	// OverviewHours and OverviewDays are how many periods an overview has.
	OverviewHours = 48
	OverviewDays  = 30
	// MaxTransferred bounds the conversations that changed hands and are held still,
	// of which the overview remembers when that began: more of them count from when
	// they changed hands.
	MaxTransferred = 100_000
	// overviewShare is how many times as long as a step over the old log took its
	// reader rests after it: it takes no more than one part in so many of a CPU from
	// those who work.
	overviewShare = 4
	// overviewPause is how long changes are left to gather: nobody waits for them.
	overviewPause = 50 * time.Millisecond
)

// Chronicle is the journal's log as far back as it is kept.
type Chronicle interface {
	// Tail is that of [Log].
	Tail(ctx context.Context, after uint64, limit int) ([]engine.Change, error)
	// LogFloor is the offset after which the log is kept, Durable its newest.
	LogFloor() uint64
	Durable() uint64
}

// Overviews counts what happens in each workspace, by the hour and by the day: a
// fold over the journal's log, in bounded memory. At the start it reads the log as
// far back as that goes, in the background. It may be used from many goroutines.
type Overviews struct {
	source Chronicle
	log    *slog.Logger

	mu         sync.Mutex
	workspaces map[engine.WorkspaceID]*workspaceOverview
	// heldSince is since when those are held that changed hands.
	heldSince map[engine.ConversationID]engine.Instant
	// completeSince is from when on nothing is missing; 0: nothing is at all. With
	// gap set, something is, up to the next change.
	completeSince engine.Instant
	gap           bool
	caughtUp      bool

	cancel context.CancelFunc
	group  sync.WaitGroup
}

// StartOverviews begins to count, until Stop.
func StartOverviews(source Chronicle, log *slog.Logger) *Overviews {
	o := &Overviews{
		source: source, log: logger(log),
		workspaces: make(map[engine.WorkspaceID]*workspaceOverview),
		heldSince:  make(map[engine.ConversationID]engine.Instant),
	}
	ctx, cancel := context.WithCancel(context.Background())
	o.cancel = cancel
	o.group.Go(func() { o.follow(ctx) })
	return o
}

// Stop ends the counting.
func (o *Overviews) Stop() {
	o.cancel()
	o.group.Wait()
}

// follow reads the log from its beginning, and then what becomes durable.
func (o *Overviews) follow(ctx context.Context) {
	until := o.source.Durable()
	offset := o.begin()
	for {
		if offset >= until {
			o.arrive()
		}
		began := time.Now()
		changes, err := o.source.Tail(ctx, offset, TailLimit)
		switch {
		case ctx.Err() != nil:
			return
		case engine.CodeOf(err) == engine.CodeNotFound:
			offset = o.begin() // the log was cut off before it was read
			continue
		case err != nil:
			o.log.Error("overview cannot follow the journal", slog.Any("error", err))
			if pause(ctx, TailPause) != nil {
				return
			}
			continue
		}
		o.fold(changes)
		if len(changes) > 0 {
			offset = changes[len(changes)-1].Offset
		}
		rest := overviewPause
		switch {
		case offset < until:
			rest = overviewShare * time.Since(began)
		case len(changes) == TailLimit:
			continue // there is more
		}
		if pause(ctx, rest) != nil {
			return
		}
	}
}

// begin answers where the log begins. What was before is missing.
func (o *Overviews) begin() (offset uint64) {
	offset = o.source.LogFloor()
	if offset > 0 {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.gap = true
	}
	return offset
}

// arrive says that the log was read.
func (o *Overviews) arrive() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.caughtUp = true
}

func (o *Overviews) fold(changes []engine.Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		if c.At == 0 {
			o.gap = true // from before rows said when
			continue
		}
		if o.gap {
			o.gap, o.completeSince = false, c.At
		}
		o.foldOne(c)
	}
}

func (o *Overviews) foldOne(c *engine.Change) {
	ws, ok := o.workspaces[c.After.Workspace]
	if !ok {
		ws = newWorkspaceOverview()
		o.workspaces[c.After.Workspace] = ws
	}
	began := o.hold(c)
	if hour := ws.hours.at(c.At); hour != nil {
		hour.fold(c, began)
	}
	if day := ws.days.at(c.At); day != nil {
		day.fold(c, began)
	}
}

// hold keeps in mind since when c's conversation is held, if it changes hands, and
// answers since when it was.
func (o *Overviews) hold(c *engine.Change) (began engine.Instant) {
	if c.Before.Column != engine.Intervened {
		return 0
	}
	began, moved := o.heldSince[c.Conversation]
	if !moved {
		began = c.Before.Order
	}
	switch {
	case c.After.Column != engine.Intervened:
		delete(o.heldSince, c.Conversation)
	case c.After.Holder != c.Before.Holder && (moved || len(o.heldSince) < MaxTransferred):
		o.heldSince[c.Conversation] = began
	}
	return began
}

// Overview is how workspace does at an instant.
func (o *Overviews) Overview(workspace engine.WorkspaceID, now engine.Instant) engine.Overview {
	o.mu.Lock()
	defer o.mu.Unlock()
	overview := engine.Overview{CompleteSince: o.completeSince, CatchingUp: !o.caughtUp}
	if o.gap {
		overview.CompleteSince = now
	}
	ws := o.workspaces[workspace]
	if ws == nil {
		ws = newWorkspaceOverview()
	}
	overview.Hours, overview.Days = ws.hours.last(now), ws.days.last(now)
	return overview
}
