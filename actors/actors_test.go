package actors_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWholeHandOff(t *testing.T) {
	run(t, engine.Policy{AutoResolveAfter: 24 * time.Hour}, func(t *testing.T, w *world) {
		w.says("ravi", "hello")
		w.settle()
		if got, want := w.card("ravi").Column, engine.Active; got != want {
			t.Fatalf("after hello: column %v, want %v", got, want)
		}
		w.says("ravi", "person")
		w.settle()
		if got, want := w.card("ravi").Column, engine.Requesting; got != want {
			t.Fatalf("after asking for a person: column %v, want %v", got, want)
		}
		time.Sleep(engine.SentWait)
		w.settle()
		w.must("ravi", agent("asha"), engine.Intervene{})
		w.says("ravi", "are you real?")
		w.must("ravi", agent("asha"), text("yes"))
		w.settle()
		time.Sleep(engine.SentWait)
		w.settle()
		w.must("ravi", agent("asha"), engine.Resolve{})
		w.settle()
		w.says("ravi", "thanks")
		time.Sleep(engine.SentWait)
		w.settle()
		want := []string{"bot: hello", "bot: person", "yes", "bot: thanks"}
		if diff := cmp.Diff(want, w.platform.texts("ravi")); diff != "" {
			t.Errorf("what ravi was sent (-want +got):\n%s", diff)
		}
		returned := slices.ContainsFunc(w.bot.asked(), func(r engine.TurnRequest) bool {
			return r.Returned && len(r.Transcript) == 2
		})
		if !returned {
			t.Errorf("bot was not told what was said while asha held the conversation: %+v", w.bot.asked())
		}
	})
}

func TestDeliveredTenTimesMakesOneEvent(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		first := w.says("ravi", "hello")
		for range 4 {
			w.deliver(first, first)
		}
		w.restart()
		w.deliver(first)
		w.settle()
		got := 0
		for _, e := range w.events("ravi") {
			if e.Body.Kind() == engine.KindMessageReceived {
				got++
			}
		}
		if got != 1 {
			t.Errorf("events of one message delivered ten times: %d, want 1", got)
		}
		if diff := cmp.Diff([]string{"bot: hello"}, w.platform.texts("ravi")); diff != "" {
			t.Errorf("what ravi was sent (-want +got):\n%s", diff)
		}
	})
}

func TestRapidFirstMessagesMakeOneConversation(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		var group sync.WaitGroup
		for n := range 50 {
			group.Go(func() {
				err := w.inbox.Receive(context.Background(), []engine.Inbound{{
					Workspace: acme, Channel: channel,
					Message: &engine.Receive{
						Contact:  engine.Contact{WaID: "wa-mira"},
						External: fmt.Sprintf("rapid-%d", n), SentAt: engine.InstantOf(time.Now()),
						Content: engine.Content{Kind: engine.ContentText, Text: "hi"},
					},
				}})[0]
				if err != nil {
					t.Errorf("message %d: %v", n, err)
				}
			})
		}
		group.Wait()
		w.settle()
		rows, err := w.journal.BoardPage(acme, engine.Active, engine.BoardRow{}, 10)
		if err != nil || len(rows) != 1 {
			t.Fatalf("conversations: %d (error %v), want 1", len(rows), err)
		}
		got := 0
		for _, e := range w.events("mira") {
			if e.Body.Kind() == engine.KindMessageReceived {
				got++
			}
		}
		if got != 50 {
			t.Errorf("messages journaled: %d, want 50", got)
		}
	})
}

func TestLinkedIdentitiesStayTwoConversations(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		message := func(external string, contact engine.Contact) engine.Inbound {
			return engine.Inbound{Workspace: acme, Channel: channel, Message: &engine.Receive{
				Contact: contact, External: external, SentAt: engine.InstantOf(time.Now()),
				Content: engine.Content{Kind: engine.ContentText, Text: "hi"},
			}}
		}
		w.deliver(message("a", engine.Contact{WaID: "wa-one"}))
		w.deliver(message("b", engine.Contact{UserID: "US.two"}))
		w.deliver(message("c", engine.Contact{WaID: "wa-one", UserID: "US.two"}))
		w.settle()
		two, ok, err := w.journal.ByIdentity(channel, engine.Identity{Kind: engine.IdentityUserID, Value: "US.two"})
		if err != nil || !ok {
			t.Fatalf("conversation of the user id: found %v, error %v", ok, err)
		}
		messages, err := w.journal.Messages(two, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		var externals []string
		for _, m := range messages {
			if b, ok := m.Event.Body.(engine.MessageReceived); ok {
				externals = append(externals, b.External)
			}
		}
		if diff := cmp.Diff([]string{"c", "b"}, externals); diff != "" {
			t.Errorf("messages of the user id's conversation (-want +got):\n%s", diff)
		}
		if w.of("one") == two {
			t.Error("two known contacts were merged")
		}
	})
}

