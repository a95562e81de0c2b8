package actors_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// lobby is a table of leases in virtual time, and who watches it.
type lobby struct {
	*actors.Presences
	t        *testing.T
	registry *prometheus.Registry
	ctx      context.Context
	cancel   context.CancelFunc
	done     chan error
	watchers int
}

// runLobby runs scenario on a table of leases and demands that nothing of it is
// left once all have gone.
func runLobby(t *testing.T, scenario func(t *testing.T, l *lobby)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		l := &lobby{Presences: actors.StartPresences(registry), t: t, registry: registry, done: make(chan error)}
		l.ctx, l.cancel = context.WithCancel(context.Background())
		scenario(t, l)
		l.cancel()
		for range l.watchers {
			if err := <-l.done; !errors.Is(err, context.Canceled) {
				t.Errorf("watch ended with %v, want canceled", err)
			}
		}
		time.Sleep(actors.PresenceLease)
		synctest.Wait()
		if workspaces, agents, conversations := l.Resident(); workspaces+agents+conversations != 0 {
			t.Errorf("left when all have gone: %d workspaces, %d agents, %d conversations, want none", workspaces, agents, conversations)
		}
		l.Stop()
	})
}

func conversationN(n byte) engine.ConversationID { return engine.NewConversationID(0, [14]byte{1, n}) }

func (l *lobby) renew(agent engine.AgentID, session string, viewing engine.ConversationID, typing bool) {
	l.t.Helper()
	got := l.Renew(engine.Presence{Workspace: acme, Agent: agent, Session: session, Viewing: viewing, Typing: typing})
	if got != actors.PresenceLease {
		l.t.Errorf("lease: got %v, want %v", got, actors.PresenceLease)
	}
}

// attendance is a workspace as its stream alone tells it. gate holds it up
// while somebody else has put something in.
type attendance struct {
	t               *testing.T
	mu              sync.Mutex // a lease that ends orders nothing
	agents          map[engine.AgentID]engine.AgentPresence
	updates, wholes int
	told            int // agents, in all updates
	gate            chan struct{}
}

func (l *lobby) watch(workspace engine.WorkspaceID) *attendance {
	a := &attendance{t: l.t, agents: make(map[engine.AgentID]engine.AgentPresence), gate: make(chan struct{}, 1)}
	l.watchers++
	go func() { l.done <- l.WatchPresence(l.ctx, workspace, a.take) }()
	return a
}

func (a *attendance) take(u engine.PresenceUpdate) error {
	a.gate <- struct{}{}
	<-a.gate
	a.mu.Lock()
	defer a.mu.Unlock()
	a.updates++
	if u.Complete {
		a.wholes++
		clear(a.agents)
	}
	a.told += len(u.Agents)
	for i, agent := range u.Agents {
		if i > 0 && agent.Agent <= u.Agents[i-1].Agent {
			a.t.Errorf("update tells of %s after %s, want each once, by ID", agent.Agent, u.Agents[i-1].Agent)
		}
		if agent.Online {
			a.agents[agent.Agent] = agent
		} else {
			delete(a.agents, agent.Agent)
		}
	}
	return nil
}

// audience is a conversation as its stream alone tells it.
type audience struct {
	mu      sync.Mutex
	viewers []engine.Viewer
	updates int
}

func (l *lobby) watchViewers(workspace engine.WorkspaceID, id engine.ConversationID) *audience {
	a := &audience{}
	l.watchers++
	go func() {
		l.done <- l.WatchViewers(l.ctx, workspace, id, func(viewers []engine.Viewer) error {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.viewers = viewers
			a.updates++
			return nil
		})
	}()
	return a
}

// settlePresence lets every watcher hear of what happened until now.
func settlePresence() {
	time.Sleep(2 * actors.CoalesceInterval)
	synctest.Wait()
}

func online(agent engine.AgentID, viewing ...engine.Viewing) engine.AgentPresence {
	return engine.AgentPresence{Agent: agent, Online: true, Viewing: viewing}
}

func (a *attendance) want(t *testing.T, when string, agents ...engine.AgentPresence) {
	t.Helper()
	want := make(map[engine.AgentID]engine.AgentPresence)
	for _, agent := range agents {
		want[agent.Agent] = agent
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	same := func(x, y engine.AgentPresence) bool {
		return x.Online == y.Online && slices.Equal(x.Viewing, y.Viewing)
	}
	if !maps.EqualFunc(want, a.agents, same) {
		t.Errorf("%s: who is online (-want +got):\n%s", when, cmp.Diff(want, a.agents))
	}
}

func (a *audience) want(t *testing.T, when string, viewers ...engine.Viewer) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(viewers, a.viewers) {
		t.Errorf("%s: viewers (-want +got):\n%s", when, cmp.Diff(viewers, a.viewers))
	}
}

// metric is the value of one series, whose labels have these values.
func (l *lobby) metric(name string, labels ...string) float64 {
	l.t.Helper()
	families, err := l.registry.Gather()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() != name || len(labels) > 0 && m.GetLabel()[0].GetValue() != labels[0] {
				continue
			}
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	l.t.Fatalf("no metric %s %v", name, labels)
	return 0
}
