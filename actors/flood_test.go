package actors_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// TestFloodThroughInboxWaitsAlone: beyond what may wait for one conversation the
// router refuses, the Inbox waits for room, others are taken in meanwhile, and of
// the flood nothing is lost or taken twice.
func TestFloodThroughInboxWaitsAlone(t *testing.T) {
	const flood, neighbours = actors.MaxWaitingEach + 50, 20
	s := newStore()
	onStore(t, s, func(t *testing.T, r *actors.Router) {
		flooded := actors.NewConversationID(0)
		people := directory{"flood": flooded}
		for n := range neighbours {
			people[fmt.Sprintf("neighbour %d", n)] = actors.NewConversationID(0)
		}
		hold := make(chan struct{})
		var appends atomic.Int64
		s.before = func(a engine.Append) error {
			if a.Conversation == flooded {
				appends.Add(1)
				<-hold
			}
			return nil
		}
		inbox := actors.NewInbox(r, people, nil, 0)
		deliver := func(waID, external string) error {
			message := receive(external).Body.(engine.Receive)
			message.Contact = engine.Contact{WaID: waID}
			return inbox.Receive(context.Background(), []engine.Inbound{{Workspace: acme, Channel: channel, Message: &message}})[0]
		}
		var waiting atomic.Int64
		var group sync.WaitGroup
		waiting.Store(flood)
		for n := range flood {
			group.Go(func() {
				if err := deliver("flood", fmt.Sprint(n)); err != nil {
					t.Errorf("message %d of the flood: got error %v, want none", n, err)
				}
				waiting.Add(-1)
			})
		}
		synctest.Wait()
		if _, err := r.Do(t.Context(), flooded, receive("by another way")); engine.CodeOf(err) != engine.CodeOverloaded {
			t.Errorf("the router, of the flooded conversation: got %v, want overloaded", err)
		}
		for n := range neighbours {
			if err := deliver(fmt.Sprintf("neighbour %d", n), fmt.Sprintf("n%d", n)); err != nil {
				t.Errorf("neighbour %d: got error %v, want none", n, err)
			}
		}
		if got := waiting.Load(); got != flood {
			t.Errorf("the flood still waiting once its neighbours were answered: got %d, want %d", got, flood)
		}
		close(hold)
		group.Wait()
		if got := appends.Load(); got != flood {
			t.Errorf("appends of the flood: got %d, want %d", got, flood)
		}
		if got := s.states[flooded].Version; got < flood {
			t.Errorf("version of the flooded conversation: got %d, want at least %d", got, flood)
		}
	})
}

// directory knows everybody by their number.
type directory map[string]engine.ConversationID

func (d directory) ByIdentity(_ engine.ChannelID, identity engine.Identity) (engine.ConversationID, bool, error) {
	id, ok := d[identity.Value]
	return id, ok, nil
}

func (d directory) BySend(engine.ChannelID, string) (engine.MessageID, bool, error) {
	return engine.MessageID{}, false, nil
}
