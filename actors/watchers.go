package actors

import (
	"slices"

	"github.com/intervenehq/intervene/engine"
)

// watchers are those who watch the board of one workspace; Board.mu guards
// them. It exists while there is one.
type watchers struct {
	all map[*watch]struct{}
	// mine are those who ask for what one holder has, others the rest: a change
	// asks only those whom it may concern.
	mine   map[engine.AgentID]map[*watch]struct{}
	others map[*watch]struct{}
	// counting are those who are told counters, and counters what they are: stale
	// while changes are folded.
	counting map[*watch]struct{}
	counters [len(engine.BoardColumns)]engine.ColumnCounter
	stale    bool
}

// join makes w be woken from now on.
func (b *Board) join(w *watch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := w.query.Workspace
	ws, ok := b.watched[id]
	if !ok {
		ws = &watchers{
			all: make(map[*watch]struct{}), mine: make(map[engine.AgentID]map[*watch]struct{}),
			others: make(map[*watch]struct{}), counting: make(map[*watch]struct{}),
		}
		ws.count(b.workspaces[id])
		b.watched[id] = ws
	}
	ws.add(w)
}

// leave ends what join began.
func (b *Board) leave(w *watch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := w.query.Workspace
	ws := b.watched[id]
	ws.remove(w)
	if len(ws.all) == 0 {
		delete(b.watched, id)
	}
}

func (ws *watchers) add(w *watch) {
	ws.all[w] = struct{}{}
	if !w.query.Uncounted {
		ws.counting[w] = struct{}{}
	}
	holder := w.query.Filter.Holder
	if holder == "" {
		ws.others[w] = struct{}{}
		return
	}
	if ws.mine[holder] == nil {
		ws.mine[holder] = make(map[*watch]struct{})
	}
	ws.mine[holder][w] = struct{}{}
}

func (ws *watchers) remove(w *watch) {
	delete(ws.all, w)
	delete(ws.counting, w)
	delete(ws.others, w)
	holder := w.query.Filter.Holder
	delete(ws.mine[holder], w)
	if len(ws.mine[holder]) == 0 {
		delete(ws.mine, holder)
	}
}

// wake wakes those whose window a conversation may be in, as it stood or as it
// stands.
func (ws *watchers) wake(before, after *engine.Index) {
	ask := func(some map[*watch]struct{}) {
		for w := range some {
			if w.concerns(before) || w.concerns(after) {
				w.wake()
			}
		}
	}
	ask(ws.others)
	ask(ws.mine[before.Holder])
	if after.Holder != before.Holder {
		ask(ws.mine[after.Holder])
	}
}

// count takes the counters of board anew, and wakes those to whom they are news.
func (ws *watchers) count(board *workspaceBoard) {
	ws.stale = false
	var changed []engine.Column
	for i, column := range engine.BoardColumns {
		if counter := board.count(column); counter != ws.counters[i] {
			ws.counters[i] = counter
			changed = append(changed, column)
		}
	}
	if len(changed) == 0 {
		return
	}
	for w := range ws.counting {
		if slices.ContainsFunc(changed, w.shows) {
			w.wake()
		}
	}
}

func (ws *watchers) wakeAll() {
	for w := range ws.all {
		w.wake()
	}
}
