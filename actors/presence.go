package actors

import (
	"bytes"
	"cmp"
	"container/list"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/engine"
)

const (
	// PresenceLease is how long a session is there after it was last renewed.
	PresenceLease = 45 * time.Second
	// TypingHold is how long typing is taken for after it was last said.
	TypingHold = 10 * time.Second
	// MaxSessions bounds the sessions of one agent: one more takes the place of
	// the one that was renewed longest ago.
	MaxSessions = 16
	// MaxGone bounds how many agents of a workspace are remembered because
	// somebody who watches it may not know yet that they have gone. A watcher
	// that has missed more is told anew who is there.
	MaxGone = 256
)

// Presences knows which agents are there, and what they have open: leases in
// memory, each with a timer of its own, and no goroutine. It keeps nothing over
// a restart, after which agents renew what they hold.
type Presences struct {
	metrics *presenceMetrics

	mu         sync.RWMutex
	workspaces map[engine.WorkspaceID]*workspacePresence
	stopped    bool
}

// workspacePresence is who is there in one workspace; Presences.mu guards it.
// It exists while there is a lease or a watcher.
type workspacePresence struct {
	id     engine.WorkspaceID
	agents map[engine.AgentID]*agentPresence
	// online and gone hold the agents, each in the order of their changes: who
	// watches walks them from the back, down to the last change that it knows.
	// Nobody is kept in gone while nobody watches.
	online, gone list.List
	// changes counts the changes. What was forgotten of gone is not after forgot.
	changes, forgot uint64
	watched         follower
	conversations   map[engine.ConversationID]*viewers
}

// agentPresence is one agent, online or just gone.
type agentPresence struct {
	told    engine.AgentPresence // replaced, never changed in place
	changed uint64
	place   *list.Element // in online or gone; nil: in neither yet
	// sessions stand in the order of their renewal, the oldest first.
	sessions []*session
}

// session is one lease.
type session struct {
	id          string
	agent       *agentPresence
	viewing     engine.ConversationID
	typing      bool
	expires     time.Time
	typingUntil time.Time
	timer       *time.Timer
	ended       bool
}

// viewers are those who have one conversation open. It exists while there is
// one, or a watcher.
type viewers struct {
	follower
	agents []engine.Viewer // by ID; replaced, never changed in place
}

// StartPresences begins with nobody there.
func StartPresences(registerer prometheus.Registerer) *Presences {
	return &Presences{
		metrics:    newPresenceMetrics(registerer),
		workspaces: make(map[engine.WorkspaceID]*workspacePresence),
	}
}

// Stop lets go of all leases, and of those that come later. Whoever watches is
// told nothing, and is ended by their own context.
func (p *Presences) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	for _, w := range p.workspaces {
		for _, a := range w.agents {
			for _, s := range a.sessions {
				s.timer.Stop()
				s.ended = true
				p.metrics.sessions.Dec()
			}
			a.sessions = nil
		}
	}
}

// Renew takes or renews the lease of a session and tells how long it lasts.
func (p *Presences) Renew(lease engine.Presence) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return PresenceLease
	}
	now := time.Now()
	w := p.workspace(lease.Workspace)
	a := w.agent(lease.Agent)
	s := a.take(lease.Session)
	if s == nil {
		s = &session{id: lease.Session, agent: a}
		s.timer = time.AfterFunc(PresenceLease, func() { p.elapse(w, s) })
		p.metrics.sessions.Inc()
		if len(a.sessions) == MaxSessions {
			p.end(a.sessions[0], leaseDisplaced)
		}
	}
	a.sessions = append(a.sessions, s)
	s.expires = now.Add(PresenceLease)
	s.viewing = lease.Viewing
	s.typing = lease.Typing && lease.Viewing != engine.ConversationID{}
	s.typingUntil = now.Add(TypingHold)
	s.arm(now)
	w.tell(a)
	return PresenceLease
}

// Leave gives the lease of a session up.
func (p *Presences) Leave(workspace engine.WorkspaceID, agent engine.AgentID, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w, ok := p.workspaces[workspace]
	if !ok {
		return
	}
	a, ok := w.agents[agent]
	if !ok {
		return
	}
	i := slices.IndexFunc(a.sessions, func(s *session) bool { return s.id == id })
	if i < 0 {
		return
	}
	p.end(a.sessions[i], leaseLeft)
	w.tell(a)
	p.release(w)
}

