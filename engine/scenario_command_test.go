package engine_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/intervenehq/intervene/engine"
)

// command makes of l what is given to the engine.
func (s *scenario) command(l *step) engine.Command {
	s.t.Helper()
	cmd := engine.Command{Workspace: engine.WorkspaceID(l.text("workspace", string(workspace)))}
	id := l.text("id", "")
	cmd.Epoch = l.number("epoch", 0)
	cmd.By, cmd.Body = s.body(l)
	switch cmd.Body.(type) {
	case engine.AnswerTurn, engine.FailTurn, engine.AcceptTurn:
		if cmd.Epoch == 0 {
			cmd.Epoch = s.asked.Epoch
		}
	}
	if id != "" {
		idHash, payload := sha256.Sum256([]byte(id)), sha256.Sum256(fmt.Appendf(nil, "%v %T %s", cmd.By, cmd.Body, s.json(cmd.Body)))
		copy(cmd.ID[:], idHash[:])
		copy(cmd.Digest[:], payload[:])
	}
	return cmd
}

func (s *scenario) json(body engine.CommandBody) []byte {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatalf("marshal %T: %v", body, err)
	}
	return text
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
	case "accept":
		b := s.asked.Accept(engine.TurnAnswer{Within: l.duration("within", 0)})
		b.From, b.Through = l.number("from", b.From), l.number("through", b.Through)
		return l.party(bot), b
	case "say":
		return l.party(bot), s.says(l)
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
		return courier, s.fires(l)
	case "attempt":
		return courier, engine.AttemptSend{}
	case "outcome":
		return courier, s.outcome(l)
	case "status":
		return courier, s.status(l)
	case "react", "edit", "revoke":
		return l.party(customer), s.amends(l)
	case "echo":
		return l.party(outside), s.echoes(l)
	case "change":
		return l.party(customer), s.changes(l)
	case "link":
		return l.party(courier), engine.LinkContact{Other: engine.NewConversationID(7, [14]byte{byte(l.number("other", 0))})}
	case "consent":
		return l.party(customer), engine.SetConsent{Channel: channel, Contact: meera, Consent: l.consent(l.word()), At: s.now.Add(-l.duration("ago", 0))}
	case "start":
		return l.party(asha), s.starts(l)
	case "resend":
		return l.party(asha), s.resends(l.number("send", 0))
	case "media":
		return courier, s.mediaEnds(l)
	case "erase":
		return l.party(sita), engine.Erase{}
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
	b.External = l.text("as", b.External)
	b.Consent = l.consent(l.text("consent", "none"))
	if l.flag("file") {
		b.Content = fileOf(b.Content.Text)
	}
	if l.flag("welcome") {
		b.Content.Kind = engine.ContentWelcome
	}
	return b
}

func (s *scenario) answered(l *step) engine.AnswerTurn {
	a := engine.TurnAnswer{Request: l.flag("request"), Reason: l.text("reason", ""), Summary: l.text("summary", ""), Withdraw: l.flag("withdraw")}
	if remember, ok := l.take("remember"); ok {
		a.Variables = []engine.Variable{}
		if name, value, ok := strings.Cut(remember, ":"); ok {
			a.Variables = append(a.Variables, engine.Variable{Name: name, Value: value})
		}
	}
	a.Repeatable = l.flag("repeatable")
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
		Result: engine.AttemptResult{State: l.state(), External: l.text("wamid", ""), Error: int32(l.number("error", 0)), Held: l.flag("held")},
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

// content is a text unless l says otherwise: template, of whatever category, or
// reaction.
func (s *scenario) content(l *step) engine.Content {
	s.t.Helper()
	c := textOf(l.word())
	if category, ok := l.take("template"); ok {
		c = templateOf(c.Text, engine.TemplateCategory(strings.ToUpper(category)))
		if category == "unknown" {
			c.Template.Category = ""
		}
	}
	if l.flag("reaction") {
		c.Kind = engine.ContentReaction
	}
	return c
}

func (s *scenario) says(l *step) engine.SendMessage {
	s.t.Helper()
	return engine.SendMessage{
		Answers: l.flag("answers"), Content: s.content(l), ReplyTo: l.text("reply_to", ""), Repeatable: l.flag("repeatable"),
	}
}

func (s *scenario) starts(l *step) engine.StartConversation {
	s.t.Helper()
	return engine.StartConversation{
		Channel: channel, Contact: engine.Contact{WaID: l.text("wa_id", meera.WaID)}, Content: s.content(l),
	}
}

func (s *scenario) amends(l *step) engine.Amend {
	s.t.Helper()
	b := engine.Amend{Channel: channel, Contact: meera, SentAt: s.now.Add(-l.duration("ago", 0)), Target: l.text("to", "")}
	switch l.verb {
	case "react":
		b.What, b.Content = engine.Reacted, engine.Content{Kind: engine.ContentReaction, Text: l.word()}
	case "edit":
		b.What, b.Content = engine.Edited, textOf(l.word())
	case "revoke":
		b.What = engine.Revoked
	}
	b.External = fmt.Sprintf("%s-%s", b.What, b.Target)
	return b
}

func (s *scenario) echoes(l *step) engine.RecordEcho {
	s.t.Helper()
	text := l.word()
	return engine.RecordEcho{
		Channel: channel, Contact: meera, External: "echo-" + text, SentAt: s.now.Add(-l.duration("ago", 0)), Content: textOf(text),
	}
}

func (s *scenario) changes(l *step) engine.ChangeContact {
	s.t.Helper()
	return engine.ChangeContact{
		Channel: channel, Contact: meera, Changed: engine.Contact{WaID: l.text("wa_id", ""), UserID: l.text("user_id", "")},
		External: "change", SentAt: s.now,
	}
}

func (s *scenario) mediaEnds(l *step) engine.RecordMedia {
	s.t.Helper()
	b := engine.RecordMedia{
		State: l.mediaState(), Message: l.number("message", 0), Attempt: uint32(l.number("attempt", 0)), Bytes: int64(l.number("bytes", 0)),
	}
	if after := l.duration("retry_after", 0); after != 0 {
		b.RetryAt = s.now.Add(after)
	}
	if b.State == engine.MediaStored {
		b.Blob = blob
	}
	return b
}

// fires reads, as the caller of the engine does, what is within the retention.
func (s *scenario) fires(l *step) engine.FireTimer {
	s.t.Helper()
	b := engine.FireTimer{Timer: l.dueKind()}
	if b.Timer == engine.DueRetention {
		b.OldestKept = s.oldestWithin(s.policy.Retention)
	}
	return b
}
