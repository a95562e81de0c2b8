package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/bot/flow"
)

// flowChat is one conversation with a flow, as the engine decides it, in
// memory alone.
type flowChat struct {
	flow   *flow.Flow
	c      engine.Conversation
	events []engine.Event
	now    engine.Instant
	from   engine.Contact
	// offered are the options of the newest message that has any.
	offered []engine.MenuButton
	out     io.Writer
	over    bool
	err     error // of out
}

const (
	flowChatChannel   = "chat"
	flowChatWorkspace = "chat"
)

var flowChatAgent = engine.Party{Kind: engine.Agent, ID: "agent"}

func newFlowChat(f *flow.Flow, at time.Time, out io.Writer) *flowChat {
	ch := &flowChat{now: engine.InstantOf(at), out: out}
	ch.flow = f.With(flow.Options{Now: func() time.Time { return ch.now.Time() }})
	ch.c.ID = engine.NewConversationID(0, [14]byte{1})
	return ch
}

// line does what one line of the input says.
func (ch *flowChat) line(ctx context.Context, line string) error {
	line = strings.TrimSpace(line)
	word, rest, _ := strings.Cut(line, " ")
	ch.now = ch.now.Add(time.Second)
	var err error
	switch word {
	case "":
		return nil
	case "/quit":
		ch.over = true
		return nil
	case "/variables":
		for _, v := range ch.c.Variables {
			ch.printf("  %s=%s\n", v.Name, v.Value)
		}
		return nil
	case "/wait":
		pause, err := time.ParseDuration(strings.TrimSpace(rest))
		if err != nil {
			ch.printf("! %v\n", err)
			return nil
		}
		ch.now = ch.now.Add(pause)
		ch.refused(ch.do(engine.Party{Kind: engine.Engine}, 0, engine.FireTimer{Timer: engine.DueWindow}))
		return nil
	case "/agent":
		err = ch.do(flowChatAgent, 0, engine.Intervene{})
	case "/resolve":
		err = ch.do(flowChatAgent, 0, engine.Resolve{})
	case "/picture":
		err = ch.receive(engine.Content{Kind: engine.ContentImage, Media: &engine.Media{ID: "picture"}})
	case "/press":
		err = ch.receive(engine.Content{Kind: engine.ContentButtonReply, Payload: strings.TrimSpace(rest), Text: rest})
	default:
		if strings.HasPrefix(word, "/") {
			ch.printf("! %s is no command: /press, /picture, /wait, /agent, /resolve, /variables, /quit\n", word)
			return nil
		}
		err = ch.receive(ch.content(line))
	}
	if ch.refused(err) {
		return nil
	}
	return ch.turn(ctx)
}

// content is what a line says: an option by its number, or a text.
func (ch *flowChat) content(line string) engine.Content {
	if i, err := strconv.Atoi(line); err == nil && i >= 1 && i <= len(ch.offered) {
		o := ch.offered[i-1]
		return engine.Content{Kind: engine.ContentButtonReply, Text: o.Title, Payload: o.ID}
	}
	return engine.Content{Kind: engine.ContentText, Text: line}
}

func (ch *flowChat) receive(content engine.Content) error {
	return ch.do(engine.Party{Kind: engine.Customer}, 0, engine.Receive{
		Channel: flowChatChannel, Contact: ch.from, SentAt: ch.now, Content: content,
	})
}

// turn asks the flow, if it owes an answer.
func (ch *flowChat) turn(ctx context.Context) error {
	if !ch.c.Turn.Owed() {
		return nil
	}
	r, err := engine.TurnOf(&ch.c, ch.events[ch.c.TurnStart()-1:])
	if err != nil {
		return fmt.Errorf("make a turn: %w", err)
	}
	answer, err := ch.flow.Turn(ctx, r)
	if err != nil {
		return fmt.Errorf("ask the flow: %w", err)
	}
	command := r.Command(r.Answer(answer))
	ch.refused(ch.do(command.By, command.Epoch, command.Body))
	ch.c.Sends = nil // nothing is sent, so nothing waits to be
	return nil
}

// do decides and applies, and shows what came of it.
func (ch *flowChat) do(by engine.Party, epoch uint64, body engine.CommandBody) error {
	command := engine.Command{Workspace: flowChatWorkspace, By: by, Epoch: epoch, Body: body}
	events, err := engine.Decide(&ch.c, command, engine.Policy{TakeoverFromActive: true}, ch.now)
	for i := range events {
		ch.c.Apply(&events[i])
		ch.show(&events[i])
	}
	ch.events = append(ch.events, events...)
	return err
}

// refused tells why the engine did not do something, and whether it did not.
func (ch *flowChat) refused(err error) bool {
	if refusal, ok := errors.AsType[*engine.Error](err); ok {
		ch.printf("! refused: %s\n", refusal.Code)
	}
	return err != nil
}

func (ch *flowChat) show(e *engine.Event) {
	switch b := e.Body.(type) {
	case engine.MessageQueued:
		ch.message(b.Content)
	case engine.BotDiscarded:
		ch.printf("! discarded: %s\n", b.Content.Preview())
	case engine.NoteAdded:
		ch.printf("  note for agents: %s\n", b.Body)
	case engine.Moved:
		reason := ""
		if b.Reason != "" {
			reason = " (" + b.Reason + ")"
		}
		ch.printf("-> %s%s\n", b.To, reason)
	}
}

// message shows what the bot says, with a number before each option.
func (ch *flowChat) message(c engine.Content) {
	text := strings.ReplaceAll(c.Text, "\n", "\n     ")
	switch {
	case c.Kind == engine.ContentTemplate:
		text = "[template " + c.Template.Name + ", " + c.Template.Language + "]"
	case c.Kind == engine.ContentLocation:
		text = fmt.Sprintf("[location %g, %g %s]", c.Location.Latitude, c.Location.Longitude, c.Location.Name)
	case c.Kind == engine.ContentContacts:
		text = "[contact " + c.Contacts[0].Name.Formatted + "]"
	case c.Media != nil:
		text = "[" + c.Kind.String() + " " + c.Media.Link + "] " + text
	}
	ch.printf("bot: %s\n", text)
	if c.Menu == nil {
		return
	}
	if c.Menu.URL != "" {
		ch.printf("     [%s] %s\n", c.Menu.Label, c.Menu.URL)
		return
	}
	ch.offered = nil
	ch.offered = append(ch.offered, c.Menu.Buttons...)
	for _, section := range c.Menu.Sections {
		for _, row := range section.Rows {
			ch.offered = append(ch.offered, engine.MenuButton{ID: row.ID, Title: row.Title})
		}
	}
	for i, o := range ch.offered {
		ch.printf("     %d. %s\n", i+1, o.Title)
	}
}

func (ch *flowChat) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(ch.out, format, args...); err != nil && ch.err == nil {
		ch.err = fmt.Errorf("print: %w", err)
	}
}
