package actors_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

func TestSessionsOfAnAgentAreOne(t *testing.T) {
	runLobby(t, func(t *testing.T, l *lobby) {
		first, second := conversationN(1), conversationN(2)
		all, viewers := l.watch(acme), l.watchViewers(acme, second)
		settlePresence()
		if all.updates != 1 || all.wholes != 1 || viewers.updates != 0 {
			t.Errorf("told of nobody: %d updates, %d complete, %d of viewers, want 1, 1, 0", all.updates, all.wholes, viewers.updates)
		}
		l.renew("asha", "laptop", second, true)
		l.renew("asha", "phone", first, false)
		l.renew("asha", "tablet", second, false)
		l.renew("ben", "laptop", engine.ConversationID{}, true)
		settlePresence()
		all.want(t, "three sessions", online("ben"), online("asha",
			engine.Viewing{Conversation: first}, engine.Viewing{Conversation: second, Typing: true}))
		viewers.want(t, "two of asha's", engine.Viewer{Agent: "asha", Typing: true})

		l.Leave(acme, "asha", "laptop")
		l.renew("ben", "laptop", second, false)
		settlePresence()
		all.want(t, "laptop left", online("ben", engine.Viewing{Conversation: second}), online("asha",
			engine.Viewing{Conversation: first}, engine.Viewing{Conversation: second}))
		viewers.want(t, "laptop left", engine.Viewer{Agent: "asha"}, engine.Viewer{Agent: "ben"})

		l.Leave(acme, "asha", "tablet")
		l.Leave(acme, "asha", "phone")
		l.Leave(acme, "asha", "phone") // what is gone can go again
		l.Leave(acme, "nobody", "phone")
		l.Leave("globex", "asha", "phone")
		settlePresence()
		all.want(t, "asha left", online("ben", engine.Viewing{Conversation: second}))
		viewers.want(t, "asha left", engine.Viewer{Agent: "ben"})
		// A watcher that was quick saw what came between two of the steps, too.
		if all.wholes != 1 || all.told < 5 || all.told > 8 {
			t.Errorf("complete updates: %d, agents told of: %d, want the first alone, 5 to 8", all.wholes, all.told)
		}
	})
}

func TestLeaseAndTypingEndOnTime(t *testing.T) {
	runLobby(t, func(t *testing.T, l *lobby) {
		id := conversationN(1)
		all, viewers := l.watch(acme), l.watchViewers(acme, id)
		l.renew("asha", "laptop", id, true)
		time.Sleep(actors.TypingHold - time.Nanosecond)
		synctest.Wait()
		all.want(t, "just before typing ends", online("asha", engine.Viewing{Conversation: id, Typing: true}))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		all.want(t, "when typing ends", online("asha", engine.Viewing{Conversation: id}))
		viewers.want(t, "when typing ends", engine.Viewer{Agent: "asha"})

		l.renew("asha", "laptop", id, true)
		time.Sleep(time.Second)
		l.renew("asha", "laptop", id, false)
		settlePresence()
		viewers.want(t, "typing taken back", engine.Viewer{Agent: "asha"})

		time.Sleep(actors.PresenceLease - 2*actors.CoalesceInterval - time.Nanosecond)
		synctest.Wait()
		all.want(t, "just before the lease ends", online("asha", engine.Viewing{Conversation: id}))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		all.want(t, "when the lease ends")
		viewers.want(t, "when the lease ends")
	})
}

func TestRenewalIsNoNews(t *testing.T) {
	runLobby(t, func(t *testing.T, l *lobby) {
		id := conversationN(1)
		l.renew("asha", "laptop", id, false)
		all, viewers := l.watch(acme), l.watchViewers(acme, id)
		other, elsewhere := l.watch("globex"), l.watchViewers(acme, conversationN(2))
		stranger := l.watchViewers("globex", id)
		for range 20 {
			time.Sleep(30 * time.Second)
			l.renew("asha", "laptop", id, false)
			l.renew("asha", "phone", engine.ConversationID{}, false)
		}
		settlePresence()
		all.want(t, "renewed for long", online("asha", engine.Viewing{Conversation: id}))
		if all.updates != 1 || viewers.updates != 1 {
			t.Errorf("updates: %d of the workspace, %d of the conversation, want 1 and 1", all.updates, viewers.updates)
		}
		if other.updates != 1 || elsewhere.updates != 0 || stranger.updates != 0 {
			t.Errorf("updates: %d of another workspace, %d of another conversation, %d of it from another workspace, want 1, 0, 0",
				other.updates, elsewhere.updates, stranger.updates)
		}
		other.want(t, "another workspace")
	})
}

