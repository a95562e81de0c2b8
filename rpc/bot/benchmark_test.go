package bot

import (
	"fmt"
	"strings"
	"testing"

	"github.com/intervenehq/intervene/engine"
)

func BenchmarkTurn(b *testing.B) {
	var most strings.Builder
	most.WriteString("fallback: x\nperson_answer: y\nperson_phrases:\n")
	for i := range MaxPhrases {
		fmt.Fprintf(&most, "  - some words %d\n", i)
	}
	worst, err := Parse("most.yaml", []byte(most.String()))
	if err != nil {
		b.Fatalf("parse: %v", err)
	}
	for _, bb := range []struct {
		name string
		bot  *Bot
		text string
	}{
		{"default", Default(), "Where is the parcel that I ordered last Monday?"},
		{"worst", worst, strings.Repeat("some words ", MaxHeardRunes/11)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			r := engine.TurnRequest{
				Column:   engine.Active,
				Messages: []engine.TurnMessage{{Content: engine.Content{Kind: engine.ContentText, Text: bb.text}}},
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bb.bot.Turn(b.Context(), r); err != nil {
					b.Fatalf("turn: %v", err)
				}
			}
		})
	}
}