func TestExactlyOneIntervenes(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		for round := range 50 {
			customer := fmt.Sprintf("customer-%d", round)
			w.says(customer, "person")
			w.settle()
			results := make([]error, 16)
			var group sync.WaitGroup
			for n := range results {
				group.Go(func() {
					_, results[n] = w.do(customer, agent(engine.AgentID(fmt.Sprintf("agent-%d", n))), engine.Intervene{})
				})
			}
			group.Wait()
			holder := w.card(customer).Holder
			winners := 0
			for n, err := range results {
				refusal, refused := errors.AsType[*engine.Error](err)
				switch {
				case !refused && err == nil:
					winners++
					if want := engine.AgentID(fmt.Sprintf("agent-%d", n)); holder != want {
						t.Errorf("round %d: holder %q, winner %q", round, holder, want)
					}
				case !refused || refusal.Code != engine.CodeHeldByOther || refusal.Holder != holder:
					t.Errorf("round %d: loser got %v, want held by other with holder %q", round, err, holder)
				}
			}
			if winners != 1 {
				t.Fatalf("round %d: %d winners, want 1", round, winners)
			}
		}
	})
}

func TestSlowBotIsFenced(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		w.says("ravi", "person")
		w.settle()
		hold := make(chan struct{})
		w.bot.set(nil, hold)
		w.says("ravi", "anybody?")
		synctest.Wait()
		w.must("ravi", agent("asha"), engine.Intervene{})
		close(hold)
		w.settle()
		if diff := cmp.Diff([]string{"bot: person"}, w.platform.texts("ravi")); diff != "" {
			t.Errorf("what ravi was sent (-want +got):\n%s", diff)
		}
		kept := slices.ContainsFunc(w.events("ravi"), func(e engine.Event) bool {
			b, ok := e.Body.(engine.BotDiscarded)
			return ok && b.Content.Text == "bot: anybody?" && b.Reason == engine.CodeBotFenced
		})
		if !kept {
			t.Error("the fenced answer was not kept for the audit")
		}
	})
}

func TestHangingAndFailingBotsRequestAPerson(t *testing.T) {
	for name, fail := range map[string]error{"fails": errors.New("broken"), "hangs": nil} {
		t.Run(name, func(t *testing.T) {
			run(t, engine.Policy{}, func(t *testing.T, w *world) {
				w.bot.set(fail, nil)
				if fail == nil {
					w.bot.set(nil, make(chan struct{}))
				}
				w.says("ravi", "hello")
				time.Sleep(actors.TurnTimeout)
				w.settle()
				card := w.card("ravi")
				if card.Column != engine.Requesting || card.Cause != engine.CauseBotUnavailable {
					t.Errorf("column %v, cause %v; want requesting, bot_unavailable", card.Column, card.Cause)
				}
			})
		})
	}
}

func TestOwedTurnsAndQueuedSendsGoOnAfterARestart(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		w.platform.set(func(engine.Outbound) (engine.AttemptResult, time.Duration) {
			return engine.AttemptResult{State: engine.Queued, Error: 130429}, time.Minute
		})
		w.says("ravi", "hello")
		w.settle()
		w.platform.set(nil)
		w.restart()
		time.Sleep(time.Minute)
		w.settle()
		if diff := cmp.Diff([]string{"bot: hello"}, w.platform.texts("ravi")); diff != "" {
			t.Errorf("what ravi was sent after the restart (-want +got):\n%s", diff)
		}
	})
}

func TestUnknownOutcomeIsNotRepeated(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		attempts := 0
		w.platform.set(func(o engine.Outbound) (engine.AttemptResult, time.Duration) {
			if o.Content.Text == "bot: first" {
				attempts++
				return engine.AttemptResult{State: engine.Unknown}, 0
			}
			return engine.AttemptResult{State: engine.Accepted}, 0
		})
		w.says("ravi", "first")
		w.settle()
		w.says("ravi", "second")
		w.settle()
		if got := w.platform.texts("ravi"); len(got) != 0 {
			t.Errorf("sent %q while the outcome before is unknown, want nothing", got)
		}
		time.Sleep(engine.UnknownWait)
		w.settle()
		if attempts != 1 {
			t.Errorf("attempts of the unknown send: %d, want 1", attempts)
		}
		if diff := cmp.Diff([]string{"bot: second"}, w.platform.texts("ravi")); diff != "" {
			t.Errorf("what ravi was sent (-want +got):\n%s", diff)
		}
	})
}

