package sim

import (
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
	verbose   = flag.Bool("trace", false, "print the trace of each seed")
)

const (
	// shortSeeds are what make test runs, soakSeeds make soak. The race detector
	// makes a simulation eight times as long: it sees a few, and the others run
	// in a binary without it.
	shortSeeds = 45
	raceSeeds  = 3
	soakSeeds  = 20_000
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
	began, ran, lives, crashes := time.Now(), 0, 0, 0
	for s := *firstSeed; ; s++ {
		if *runFor > 0 && time.Since(began) > *runFor || *runFor == 0 && s >= *firstSeed+n {
			break
		}
		t.Run(fmt.Sprintf("seed=%d", s), func(t *testing.T) {
			for range *replays {
				sim := once(t, seed(s))
				ran, lives, crashes = ran+1, lives+sim.lives, crashes+sim.crashes
				if t.Failed() {
					break
				}
			}
		})
		if t.Failed() {
			break
		}
	}
	t.Logf("%d simulations, %d lives, %d crashes in %s", ran, lives, crashes, time.Since(began).Round(time.Millisecond))
}

// spread runs n seeds in as many processes as there are processors.
func spread(t *testing.T, n uint64) {
	processes := uint64(runtime.NumCPU())
	share := (n + processes - 1) / processes
	ends := make(chan error, processes)
	for i := range processes {
		go func() {
			ends <- child(t.Context(), os.Args[0], *firstSeed+i*share, share)
		}()
	}
	for range processes {
		if err := <-ends; err != nil {
			t.Error(err)
			continue
		}
		t.Logf("%d seeds found nothing", share)
	}
}

// child runs n seeds in a process of their own, and fails as they do.
func child(ctx context.Context, binary string, first, n uint64) error {
	command := exec.CommandContext(ctx, binary, "-test.run=^TestSimulation$", "-test.timeout=0",
		fmt.Sprintf("-first=%d", first), fmt.Sprintf("-seeds=%d", n))
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

func (f *failure) Error() string {
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
