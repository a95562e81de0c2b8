package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/intervenehq/intervene/engine"
)

// chat is a conversation of the engine's with a bot at it: no stand-in decides
// what a turn is made of or what comes of its answer.
type chat struct {
	bot    *Bot
	c      engine.Conversation
	events []engine.Event
	now    engine.Instant
}

var (
	customer = engine.Party{Kind: engine.Customer}
	asha     = engine.Party{Kind: engine.Agent, ID: "asha"}
)

func newChat(b *Bot) *chat {
	ch := &chat{bot: b, now: engine.InstantOf(time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC))}
	ch.c.ID = engine.NewConversationID(1, [14]byte{1})
	return ch
}

// do decides and applies, and returns the events.
func (ch *chat) do(by engine.Party, epoch uint64, body engine.CommandBody) ([]engine.Event, error) {
	ch.now = ch.now.Add(time.Second)
	command := engine.Command{Workspace: "acme", By: by, Epoch: epoch, Body: body}
	events, err := engine.Decide(&ch.c, command, engine.Policy{TakeoverFromActive: true}, ch.now)
	for i := range events {
		ch.c.Apply(&events[i])
	}
	ch.events = append(ch.events, events...)
	return events, err
}

func (ch *chat) receive(content engine.Content) error {
	_, err := ch.do(customer, 0, engine.Receive{
		Channel: "main", Contact: engine.Contact{Name: "Ravi"}, SentAt: ch.now.Add(time.Second), Content: content,
	})
	return err
}

// turn asks the bot, if it owes anything, and returns what came of it.
func (ch *chat) turn() (engine.TurnRequest, []engine.Event, error) {
	if !ch.c.Turn.Owed() {
		return engine.TurnRequest{}, nil, nil
	}
	r, err := engine.TurnOf(&ch.c, ch.events[ch.c.TurnStart()-1:])
	if err != nil {
		return r, nil, fmt.Errorf("make a turn: %w", err)
	}
	answer, err := ch.bot.Turn(context.Background(), r)
	if err != nil {
		return r, nil, fmt.Errorf("ask the bot: %w", err)
	}
	command := r.Command(r.Answer(answer))
	events, err := ch.do(command.By, command.Epoch, command.Body)
	return r, events, err
}

// TestChat runs the conversations of testdata/chat, which specify the bot.
func TestChat(t *testing.T) {
	datadriven.Walk(t, "testdata/chat", func(t *testing.T, path string) {
		ch := newChat(Default())
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out, err := ch.run(d)
			var refused *engine.Error
			switch {
			case errors.As(err, &refused):
				return out + "refused: " + refused.Code.String() + "\n"
			case err != nil:
				t.Fatalf("%s: %v", d.Pos, err)
			}
			return out
		})
	})
}

func (ch *chat) run(d *datadriven.TestData) (string, error) {
	lines := strings.Split(strings.TrimSpace(d.Input), "\n")
	switch d.Cmd {
	case "bot":
		b, err := Parse("bot.yaml", []byte(d.Input))
		if err != nil {
			return "", err
		}
		*ch = *newChat(b)
		return "", nil
	case "default-bot":
		*ch = *newChat(Default())
		return "", nil
	case "customer":
		for _, line := range lines {
			if err := ch.receive(contentOf(line)); err != nil {
				return "", err
			}
		}
		if d.HasArg("unanswered") {
			return "", nil
		}
	case "agent":
		for _, line := range lines {
			if _, err := ch.do(asha, 0, engine.SendMessage{Content: contentOf(line)}); err != nil {
				return "", err
			}
		}
	default:
		body, known := map[string]engine.CommandBody{
			"request": engine.RequestAgent{}, "withdraw": engine.WithdrawRequest{},
			"intervene": engine.Intervene{}, "resolve": engine.Resolve{},
		}[d.Cmd]
		if !known {
			return "", fmt.Errorf("%s is no directive", d.Cmd)
		}
		if _, err := ch.do(asha, 0, body); err != nil {
			return "", err
		}
		if d.HasArg("then-customer") {
			return "", ch.receive(contentOf(d.Input))
		}
	}
	r, events, err := ch.turn()
	return ch.tell(r, events), err
}

// contentOf reads "[type]", "[button PAYLOAD] title", or a text.
func contentOf(line string) engine.Content {
	bracket, rest, found := strings.Cut(strings.TrimPrefix(line, "["), "]")
	if !found || !strings.HasPrefix(line, "[") {
		return engine.Content{Kind: engine.ContentText, Text: line}
	}
	if payload, button := strings.CutPrefix(bracket, "button "); button {
		return engine.Content{Kind: engine.ContentButtonReply, Text: strings.TrimSpace(rest), Payload: payload}
	}
	return engine.Content{Kind: engine.ContentUnsupported, Text: bracket, Raw: "{}"}
}

// tell is what came of a turn, and where the conversation then stands.
func (ch *chat) tell(r engine.TurnRequest, events []engine.Event) string {
	var out strings.Builder
	if r.Returned {
		fmt.Fprintf(&out, "(returned, with %d messages of transcript)\n", len(r.Transcript))
	}
	for _, e := range events {
		switch b := e.Body.(type) {
		case engine.MessageQueued:
			fmt.Fprintf(&out, "bot: %s\n", b.Content.Text)
		case engine.Moved:
			fmt.Fprintf(&out, "-> %s (%s)\n", b.To, b.Reason)
		case engine.TurnEnded:
			for _, v := range b.Variables {
				fmt.Fprintf(&out, "   %s=%s\n", v.Name, v.Value)
			}
		}
	}
	if len(events) == 0 {
		fmt.Fprintf(&out, "(no turn; %s)\n", ch.c.Column)
	}
	return out.String()
}
