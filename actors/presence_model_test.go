package actors_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// naive is a table of leases that works everything out when it is asked.
type naive struct {
	leases []lease // in the order of their renewal
}

type lease struct {
	engine.Presence
	renewed time.Time
}

func (n *naive) leave(of engine.Presence) {
	n.leases = slices.DeleteFunc(n.leases, func(l lease) bool {
		return l.Workspace == of.Workspace && l.Agent == of.Agent && l.Session == of.Session
	})
}

func (n *naive) renew(p engine.Presence, now time.Time) {
	n.expire(now)
	n.leave(p)
	n.leases = append(n.leases, lease{p, now})
	var agents []engine.Presence
	for _, l := range n.leases {
		if l.Workspace == p.Workspace && l.Agent == p.Agent {
			agents = append(agents, l.Presence)
		}
	}
	if len(agents) > actors.MaxSessions {
		n.leave(agents[0])
	}
}

func (n *naive) expire(now time.Time) {
	n.leases = slices.DeleteFunc(n.leases, func(l lease) bool { return now.Sub(l.renewed) >= actors.PresenceLease })
}

// online is who is there, with what they have open.
func (n *naive) online(workspace engine.WorkspaceID, now time.Time) map[engine.AgentID]map[engine.ConversationID]bool {
	n.expire(now)
	agents := make(map[engine.AgentID]map[engine.ConversationID]bool)
	for _, l := range n.leases {
		if l.Workspace != workspace {
			continue
		}
		if agents[l.Agent] == nil {
			agents[l.Agent] = make(map[engine.ConversationID]bool)
		}
		if l.Viewing != (engine.ConversationID{}) {
			typing := l.Typing && now.Sub(l.renewed) < actors.TypingHold
			agents[l.Agent][l.Viewing] = agents[l.Agent][l.Viewing] || typing
		}
	}
	return agents
}

func (n *naive) agents(workspace engine.WorkspaceID, now time.Time) []engine.AgentPresence {
	var all []engine.AgentPresence
	for id, viewing := range n.online(workspace, now) {
		a := online(id)
		for _, c := range conversations {
			if typing, ok := viewing[c]; ok {
				a.Viewing = append(a.Viewing, engine.Viewing{Conversation: c, Typing: typing})
			}
		}
		all = append(all, a)
	}
	return all
}

func (n *naive) viewers(workspace engine.WorkspaceID, id engine.ConversationID, now time.Time) []engine.Viewer {
	var all []engine.Viewer
	agents := n.online(workspace, now)
	for _, agent := range slices.Sorted(maps.Keys(agents)) {
		if typing, ok := agents[agent][id]; ok {
			all = append(all, engine.Viewer{Agent: agent, Typing: typing})
		}
	}
	return all
}

// conversations stand in the order of their IDs.
var conversations = []engine.ConversationID{conversationN(1), conversationN(2), conversationN(3), conversationN(4)}

// draw makes a presence of few agents with many sessions.
func drawPresence(draw *rand.Rand) engine.Presence {
	p := engine.Presence{
		Workspace: []engine.WorkspaceID{acme, "globex"}[draw.IntN(2)],
		Agent:     engine.AgentID(fmt.Sprint("agent-", draw.IntN(3))),
		Session:   fmt.Sprint("tab ", draw.IntN(25)),
		Typing:    draw.IntN(3) == 0,
	}
	if draw.IntN(4) > 0 {
		p.Viewing = conversations[draw.IntN(len(conversations))]
	}
	return p
}

// crowd does the same to a table of leases and to the model of it.
type crowd struct {
	*lobby
	draw  *rand.Rand
	model naive
	all   map[engine.WorkspaceID][]*attendance
	open  map[engine.WorkspaceID]map[engine.ConversationID]*audience
}

// join begins to watch everything there is.
func (c *crowd) join() {
	for ws := range c.open {
		c.all[ws] = append(c.all[ws], c.watch(ws))
		for _, id := range conversations {
			c.open[ws][id] = c.watchViewers(ws, id)
		}
	}
}

// act renews or gives up a few leases.
func (c *crowd) act() {
	for range c.draw.IntN(10) {
		p := drawPresence(c.draw)
		if c.draw.IntN(6) == 0 {
			c.model.leave(p)
			c.Leave(p.Workspace, p.Agent, p.Session)
		} else {
			c.model.renew(p, time.Now())
			c.Renew(p)
		}
	}
}

// compare holds what every watcher knows against the model.
func (c *crowd) compare(when string) {
	c.t.Helper()
	now := time.Now()
	for ws := range c.open {
		for _, watch := range c.all[ws] {
			watch.want(c.t, when, c.model.agents(ws, now)...)
		}
		for id, audience := range c.open[ws] {
			audience.want(c.t, when, c.model.viewers(ws, id, now)...)
		}
	}
	if c.t.Failed() {
		c.t.FailNow()
	}
}

func TestPresenceEqualsTheModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			runLobby(t, func(t *testing.T, l *lobby) {
				c := &crowd{
					lobby: l, draw: rand.New(rand.NewPCG(seed, 0)),
					all:  make(map[engine.WorkspaceID][]*attendance),
					open: map[engine.WorkspaceID]map[engine.ConversationID]*audience{acme: {}, "globex": {}},
				}
				for step := range 80 {
					if step%50 == 0 {
						c.join()
					}
					slow := c.all[acme][0]
					slow.gate <- struct{}{}
					// What is done stands on whole seconds, and so does what ends.
					for range c.draw.IntN(12) {
						c.act()
						time.Sleep(time.Second)
					}
					if c.draw.IntN(20) == 0 {
						time.Sleep(time.Minute)
					}
					<-slow.gate
					settlePresence()
					c.compare(fmt.Sprint("step ", step))
					time.Sleep(time.Second - 2*actors.CoalesceInterval)
				}
			})
		})
	}
}
