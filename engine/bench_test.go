package engine_test

import (
	"testing"

	"github.com/intervenehq/intervene/engine"
)

// BenchmarkDecideApply is what one command costs besides the journal: Decide on
// a warm conversation, and Apply of what it made on a copy.
func BenchmarkDecideApply(b *testing.B) {
	benchmarks := []struct {
		name    string
		reach   func(w *world)
		command func(w *world) engine.Command
	}{
		{"receive", reachActive, func(w *world) engine.Command {
			return engine.Command{By: customer, Body: w.writes("hello", 0)}
		}},
		{"answer turn", func(w *world) { reachActive(w); w.mustDo(customer, w.writes("hello", 0)) }, func(w *world) engine.Command {
			return w.answers("one moment")
		}},
		{"send", reachIntervened, func(*world) engine.Command {
			return engine.Command{ID: engine.CommandID{1}, By: asha, Body: engine.SendMessage{Content: textOf("hello")}}
		}},
		{"intervene", func(w *world) { reachRequesting(w); w.mustDo(bot, engine.SendMessage{Content: textOf("one moment")}) }, func(*world) engine.Command {
			return engine.Command{ID: engine.CommandID{1}, By: asha, Body: engine.Intervene{}}
		}},
	}
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			w := newWorld(b)
			bm.reach(w)
			cmd := bm.command(w)
			cmd.Workspace = workspace
			b.ReportAllocs()
			for b.Loop() {
				c := w.c
				events, err := engine.Decide(&c, cmd, w.policy, w.now)
				if err != nil {
					b.Fatal(err)
				}
				for i := range events {
					c.Apply(&events[i])
				}
			}
		})
	}
}
