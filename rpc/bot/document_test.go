package bot

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"

	"github.com/intervenehq/intervene/engine"
)

func TestParse(t *testing.T) {
	datadriven.RunTest(t, "testdata/parse/errors.txt", func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd != "parse" {
			t.Fatalf("%s: got directive %s, want parse", d.Pos, d.Cmd)
		}
		_, err := Parse("bot.yaml", []byte(d.Input))
		if err != nil {
			return err.Error() + "\n"
		}
		return "ok\n"
	})
}

func TestParseLimits(t *testing.T) {
	phrases := func(n int) string {
		var text strings.Builder
		text.WriteString("fallback: x\nperson_answer: y\nperson_phrases:\n")
		for i := range n {
			fmt.Fprintf(&text, "  - word%d\n", i)
		}
		return text.String()
	}
	tests := []struct{ name, text, want string }{
		{"text of the most", "fallback: " + strings.Repeat("é", engine.MaxTextRunes), ""},
		{"text too long", "fallback: " + strings.Repeat("é", engine.MaxTextRunes+1), "f:1: fallback: must have 1 to 4096 characters"},
		{"phrases of the most", phrases(MaxPhrases), ""},
		{"phrases too many", phrases(MaxPhrases + 2), "f:2004: person_phrases: a bot has at most 2000 keywords and person phrases in all"},
		{"phrase of the most", "fallback: x\nperson_answer: y\nperson_phrases: [" + strings.Repeat("a", MaxPhraseRunes) + "]", ""},
		{"phrase too long", "fallback: x\nperson_answer: y\nperson_phrases: [" + strings.Repeat("a", MaxPhraseRunes+1) + "]", "f:3: person_phrases: must have at most 256 characters"},
		{"file too long", "fallback: x\n#" + strings.Repeat("#", MaxDocumentBytes), "f:1: must have at most 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if _, err := Parse("f", []byte(tt.text)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got error %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzParse: whatever is accepted can answer, and is sendable.
func FuzzParse(f *testing.F) {
	f.Add(defaultYAML)
	f.Add([]byte("fallback: x\nanswers: [{keywords: [a, b c], answer: y}]\nmisses_until_request: 1"))
	f.Add([]byte("a: &a [*a]\nfallback: *a"))
	f.Add([]byte("fallback: \"\\0\"\n<<: {greeting: x}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := Parse("f", text)
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "f:") {
					t.Errorf("got problem %q, want one that begins with file and line", line)
				}
			}
			return
		}
		answer, err := b.Turn(context.Background(), engine.TurnRequest{
			Column:   engine.Active,
			Messages: []engine.TurnMessage{{Content: engine.Content{Kind: engine.ContentText, Text: string(text)}}},
		})
		if err != nil || len(answer.Say) != 1 {
			t.Fatalf("got %d messages and error %v, want 1 and none", len(answer.Say), err)
		}
		if said := answer.Say[0].Text; said == "" || utf8.RuneCountInString(said) > engine.MaxTextRunes || !utf8.ValidString(said) {
			t.Errorf("got a message of %d characters that cannot be sent", utf8.RuneCountInString(said))
		}
	})
}
