package sim

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	// lobbySlack is within which time what agents say of themselves is shown to others.
	lobbySlack = 3 * time.Second
	// longAppend is one for which they may wait as well: whoever reads a conversation waits
	// for what is being written to it, and a stream that resumes or loses cards reads.
	longAppend = time.Second
)

// lobby is who is there, by what they said of themselves in one life and were
// answered: a second reading of what leases mean.
type lobby struct {
	mu     sync.Mutex
	leases map[engine.WorkspaceID][]lease // by their renewal
	// said is when anything was, or ended before its time.
	said map[engine.WorkspaceID]time.Time
	// appends are those under way, by when they began; long is when one ended that was long.
	appends map[*engine.Append]time.Time
	long    time.Time
}

type lease struct {
	agent   engine.AgentID
	session string
	viewing engine.ConversationID
	typing  bool
	at      time.Time
}

func newLobby() *lobby {
	return &lobby{leases: make(map[engine.WorkspaceID][]lease), said: make(map[engine.WorkspaceID]time.Time), appends: make(map[*engine.Append]time.Time)}
}

// attended is a journal whose long appends a lobby knows of.
type attended struct {
	*journal.Journal
	lobby *lobby
}

// Append implements actors.Store.
func (j attended) Append(a engine.Append) (engine.Change, error) {
	l, began := j.lobby, time.Now()
	l.mu.Lock()
	l.appends[&a] = began
	l.mu.Unlock()
	change, err := j.Journal.Append(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.appends, &a)
	if now := time.Now(); now.Sub(began) > longAppend {
		l.long = now
	}
	return change, err
}

// renew takes a lease. One session too many of an agent ends the one that was renewed
// longest ago.
func (l *lobby) renew(ws engine.WorkspaceID, taken lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(ws, taken.agent, taken.session)
	open := 0
	for _, held := range l.leases[ws] {
		if held.agent == taken.agent && taken.at.Sub(held.at) < actors.PresenceLease {
			open++
		}
	}
	if open == actors.MaxSessions {
		i := slices.IndexFunc(l.leases[ws], func(held lease) bool {
			return held.agent == taken.agent && taken.at.Sub(held.at) < actors.PresenceLease
		})
		l.leases[ws] = slices.Delete(l.leases[ws], i, i+1)
	}
	l.leases[ws] = append(l.leases[ws], taken)
	l.said[ws] = taken.at
}

func (l *lobby) leave(ws engine.WorkspaceID, agent engine.AgentID, session string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(ws, agent, session)
	l.said[ws] = time.Now()
}

// drop is called with mu held.
func (l *lobby) drop(ws engine.WorkspaceID, agent engine.AgentID, session string) {
	l.leases[ws] = slices.DeleteFunc(l.leases[ws], func(held lease) bool { return held.agent == agent && held.session == session })
}

// there are those who are online, what they have open and where they write; not sure
// if that changed within the slack.
func (l *lobby) there(ws engine.WorkspaceID, now time.Time) (agents map[engine.AgentID]map[string]bool, sure bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sure = now.Sub(l.said[ws]) >= lobbySlack && now.Sub(l.long) >= lobbySlack
	for _, began := range l.appends {
		sure = sure && now.Sub(began) <= longAppend
	}
	agents = make(map[engine.AgentID]map[string]bool)
	l.leases[ws] = slices.DeleteFunc(l.leases[ws], func(held lease) bool { return now.Sub(held.at) >= actors.PresenceLease+lobbySlack })
	for _, held := range l.leases[ws] {
		age := now.Sub(held.at)
		if age >= actors.PresenceLease || held.typing && age >= actors.TypingHold && age < actors.TypingHold+lobbySlack {
			sure = false
		}
		if age >= actors.PresenceLease {
			continue
		}
		if agents[held.agent] == nil {
			agents[held.agent] = make(map[string]bool)
		}
		if !held.viewing.IsZero() {
			agents[held.agent][held.viewing.String()] = agents[held.agent][held.viewing.String()] || held.typing && age < actors.TypingHold
		}
	}
	return agents, sure
}

// visitor is an agent whose tabs tell what is open in them.
type visitor struct {
	sim    *sim
	who    engine.AgentID
	number number
	rng    *rand.Rand
}

