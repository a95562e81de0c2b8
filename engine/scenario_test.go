package engine_test

import (
	"crypto/sha256"
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
		l.done()
		return "auto_resolve_after=" + short(s.policy.AutoResolveAfter)
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
		return fmt.Sprintf("state=%s attempt=%d wamid=%s error=%d", d.State, d.Attempt, d.External, d.Error)
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
	return f.String()
}

// command makes of l what is given to the engine.
func (s *scenario) command(l *step) engine.Command {
	s.t.Helper()
	cmd := engine.Command{Workspace: engine.WorkspaceID(l.text("workspace", string(workspace)))}
	id := l.text("id", "")
	cmd.Epoch = l.number("epoch", 0)
	cmd.By, cmd.Body = s.body(l)
	switch cmd.Body.(type) {
	case engine.AnswerTurn, engine.FailTurn:
		if cmd.Epoch == 0 {
			cmd.Epoch = s.asked.Epoch
		}
	}
	if id != "" {
		idHash, payload := sha256.Sum256([]byte(id)), sha256.Sum256(fmt.Appendf(nil, "%v %#v", cmd.By, cmd.Body))
		copy(cmd.ID[:], idHash[:])
		copy(cmd.Digest[:], payload[:])
	}
	return cmd
}

func (s *scenario) body(l *step) (engine.Party, engine.CommandBody) {
	s.t.Helper()
	switch l.verb {
	case "customer":
		return l.party(customer), s.received(l)
	case "answer":
		return l.party(bot), s.answered(l)
	case "fail":
		return l.party(bot), engine.FailTurn{From: s.asked.ID.Version, Through: s.asked.Through}
	case "say":
		return l.party(bot), engine.SendMessage{Content: textOf(l.word())}
	case "request":
		return l.party(bot), engine.RequestAgent{Reason: l.text("reason", "")}
	case "withdraw":
		return l.party(bot), engine.WithdrawRequest{}
	case "intervene":
		return l.party(asha), engine.Intervene{}
	case "take_over":
		return l.party(sita), engine.TakeOver{}
	case "transfer":
		return l.party(asha), engine.Transfer{To: engine.AgentID(l.text("to", ""))}
	case "resolve":
		return l.party(asha), engine.Resolve{}
	case "mark_read":
		return l.party(asha), engine.MarkRead{}
	case "note":
		return l.party(asha), engine.AddNote{Body: l.word()}
	case "tags":
		return l.party(asha), engine.SetTags{Tags: l.rest()}
	case "fire":
		return courier, engine.FireTimer{Timer: l.dueKind()}
	case "attempt":
		return courier, engine.AttemptSend{}
	case "outcome":
		return courier, s.outcome(l)
	case "status":
		return courier, s.status(l)
	}
	s.t.Fatalf("got command %q, want one of the language", l.verb)
	return engine.Party{}, nil
}

func (s *scenario) received(l *step) engine.Receive {
	b := s.writes(l.word(), l.duration("ago", 0))
	b.Channel = engine.ChannelID(l.text("channel", string(channel)))
	b.Contact.Name = l.text("name", b.Contact.Name)
	b.Contact.WaID = l.text("wa_id", b.Contact.WaID)
	b.Contact.UserID = l.text("user_id", "")
	return b
}

func (s *scenario) answered(l *step) engine.AnswerTurn {
	a := engine.TurnAnswer{Request: l.flag("request"), Reason: l.text("reason", ""), Withdraw: l.flag("withdraw")}
	if remember, ok := l.take("remember"); ok {
		a.Variables = []engine.Variable{}
		if name, value, ok := strings.Cut(remember, ":"); ok {
			a.Variables = append(a.Variables, engine.Variable{Name: name, Value: value})
		}
	}
	for _, text := range l.rest() {
		a.Say = append(a.Say, textOf(text))
	}
	b := s.asked.Answer(a)
	b.From, b.Through = l.number("from", b.From), l.number("through", b.Through)
	return b
}

// outcome is how the newest attempt ended, unless it says which one.
func (s *scenario) outcome(l *step) engine.RecordAttempt {
	b := engine.RecordAttempt{
		Send: l.number("send", s.attempt.Send), Attempt: uint32(l.number("attempt", uint64(s.attempt.Attempt))),
		Result: engine.AttemptResult{State: l.state(), External: l.text("wamid", ""), Error: int32(l.number("error", 0))},
	}
	if after := l.duration("retry_after", 0); after != 0 {
		b.Result.RetryAt = s.now.Add(after)
	}
	b.Known = s.known[b.Send]
	return b
}

func (s *scenario) status(l *step) engine.RecordStatus {
	b := engine.RecordStatus{
		Send: l.number("send", 0), State: l.state(), External: l.text("wamid", ""), Error: int32(l.number("error", 0)),
	}
	b.Known = s.known[b.Send]
	return b
}
