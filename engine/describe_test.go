package engine_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// fields writes key=value pairs, those with something to say.
type fields struct{ strings.Builder }

func (f *fields) add(key string, value any) {
	text := fmt.Sprint(value)
	switch v := value.(type) {
	case string:
		if v != "" {
			text = strconv.Quote(v)
		}
	case engine.Instant:
		text = clock(v)
	}
	if text == "" || text == "0" || text == "false" {
		return
	}
	if f.Len() > 0 {
		f.WriteByte(' ')
	}
	f.WriteString(key + "=" + text)
}

// clock is i as the time since the scenario began.
func clock(i engine.Instant) string {
	if i.IsZero() {
		return ""
	}
	return short(i.Sub(start))
}

func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func describeParty(p engine.Party) string {
	if p.ID == "" || p.Kind == engine.Bot {
		return p.Kind.String()
	}
	return string(p.ID)
}

func describeContent(c engine.Content) string {
	text := strconv.Quote(c.Text)
	if c.Template != nil {
		text = strconv.Quote(c.Template.Name)
	}
	if c.Kind != engine.ContentText && c.Kind != 0 {
		text = c.Kind.String() + " " + text
	}
	return text
}

// describeEvent is one line of a scenario's output.
func describeEvent(e engine.Event) string {
	var f fields
	switch b := e.Body.(type) {
	case engine.Opened:
		f.add("workspace", b.Workspace)
		f.add("channel", b.Channel)
		describeContact(&f, b.Contact)
	case engine.ContactChanged:
		describeContact(&f, b.Contact)
	case engine.MessageReceived:
		f.WriteString(describeContent(b.Content))
		if b.SentAt != e.At {
			f.add("sent_at", b.SentAt)
		}
	case engine.MessageQueued:
		f.WriteString(describeContent(b.Content))
		f.add("epoch", b.Epoch)
		f.add("reply_to", b.ReplyTo)
		f.add("repeatable", b.Repeatable)
		f.add("resend_of", b.ResendOf)
	case engine.DeliveryChanged:
		f.add("send", b.Send)
		f.add("state", b.State)
		f.add("attempt", b.Attempt)
		f.add("wamid", b.External)
		f.add("error", b.Error)
		f.add("not_before", b.NotBefore)
		f.add("held", b.Held)
		f.add("repeated", b.Repeated)
	case engine.Moved:
		f.add("to", b.To)
		f.add("cause", b.Cause)
		f.add("holder", b.Holder)
		f.add("reason", b.Reason)
		f.add("auto_resolve", b.AutoResolveAt)
	case engine.TurnEnded:
		describeTurnEnded(&f, b)
	case engine.TurnAccepted:
		f.add("through", b.Through)
		f.add("until", b.Until)
	case engine.BotDiscarded:
		f.WriteString(describeContent(b.Content))
		f.add("epoch", b.Epoch)
		f.WriteString(fmt.Sprintf(" because=(%s)", b.Reason))
	case engine.NoteAdded:
		f.WriteString(strconv.Quote(b.Body))
	case engine.Tagged:
		f.WriteString(fmt.Sprintf("%q", b.Tags))
	case engine.TimerArmed:
		f.add("timer", b.Timer)
		if f.add("at", b.At); b.At.IsZero() {
			f.WriteString(" at=never")
		}
	default:
		describeEdge(&f, e)
	}
	return strings.Join(strings.Fields(fmt.Sprintf("%d %s", e.Version, e.Body.Kind())), " ") + spaced(f.String()) + " by=" + describeParty(e.By)
}

// describeEdge is for what only the platform brings about, and for what is kept.
func describeEdge(f *fields, e engine.Event) {
	switch b := e.Body.(type) {
	case engine.Amended:
		if b.What != engine.Revoked {
			f.WriteString(describeContent(b.Content))
		}
		f.add("what", b.What)
		f.add("target", b.Target)
	case engine.EchoReceived:
		f.WriteString(describeContent(b.Content))
		f.add("muted_until", b.MutedUntil)
	case engine.ConsentChanged:
		f.add("consent", b.Consent)
		if b.SentAt != e.At {
			f.add("sent_at", b.SentAt)
		}
	case engine.MediaChanged:
		f.add("message", b.Message)
		f.add("state", b.State)
		f.add("attempt", b.Attempt)
		f.add("bytes", b.Bytes)
		f.add("not_before", b.NotBefore)
	case engine.Trimmed:
		f.add("oldest_kept", b.OldestKept)
	}
}

