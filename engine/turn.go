package engine

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// TurnRequest is what a bot is asked: to answer Messages, or to take note that
// people gave the conversation back, or both.
type TurnRequest struct {
	// ID names the turn by the event that it begins with; it is the same
	// when the turn is asked again after a crash.
	ID        MessageID
	Through   uint64
	Epoch     uint64
	Workspace WorkspaceID
	Channel   ChannelID
	Column    Column
	Contact   Contact
	// Messages are the customer's unanswered ones, oldest first.
	Messages []TurnMessage
	// Returned says that a person resolved the conversation since the bot was
	// last asked; Transcript is what was said while they held it.
	Returned   bool
	Transcript []TurnMessage
	Variables  []Variable
	WindowEnd  Instant
	// AcceptedUntil is until when the bot, which accepted the turn before, may
	// answer it; 0: it is to be asked.
	AcceptedUntil Instant
	// Deadline is when the asking is given up. Whoever asks sets it.
	Deadline Instant
	// Trace is that of the newest of what made the turn owed.
	Trace Trace
}

// TurnMessage is one message as a bot sees it.
type TurnMessage struct {
	Version uint64
	At      Instant
	By      Party
	Content Content
}

// TurnAnswer is what a bot answers.
type TurnAnswer struct {
	Say []Content
	// Repeatable is as in [AnswerTurn].
	Repeatable bool
	// Variables replace what the bot remembers; nil leaves it.
	Variables []Variable
	Request   bool
	Reason    string
	Summary   string
	Withdraw  bool
	// Accepted says that the answer comes later, within a time as in [AcceptTurn].
	// Nothing else of the answer counts then.
	Accepted bool
	Within   time.Duration
	// Given says that the answer was given already, as a command of its own. Nothing
	// else counts then, either.
	Given bool
}

// Answer is a as the answer to r.
func (r *TurnRequest) Answer(a TurnAnswer) AnswerTurn {
	return AnswerTurn{
		From: r.ID.Version, Through: r.Through, Say: a.Say, Repeatable: a.Repeatable, Variables: a.Variables,
		Request: a.Request, Reason: a.Reason, Summary: a.Summary, Withdraw: a.Withdraw,
	}
}

// Accept is that a is given later.
func (r *TurnRequest) Accept(a TurnAnswer) AcceptTurn {
	return AcceptTurn{From: r.ID.Version, Through: r.Through, Within: a.Within}
}

// Command gives body, an answer to r or its failure, the epoch that the bot
// was asked in.
func (r *TurnRequest) Command(body CommandBody) Command {
	return Command{Workspace: r.Workspace, By: Party{Kind: Bot}, Epoch: r.Epoch, Body: body}
}

// TurnOf makes the request of c's owed turn from events, which must hold all
// from c.TurnStart to c.Version.
func TurnOf(c *Conversation, events []Event) (TurnRequest, error) {
	if !c.Turn.Owed() {
		return TurnRequest{}, &Error{Code: CodeBotFenced, Epoch: c.Epoch}
	}
	r := TurnRequest{
		ID: MessageID{c.ID, c.Turn.From}, Through: c.Version, Epoch: c.Epoch,
		Workspace: c.Workspace, Channel: c.Channel, Column: c.Column, Contact: c.Contact,
		Returned: c.Turn.Returned != 0, Variables: c.Variables, WindowEnd: c.WindowEnd(),
		AcceptedUntil: c.Turn.Until,
	}
	next := c.TurnStart()
	amended := c.amendedIn(events)
	for i := range events {
		e := &events[i]
		if e.Version != next {
			return TurnRequest{}, Errorf(CodeCorrupt, "turn of events: got version %d, want %d", e.Version, next)
		}
		next++
		m := TurnMessage{Version: e.Version, At: e.At, By: e.By}
		external := ""
		switch b := e.Body.(type) {
		case MessageReceived:
			if b.Content.Kind == ContentSystem {
				continue
			}
			m.Content, external = b.Content, b.External
		case EchoReceived:
			m.Content, external = b.Content, b.External
		case MessageQueued:
			m.Content = b.Content
		default:
			if e.Version == c.Turn.Returned {
				r.Trace = e.Trace
			}
			continue
		}
		if a, ok := amended[external]; ok && external != "" {
			if a.RevokedAt != 0 {
				continue
			}
			if a.Edit != nil && a.Edit.Kind == m.Content.Kind {
				m.Content = *a.Edit
			}
		}
		switch {
		case r.Returned && e.Version < c.Turn.Returned:
			r.Transcript = append(r.Transcript, m)
		case e.By.Kind == Customer && e.Version >= c.Turn.From:
			r.Messages = append(r.Messages, m)
			r.Trace = e.Trace
		}
	}
	if next != c.Version+1 {
		return TurnRequest{}, fmt.Errorf("turn of events: %d of %d are missing", c.Version+1-next, c.Version)
	}
	return r, nil
}

// amendedIn is what events say was made of messages, by their Externals, and
// before them what c remembers: every revocation, and of the edits of texts those
// that a preview holds whole. Nil: nothing.
func (c *Conversation) amendedIn(events []Event) map[string]Amendments {
	var amended map[string]Amendments
	fold := func(b Amended) {
		if amended == nil {
			amended = make(map[string]Amendments)
		}
		amended[b.Target] = amended[b.Target].Fold(b)
	}
	for _, a := range c.Ahead {
		switch {
		case a.Preview == "":
			fold(Amended{Target: a.Target, SentAt: a.SentAt, What: Revoked})
		case utf8.RuneCountInString(a.Preview) < PreviewRunes:
			text := Content{Kind: ContentText, Text: a.Preview}
			fold(Amended{Target: a.Target, SentAt: a.SentAt, What: Edited, Content: text})
		}
	}
	for i := range events {
		if b, ok := events[i].Body.(Amended); ok {
			fold(b)
		}
	}
	return amended
}

// MaxTranscriptEvents bounds how far back a `returned` turn tells what people
// said: the newest are told.
const MaxTranscriptEvents = 500

// TurnStart is the version of the first event that the owed turn is made of.
func (c *Conversation) TurnStart() uint64 {
	if c.Turn.Returned == 0 {
		return c.Turn.From
	}
	start := c.HeldFrom
	if c.Turn.Returned > MaxTranscriptEvents {
		start = max(start, c.Turn.Returned-MaxTranscriptEvents)
	}
	return max(start, c.OldestKept, 1)
}
