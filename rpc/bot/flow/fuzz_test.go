package flow

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"

	"github.com/intervenehq/intervene/engine"
)

// seeds are all flows of the examples and the scenarios, right and wrong ones.
func seeds(tb testing.TB) []string {
	tb.Helper()
	texts := []string{string(defaultYAML), "", "a", "\xff\xfe", "id: x\nnodes:\n", "? a\n: b\n", "!!binary x", "a: |\n x\n\n", "%YAML 1.2\n---\nid: x"}
	for _, pattern := range []string{"examples/*.yaml", "testdata/chat/*", "testdata/errors/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			tb.Fatalf("got seeds %v, %v of %s, want some", files, err, pattern)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				tb.Fatalf("read seed: %v", err)
			}
			if filepath.Ext(file) == ".yaml" {
				texts = append(texts, string(text))
				continue
			}
			datadriven.RunTestFromStringAny(tb, string(text), func(_ testing.TB, d *datadriven.TestData) string {
				if d.Cmd == "flow" || d.Cmd == "version" || d.Cmd == "parse" {
					texts = append(texts, d.Input)
				}
				return d.Expected
			})
		}
	}
	return texts
}

// FuzzParse reads any text: nothing panics, what is wrong has a place in the
// file, and what is right can be drawn.
//
//	go test -run '^$' -fuzz FuzzParse -fuzztime 10m ./rpc/bot/flow
func FuzzParse(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		parsed, err := Parse("f.yaml", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f.yaml:") {
				t.Errorf("got %q, want an error that has its place", err)
			}
			if found, ok := errors.AsType[*ProblemsError](err); ok {
				checkPlaces(t, text, found.Problems)
			}
			return
		}
		if drawn := parsed.Mermaid(); !utf8.ValidString(drawn) || !strings.HasPrefix(drawn, "flowchart") {
			t.Errorf("got picture %q, want one", drawn)
		}
	})
}

func checkPlaces(t *testing.T, text []byte, found []Problem) {
	t.Helper()
	lines := strings.Count(string(text), "\n") + 1
	for _, p := range found {
		if p.Line < 1 || p.Line > lines || p.Column < 1 {
			t.Errorf("got a problem at %d:%d of %d lines: %s", p.Line, p.Column, lines, p.Reason)
		}
	}
}

// FuzzTurn lets a customer say anything to any flow, from any variables: the
// engine takes every answer.
//
//	go test -run '^$' -fuzz FuzzTurn -fuzztime 10m ./rpc/bot/flow
func FuzzTurn(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add([]byte(seed), "hi", "1", "top/a", "menu/top")
		f.Add([]byte(seed), "agent \xff", "me@example.com", "x", "ask/name")
	}
	f.Fuzz(func(t *testing.T, file []byte, first, second, payload, waiting string) {
		parsed, err := Parse("f.yaml", file)
		if err != nil {
			return
		}
		ch := newChat(parsed)
		ch.flow = parsed.With(Options{Now: func() time.Time { return ch.now.Time() }, Transport: echo{}})
		ch.c.Variables = []engine.Variable{{Name: positionFlow, Value: parsed.id}, {Name: positionNode, Value: strings.ToValidUTF8(waiting, "")}}
		for _, content := range []engine.Content{
			{Kind: engine.ContentText, Text: first},
			{Kind: engine.ContentButtonReply, Text: second, Payload: payload},
			{Kind: engine.ContentText, Text: second},
			{Kind: engine.ContentImage, Text: first, Media: &engine.Media{ID: "1"}},
		} {
			if err := ch.receive(content); err != nil {
				t.Fatalf("receive: got %v, want it taken", err)
			}
			if _, _, err := ch.turn(); err != nil {
				t.Fatalf("turn: got %v, want an answer that the engine takes", err)
			}
		}
	})
}

// echo answers every call.
type echo struct{}

func (echo) RoundTrip(*http.Request) (*http.Response, error) { return nil, context.DeadlineExceeded }