func TestSessionsOfAnAgentAreBounded(t *testing.T) {
	runLobby(t, func(t *testing.T, l *lobby) {
		all := l.watch(acme)
		for n := range byte(actors.MaxSessions) {
			l.renew("asha", fmt.Sprint("tab ", n), conversationN(n), false)
		}
		l.renew("asha", "tab 0", conversationN(0), false) // not the oldest any more
		l.renew("asha", "one more", engine.ConversationID{}, false)
		settlePresence()
		var viewing []engine.Viewing
		for n := range byte(actors.MaxSessions) {
			if n != 1 {
				viewing = append(viewing, engine.Viewing{Conversation: conversationN(n)})
			}
		}
		all.want(t, "one session too many", online("asha", viewing...))
		l.Leave(acme, "asha", "one more")
		if got := l.metric("intervene_presence_sessions"); got != actors.MaxSessions-1 {
			t.Errorf("sessions: %v, want %d", got, actors.MaxSessions-1)
		}
		time.Sleep(actors.PresenceLease)
		synctest.Wait()
		if got := l.metric("intervene_presence_sessions"); got != 0 {
			t.Errorf("sessions after their leases: %v, want 0", got)
		}
		for reason, want := range map[string]float64{"left": 1, "displaced": 1, "expired": actors.MaxSessions - 1} {
			if got := l.metric("intervene_presence_leases_ended_total", reason); got != want {
				t.Errorf("leases %s: %v, want %v", reason, got, want)
			}
		}
	})
}

func TestSlowPresenceWatcherIsConflated(t *testing.T) {
	runLobby(t, func(t *testing.T, l *lobby) {
		slow, quick := l.watch(acme), l.watch(acme)
		settlePresence()
		slow.gate <- struct{}{}
		for n := range byte(100) {
			l.renew("asha", "laptop", conversationN(n), false)
			time.Sleep(time.Second)
		}
		<-slow.gate
		settlePresence()
		slow.want(t, "after it was slow", online("asha", engine.Viewing{Conversation: conversationN(99)}))
		if slow.updates > 3 || slow.wholes != 1 || quick.updates != 101 {
			t.Errorf("updates: %d to the slow (%d complete), %d to the quick, want at most 3 (1), 101", slow.updates, slow.wholes, quick.updates)
		}
	})
}

func TestPresenceRemembersFewWhoHaveGone(t *testing.T) {
	runLobby(t, func(t *testing.T, l *lobby) {
		slow := l.watch(acme)
		for n := range 2 * actors.MaxGone {
			l.renew(engine.AgentID(fmt.Sprint("agent ", n)), "laptop", engine.ConversationID{}, false)
		}
		settlePresence()
		slow.gate <- struct{}{}
		l.renew("asha", "laptop", engine.ConversationID{}, false)
		synctest.Wait() // it has taken this update and is held up with it
		for n := range 2 * actors.MaxGone {
			l.Leave(acme, engine.AgentID(fmt.Sprint("agent ", n)), "laptop")
		}
		if _, agents, _ := l.Resident(); agents != actors.MaxGone+1 {
			t.Errorf("agents held: %d, want %d gone and asha", agents, actors.MaxGone)
		}
		<-slow.gate
		settlePresence()
		slow.want(t, "after it missed too many", online("asha"))
		if slow.wholes != 2 {
			t.Errorf("complete updates: %d, want the first and one more", slow.wholes)
		}
		l.Leave(acme, "asha", "laptop")
		settlePresence()
		slow.want(t, "at the end")
		if slow.wholes != 2 {
			t.Errorf("complete updates: %d, want no third", slow.wholes)
		}
	})
}

func TestAgentMayComeAndGo(t *testing.T) {
	runLobby(t, func(t *testing.T, l *lobby) {
		all := l.watch(acme)
		settlePresence()
		for range 2 * actors.MaxGone {
			l.renew("asha", "laptop", engine.ConversationID{}, false)
			l.Leave(acme, "asha", "laptop")
		}
		l.renew("asha", "laptop", engine.ConversationID{}, false)
		settlePresence()
		all.want(t, "after coming and going", online("asha"))
		if all.wholes != 1 {
			t.Errorf("complete updates: %d, want the first alone", all.wholes)
		}
	})
}

func TestPresenceWatchEndsWithItsCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := actors.StartPresences(nil)
		p.Renew(engine.Presence{Workspace: acme, Agent: "asha", Session: "laptop", Viewing: conversationN(1)})
		want := errors.New("gone")
		if err := p.WatchPresence(t.Context(), acme, func(engine.PresenceUpdate) error { return want }); !errors.Is(err, want) {
			t.Errorf("watch of the workspace ended with %v, want %v", err, want)
		}
		if err := p.WatchViewers(t.Context(), acme, conversationN(1), func([]engine.Viewer) error { return want }); !errors.Is(err, want) {
			t.Errorf("watch of the conversation ended with %v, want %v", err, want)
		}
		p.Stop()
		p.Renew(engine.Presence{Workspace: acme, Agent: "ben", Session: "laptop"})
		p.Leave(acme, "asha", "laptop")
		if _, agents, _ := p.Resident(); agents != 1 {
			t.Errorf("agents after the stop: %d, want asha alone", agents)
		}
	})
}

func TestPresenceMetricsAreNamedWell(t *testing.T) {
	registry := prometheus.NewRegistry()
	p := actors.StartPresences(registry)
	defer p.Stop()
	p.Renew(engine.Presence{Workspace: acme, Agent: "asha", Session: "laptop"})
	p.Leave(acme, "asha", "laptop")
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, error %v, want none", problems, err)
	}
}
