//go:build sim

package sim

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"go.uber.org/goleak"
)

var (
	firstSeed = flag.Uint64("first", 1, "the first seed")
	seeds     = flag.Uint64("seeds", 0, "how many seeds, or up to which with a seed named by -run; 0: the short run, or -for")
	runFor    = flag.Duration("for", 0, "go on with further seeds for so long")
	replays   = flag.Int("replays", 1, "how often each seed is run")
	verbose   = flag.Bool("trace", false, "print the trace of each seed")
)

const (
	// shortSeeds are what make test runs, soakSeeds make soak. The race detector
	// makes a simulation eight times as long: it sees a few, and the others run
	// in a binary without it.
	shortSeeds = 45
	raceSeeds  = 3
	soakSeeds  = 10_000
)

func TestMain(m *testing.M) {
	// One processor leaves less to chance; see the package comment.
	runtime.GOMAXPROCS(1)
	goleak.VerifyTestMain(m)
}

func soaking() bool { return os.Getenv("INTERVENE_SOAK") != "" }

// TestSimulation runs one seed after another.
func TestSimulation(t *testing.T) {
	n := *seeds
	switch {
	case n > 0:
	case soaking():
		n = soakSeeds
	case raceEnabled:
		n = raceSeeds
		t.Run("without the race detector", func(t *testing.T) {
			plain := plant{name: "none", seeds: shortSeeds}
			if out, err := plain.run(t); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	default:
		n = shortSeeds
	}
	began, ran, lives, crashes := time.Now(), 0, 0, 0
	for s := *firstSeed; ; s++ {
		if *runFor > 0 && time.Since(began) > *runFor || *runFor == 0 && s >= *firstSeed+n {
			break
		}
		t.Run(fmt.Sprintf("seed=%d", s), func(t *testing.T) {
			for range *replays {
				sim := once(t, seed(s))
				ran, lives, crashes = ran+1, lives+sim.lives, crashes+sim.crashes
			}
		})
		if t.Failed() {
			break
		}
	}
	t.Logf("%d simulations, %d lives, %d crashes in %s", ran, lives, crashes, time.Since(began).Round(time.Millisecond))
}

func once(t *testing.T, s seed) *sim {
	cryptotest.SetGlobalRandom(t, uint64(s))
	sim := simulate(t, s)
	if *verbose {
		t.Log("\n" + strings.Join(sim.ledger.trace, "\n"))
	}
	if len(sim.ledger.violations) == 0 {
		return sim
	}
	var text strings.Builder
	for i, v := range sim.ledger.violations {
		if i == maxViolations {
			fmt.Fprintf(&text, "  and %d more\n", len(sim.ledger.violations)-i)
			break
		}
		fmt.Fprintf(&text, "  %s\n", v)
	}
	trace := sim.ledger.trace[max(0, len(sim.ledger.trace)-maxTrace):]
	t.Errorf("violations:\n%sto replay:\n  go test ./cmd/intervene/sim -run 'TestSimulation/seed=%d$' -first=%d -seeds=1 -replays=10\nthe end of its trace:\n%s",
		text.String(), s, s, strings.Join(trace, "\n"))
	return sim
}
