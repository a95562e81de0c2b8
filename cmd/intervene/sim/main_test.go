package sim

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"go.uber.org/goleak"
)

var (
	firstSeed = flag.Uint64("first", 1, "the first seed")
	seeds     = flag.Uint64("seeds", 0, "how many seeds; 0: the short run, or -for")
	runFor    = flag.Duration("for", 0, "go on with further seeds for so long")
	replays   = flag.Int("replays", 1, "how often each seed is run")
	busy      = flag.Bool("busy", false, "many customers, a bot that talks much, and much that goes wrong: more sends in less time")
	planted   = flag.String("plant", "", "only the plants whose names hold this, also those of long runs")
	verbose   = flag.Bool("trace", false, "print the trace of each seed")
)

const (
	// shortSeeds are what make test runs, soakSeeds make soak. The race detector
	// makes a simulation eight times as long: it sees a few, and the others run
	// in a binary without it.
	shortSeeds = 30
	raceSeeds  = 2
	soakSeeds  = 20_000
	// longSeeds are so many that all scenarios are reached.
	longSeeds = 500
)

func TestMain(m *testing.M) {
	// One processor leaves less to chance; see the package comment.
	runtime.GOMAXPROCS(1)
	goleak.VerifyTestMain(m)
}

func soaking() bool { return os.Getenv("INTERVENE_SOAK") != "" }

// TestSimulation runs one seed after another: in this process, in another one
// without the race detector, or in one for each processor.
func TestSimulation(t *testing.T) {
	switch {
	case *seeds > 0 || *runFor > 0:
		inTurn(t, *seeds)
	case soaking():
		spread(t, soakSeeds)
	case raceEnabled:
		none := plant{name: "none", seeds: shortSeeds}
		others := make(chan error, 1)
		dir := t.TempDir()
		go func() { others <- none.run(t.Context(), dir) }()
		inTurn(t, raceSeeds)
		if err := <-others; err != nil {
			t.Errorf("without the race detector: %v", err)
		}
	default:
		inTurn(t, shortSeeds)
	}
}

// inTurn runs n seeds, or as many as there is time for.
func inTurn(t *testing.T, n uint64) {
	began, ran := time.Now(), 0
	var sum tally
	for s := *firstSeed; ; s++ {
		if *runFor > 0 && time.Since(began) > *runFor || *runFor == 0 && s >= *firstSeed+n {
			break
		}
		t.Run(fmt.Sprintf("seed=%d", s), func(t *testing.T) {
			for range *replays {
				sim := once(t, seed(s))
				ran++
				sum.add(&sim.tally)
				if t.Failed() {
					break
				}
			}
		})
		if t.Failed() {
			break
		}
	}
	if n >= shortSeeds && !t.Failed() && !*busy {
		sum.seen.check(t, n)
	}
	t.Logf("%d simulations in %s: %s", ran, time.Since(began).Round(time.Millisecond), &sum)
}

// busyCost is how many times as long a seed takes in haste.
const busyCost = 8

// spread runs n seeds in as many processes as there are processors: every other
// one runs fewer of them, in haste.
func spread(t *testing.T, n uint64) {
	processes := uint64(runtime.NumCPU())
	share := (n + processes - 1) / processes
	ends := make(chan error, processes)
	for i := range processes {
		hasty, count := i%2 == 1, share
		if hasty {
			count = share / busyCost
		}
		go func() { ends <- child(t.Context(), os.Args[0], *firstSeed+i*share, count, hasty) }()
	}
	for range processes {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
}

// child runs n seeds in a process of their own, and fails as they do.
func child(ctx context.Context, binary string, first, n uint64, busy bool) error {
	command := exec.CommandContext(ctx, binary, "-test.run=^TestSimulation$", "-test.timeout=0",
		fmt.Sprintf("-first=%d", first), fmt.Sprintf("-seeds=%d", n), fmt.Sprintf("-busy=%v", busy))
	if out, err := command.CombinedOutput(); err != nil {
		return &failure{out, err}
	}
	return nil
}

// failure is a process that failed.
type failure struct {
	out []byte
	err error
}

// Error tells the end, and of a process that died why it did.
func (f *failure) Error() string {
	for _, mark := range []string{"panic: ", "fatal error: "} {
		if i := bytes.Index(f.out, []byte(mark)); i >= 0 {
			return fmt.Sprintf("%v\n%s", f.err, f.out[i:min(len(f.out), i+maxTail)])
		}
	}
	return fmt.Sprintf("%v\n%s", f.err, f.out[max(0, len(f.out)-maxTail):])
}

// maxTail is how much is told of what a process said.
const maxTail = 20_000

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
	race := ""
	if raceEnabled {
		race = "-race "
	}
	trace := sim.ledger.trace[max(0, len(sim.ledger.trace)-maxTrace):]
	t.Errorf("violations:\n%sto replay:\n  go test %s./cmd/intervene/sim -run=TestSimulation -first=%d -seeds=1 -replays=10\nthe end of its trace:\n%s",
		text.String(), race, s, strings.Join(trace, "\n"))
	return sim
}
