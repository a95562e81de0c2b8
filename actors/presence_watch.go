package actors

import (
	"cmp"
	"container/list"
	"context"
	"slices"

	"github.com/intervenehq/intervene/engine"
)

// WatchPresence calls yield with all who are online in a workspace, at once and
// also when there are none, then with those who changed, until ctx ends or
// yield fails. A subscriber that is slow in yield gets fewer, newer updates.
// Nobody changes what yield is given.
func (p *Presences) WatchPresence(ctx context.Context, workspace engine.WorkspaceID, yield func(engine.PresenceUpdate) error) error {
	w := p.watchWorkspace(workspace)
	defer p.unwatchWorkspace(w)
	var seen uint64
	for first := true; ; first = false {
		var moved <-chan struct{}
		var update engine.PresenceUpdate
		moved, update, seen = p.since(w, seen, first)
		if update.Complete || len(update.Agents) > 0 {
			if err := yield(update); err != nil {
				return err
			}
			if pause(ctx, CoalesceInterval) != nil {
				return ctx.Err()
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

// since is what changed after the change seen, by agent, with the number of the
// newest change and what to wait for.
func (p *Presences) since(w *workspacePresence, seen uint64, complete bool) (<-chan struct{}, engine.PresenceUpdate, uint64) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	update := engine.PresenceUpdate{Complete: complete || seen < w.forgot}
	if update.Complete {
		update.Agents = changedAfter(&w.online, 0, make([]engine.AgentPresence, 0, w.online.Len()))
	} else {
		update.Agents = changedAfter(&w.gone, seen, changedAfter(&w.online, seen, nil))
	}
	slices.SortFunc(update.Agents, func(a, b engine.AgentPresence) int { return cmp.Compare(a.Agent, b.Agent) })
	return w.watched.moved, update, w.changes
}

// changedAfter adds to agents those of changes after the change seen.
func changedAfter(changes *list.List, seen uint64, agents []engine.AgentPresence) []engine.AgentPresence {
	for e := changes.Back(); e != nil; e = e.Prev() {
		a := e.Value.(*agentPresence)
		if a.changed <= seen {
			break
		}
		agents = append(agents, a.told)
	}
	return agents
}

// WatchViewers calls yield with all who have a conversation open, in the order
// of their IDs, at once unless there are none, then whenever that changes, as
// WatchPresence does.
func (p *Presences) WatchViewers(
	ctx context.Context, workspace engine.WorkspaceID, id engine.ConversationID, yield func([]engine.Viewer) error,
) error {
	w, c := p.watchConversation(workspace, id)
	defer p.unwatchConversation(w, id)
	var told []engine.Viewer
	for {
		moved, now := p.viewersOf(c)
		if !slices.Equal(told, now) {
			told = now
			if err := yield(now); err != nil {
				return err
			}
			if pause(ctx, CoalesceInterval) != nil {
				return ctx.Err()
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

func (p *Presences) viewersOf(c *viewers) (<-chan struct{}, []engine.Viewer) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return c.moved, c.agents
}

func (p *Presences) watchWorkspace(id engine.WorkspaceID) *workspacePresence {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.workspace(id)
	w.watched.watchers++
	return w
}

func (p *Presences) unwatchWorkspace(w *workspacePresence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.watched.watchers--
	for w.watched.watchers == 0 && w.gone.Len() > 0 {
		w.forget()
	}
	p.release(w)
}

func (p *Presences) watchConversation(workspace engine.WorkspaceID, id engine.ConversationID) (*workspacePresence, *viewers) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.workspace(workspace)
	c := w.conversation(id)
	c.watchers++
	return w, c
}

func (p *Presences) unwatchConversation(w *workspacePresence, id engine.ConversationID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.conversations[id].watchers--
	w.releaseConversation(id)
	p.release(w)
}

// workspace finds a workspace or makes it. All from here on is called with mu
// held.
func (p *Presences) workspace(id engine.WorkspaceID) *workspacePresence {
	w, ok := p.workspaces[id]
	if !ok {
		w = &workspacePresence{
			id: id, agents: make(map[engine.AgentID]*agentPresence),
			watched:       follower{moved: make(chan struct{})},
			conversations: make(map[engine.ConversationID]*viewers),
		}
		p.workspaces[id] = w
	}
	return w
}

// release lets go of a workspace in which nobody is and that nobody watches.
func (p *Presences) release(w *workspacePresence) {
	if len(w.agents) == 0 && len(w.conversations) == 0 && w.watched.watchers == 0 {
		delete(p.workspaces, w.id)
	}
}

func (w *workspacePresence) agent(id engine.AgentID) *agentPresence {
	a, ok := w.agents[id]
	if !ok {
		a = &agentPresence{told: engine.AgentPresence{Agent: id}}
		w.agents[id] = a
	}
	return a
}

func (w *workspacePresence) conversation(id engine.ConversationID) *viewers {
	c, ok := w.conversations[id]
	if !ok {
		c = &viewers{follower: follower{moved: make(chan struct{})}}
		w.conversations[id] = c
	}
	return c
}

func (w *workspacePresence) releaseConversation(id engine.ConversationID) {
	if c := w.conversations[id]; len(c.agents) == 0 && c.watchers == 0 {
		delete(w.conversations, id)
	}
}
