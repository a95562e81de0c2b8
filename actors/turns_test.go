package actors_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// botFunc is a bot in a line.
type botFunc func(context.Context, engine.TurnRequest) (engine.TurnAnswer, error)

func (f botFunc) Turn(ctx context.Context, r engine.TurnRequest) (engine.TurnAnswer, error) {
	return f(ctx, r)
}

func saying(s string) engine.TurnAnswer {
	return engine.TurnAnswer{Say: []engine.Content{{Kind: engine.ContentText, Text: s}}}
}

// becomes ends the world's turns and begins others, with bot as acme's.
func (w *world) becomes(bots map[engine.WorkspaceID]actors.Bot) {
	w.t.Helper()
	w.turns.Stop(context.Background())
	w.turns = actors.StartTurns(actors.TurnsOptions{Router: w.router, Agenda: w.journal, Bots: bots})
}

func (w *world) acmes(bot botFunc) {
	w.becomes(map[engine.WorkspaceID]actors.Bot{acme: bot})
}

// TestAcceptedTurn: the bot takes its time, over a restart of the engine, and
// nobody asks it again meanwhile.
func TestAcceptedTurn(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		var asked []engine.TurnRequest
		bot := botFunc(func(_ context.Context, r engine.TurnRequest) (engine.TurnAnswer, error) {
			asked = append(asked, r)
			return engine.TurnAnswer{Accepted: true, Within: 10 * time.Minute}, nil
		})
		w.acmes(bot)
		w.says("ravi", "hello")
		w.settle()
		w.says("ravi", "are you there?")
		w.settle()
		w.restart()
		w.acmes(bot)
		time.Sleep(9 * time.Minute)
		if len(asked) != 1 {
			t.Fatalf("bot was asked %d times, want once", len(asked))
		}
		id := asked[0].ID.Conversation
		if _, err := w.router.Do(t.Context(), id, asked[0].Command(asked[0].Answer(saying("yes")))); err != nil {
			t.Fatalf("answer: %v", err)
		}
		w.settle()
		if diff := cmp.Diff([]string{"yes"}, w.platform.texts("ravi")); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
		if len(asked) != 2 || asked[1].Messages[0].Content.Text != "are you there?" {
			t.Errorf("bot was asked %+v, want the message that came meanwhile in a turn of its own", asked)
		}
	})
}

// TestAcceptedTurnLapses: a bot that promised and did not answer is replaced by a
// person, after a restart too.
func TestAcceptedTurnLapses(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		run(t, engine.Policy{BotUnavailable: "Somebody will be with you soon."}, func(t *testing.T, w *world) {
			asked := 0
			bot := botFunc(func(context.Context, engine.TurnRequest) (engine.TurnAnswer, error) {
				asked++
				return engine.TurnAnswer{Accepted: true, Within: time.Minute}, nil
			})
			w.acmes(bot)
			w.says("ravi", "hello")
			w.settle()
			if restarts {
				w.restart()
				w.acmes(bot)
			}
			time.Sleep(time.Minute)
			w.settle()
			card := w.card("ravi")
			if card.Column != engine.Requesting || card.Cause != engine.CauseBotUnavailable || asked != 1 {
				t.Errorf("restart %t: got %v because of %v, asked %d times; want requesting because the bot was unavailable, asked once", restarts, card.Column, card.Cause, asked)
			}
			if diff := cmp.Diff([]string{"Somebody will be with you soon."}, w.platform.texts("ravi")); diff != "" {
				t.Errorf("restart %t: sent (-want +got):\n%s", restarts, diff)
			}
		})
	}
}

// TestBotIsAskedAgain only if it surely did not begin, and under the same name.
func TestBotIsAskedAgain(t *testing.T) {
	tests := map[string]struct {
		err  error
		fail int // how often
		want []string
		asks int
	}{
		"unavailable":          {engine.Errorf(engine.CodeUnavailable, "refused"), 2, []string{"hello"}, 3},
		"unavailable for good": {engine.Errorf(engine.CodeUnavailable, "refused"), 99, nil, actors.TurnTries},
		"failed":               {errors.New("failed"), 1, nil, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			run(t, engine.Policy{}, func(t *testing.T, w *world) {
				var ids []engine.MessageID
				w.acmes(func(ctx context.Context, r engine.TurnRequest) (engine.TurnAnswer, error) {
					ids = append(ids, r.ID)
					if deadline, ok := ctx.Deadline(); !ok || engine.InstantOf(deadline).Sub(r.Deadline).Abs() > time.Millisecond {
						t.Errorf("got deadline %v, told %v; want the same", deadline, r.Deadline.Time())
					}
					if len(ids) <= tt.fail {
						return engine.TurnAnswer{}, tt.err
					}
					return saying("hello"), nil
				})
				w.says("ravi", "hi")
				w.settle()
				if diff := cmp.Diff(tt.want, w.platform.texts("ravi")); diff != "" {
					t.Errorf("sent (-want +got):\n%s", diff)
				}
				if len(ids) != tt.asks || len(slices.Compact(ids)) != 1 {
					t.Errorf("got turns %v, want one asked %d times", ids, tt.asks)
				}
			})
		})
	}
}