// elapse is what a session's timer does. It may come late, or after the session
// was renewed or ended.
func (p *Presences) elapse(w *workspacePresence, s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.ended {
		return
	}
	now := time.Now()
	if now.Before(s.expires) {
		s.typing = s.typing && now.Before(s.typingUntil)
		s.arm(now)
	} else {
		p.end(s, leaseExpired)
	}
	w.tell(s.agent)
	p.release(w)
}

// arm sets the timer to what happens next: typing ends before its lease does.
func (s *session) arm(now time.Time) {
	next := s.expires
	if s.typing {
		next = s.typingUntil
	}
	s.timer.Reset(next.Sub(now))
}

// end takes a lease away. The caller tells of it.
func (p *Presences) end(s *session, reason string) {
	s.timer.Stop()
	s.ended = true
	s.agent.take(s.id)
	p.metrics.sessions.Dec()
	p.metrics.ended.WithLabelValues(reason).Inc()
}

// take takes a session out of its agent's, or answers nil.
func (a *agentPresence) take(id string) *session {
	i := slices.IndexFunc(a.sessions, func(s *session) bool { return s.id == id })
	if i < 0 {
		return nil
	}
	s := a.sessions[i]
	a.sessions = slices.Delete(a.sessions, i, i+1)
	return s
}

// merge is what the sessions of an agent show together.
func (a *agentPresence) merge() engine.AgentPresence {
	m := engine.AgentPresence{Agent: a.told.Agent, Online: len(a.sessions) > 0}
	for _, s := range a.sessions {
		if s.viewing == (engine.ConversationID{}) {
			continue
		}
		i, found := slices.BinarySearchFunc(m.Viewing, s.viewing, func(v engine.Viewing, id engine.ConversationID) int {
			return bytes.Compare(v.Conversation[:], id[:])
		})
		if !found {
			m.Viewing = slices.Insert(m.Viewing, i, engine.Viewing{Conversation: s.viewing})
		}
		m.Viewing[i].Typing = m.Viewing[i].Typing || s.typing
	}
	return m
}

// tell wakes those who watch if a shows something new.
func (w *workspacePresence) tell(a *agentPresence) {
	before, now := a.told, a.merge()
	if before.Online == now.Online && slices.Equal(before.Viewing, now.Viewing) {
		return
	}
	a.told = now
	w.tellViewers(before, now)
	w.changes++
	a.changed = w.changes
	w.place(a)
	w.watched.wake()
}

// place puts a at the end of the list where it belongs.
func (w *workspacePresence) place(a *agentPresence) {
	if a.place != nil {
		w.online.Remove(a.place) // a list removes only what is its own
		w.gone.Remove(a.place)
	}
	switch {
	case a.told.Online:
		a.place = w.online.PushBack(a)
	case w.watched.watchers > 0:
		a.place = w.gone.PushBack(a)
	default:
		delete(w.agents, a.told.Agent)
	}
	if w.gone.Len() > MaxGone {
		w.forget()
	}
}

// forget lets go of the agent that has been gone for longest.
func (w *workspacePresence) forget() {
	a := w.gone.Remove(w.gone.Front()).(*agentPresence)
	w.forgot = a.changed
	delete(w.agents, a.told.Agent)
}

// tellViewers wakes those who watch a conversation for which now is news.
func (w *workspacePresence) tellViewers(before, now engine.AgentPresence) {
	for _, v := range now.Viewing {
		if !slices.Contains(before.Viewing, v) {
			c := w.conversation(v.Conversation)
			c.set(now.Agent, v.Typing)
			c.wake()
		}
	}
	for _, v := range before.Viewing {
		left := !slices.ContainsFunc(now.Viewing, func(n engine.Viewing) bool { return n.Conversation == v.Conversation })
		if left {
			c := w.conversation(v.Conversation)
			c.remove(now.Agent)
			c.wake()
			w.releaseConversation(v.Conversation)
		}
	}
}

func (c *viewers) find(id engine.AgentID) (int, bool) {
	return slices.BinarySearchFunc(c.agents, id, func(v engine.Viewer, id engine.AgentID) int {
		return cmp.Compare(v.Agent, id)
	})
}

func (c *viewers) set(id engine.AgentID, typing bool) {
	i, found := c.find(id)
	agents := slices.Clone(c.agents)
	if !found {
		agents = slices.Insert(agents, i, engine.Viewer{Agent: id})
	}
	agents[i].Typing = typing
	c.agents = agents
}

func (c *viewers) remove(id engine.AgentID) {
	if i, found := c.find(id); found {
		c.agents = slices.Delete(slices.Clone(c.agents), i, i+1)
	}
}
