package engine_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/intervenehq/intervene/engine"
)

// TestScenarios plays the files of testdata/scenario, which are the engine's
// specification; testdata/README.md says how they read. After a change of
// behaviour, `go test ./engine -run TestScenarios -rewrite` writes them anew:
// read the difference line by line.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenario/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("got scenario files %v (%v), want some", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			s := &scenario{world: newWorld(t)}
			datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
				s.t = t
				if d.Cmd != "given" {
					if d.Input != "" {
						t.Fatalf("got lines below %q, want each to say what it does", d.Cmd)
					}
					return s.step(parseStep(t, directive(d)))
				}
				s.given(parseStep(t, directive(d)), strings.Split(d.Input, "\n"))
				return describeState(&s.c, s.now)
			})
		})
	}
}

// scenario is a world with what its actors remember between steps.
type scenario struct {
	*world
	asked   engine.TurnRequest // the turn that the bot is busy with
	attempt engine.DeliveryChanged
}

// given begins another conversation with what led up to it.
func (s *scenario) given(head *step, lines []string) {
	s.t.Helper()
	t := s.t
	*s = scenario{world: newWorld(t)}
	s.policy.TakeoverFromActive = head.flag("takeover_from_active")
	s.policy.AutoResolveAfter = head.duration("auto_resolve_after", 24*time.Hour)
	s.policy.WriteFirst = head.flag("write_first")
	s.policy.OutsideSilence = head.duration("outside_silence", 0)
	s.policy.Retention = head.duration("retention", 0)
	s.policy.BotUnavailable = head.text("bot_unavailable", "")
	head.done()
	for _, line := range lines {
		if line == "" {
			continue
		}
		if out := s.step(parseStep(t, line)); strings.Contains(out, "refused:") {
			t.Fatalf("given %q: got %s, want it accepted", line, out)
		}
	}
}

// step does one line and answers what came of it.
func (s *scenario) step(l *step) string {
	s.t.Helper()
	switch l.verb {
	case "advance":
		s.advance(l.wordDuration())
		l.done()
		return s.describeClock()
	case "policy":
		s.policy.AutoResolveAfter = l.duration("auto_resolve_after", s.policy.AutoResolveAfter)
		s.policy.OutsideSilence = l.duration("outside_silence", s.policy.OutsideSilence)
		s.policy.Retention = l.duration("retention", s.policy.Retention)
		l.done()
		return "auto_resolve_after=" + short(s.policy.AutoResolveAfter) + " outside_silence=" + short(s.policy.OutsideSilence) + " retention=" + short(s.policy.Retention)
	case "ask":
		l.done()
		s.asked = s.owed()
		return describeAsked(s.asked)
	case "card":
		l.done()
		return describeCard(s.c.Card())
	case "delivery":
		d := s.known[l.number("send", 0)]
		l.done()
		return describeDelivery(d)
	}
	repeat := int(l.number("times", 1))
	cmd := s.command(l)
	l.done()
	out := ""
	for range repeat {
		out = s.play(cmd)
	}
	return out
}

// play gives cmd and describes what it did.
func (s *scenario) play(cmd engine.Command) string {
	s.t.Helper()
	first, repeated := s.c.Outcome(cmd.ID)
	events, err := s.do(cmd)
	var lines []string
	for _, e := range events {
		lines = append(lines, describeEvent(e))
		if b, ok := e.Body.(engine.DeliveryChanged); ok && b.State == engine.Attempted {
			s.attempt = b
		}
	}
	switch {
	case err != nil:
		lines = append(lines, describeRefusal(err))
	case repeated:
		return fmt.Sprintf("accepted before, at version %d", first.Version)
	case len(events) == 0:
		return "accepted, nothing to do"
	}
	if len(events) > 0 {
		lines = append(lines, describeState(&s.c, s.now))
	}
	return strings.Join(lines, "\n")
}

func (s *scenario) describeClock() string {
	var due []string
	for kind, at := range s.c.Index().Due {
		if !at.IsZero() && at <= s.now {
			due = append(due, engine.DueKind(kind).String())
		}
	}
	if len(due) == 0 {
		due = []string{"nothing"}
	}
	return fmt.Sprintf("at %s, due: %s", clock(s.now), strings.Join(due, ","))
}

func describeCard(c engine.Card) string {
	var f fields
	f.add("column", c.Column)
	f.add("holder", c.Holder)
	f.add("cause", c.Cause)
	f.add("reason", c.Reason)
	f.add("preview", c.Preview)
	f.add("unread", c.Unread)
	f.add("tags", strings.Join(c.Tags, ","))
	f.add("requested", c.RequestedAt)
	f.add("since", c.Since)
	f.add("last_activity", c.LastActivity)
	f.add("window_expires", c.WindowExpiresAt)
	describeContact(&f, c.Contact)
	f.add("opted_out", c.OptedOut)
	f.add("muted_until", c.MutedUntil)
	f.add("linked", len(c.Linked))
	return f.String()
}
