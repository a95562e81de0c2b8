package actors_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// INTERVENE_HANDOVERS is how many hand-overs TestFence does, 1,000,000 when
// INTERVENE_SOAK is set; INTERVENE_SEED begins its first world.
const (
	handOvers     = 250
	soakHandOvers = 1_000_000
	// Of one world, which is audited and forgotten.
	fenceCustomers = 25
	fenceRounds    = 10
)

// TestFence: a bot answers after a random time, at once or having accepted the turn,
// while agents intervene and resolve at random. No send of the bot is Attempted while
// an agent holds the conversation, and whatever it said is queued or kept as
// discarded, once.
func TestFence(t *testing.T) {
	want := handOvers
	if os.Getenv("INTERVENE_SOAK") != "" {
		want = soakHandOvers
	}
	if n, err := strconv.Atoi(os.Getenv("INTERVENE_HANDOVERS")); err == nil {
		want = n
	}
	seed, err := strconv.ParseUint(os.Getenv("INTERVENE_SEED"), 10, 64)
	if err != nil {
		seed = 1
	}
	start := time.Now()
	var sum fenceAudit
	for sum.handOvers < want && !t.Failed() {
		run(t, engine.Policy{TakeoverFromActive: true}, func(t *testing.T, w *world) {
			f := &fence{world: w, seed: seed, t: t}
			f.play()
			sum.add(f.audit())
		})
		seed++
	}
	t.Logf("%d hand-overs in %s: the bot spoke %d times, of which %d were fenced and kept; %d of its sends were discarded queued, %d were attempted",
		sum.handOvers, time.Since(start).Round(time.Second), sum.said, sum.fenced, sum.silenced, sum.attempted)
	if sum.fenced == 0 || sum.attempted == 0 || sum.silenced == 0 {
		t.Errorf("got %+v, want each of it: else nothing was tested", sum)
	}
}

// fence is one world of it.
type fence struct {
	*world
	t    *testing.T
	seed uint64

	mu      sync.Mutex
	said    map[string]engine.ConversationID // what the bot said, and where
	submits sync.WaitGroup
}

func (f *fence) rng(about string, n int) *rand.Rand {
	h := uint64(n)
	for _, c := range []byte(about) {
		h = h*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(f.seed, h))
}

// Turn answers in up to a second: with words, or by accepting and saying them in
// up to three more.
func (f *fence) Turn(ctx context.Context, r engine.TurnRequest) (engine.TurnAnswer, error) {
	rng := f.rng(r.ID.Conversation.String(), int(r.ID.Version))
	select {
	case <-time.After(time.Duration(rng.Int64N(int64(time.Second)))):
	case <-ctx.Done():
		return engine.TurnAnswer{}, ctx.Err()
	}
	words := fmt.Sprintf("%s in epoch %d", r.ID, r.Epoch)
	f.mu.Lock()
	f.said[words] = r.ID.Conversation
	f.mu.Unlock()
	if rng.IntN(2) == 0 {
		return saying(words), nil
	}
	f.submits.Go(func() {
		time.Sleep(time.Duration(rng.Int64N(int64(3 * time.Second))))
		command := r.Command(r.Answer(saying(words)))
		command.ID[0], command.Digest[0] = 1, 1
		copy(command.ID[1:], fmt.Append(nil, r.ID.Version, r.Epoch))
		_, err := f.router.Do(context.WithoutCancel(ctx), r.ID.Conversation, command)
		if code := engine.CodeOf(err); err != nil && code != engine.CodeBotFenced {
			f.t.Errorf("submit: got %v, want it taken or fenced", err)
		}
	})
	return engine.TurnAnswer{Accepted: true, Within: time.Minute}, nil
}

// play lets customers write and agents come and go.
func (f *fence) play() {
	f.said = make(map[string]engine.ConversationID)
	f.becomes(map[engine.WorkspaceID]actors.Bot{acme: f})
	var customers sync.WaitGroup
	for i := range fenceCustomers {
		name := fmt.Sprint("customer", i)
		f.says(name, "hi")
		customers.Go(func() { f.customer(name, f.rng(name, 0)) })
	}
	customers.Wait()
	f.submits.Wait()
	time.Sleep(time.Minute + 10*time.Second) // turns that nobody answered lapse, sends go
	f.submits.Wait()
}

func (f *fence) customer(name string, rng *rand.Rand) {
	asha := agent("asha")
	pause := func(most time.Duration) { time.Sleep(time.Duration(rng.Int64N(int64(most)))) }
	for i := range fenceRounds {
		pause(2 * time.Second)
		f.must(name, asha, engine.Intervene{})
		pause(time.Second)
		if rng.IntN(2) == 0 {
			f.must(name, asha, text(fmt.Sprint("asha ", i)))
		}
		pause(time.Second)
		f.must(name, asha, engine.Resolve{})
		f.mu.Lock()
		f.world.says(name, fmt.Sprint("more ", i))
		f.mu.Unlock()
	}
}

// fenceAudit is what a world came to.
type fenceAudit struct{ handOvers, said, fenced, silenced, attempted int }

func (a *fenceAudit) add(b fenceAudit) {
	a.handOvers += b.handOvers
	a.said += b.said
	a.fenced += b.fenced
	a.silenced += b.silenced
	a.attempted += b.attempted
}

// audit reads every event, with a memory of its own.
func (f *fence) audit() fenceAudit {
	sum := fenceAudit{said: len(f.said)}
	kept := make(map[string]int)
	for i := range fenceCustomers {
		bots := make(map[uint64]bool)
		held := false
		for _, e := range f.events(fmt.Sprint("customer", i)) {
			switch b := e.Body.(type) {
			case engine.Moved:
				held = b.To == engine.Intervened
				if held {
					sum.handOvers++
				}
			case engine.MessageQueued:
				if bots[e.Version] = e.By.Kind == engine.Bot; bots[e.Version] {
					kept[b.Content.Text]++
				}
				if held && bots[e.Version] {
					f.t.Errorf("event %d: the bot speaks while an agent holds the conversation", e.Version)
				}
			case engine.BotDiscarded:
				kept[b.Content.Text]++
				sum.fenced++
			case engine.DeliveryChanged:
				switch {
				case !bots[b.Send]:
				case b.State == engine.Attempted && held:
					f.t.Errorf("event %d: the bot's send %d is attempted while an agent holds the conversation", e.Version, b.Send)
				case b.State == engine.Attempted:
					sum.attempted++
				case b.State == engine.Discarded:
					sum.silenced++
				}
			}
		}
	}
	for words := range f.said {
		if kept[words] != 1 {
			f.t.Errorf("what the bot said stands there %d times, want once, queued or discarded", kept[words])
		}
	}
	return sum
}