func TestStatusSettlesAnUnknownSend(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		var op engine.MessageID
		w.platform.set(func(o engine.Outbound) (engine.AttemptResult, time.Duration) {
			op = o.ID
			return engine.AttemptResult{State: engine.Unknown}, 0
		})
		w.says("ravi", "hello")
		w.settle()
		status := engine.Inbound{Workspace: acme, Channel: channel, Status: &engine.Status{External: "wamid.1", Op: op, State: engine.Delivered}}
		w.deliver(status)
		w.deliver(engine.Inbound{Workspace: acme, Channel: channel, Status: &engine.Status{External: "wamid.1", State: engine.Sent}})
		got, err := w.journal.Delivery(op)
		if err != nil || got.State != engine.Delivered || got.External != "wamid.1" {
			t.Errorf("delivery %+v (error %v), want delivered as wamid.1", got, err)
		}
	})
}

func TestRepeatedCommandGetsItsFirstOutcome(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		w.says("ravi", "person")
		w.settle()
		command := engine.Command{
			ID: engine.CommandID{1}, Digest: engine.Digest{1}, Workspace: acme, By: agent("asha"), Body: engine.Intervene{},
		}
		first, err := w.router.Do(t.Context(), w.of("ravi"), command)
		if err != nil {
			t.Fatal(err)
		}
		w.must("ravi", agent("asha"), engine.Resolve{})
		w.restart()
		again, err := w.router.Do(t.Context(), w.of("ravi"), command)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("repeated command (-first +again):\n%s", diff)
		}
		if got, want := w.card("ravi").Column, engine.Active; got != want {
			t.Errorf("column after the repeat: %v, want %v", got, want)
		}
		command.Digest = engine.Digest{2}
		if _, err := w.router.Do(t.Context(), w.of("ravi"), command); engine.CodeOf(err) != engine.CodeCommandReused {
			t.Errorf("same id, other payload: %v, want command reused", err)
		}
	})
}

func TestWindowsLapseAndInterventionsAutoResolve(t *testing.T) {
	run(t, engine.Policy{AutoResolveAfter: 2 * time.Hour}, func(t *testing.T, w *world) {
		w.says("quiet", "hello")
		w.says("held", "person")
		w.settle()
		w.must("held", agent("asha"), engine.Intervene{})
		time.Sleep(3 * time.Hour)
		w.settle()
		if got, want := w.card("held").Cause, engine.CauseAutoResolved; got != want {
			t.Errorf("idle intervention: cause %v, want %v", got, want)
		}
		w.restart()
		time.Sleep(22 * time.Hour)
		w.settle()
		for _, customer := range []string{"quiet", "held"} {
			if got, want := w.card(customer).Column, engine.History; got != want {
				t.Errorf("%s after its window: column %v, want %v", customer, got, want)
			}
		}
	})
}

func TestIdleConversationsLeaveMemory(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		for n := range 100 {
			w.says(fmt.Sprintf("customer-%d", n), "hello")
		}
		w.settle()
		if got := w.router.Resident(); got != 100 {
			t.Errorf("resident: %d, want 100", got)
		}
		time.Sleep(actors.PassivateAfter + 2*actors.SweepInterval)
		synctest.Wait()
		if got := w.router.Resident(); got != 0 {
			t.Errorf("resident after %v: %d, want 0", actors.PassivateAfter, got)
		}
		w.says("customer-7", "again")
		w.settle()
		if got := w.platform.texts("customer-7"); len(got) != 2 {
			t.Errorf("customer-7 was sent %q, want two answers", got)
		}
	})
}

// TestPassivationLosesNothing sends while conversations are let go of.
func TestPassivationLosesNothing(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		const rounds = 40
		for n := range rounds {
			w.says("ravi", fmt.Sprintf("message %d", n))
			// Come back just as the sweeper looks.
			time.Sleep(actors.PassivateAfter + time.Duration(n%4)*actors.SweepInterval/4)
		}
		w.settle()
		got := 0
		for _, e := range w.events("ravi") {
			if e.Body.Kind() == engine.KindMessageReceived {
				got++
			}
		}
		if got != rounds {
			t.Errorf("messages journaled: %d, want %d", got, rounds)
		}
	})
}

func TestUnknownConversationsAreNotFoundAndForgotten(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		for range 10 {
			_, err := w.router.Do(t.Context(), actors.NewConversationID(0), engine.Command{
				Workspace: acme, By: agent("asha"), Body: engine.Intervene{},
			})
			if engine.CodeOf(err) != engine.CodeNotFound {
				t.Errorf("intervene in nothing: %v, want not found", err)
			}
		}
		time.Sleep(2 * actors.SweepInterval)
		synctest.Wait()
		if got := w.router.Resident(); got != 0 {
			t.Errorf("resident: %d, want 0", got)
		}
	})
}