func describeDelivery(d engine.Delivery) string {
	text := fmt.Sprintf("state=%s attempt=%d wamid=%s error=%d", d.State, d.Attempt, d.External, d.Error)
	if d.Repeated {
		text += " repeated"
	}
	if d.ResentAs != 0 {
		text += fmt.Sprintf(" resent_as=%d", d.ResentAs)
	}
	return text
}

func describeTurnEnded(f *fields, b engine.TurnEnded) {
	f.add("through", b.Through)
	if b.Failed {
		f.add("failed", true)
	}
	for _, v := range b.Variables {
		f.add("remember."+v.Name, v.Value)
	}
	if b.Variables != nil && len(b.Variables) == 0 {
		f.WriteString(" remember=nothing")
	}
}

func describeContact(f *fields, c engine.Contact) {
	f.add("name", c.Name)
	f.add("wa_id", c.WaID)
	f.add("user_id", c.UserID)
}

func spaced(text string) string {
	if text == "" {
		return ""
	}
	return " " + text
}

// describeState is the last line of what a scenario's command did.
func describeState(c *engine.Conversation, now engine.Instant) string {
	if !c.Exists() {
		return "= nothing yet"
	}
	orNone := func(text string) string {
		if text == "" {
			return "-"
		}
		return text
	}
	window := "closed"
	if c.WindowOpen(now) {
		window = "open"
	}
	if c.WindowMarked {
		window += ",marked"
	}
	var sends, due []string
	for i, s := range c.Sends {
		if len(c.Sends) > 5 && i == 1 {
			sends = append(sends, fmt.Sprintf("(%d more)", len(c.Sends)-2))
		}
		if len(c.Sends) <= 5 || i == 0 || i == len(c.Sends)-1 {
			sends = append(sends, fmt.Sprintf("%d:%s:%s", s.Version, s.By, s.State))
		}
	}
	for kind, at := range c.Index().Due {
		if !at.IsZero() {
			due = append(due, engine.DueKind(kind).String()+":"+clock(at))
		}
	}
	if c.Erased {
		return fmt.Sprintf("= erased epoch=%d version=%d", c.Epoch, c.Version)
	}
	var more fields
	more.add("muted_until", c.MutedUntil)
	more.add("opted_out", c.OptedOut)
	more.add("linked", len(c.Linked))
	more.add("files", len(c.Media))
	more.add("oldest_kept", c.OldestKept)
	return fmt.Sprintf("= %s holder=%s epoch=%d unread=%d version=%d window=%s turn=%s sends=%s due=%s",
		c.Column, orNone(string(c.Holder)), c.Epoch, c.Unread, c.Version, window,
		orNone(describeTurn(c.Turn)), orNone(strings.Join(sends, ",")), orNone(strings.Join(due, ","))) + spaced(more.String())
}

// describeTurn is the version that names the turn, then what it is owed for.
func describeTurn(t engine.Turn) string {
	if !t.Owed() {
		return ""
	}
	text := strconv.FormatUint(t.From, 10)
	if t.Returned != 0 {
		text += ",returned:" + strconv.FormatUint(t.Returned, 10)
	}
	if t.Message != 0 {
		text += ",message:" + strconv.FormatUint(t.Message, 10)
	}
	if t.Accepted() {
		text += ",accepted:" + clock(t.Until)
	}
	return text
}

// describeRefusal is what a caller is told.
func describeRefusal(err error) string {
	e, ok := errors.AsType[*engine.Error](err)
	if !ok {
		return "failed: " + err.Error()
	}
	var f fields
	f.add("column", e.Column)
	if e.Column == 0 {
		f.Reset()
	}
	f.add("holder", e.Holder)
	f.add("epoch", e.Epoch)
	f.add("closed_at", e.ClosedAt)
	return "refused: " + e.Error() + spaced(f.String())
}

// describeAsked is what the bot is asked.
func describeAsked(r engine.TurnRequest) string {
	var f fields
	f.add("turn", r.ID.Version)
	f.add("through", r.Through)
	f.add("epoch", r.Epoch)
	f.add("column", r.Column)
	if r.Returned {
		f.add("returned", true)
	}
	lines := []string{"asked: " + f.String()}
	for _, m := range r.Transcript {
		lines = append(lines, fmt.Sprintf("told: %d %s by=%s", m.Version, describeContent(m.Content), describeParty(m.By)))
	}
	for _, m := range r.Messages {
		lines = append(lines, fmt.Sprintf("to answer: %d %s", m.Version, describeContent(m.Content)))
	}
	for _, v := range r.Variables {
		lines = append(lines, fmt.Sprintf("remembered: %s=%q", v.Name, v.Value))
	}
	return strings.Join(lines, "\n")
}
