package flow

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/intervenehq/intervene/engine"
)

// TestTurnsKeepTheirLimits drives whole conversations with the example shop,
// with agents who come and go: the engine takes every answer, a customer who
// writes is answered, and the bot asks for an agent only where none is asked for.
func TestTurnsKeepTheirLimits(t *testing.T) {
	text, err := os.ReadFile("examples/shop.yaml")
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	shop, err := Parse("shop.yaml", text)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	payloads := []string{"nowhere/x"}
	words := []string{"hi", "agent", "1", "2", "3", "me@example.com", "A1234", "2026-12-01", "x", "menu", "yes"}
	for _, n := range shop.nodes {
		if n.kind != kindMenu {
			continue
		}
		for _, o := range n.menu.options {
			payloads = append(payloads, o.payload)
			words = append(words, literalOf(o.title, 0))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		ch := newChat(shop)
		ch.server.answers = map[string]string{"/orders/A1234": rapid.SampledFrom([]string{`200 {"status": "sent"}`, "500", "200 ["}).Draw(t, "answer")}
		try := func(body engine.CommandBody) func(*rapid.T) {
			return func(*rapid.T) {
				// Refusals are the engine's business: they change nothing.
				if _, err := ch.do(asha, 0, body); err != nil {
					t.Logf("refused: %v", err)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"customer": func(t *rapid.T) {
				content := engine.Content{Kind: engine.ContentText, Text: rapid.SampledFrom(words).Draw(t, "words")}
				if rapid.Bool().Draw(t, "pressed") {
					content.Kind, content.Payload = engine.ContentButtonReply, rapid.SampledFrom(payloads).Draw(t, "payload")
				}
				if err := ch.receive(content); err != nil {
					t.Fatalf("receive: %v", err)
				}
			},
			"turn":      func(t *rapid.T) { checkTurn(t, ch) },
			"again":     func(t *rapid.T) { checkTurn(t, ch) },
			"request":   try(engine.RequestAgent{}),
			"withdraw":  try(engine.WithdrawRequest{}),
			"intervene": try(engine.Intervene{}),
			"agent":     try(engine.SendMessage{Content: engine.Content{Kind: engine.ContentText, Text: "agent 1"}}),
			"resolve":   try(engine.Resolve{}),
			"time": func(t *rapid.T) {
				ch.now = ch.now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Hour, 8 * time.Hour}).Draw(t, "pause"))
			},
		})
	})
}

// checkTurn runs a turn, if one is owed.
func checkTurn(t *rapid.T, ch *chat) {
	column := ch.c.Column
	r, events, err := ch.turn()
	if code := engine.CodeOf(err); err != nil && code != engine.CodeWindowClosed {
		t.Fatalf("turn in %s: %v", column, err)
	}
	said, requested := 0, false
	for _, e := range events {
		switch b := e.Body.(type) {
		case engine.MessageQueued:
			said++
		case engine.Moved:
			requested = requested || b.To == engine.Requesting
		}
	}
	if len(r.Messages) > 0 && said == 0 && err == nil {
		t.Fatalf("got no answer in %s to %v", column, r.Messages)
	}
	if requested && column != engine.Active {
		t.Fatalf("got a request in %s, want none", column)
	}
}

// TestTurnIsDeterministic: the same request at the same time has the same
// answer, and nothing of the request is changed.
func TestTurnIsDeterministic(t *testing.T) {
	ch := newChat(Default())
	variables := []engine.Variable{{Name: "of another bot", Value: "x"}, {Name: positionMisses, Value: "-7"}, {Name: positionNode, Value: "menu/hello"}}
	r := engine.TurnRequest{
		Column: engine.Active, Variables: slices.Clone(variables),
		Messages:   []engine.TurnMessage{{Content: engine.Content{Kind: engine.ContentText, Text: "gamma"}}},
		Transcript: []engine.TurnMessage{{Content: engine.Content{Kind: engine.ContentText, Text: "agent"}}},
	}
	want := []engine.Variable{
		{Name: positionFlow, Value: "default"},
		{Name: positionVersion, Value: ch.flow.Version()},
		{Name: positionNode, Value: "menu/hello"},
		{Name: positionMisses, Value: "1"},
	}
	for range 3 {
		answer, err := ch.flow.Turn(t.Context(), r)
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

// TestEscapedStaysInItsPart: no value leaves the part of a URL that it fills.
func TestEscapedStaysInItsPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		out := escaped(rapid.String().Draw(t, "value"))
		if strings.ContainsAny(out, "/?#&=:@ ") || len(out) > MaxURLValue || out == "." || out == ".." {
			t.Fatalf("got %q, want it escaped, in at most %d bytes", out, MaxURLValue)
		}
	})
}
