package flow

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// BenchmarkFlowTurn is what a turn costs without the engine around it:
//
//	go test -run '^$' -bench FlowTurn -benchmem ./rpc/bot/flow
func BenchmarkFlowTurn(b *testing.B) {
	var most strings.Builder
	most.WriteString("id: most\nnodes: [{id: a, menu: {text: a, show: nothing}}]\nfallback: {text: x, next: a}\nkeywords:\n")
	for i := range MaxPhrases / 100 {
		most.WriteString("  - {next: a, words: [")
		for j := range 100 {
			fmt.Fprintf(&most, "some words %d,", i*100+j)
		}
		most.WriteString("]}\n")
	}
	worst := benchmarked(b, most.String())
	shop := benchmarked(b, `
id: shop
languages: [en, es]
variables: {name: "", size: ""}
nodes:
  - id: top
    menu:
      text: {en: "Hello {contact}", es: "Hola {contact}"}
      options: [{id: order, title: {en: Order, es: Pedido}}, {id: size, title: {en: Size, es: Talla}}, {id: other, title: {en: Other, es: Otro}}]
      variable: name
    next: which
  - id: which
    branch:
      - {when: 'name == "order" && !open', next: top}
      - {when: 'name == "size" && int(size) > 40', next: top}
    otherwise: told
  - id: told
    say: [{text: {en: "{name} it is.", es: "Es {name}."}}]
    next: top
fallback: {text: x, next: top}
keywords: [{words: [agent, a person], next: top}, {words: [opening hours, open], next: told}]
hours: {time_zone: Europe/Madrid, open: [{days: [mon, tue], from: "09:00", to: "18:00"}]}
`)
	text := func(words string) engine.Content { return engine.Content{Kind: engine.ContentText, Text: words} }
	for _, bb := range []struct {
		name      string
		flow      *Flow
		content   engine.Content
		variables []engine.Variable
	}{
		{"default", Default(), text("Where is the parcel that I ordered last Monday?"), nil},
		{"menu", shop, engine.Content{Kind: engine.ContentButtonReply, Text: "Size", Payload: "top/size"}, []engine.Variable{
			{Name: positionFlow, Value: "shop"},
			{Name: positionVersion, Value: shop.Version()},
			{Name: positionNode, Value: "menu/top"},
			{Name: "size", Value: "38"},
		}},
		{"worst", worst, text(strings.Repeat("some words ", MaxHeardRunes/11)), nil},
	} {
		b.Run(bb.name, func(b *testing.B) {
			r := engine.TurnRequest{
				Column: engine.Active, Variables: bb.variables, Contact: engine.Contact{Name: "Ravi", WaID: "15550100"},
				Messages: []engine.TurnMessage{{Content: bb.content}},
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bb.flow.Turn(b.Context(), r); err != nil {
					b.Fatalf("turn: %v", err)
				}
			}
		})
	}
}

func benchmarked(b *testing.B, text string) *Flow {
	b.Helper()
	f, err := Parse("bench.yaml", []byte(text))
	if err != nil {
		b.Fatalf("parse: %v", err)
	}
	return f.With(Options{Now: func() time.Time { return monday }})
}

// BenchmarkParse is what reading a file costs, once at the start.
func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("default.yaml", defaultYAML); err != nil {
			b.Fatalf("parse: %v", err)
		}
	}
}
