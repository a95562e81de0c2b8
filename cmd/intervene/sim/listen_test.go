package sim

import (
	"log/slog"
	"regexp"
	"strings"
)

// listener reads the log of one life. Nothing of a customer stands there, and
// no error as long as the disk is well.
type listener struct{ world *world }

// private is what customers are called and what anybody writes.
var private = regexp.MustCompile(`4915550\d|DE\.user\d|-customer-\d|-agent-\d \d|-bot \d`)

// maxLine is how much of a line is told: it may hold a stack.
const maxLine = 500

func (w *world) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(listener{w}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (n listener) Write(line []byte) (int, error) {
	w, text := n.world, strings.TrimSpace(string(line[:min(len(line), maxLine)]))
	w.alive(func() {
		switch {
		case private.Match(line):
			w.sim.ledger.violate("workspaces: the log of life %d names a customer or what was written: %s", w.life, text)
		case strings.Contains(text, "level=ERROR") && !w.disk.failed():
			w.sim.ledger.violate("one bad thing stays one: life %d logs an error on a good disk: %s", w.life, text)
		}
	})
	return len(line), nil
}

// checkText: a refusal names nobody either.
func (l *ledger) checkText(err error) {
	if private.MatchString(err.Error()) {
		l.violateLocked("workspaces: an error names a customer or what was written: %v", err)
	}
}
