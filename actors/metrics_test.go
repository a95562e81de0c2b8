package actors_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/intervenehq/intervene/engine"
)

// figure is what the metrics say of name: a counter's or gauge's value, or a
// histogram's sum and how often it was observed. Labels are pairs.
func (w *world) figure(name string, labels ...string) (value float64, times uint64) {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatalf("gather: %v", err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() != name || !labelled(m, labels) {
				continue
			}
			h := m.GetHistogram()
			value += m.GetGauge().GetValue() + m.GetCounter().GetValue() + h.GetSampleSum()
			times += h.GetSampleCount()
		}
	}
	return value, times
}

func labelled(m *dto.Metric, want []string) bool {
	has := make(map[string]string)
	for _, l := range m.GetLabel() {
		has[l.GetName()] = l.GetValue()
	}
	for i := 0; i < len(want); i += 2 {
		if has[want[i]] != want[i+1] {
			return false
		}
	}
	return true
}

// is fails unless the metrics say want.
func (w *world) is(want float64, name string, labels ...string) {
	w.t.Helper()
	if got, _ := w.figure(name, labels...); math.Abs(got-want) > .001 {
		w.t.Errorf("%s %v: got %v, want %v", name, labels, got, want)
	}
}

func TestMetricsOfAHandOver(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		const move = "intervene_transitions_total"
		w.says("ravi", "person")
		w.settle()
		settled := time.Since(w.card("ravi").RequestedAt.Time())
		time.Sleep(90*time.Second - settled)
		w.is(90, "intervene_board_oldest_age_seconds", "column", "requesting")
		w.must("ravi", agent("asha"), engine.Intervene{})
		time.Sleep(5 * time.Minute)
		w.must("ravi", agent("asha"), engine.Transfer{To: "ben"})
		time.Sleep(15 * time.Minute)
		w.is(15*60, "intervene_board_oldest_age_seconds", "column", "intervened")
		w.must("ravi", agent("ben"), engine.Resolve{})
		synctest.Wait()
		w.is(0, "intervene_board_oldest_age_seconds", "column", "intervened")

		w.is(1, move, "from", "history", "to", "active", "cause", "customer_message")
		w.is(1, move, "from", "active", "to", "requesting", "cause", "requested")
		w.is(1, move, "from", "requesting", "to", "intervened", "cause", "intervened")
		w.is(1, move, "from", "intervened", "to", "intervened", "cause", "transferred")
		w.is(1, move, "from", "intervened", "to", "active", "cause", "resolved")
		w.is(90, "intervene_request_wait_seconds")
		w.is(20*60, "intervene_intervention_duration_seconds")

		// Without a transfer the beginning is known without a look at it; a request that
		// was made in vain is no wait.
		w.must("ravi", agent("ben"), engine.RequestAgent{})
		w.must("ravi", agent("ben"), engine.WithdrawRequest{})
		w.must("ravi", agent("ben"), engine.RequestAgent{})
		w.must("ravi", agent("ben"), engine.Intervene{})
		time.Sleep(time.Minute)
		w.must("ravi", agent("ben"), engine.Resolve{})
		w.is(21*60, "intervene_intervention_duration_seconds")
		if _, times := w.figure("intervene_request_wait_seconds"); times != 2 {
			t.Errorf("waits: got %d, want 2", times)
		}
	})
}

func TestMetricsOfCommands(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		w.says("ravi", "hello")
		w.settle()
		if _, err := w.do("ravi", agent("asha"), engine.Resolve{}); err == nil {
			t.Fatal("resolve what nobody holds: got no error, want one")
		}
		if _, err := w.do("ravi", engine.Party{Kind: engine.Customer}, engine.Amend{}); err == nil {
			t.Fatal("an amendment of nothing: got no error, want one")
		}
		for _, want := range [][2]string{{"receive", "ok"}, {"resolve", "refused"}, {"amend", "refused"}} {
			if _, times := w.figure("intervene_command_durable_duration_seconds", "command", want[0], "outcome", want[1]); times != 1 {
				t.Errorf("%v: got %d times, want once", want, times)
			}
		}
		if _, unknown := w.figure("intervene_command_durable_duration_seconds", "command", "unknown"); unknown != 0 {
			t.Errorf("commands without a name: got %d, want none", unknown)
		}
		w.is(1, "intervene_command_refusals_total", "code", engine.CodeNotIntervened.String())
		commands, given := w.figure("intervene_command_durable_duration_seconds")
		if _, waited := w.figure("intervene_actor_mailbox_wait_seconds"); waited < given || given == 0 {
			t.Errorf("mailbox: got %d waits of %d commands (%v s), want no fewer", waited, given, commands)
		}
	})
}

// TestMetricsOfTheOutbox: what waits is counted by the changes of appends, and after
// a restart as well.
func TestMetricsOfTheOutbox(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		const pending, oldest, results = "intervene_outbox_pending", "intervene_outbox_oldest_age_seconds", "intervene_outbox_results_total"
		w.is(0, pending)
		w.platform.pace(time.Hour)
		const customers = 5
		for n := range customers {
			w.says(fmt.Sprintf("c%d", n), "hello")
		}
		w.settle()
		time.Sleep(time.Minute)
		for range 2 {
			w.is(customers, pending)
			if got, _ := w.figure(oldest); got < 60 || got > 63 {
				t.Errorf("%s: got %v, want a minute or a little more", oldest, got)
			}
			w.restart()
			time.Sleep(time.Millisecond)
		}
		w.must("c0", agent("asha"), engine.RequestAgent{})
		w.must("c0", agent("asha"), engine.Intervene{}) // what the bot queued is discarded
		w.is(customers-1, pending)
		w.is(1, results, "result", "discarded")

		w.platform.set(func(o engine.Outbound) (engine.AttemptResult, time.Duration) {
			switch o.To.WaID {
			case "wa-c1":
				return engine.AttemptResult{State: engine.Rejected, Error: 131026}, 0
			case "wa-c2":
				return engine.AttemptResult{State: engine.Unknown}, 0
			}
			return engine.AttemptResult{State: engine.Accepted}, 0
		})
		w.platform.pace(0)
		w.settle()
		w.is(0, pending)
		w.is(0, oldest)
		for result, want := range map[string]float64{"accepted": 2, "rejected": 1, "unknown": 1, "discarded": 1} {
			w.is(want, results, "result", result)
		}
	})
}

func TestMetricsLint(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		w.bot.set(errors.New("it is down"), nil)
		w.says("ravi", "hello")
		w.settle()
		problems, err := testutil.GatherAndLint(w.registry)
		if err != nil {
			t.Fatalf("lint: got error %v, want none", err)
		}
		for _, p := range problems {
			t.Errorf("%s: got %q, want no problem", p.Metric, p.Text)
		}
	})
}
