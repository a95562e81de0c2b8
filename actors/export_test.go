package actors

import (
	"time"

	"github.com/intervenehq/intervene/engine"
)

// Resident counts the workspaces, agents and conversations that p holds.
func (p *Presences) Resident() (workspaces, agents, conversations int) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, w := range p.workspaces {
		agents += len(w.agents)
		conversations += len(w.conversations)
	}
	return len(p.workspaces), agents, conversations
}

// Looks counts how often the window of any watch was taken.
func (b *Board) Looks() uint64 { return b.looks.Load() }

// Watched counts the workspaces whose board is watched.
func (b *Board) Watched() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.watched)
}

// RestAfter is how long a watch rests after a look.
var RestAfter = restAfter

// Indexed counts, of one column, the holders that have an index and the rows
// that are known to be free.
func (b *Board) Indexed(workspace engine.WorkspaceID, column engine.Column) (holders, free int) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	c := b.workspaces[workspace].columns[column]
	return len(c.held), c.free
}

// Count does again what the metrics of a command cost that was answered: events are
// what it made of before.
func (r *Router) Count(cmd engine.Command, before *engine.Conversation, events []engine.Event) {
	r.metrics.mailboxWait.Observe(0)
	q := r.request(Offered)
	q.command, q.at = cmd, time.Now()
	r.metrics.observe(q)
	r.recycle(q)
	r.metrics.settled(before, events, nil)
}
