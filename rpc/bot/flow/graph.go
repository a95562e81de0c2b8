package flow

import (
	"fmt"
	"strings"
)

// maxLabelRunes bounds what a picture says on a node or an arrow.
const maxLabelRunes = 60

// Mermaid is the flow as a picture, in the language that Mermaid draws
// (mermaid.js.org): a node is what it does, an arrow where it leads.
func (f *Flow) Mermaid() string {
	var out strings.Builder
	out.WriteString("flowchart TD\n")
	numbers := make(map[*node]int)
	for i, n := range f.nodes {
		numbers[n] = i
		left, right := brackets(n.kind)
		fmt.Fprintf(&out, "  n%d%s\"%s\"%s\n", i, left, quoted(n.id+"\n"+n.label()), right)
	}
	begins := func(name, label string, to *node) {
		if to != nil {
			fmt.Fprintf(&out, "  %s([\"%s\"]) --> n%d\n", name, quoted(label), numbers[to])
		}
	}
	begins("start", "start", f.start)
	begins("returned", "given back by an agent", f.returned)
	begins("fallback", "not understood", f.fallback)
	for i, group := range f.keywordGroups() {
		begins(fmt.Sprintf("k%d", i), strings.Join(group.words, ", "), group.next)
	}
	for i, n := range f.nodes {
		for _, way := range n.ways() {
			label := ""
			if way.label != "" {
				label = fmt.Sprintf("|\"%s\"|", quoted(way.label))
			}
			fmt.Fprintf(&out, "  n%d -->%s n%d\n", i, label, numbers[way.to])
		}
	}
	return out.String()
}

// keywordGroup is what leads to one node.
type keywordGroup struct {
	words []string
	next  *node
}

func (f *Flow) keywordGroups() []keywordGroup {
	var groups []keywordGroup
	at := make(map[*node]int)
	for _, p := range f.keywords {
		i, known := at[p.next]
		if !known {
			i = len(groups)
			at[p.next] = i
			groups = append(groups, keywordGroup{next: p.next})
		}
		groups[i].words = append(groups[i].words, strings.TrimSpace(p.text))
	}
	return groups
}

// brackets draw a node's shape.
func brackets(k kind) (left, right string) {
	switch k {
	case kindMenu, kindAsk:
		return "[/", "/]"
	case kindBranch:
		return "{", "}"
	case kindCall:
		return "[[", "]]"
	case kindRequest, kindEnd:
		return "([", "])"
	}
	return "[", "]"
}

// label is what a node does, in a few words.
func (n *node) label() string {
	first := func(t text) string {
		if !t.given() {
			return string(n.kind)
		}
		var words strings.Builder
		for _, p := range t.by[0] {
			words.WriteString(p.literal)
			if p.variable != literalPiece || p.builtin != "" {
				words.WriteString("…")
			}
		}
		return words.String()
	}
	switch n.kind {
	case kindMenu:
		return first(n.menu.text)
	case kindAsk:
		return first(n.ask.text)
	case kindRequest:
		return "request agent: " + first(n.request.reason)
	case kindCall:
		return n.call.method + " " + first(n.call.url)
	}
	return string(n.kind)
}

// quoted is s as Mermaid takes it between quotes, on two lines at most.
func quoted(s string) string {
	first, rest, two := strings.Cut(s, "\n")
	out := label(first)
	if two {
		out += "<br/>" + label(rest)
	}
	return out
}

func label(s string) string {
	s = clip(strings.Join(strings.Fields(s), " "), maxLabelRunes)
	return strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;").Replace(s)
}
