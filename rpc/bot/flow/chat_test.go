package flow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/intervenehq/intervene/engine"
)

// chat is a conversation of the engine's with a flow at it: no stand-in decides
// what a turn is made of or what comes of its answer.
type chat struct {
	flow   *Flow
	c      engine.Conversation
	events []engine.Event
	now    engine.Instant
	from   engine.Contact
	server server
}

var (
	customer = engine.Party{Kind: engine.Customer}
	asha     = engine.Party{Kind: engine.Agent, ID: "asha"}
	// monday morning in Madrid, and in most scenarios
	monday = time.Date(2026, 9, 7, 8, 0, 0, 0, time.UTC)
)

func newChat(f *Flow) *chat {
	ch := &chat{now: engine.InstantOf(monday), from: engine.Contact{Name: "Ravi", WaID: "15550100"}}
	ch.c.ID = engine.NewConversationID(1, [14]byte{1})
	ch.load(f)
	return ch
}

// begin forgets all but the flow.
func (ch *chat) begin(f *Flow) {
	*ch = *newChat(f)
	ch.load(f)
}

// load gives the conversation to another flow, or another version of it.
func (ch *chat) load(f *Flow) {
	ch.flow = f.With(Options{
		Now: func() time.Time { return ch.now.Time() }, Transport: &ch.server,
		Environment: func(name string) (string, bool) { return "secret", name == "SHOP_TOKEN" },
	})
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
		Channel: "main", Contact: ch.from, SentAt: ch.now.Add(time.Second), Content: content,
	})
	return err
}

// turn asks the flow, if it owes anything, and returns what came of it.
func (ch *chat) turn() (engine.TurnRequest, []engine.Event, error) {
	if !ch.c.Turn.Owed() {
		return engine.TurnRequest{}, nil, nil
	}
	r, err := engine.TurnOf(&ch.c, ch.events[ch.c.TurnStart()-1:])
	if err != nil {
		return r, nil, fmt.Errorf("make a turn: %w", err)
	}
	answer, err := ch.flow.Turn(context.Background(), r)
	if err != nil {
		return r, nil, fmt.Errorf("ask the flow: %w", err)
	}
	command := r.Command(r.Answer(answer))
	events, err := ch.do(command.By, command.Epoch, command.Body)
	for len(ch.c.Sends) > 0 { // they are all delivered at once
		head := ch.c.Sends[0]
		if _, err := ch.do(engine.Party{Kind: engine.Engine}, 0, engine.AttemptSend{}); err != nil {
			return r, events, fmt.Errorf("attempt: %w", err)
		}
		result := engine.AttemptResult{State: engine.Accepted, External: fmt.Sprint("wamid.", head.Version)}
		if _, err := ch.do(engine.Party{Kind: engine.Engine}, 0, engine.RecordAttempt{Send: head.Version, Attempt: 1, Result: result}); err != nil {
			return r, events, fmt.Errorf("accept: %w", err)
		}
		if _, err := ch.do(engine.Party{Kind: engine.Engine}, 0, engine.RecordStatus{
			Send: head.Version, External: result.External, State: engine.Sent, Known: engine.Delivery{State: engine.Accepted, Attempt: 1},
		}); err != nil {
			return r, events, fmt.Errorf("status: %w", err)
		}
	}
	return r, events, err
}

// server answers calls by path, as a scenario says, and notes what was asked.
type server struct {
	answers map[string]string // "STATUS BODY"
	asked   []string
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := r.Method + " " + r.URL.String()
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		asked += " " + string(body)
	}
	asked += " key=" + r.Header.Get("Idempotency-Key")[strings.Index(r.Header.Get("Idempotency-Key"), "."):]
	if token := r.Header.Get("Authorization"); token != "" {
		asked += " " + token
	}
	s.asked = append(s.asked, asked)
	status, body, _ := strings.Cut(s.answers[r.URL.EscapedPath()], " ")
	code, err := strconv.Atoi(status)
	if err != nil {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: code, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}, Request: r}, nil
}

// TestChat runs the conversations of testdata/chat, which specify the flows.
func TestChat(t *testing.T) {
	datadriven.Walk(t, "testdata/chat", func(t *testing.T, path string) {
		ch := newChat(Default())
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out, err := ch.run(d)
			var refused *engine.Error
			switch {
			case errors.As(err, &refused):
				return out + "refused: " + refused.Error() + "\n"
			case err != nil:
				t.Fatalf("%s: %v", d.Pos, err)
			}
			return out
		})
	})
}

func (ch *chat) run(d *datadriven.TestData) (string, error) {
	switch d.Cmd {
	case "flow", "version": // version goes on with the same conversation
		f, err := Parse("flow.yaml", []byte(d.Input))
		if err != nil {
			return "", err
		}
		if d.Cmd == "version" {
			ch.load(f)
			return "", nil
		}
		ch.begin(f)
		return "", nil
	case "flow-again":
		ch.begin(ch.flow)
		return "", nil
	case "at":
		now, err := time.Parse(time.RFC3339, strings.TrimSpace(d.Input))
		ch.now = engine.InstantOf(now)
		return "", err
	case "from":
		ch.from.WaID = strings.TrimSpace(d.Input)
		return "", nil
	case "server":
		ch.server.answers = make(map[string]string)
		for _, line := range strings.Split(d.Input, "\n") {
			path, answer, _ := strings.Cut(line, " ")
			ch.server.answers[path] = answer
		}
		return "", nil
	}
	if err := ch.act(d); err != nil || d.HasArg("unanswered") {
		return "", err
	}
	r, events, err := ch.turn()
	return ch.tell(r, events), err
}

