package bot_test

import (
	"context"
	"fmt"
	"log"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/bot"
)

func ExampleBot_Turn() {
	b, err := bot.Parse("bot.yaml", []byte(`
answers:
  - keywords: [opening hours, open]
    answer: We are open from 9 to 5.
person_phrases: [a person please]
person_answer: Somebody will be with you.
fallback: Pardon?
`))
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{"Are you OPEN today?", "A person, please!"} {
		answer, err := b.Turn(context.Background(), engine.TurnRequest{
			Column:   engine.Active,
			Messages: []engine.TurnMessage{{Content: engine.Content{Kind: engine.ContentText, Text: text}}},
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(answer.Say[0].Text, answer.Request)
	}
	// Output:
	// We are open from 9 to 5. false
	// Somebody will be with you. true
}

func ExampleParse() {
	_, err := bot.Parse("bot.yaml", []byte(`
answers:
  - keywords: [open]
    answer: We are open from 9 to 5.
  - keywords: [Open!]
    answer: Come in.
`))
	fmt.Println(err)
	// Output:
	// bot.yaml:1: fallback: is required
	// bot.yaml:5: answers[1].keywords: "Open!" stands on line 3 already
}
