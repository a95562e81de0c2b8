package rpc

import (
	"context"
	"sync"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// views are those that are open: each as long as a stream shows it. A view that
// the backend ended is not joined any more.
type views struct {
	boards    Boards
	presences Presences
	cursors   cursorKey
	pace      *pace
	metrics   *metrics

	mu      sync.Mutex
	boardOf map[viewKey]*view
	// agents are the presence of whole workspaces.
	agents map[engine.WorkspaceID]*presenceView
}

func newViews(o *Options, cursors cursorKey, m *metrics) *views {
	return &views{
		boards: o.Boards, presences: o.Presences, cursors: cursors, pace: newPace(), metrics: m,
		boardOf: make(map[viewKey]*view), agents: make(map[engine.WorkspaceID]*presenceView),
	}
}

// join rings b from now on whenever the view changes. Whoever joins leaves.
func (vs *views) join(key viewKey, b bell) *view {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	v := vs.boardOf[key]
	if v == nil || isClosed(v.ended) {
		v = vs.open(key)
		vs.boardOf[key] = v
	}
	v.mu.Lock()
	v.bells[b] = struct{}{}
	v.mu.Unlock()
	return v
}

// open is called with mu held.
func (vs *views) open(key viewKey) *view {
	ctx, stop := context.WithCancel(context.Background())
	query := key.query()
	v := &view{
		key: key, token: vs.cursors.resumeToken(&query), stop: stop, ended: make(chan struct{}),
		cards: make(map[engine.ConversationID]*viewCard), shared: make(map[uint64]change), bells: make(map[bell]struct{}),
	}
	vs.metrics.views.Inc()
	go func() {
		defer vs.metrics.views.Dec()
		defer v.end()
		defer func() { v.err = recovered(recover(), v.err) }()
		v.err = vs.boards.WatchBoard(ctx, query, func(u engine.BoardUpdate) error {
			if err := v.take(u); err != nil {
				return err
			}
			return vs.rest(ctx, v.streams())
		})
	}()
	return v
}

// end tells all streams that nothing comes any more.
func (v *view) end() {
	close(v.ended)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ring()
}

func (v *view) streams() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.bells)
}

// leave ends the view with its last stream, and waits for that.
func (vs *views) leave(v *view, b bell) {
	vs.mu.Lock()
	v.mu.Lock()
	delete(v.bells, b)
	last := len(v.bells) == 0
	v.mu.Unlock()
	if last && vs.boardOf[v.key] == v {
		delete(vs.boardOf, v.key)
	}
	vs.mu.Unlock()
	if last {
		v.stop()
		<-v.ended
	}
}

// rest holds the next update of a view back until there is CPU for what the
// last one made its streams send.
func (vs *views) rest(ctx context.Context, deliveries int) error {
	pause := vs.pace.take(time.Now(), deliveries)
	if pause <= 0 {
		return nil
	}
	vs.metrics.paused.Add(pause.Seconds())
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