// act is what somebody does.
func (ch *chat) act(d *datadriven.TestData) error {
	lines := strings.Split(strings.TrimSpace(d.Input), "\n")
	switch d.Cmd {
	case "customer":
		for _, line := range lines {
			if err := ch.receive(ch.contentOf(line)); err != nil {
				return err
			}
		}
		return nil
	case "agent":
		for _, line := range lines {
			if _, err := ch.do(asha, 0, engine.SendMessage{Content: ch.contentOf(line)}); err != nil {
				return err
			}
		}
		return nil
	}
	body, known := map[string]engine.CommandBody{
		"request": engine.RequestAgent{}, "withdraw": engine.WithdrawRequest{},
		"intervene": engine.Intervene{}, "resolve": engine.Resolve{},
	}[d.Cmd]
	if !known {
		return fmt.Errorf("%s is no directive", d.Cmd)
	}
	if _, err := ch.do(asha, 0, body); err != nil {
		return err
	}
	if d.HasArg("then-customer") {
		return ch.receive(ch.contentOf(d.Input))
	}
	return nil
}

// contentOf reads "[type]", "[press PAYLOAD] title", or a text.
func (ch *chat) contentOf(line string) engine.Content {
	bracket, rest, found := strings.Cut(strings.TrimPrefix(line, "["), "]")
	if !found || !strings.HasPrefix(line, "[") {
		return engine.Content{Kind: engine.ContentText, Text: line}
	}
	if payload, button := strings.CutPrefix(bracket, "press "); button {
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
	for _, asked := range ch.server.asked {
		fmt.Fprintf(&out, "call: %s\n", asked)
	}
	ch.server.asked = nil
	for _, e := range events {
		switch b := e.Body.(type) {
		case engine.MessageQueued:
			out.WriteString("bot: " + shown(b.Content))
		case engine.Moved:
			fmt.Fprintf(&out, "-> %s (%s)\n", b.To, b.Reason)
		case engine.NoteAdded:
			fmt.Fprintf(&out, "note: %s\n", b.Body)
		case engine.TurnEnded:
			for _, v := range b.Variables {
				if v.Name != positionFlow && v.Name != positionVersion {
					fmt.Fprintf(&out, "   %s=%s\n", v.Name, v.Value)
				}
			}
		}
	}
	if len(events) == 0 {
		fmt.Fprintf(&out, "(no turn; %s)\n", ch.c.Column)
	}
	return out.String()
}

// shown is a message as a phone would show it.
func shown(c engine.Content) string {
	var out strings.Builder
	if m := c.Menu; m != nil && m.Header != nil {
		fmt.Fprintf(&out, "{%s %s%s} ", m.Header.Kind, m.Header.Text, linkOf(m.Header.Media))
	}
	switch {
	case c.Kind == engine.ContentTemplate:
		fmt.Fprintf(&out, "{template %s %s", c.Template.Name, c.Template.Language)
		for _, component := range c.Template.Components {
			for _, p := range component.Parameters {
				fmt.Fprintf(&out, " %q", p.Text)
			}
		}
		out.WriteString("}")
	case c.Kind == engine.ContentLocation:
		fmt.Fprintf(&out, "{location %g %g %s, %s}", c.Location.Latitude, c.Location.Longitude, c.Location.Name, c.Location.Address)
	case c.Kind == engine.ContentContacts:
		fmt.Fprintf(&out, "{contact %s %s}", c.Contacts[0].Name.Formatted, c.Contacts[0].Phones[0].Phone)
	case c.Media != nil:
		fmt.Fprintf(&out, "{%s %s %s} ", c.Kind, c.Media.Link, c.Media.Filename)
	}
	out.WriteString(strings.ReplaceAll(c.Text, "\n", "\n     ") + "\n")
	if c.Menu == nil {
		return out.String()
	}
	for _, b := range c.Menu.Buttons {
		fmt.Fprintf(&out, "     [%s] %s\n", b.ID, b.Title)
	}
	for _, s := range c.Menu.Sections {
		if s.Title != "" {
			fmt.Fprintf(&out, "     %s:\n", s.Title)
		}
		for _, row := range s.Rows {
			fmt.Fprintf(&out, "     (%s) %s - %s\n", row.ID, row.Title, row.Description)
		}
	}
	if c.Menu.Label != "" || c.Menu.Footer != "" || c.Menu.URL != "" {
		fmt.Fprintf(&out, "     <%s> %s %s\n", c.Menu.Label, c.Menu.Footer, c.Menu.URL)
	}
	return out.String()
}

func linkOf(m *engine.Media) string {
	if m == nil {
		return ""
	}
	return m.Link
}
