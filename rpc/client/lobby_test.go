package client_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	// typingFor is longer than somebody is taken to write who does not say so again.
	typingFor = 11 * time.Second
	settled   = 2 * time.Second
)

// lobby is who is there, in the simplest words: what each session last said.
type lobby map[session]*intervenev1.UpdatePresenceRequest

type session struct {
	agent engine.AgentID
	id    string
}

func newLobby() lobby { return make(lobby) }

// agents are all who are there, and in which conversations, with a * if they
// write.
func (l lobby) agents() map[string][]string {
	agents := make(map[string][]string)
	for s, said := range l {
		open := agents[string(s.agent)]
		if id := said.GetConversationId(); id != "" {
			agents[string(s.agent)] = openIn(open, id, said.GetTyping())
		} else {
			agents[string(s.agent)] = open
		}
	}
	return agents
}

func openIn(open []string, id string, typing bool) []string {
	name := id
	if typing {
		name += "*"
	}
	at := slices.IndexFunc(open, func(have string) bool { return have == id || have == id+"*" })
	switch {
	case at < 0:
		open = append(open, name)
	case typing:
		open[at] = name
	}
	slices.Sort(open)
	return open
}

// viewers are those who have one conversation open.
func (l lobby) viewers(id engine.ConversationID) (viewers []string) {
	for agent, open := range l.agents() {
		for _, have := range open {
			switch have {
			case id.String():
				viewers = append(viewers, agent)
			case id.String() + "*":
				viewers = append(viewers, agent+"*")
			}
		}
	}
	slices.Sort(viewers)
	return viewers
}

// session draws what one of an agent's says.
func (s *schedule) session() (*agent, *intervenev1.UpdatePresenceRequest) {
	as := s.agents[s.dice.IntN(len(s.agents))]
	said := &intervenev1.UpdatePresenceRequest{SessionId: fmt.Sprint("tab-", s.dice.IntN(2))}
	if id := s.any(); !id.IsZero() && s.dice.IntN(3) > 0 {
		said.ConversationId, said.Typing = id.String(), s.dice.IntN(2) == 0
	}
	return as, said
}

// attend says something of a session, which may not arrive.
func (s *schedule) attend() {
	as, said := s.session()
	said.Leave = s.dice.IntN(4) == 0
	s.acts.Go(func() {
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		_, _ = as.API().UpdatePresence(ctx, said) // at rest it has elapsed, if it came at all
	})
}

// meet finds at rest that all leases have elapsed, and holds what boards and
// conversations show of new ones against the lobby.
func (s *schedule) meet() {
	s.t.Helper()
	clear(s.lobby)
	s.compareLobby("after all leases elapsed")
	for range s.dice.IntN(4) {
		as, said := s.session()
		if _, err := as.API().UpdatePresence(s.t.Context(), said); err != nil {
			s.t.Errorf("UpdatePresence at rest: %v", err)
			continue
		}
		s.lobby[session{as.id, said.GetSessionId()}] = said
		s.tally.add("leases", 1)
	}
	if len(s.lobby) == 0 {
		return
	}
	time.Sleep(settled)
	s.compareLobby("after leases were taken")
	time.Sleep(typingFor)
	for _, said := range s.lobby {
		said.Typing = false
	}
	s.compareLobby("after nobody said that they write")
	for _, as := range s.agents {
		gone := session{as.id, "tab-0"}
		if _, there := s.lobby[gone]; !there {
			continue
		}
		if _, err := as.API().UpdatePresence(s.t.Context(), &intervenev1.UpdatePresenceRequest{SessionId: gone.id, Leave: true}); err != nil {
			s.t.Errorf("UpdatePresence at rest: %v", err)
		}
		delete(s.lobby, gone)
	}
	time.Sleep(settled)
	s.compareLobby("after some left")
}

func (s *schedule) compareLobby(when string) {
	s.t.Helper()
	for _, w := range s.watchers {
		want := s.lobby.agents()
		if !w.query.Presence {
			clear(want)
		}
		got := make(map[string][]string)
		for agent, there := range w.board.Snapshot().Agents {
			got[agent] = nil
			for _, v := range there.GetViewing() {
				got[agent] = openIn(got[agent], v.GetConversationId(), v.GetTyping())
			}
		}
		if !maps.EqualFunc(got, want, slices.Equal) {
			s.t.Errorf("%s: %v shows %v, want %v", when, w.query, got, want)
		}
	}
	for _, r := range s.readers {
		var got []string
		for _, v := range r.conversation.Snapshot().Viewers {
			name := v.GetAgentId()
			if v.GetTyping() {
				name += "*"
			}
			got = append(got, name)
		}
		slices.Sort(got)
		if want := s.lobby.viewers(r.id); !slices.Equal(got, want) {
			s.t.Errorf("%s: a conversation shows viewers %v, want %v", when, got, want)
		}
	}
}
