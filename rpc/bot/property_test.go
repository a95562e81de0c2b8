package bot

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/intervenehq/intervene/engine"
)

const propertyYAML = `
greeting: greeting
answers:
  - {keywords: [alpha, alpha beta], answer: keyword answer}
  - {keywords: [beta], alone: true, answer: lone answer}
person_phrases: [agent]
person_answer: person answer
waiting_answer: waiting answer
misses_answer: misses answer
fallback: fallback
`

// TestOneMessagePerTurn drives whole conversations, with agents who come and
// go: the bot says one message to a turn that holds messages, none to one that
// does not, and asks for an agent only where none is asked for.
func TestOneMessagePerTurn(t *testing.T) {
	b, err := Parse("property.yaml", []byte(propertyYAML))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	rapid.Check(t, func(t *rapid.T) {
		ch := newChat(b)
		try := func(body engine.CommandBody) func(*rapid.T) {
			return func(*rapid.T) {
				// Refusals are the engine's business: they change nothing.
				if _, err := ch.do(asha, 0, body); err != nil {
					t.Logf("refused: %v", err)
				}
			}
		}
		misses := 0
		t.Repeat(map[string]func(*rapid.T){
			"customer": func(t *rapid.T) {
				if err := ch.receive(drawContent(t)); err != nil {
					t.Fatalf("receive: %v", err)
				}
			},
			"turn":      func(t *rapid.T) { misses = checkTurn(t, ch, misses) },
			"request":   try(engine.RequestAgent{}),
			"withdraw":  try(engine.WithdrawRequest{}),
			"intervene": try(engine.Intervene{}),
			"agent":     try(engine.SendMessage{Content: engine.Content{Kind: engine.ContentText, Text: "agent alpha"}}),
			"resolve":   try(engine.Resolve{}),
		})
	})
}

// checkTurn runs a turn, if one is owed, against a model of the misses.
func checkTurn(t *rapid.T, ch *chat, misses int) int {
	column := ch.c.Column
	r, events, err := ch.turn()
	if err != nil {
		t.Fatalf("turn in %s: %v", column, err)
	}
	var said []string
	requested := false
	for _, e := range events {
		switch b := e.Body.(type) {
		case engine.MessageQueued:
			said = append(said, b.Content.Text)
		case engine.Moved:
			requested = b.To == engine.Requesting
		}
	}
	if r.Returned {
		misses = 0
	}
	if len(r.Messages) == 0 {
		if len(said) != 0 || requested {
			t.Fatalf("got %q and requested %t in a turn without messages, want silence", said, requested)
		}
		return misses
	}
	if len(said) != 1 {
		t.Fatalf("got %d messages in a turn with messages, want 1", len(said))
	}
	if requested && column != engine.Active {
		t.Fatalf("got a request in %s, want none", column)
	}
	askedFor := slices.ContainsFunc(r.Messages, func(m engine.TurnMessage) bool { return strings.Contains(m.Content.Text, "agent") })
	want := 0
	if said[0] == "fallback" || said[0] == "misses answer" {
		want = misses + 1
	}
	wantRequest := column == engine.Active && (askedFor || want == DefaultMissesUntilRequest)
	if requested != wantRequest {
		t.Fatalf("got requested %t after %q with %d misses in %s, want %t", requested, said[0], want, column, wantRequest)
	}
	if requested {
		return 0
	}
	return want
}

func drawContent(t *rapid.T) engine.Content {
	word := rapid.SampledFrom([]string{"alpha", "beta", "agent", "gamma", "delta", "!", "42"})
	text := strings.Join(rapid.SliceOfN(word, 1, 3).Draw(t, "words"), " ")
	return engine.Content{Kind: engine.ContentText, Text: text}
}

// TestNormalizeIsStable: what is normal stays so, and the order of folding and
// writing in capitals does not matter for the letters that customers write.
func TestNormalizeIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		once := normalize(s)
		if twice := normalize(once); twice != once {
			t.Fatalf("got %q from %q, want it unchanged", twice, once)
		}
		letters := rapid.StringMatching(`[a-zäöüàéîñçа-яα-ω ,.!?]*`).Draw(t, "letters")
		if got, want := normalize(strings.ToUpper(letters)), normalize(letters); got != want {
			t.Fatalf("got %q in capitals, want %q", got, want)
		}
	})
}

// TestTurnKeepsNothing: the same request has the same answer, whatever came
// between, and nothing of the request is changed.
func TestTurnKeepsNothing(t *testing.T) {
	b := Default()
	variables := []engine.Variable{{Name: "of another bot", Value: "x"}, {Name: variableMisses, Value: "-7"}, {Name: variableGreeted, Value: "yes"}}
	r := engine.TurnRequest{
		Column: engine.Active, Variables: slices.Clone(variables),
		Messages:   []engine.TurnMessage{{Content: engine.Content{Kind: engine.ContentText, Text: "gamma"}}},
		Transcript: []engine.TurnMessage{{Content: engine.Content{Kind: engine.ContentText, Text: "agent"}}},
	}
	want := []engine.Variable{{Name: variableGreeted, Value: "yes"}, {Name: variableMisses, Value: "1"}}
	for range 3 {
		answer, err := b.Turn(t.Context(), r)
		if err != nil {
			t.Fatalf("turn: %v", err)
		}
		if answer.Request || !slices.Equal(answer.Variables, want) {
			t.Errorf("got request %t and variables %v, want no request and %v", answer.Request, answer.Variables, want)
		}
	}
	if !slices.Equal(r.Variables, variables) {
		t.Errorf("got request's variables %v, want them left as %v", r.Variables, variables)
	}
}
