package flow

import "slices"

// keywords compiles what customers may say wherever they are. A keyword that
// leads straight to an agent comes before all others.
func (c *compiler) keywords(at place) []phrase {
	var all []phrase
	seen := make(map[string]string)
	for i, k := range c.source.GetKeywords() {
		at := at.item(i)
		next := c.target(at.field("next"), k.GetNext())
		like := phrase{alone: k.GetAlone(), resume: k.GetResume(), next: next, person: next != nil && next.kind == kindRequest}
		all = append(all, c.phrases(at.field("words"), k.GetWords(), like, seen)...)
	}
	if len(all) > MaxPhrases {
		c.report(at, "have %d words in all, must have at most %d", len(all), MaxPhrases)
	}
	slices.SortStableFunc(all, rank)
	return all
}

// ways reports what nothing leads to, and what leads nowhere.
func (c *compiler) ways(root place) {
	f := c.flow
	reached := make(map[*node]bool)
	var reach func(n *node)
	reach = func(n *node) {
		if n == nil || reached[n] {
			return
		}
		reached[n] = true
		for _, way := range n.ways() {
			reach(way.to)
		}
	}
	for _, n := range []*node{f.start, f.returned, f.fallback} {
		reach(n)
	}
	for _, p := range f.keywords {
		reach(p.next)
	}
	stopping := f.stopping()
	for i, n := range f.nodes {
		at := root.field("nodes").item(i)
		switch {
		case !reached[n]:
			c.report(at, "nothing leads to node %q", n.id)
		case !stopping[n]:
			c.report(at, "is a dead end: nothing that comes after node %q waits, ends or requests an agent", n.id)
		}
	}
}

// stopping are the nodes from which a turn can come to its end.
func (f *Flow) stopping() map[*node]bool {
	before := make(map[*node][]*node)
	var open []*node
	stopping := make(map[*node]bool)
	for _, n := range f.nodes {
		if n.kind.stops() {
			stopping[n] = true
			open = append(open, n)
			continue
		}
		for _, way := range n.ways() {
			before[way.to] = append(before[way.to], n)
		}
	}
	for len(open) > 0 {
		n := open[0]
		open = open[1:]
		for _, b := range before[n] {
			if !stopping[b] {
				stopping[b] = true
				open = append(open, b)
			}
		}
	}
	return stopping
}

// way leads from a node to another one.
type way struct {
	to    *node
	label string
}

// ways are those that a node has, as the file has them.
func (n *node) ways() []way {
	var ways []way
	add := func(to *node, label string) {
		if to != nil {
			ways = append(ways, way{to, label})
		}
	}
	switch n.kind {
	case kindMenu:
		for i := range n.menu.options {
			o := &n.menu.options[i]
			add(o.next, o.id)
		}
		if len(n.menu.options) == 0 {
			add(n.next, "")
		}
		add(n.otherwise, "not understood")
		return ways
	case kindBranch:
		for _, b := range n.branch {
			add(b.next, b.when.source)
		}
		add(n.otherwise, "otherwise")
		return ways
	}
	add(n.next, "")
	switch n.kind {
	case kindAsk:
		add(n.otherwise, "not understood")
	case kindCall:
		add(n.call.onError, "error")
	}
	return ways
}
