package flow_test

import (
	"context"
	"fmt"
	"log"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/bot/flow"
)

func ExampleFlow_Turn() {
	f, err := flow.Parse("flow.yaml", []byte(`
id: bakery
nodes:
  - id: hello
    menu:
      text: What would you like?
      options:
        - {id: hours, title: Opening hours, next: hours}
        - {id: person, title: Talk to us, next: person}
  - id: hours
    say: [{text: We are open from 7 to 5.}]
    next: hello
  - id: person
    request_agent: {text: Somebody will be with you., reason: asked}
fallback: {text: Please choose., next: person}
`))
	if err != nil {
		log.Fatal(err)
	}
	r := engine.TurnRequest{Column: engine.Active}
	for _, text := range []string{"Hi!", "opening hours", "2"} {
		r.Messages = []engine.TurnMessage{{Content: engine.Content{Kind: engine.ContentText, Text: text}}}
		answer, err := f.Turn(context.Background(), r)
		if err != nil {
			log.Fatal(err)
		}
		for _, c := range answer.Say {
			fmt.Println(c.Kind, c.Text, answer.Request)
		}
		if answer.Variables != nil {
			r.Variables = answer.Variables // as the engine remembers them
		}
	}
	// Output:
	// buttons What would you like? false
	// text We are open from 7 to 5. false
	// buttons What would you like? false
	// text Somebody will be with you. true
}

func ExampleParse() {
	_, err := flow.Parse("flow.yaml", []byte(`
id: bakery
nodes:
  - {id: hello, say: [{text: Hello}], next: bye}
fallback: {text: Pardon, next: hello}
`))
	fmt.Println(err)
	// Output:
	// flow.yaml:4:45 nodes[0].next: there is no node "bye"
	//    4 |   - {id: hello, say: [{text: Hello}], next: bye}
	//    4 | ............................................^
}