func (v *visitor) live() {
	for v.sim.awake(v.rng, 6*time.Second) {
		v.act()
		wait := time.Duration(v.rng.Int64N(int64(2 * lobbySlack)))
		switch v.rng.IntN(8) {
		case 0:
			wait += actors.PresenceLease
		case 1:
			wait += actors.TypingHold
		}
		time.Sleep(wait)
		v.sim.lookAround()
	}
}

func (v *visitor) act() {
	w, up := v.sim.enter()
	if !up {
		return
	}
	defer w.leave()
	switch v.rng.IntN(20) {
	case 0, 1, 2:
		v.leaves(w)
	case 3:
		for i := range actors.MaxSessions + 2 {
			v.renews(w, "many-"+strconv.Itoa(i))
		}
	default:
		v.renews(w, v.tab())
	}
}

func (v *visitor) tab() string { return "tab-" + strconv.Itoa(v.rng.IntN(2)) }

func (v *visitor) leaves(w *world) {
	tab := v.tab()
	_, err := w.as(v.who).UpdatePresence(w.up, &intervenev1.UpdatePresenceRequest{SessionId: tab, Leave: true})
	w.alive(func() {
		if err == nil {
			w.lobby.leave(v.number.workspace, v.who, tab)
			v.sim.sees("presence: left")
		}
		v.refused(w, err)
	})
}

// renews opens a conversation in a tab, now and then one of the other workspace.
func (v *visitor) renews(w *world, tab string) {
	ws := v.number.workspace
	if v.rng.IntN(30) == 0 {
		ws = map[engine.WorkspaceID]engine.WorkspaceID{acme: other, other: acme}[ws]
	}
	request := &intervenev1.UpdatePresenceRequest{SessionId: tab}
	held := lease{agent: v.who, session: tab, typing: v.rng.IntN(3) == 0}
	if ids := v.sim.ledger.conversations(ws); len(ids) > 0 && v.rng.IntN(5) > 0 {
		held.viewing = ids[v.rng.IntN(len(ids))]
		request.ConversationId, request.Typing = held.viewing.String(), held.typing
	}
	_, err := w.as(v.who).UpdatePresence(w.up, request)
	w.alive(func() {
		if err != nil {
			v.refused(w, err)
			return
		}
		if ws != v.number.workspace && !held.viewing.IsZero() {
			v.sim.ledger.violate("workspaces: %s opens %s of %s", v.who, held.viewing, ws)
		}
		held.at = time.Now()
		w.lobby.renew(v.number.workspace, held)
		v.sim.sees("presence: renewed")
	})
}

func (v *visitor) refused(w *world, err error) {
	switch connect.CodeOf(err) {
	case connect.CodeNotFound: // it was erased, is of others, or was lost
	default:
		if err != nil && w.up.Err() == nil {
			v.sim.ledger.violate("presence: %s cannot say that they are there: %v", v.who, err)
		}
	}
}

// lookAround compares what everybody is shown of who is there, wherever that is sure.
func (s *sim) lookAround() {
	w, up := s.enter()
	if !up {
		return
	}
	defer w.leave()
	w.alive(func() {
		for _, f := range s.frontends {
			f.sees(w)
		}
		for _, r := range s.readers {
			r.sees(w)
		}
	})
}

// sees compares the agents that a frontend shows.
func (f *frontend) sees(w *world) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	want, sure := w.lobby.there(f.number.workspace, now)
	if !f.presence || !sure || !f.session.met || now.Sub(f.attentive) < lobbySlack || f.attentive.IsZero() {
		return
	}
	f.sim.sees("presence: compared")
	l := f.sim.ledger
	for _, who := range sortedKeys(want) {
		if len(want[who]) == 0 {
			f.sim.sees("presence: online")
		}
		got, online := f.agents[string(who)]
		if !online {
			l.violate("presence: the board of %s does not show %s, who is there", f.who, who)
			continue
		}
		if !sameViewing(got.GetViewing(), want[who]) {
			l.violate("presence: the board of %s shows %s with %d conversations open, want %d, or other ones", f.who, who, len(got.GetViewing()), len(want[who]))
		}
	}
	for _, who := range sortedKeys(f.agents) {
		if _, there := want[engine.AgentID(who)]; !there {
			l.violate("presence: the board of %s still shows %s, who has gone", f.who, who)
		}
	}
}

func sameViewing(got []*intervenev1.Viewing, want map[string]bool) bool {
	if len(got) != len(want) {
		return false
	}
	for _, v := range got {
		if typing, open := want[v.GetConversationId()]; !open || typing != v.GetTyping() {
			return false
		}
	}
	return true
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
