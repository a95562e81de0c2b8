package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/intervenehq/intervene/engine"
)

// TestChoices: whatever a bot offers can be sent, in the best form that it fits.
func TestChoices(t *testing.T) {
	many := func(n int, title string) []engine.Choice {
		var choices []engine.Choice
		for i := range n {
			choices = append(choices, engine.Choice{ID: fmt.Sprint(i), Title: fmt.Sprint(title, i)})
		}
		return choices
	}
	tests := map[string]struct {
		body    string
		choices []engine.Choice
		want    engine.ContentKind
	}{
		"none":                {"Hi", nil, engine.ContentText},
		"few":                 {"Which?", many(3, "a"), engine.ContentButtons},
		"no question":         {"", many(1, "a"), engine.ContentButtons},
		"more":                {"Which?", many(10, "a"), engine.ContentList},
		"long titles":         {"Which?", many(2, strings.Repeat("é", 30)), engine.ContentList},
		"a long question":     {strings.Repeat("é", 2000), many(2, "a"), engine.ContentList},
		"too many":            {"Which?", many(11, "a"), engine.ContentText},
		"IDs that are long":   {"Which?", []engine.Choice{{ID: strings.Repeat("x", 300), Title: "a"}}, engine.ContentText},
		"IDs that are one":    {"Which?", []engine.Choice{{ID: "x", Title: "a"}, {ID: "x", Title: "b"}}, engine.ContentText},
		"everything too long": {strings.Repeat("é", 5000), many(20, strings.Repeat("é", 500)), engine.ContentText},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := engine.Choices(tt.body, tt.choices)
			if got.Kind != tt.want {
				t.Errorf("got %s, want %s", got.Kind, tt.want)
			}
			w := newWorld(t)
			w.mustDo(customer, w.writes("hi", 0))
			if _, err := w.do(engine.Command{Workspace: workspace, By: bot, Body: engine.SendMessage{Content: got}}); err != nil {
				t.Errorf("got %v, want something that can be sent", err)
			}
		})
	}
}