// TestBotPanics: its conversation goes to a person, and the next is answered.
func TestBotPanics(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		w.acmes(func(_ context.Context, r engine.TurnRequest) (engine.TurnAnswer, error) {
			if r.Contact.Name == "ravi" {
				panic("s3cr3t")
			}
			return saying("hello"), nil
		})
		w.says("ravi", "hi")
		w.says("meera", "hi")
		w.settle()
		if card := w.card("ravi"); card.Column != engine.Requesting || card.Cause != engine.CauseBotUnavailable {
			t.Errorf("got %v because of %v, want requesting because the bot was unavailable", card.Column, card.Cause)
		}
		if got := w.platform.texts("meera"); len(got) != 1 {
			t.Errorf("the other customer got %q, want the answer", got)
		}
	})
}

// TestBreaker: a bot that fails and fails is not asked for a while; then one turn
// tries it, and all is well again.
func TestBreaker(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		asked, broken := 0, true
		w.acmes(func(context.Context, engine.TurnRequest) (engine.TurnAnswer, error) {
			asked++
			if broken {
				return engine.TurnAnswer{}, errors.New("broken")
			}
			return saying("hello"), nil
		})
		customers := 0
		comes := func() engine.Card {
			customers++
			name := fmt.Sprint("customer", customers)
			w.says(name, "hi")
			w.settle()
			return w.card(name)
		}
		for range actors.BreakerFailures {
			comes()
		}
		if asked != actors.BreakerFailures {
			t.Fatalf("asked %d times, want %d", asked, actors.BreakerFailures)
		}
		if card := comes(); asked != actors.BreakerFailures || card.Column != engine.Requesting {
			t.Errorf("with the breaker open: asked %d times, %v; want %d, requesting", asked, card.Column, actors.BreakerFailures)
		}
		broken = false
		time.Sleep(actors.BreakerPause)
		if card := comes(); asked != actors.BreakerFailures+1 || card.Column != engine.Active {
			t.Errorf("after a while: asked %d times, %v; want %d, active", asked, card.Column, actors.BreakerFailures+1)
		}
	})
}

// TestBreakerHeedsNoSingleCustomer: one who makes the bot fail, again and again,
// takes it from nobody else.
func TestBreakerHeedsNoSingleCustomer(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		w.acmes(func(_ context.Context, r engine.TurnRequest) (engine.TurnAnswer, error) {
			if r.Contact.Name == "ravi" {
				return engine.TurnAnswer{}, errors.New("broken")
			}
			return saying("hello"), nil
		})
		for range 2 * actors.BreakerFailures {
			w.says("ravi", "poison")
			w.settle()
		}
		w.says("meera", "hi")
		w.settle()
		if got := w.platform.texts("meera"); len(got) != 1 {
			t.Errorf("the other customer got %q, want the answer", got)
		}
	})
}

// TestHangingBotHarmsNoNeighbour: with all of its hands taken, and its queue full,
// the bots of others answer at once; its own customers get a person.
func TestHangingBotHarmsNoNeighbour(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		const globex, customers = engine.WorkspaceID("globex"), actors.BotHands*2 + 10
		var mu sync.Mutex
		hanging, most := 0, 0
		w.becomes(map[engine.WorkspaceID]actors.Bot{
			acme: botFunc(func(ctx context.Context, _ engine.TurnRequest) (engine.TurnAnswer, error) {
				mu.Lock()
				hanging++
				most = max(most, hanging)
				mu.Unlock()
				<-ctx.Done()
				mu.Lock()
				hanging--
				mu.Unlock()
				return engine.TurnAnswer{}, ctx.Err()
			}),
			globex: botFunc(func(context.Context, engine.TurnRequest) (engine.TurnAnswer, error) { return saying("hello"), nil }),
		})
		for i := range customers {
			w.says(fmt.Sprint("acme", i), "hi")
		}
		time.Sleep(time.Second)
		start := time.Now()
		for i := range 10 {
			w.deliver(engine.Inbound{Workspace: globex, Channel: "globex-main", Message: &engine.Receive{
				Contact: engine.Contact{WaID: fmt.Sprint("wa-globex", i)}, External: fmt.Sprint("globex", i), SentAt: engine.InstantOf(time.Now()),
				Content: engine.Content{Kind: engine.ContentText, Text: "hi"},
			}})
		}
		w.settle()
		for i := range 10 {
			if got := w.platform.texts(fmt.Sprint("globex", i)); len(got) != 1 {
				t.Errorf("neighbour %d got %q after %v, want the answer", i, got, time.Since(start))
			}
		}
		mu.Lock()
		if most != actors.BotHands {
			t.Errorf("got %d turns at once, want %d", most, actors.BotHands)
		}
		mu.Unlock()
		time.Sleep(3 * actors.TurnTimeout)
		for i := range customers {
			if card := w.card(fmt.Sprint("acme", i)); card.Column != engine.Requesting {
				t.Fatalf("customer %d of the hanging bot stands in %v, want requesting", i, card.Column)
			}
		}
	})
}
