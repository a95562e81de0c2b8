package flow

import (
	"maps"
	"regexp"
	"slices"

	"cel.dev/cel-go/cel"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/bot/flow/schema"
)

// compiler makes a flow of a file and collects what is wrong with it. It minds
// nothing that the schema's rules have refused already.
type compiler struct {
	*problems
	source    *schema.Flow
	flow      *Flow
	variables map[string]int
	env       *cel.Env
	hosts     map[string]bool
}

func (c *compiler) compile(root place) {
	c.languages(root)
	c.declare(root)
	c.hosts = make(map[string]bool)
	for _, host := range c.source.GetCalls().GetHosts() {
		c.hosts[host] = true
	}
	c.begin(root.field("nodes"))
	for i, n := range c.flow.nodes {
		c.node(root.field("nodes").item(i), n, c.source.GetNodes()[i])
	}
	c.whole(root)
	c.flow.keywords = c.keywords(root.field("keywords"))
	if len(c.found) == 0 { // else a way that is missing would be told twice
		c.ways(root)
	}
	*c.flow = *c.flow.With(Options{})
}

func (c *compiler) languages(root place) {
	c.flow.languages = c.source.GetLanguages()
	if len(c.flow.languages) == 0 {
		c.flow.languages = []string{""}
	}
	c.flow.calling = make(map[string]int)
	for _, code := range sorted(c.source.GetCallingCodes()) {
		language := c.source.GetCallingCodes()[code]
		i := slices.Index(c.flow.languages, language)
		if i < 0 {
			c.report(root.field("calling_codes").key(code), "%s is not one of the flow's languages", language)
		}
		c.flow.calling[code] = i
	}
}

var (
	variableName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	// celWords cannot be names in CEL.
	celWords = []string{
		"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop",
		"namespace", "null", "package", "return", "true", "var", "void", "while",
		"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint",
	}
)

// declare finds the variables: whatever the file gives a value.
func (c *compiler) declare(root place) {
	c.variables = make(map[string]int)
	initial := c.source.GetVariables()
	for _, name := range sorted(initial) {
		c.declared(root.field("variables").key(name), name)
	}
	if len(c.flow.languages) > 1 {
		c.declared(root, variableLanguage)
	}
	for i, n := range c.source.GetNodes() {
		at := root.field("nodes").item(i)
		if name := n.GetMenu().GetVariable(); name != "" {
			c.declared(at.field("menu").field("variable"), name)
		}
		if name := n.GetAsk().GetVariable(); name != "" {
			c.declared(at.field("ask").field("variable"), name)
		}
		for j, a := range n.GetSet() {
			if name := a.GetVariable(); name != "" {
				c.declared(at.field("set").item(j).field("variable"), name)
			}
		}
		for _, name := range sorted(n.GetCall().GetAnswer()) {
			c.declared(at.field("call").field("answer").key(name), name)
		}
	}
	if len(c.variables) > MaxVariables {
		c.report(root, "has %d variables, must have at most %d", len(c.variables), MaxVariables)
	}
	c.flow.variables = make([]variable, len(c.variables))
	for i, name := range sorted(c.variables) {
		c.variables[name] = i
		c.flow.variables[i] = variable{name: name, initial: initial[name]}
	}
	c.env = c.conditions(root)
}

func (c *compiler) declared(at place, name string) {
	switch {
	case !variableName.MatchString(name), slices.Contains(celWords, name):
		c.report(at, "%q cannot name a variable: use small letters, digits and _, and no word of CEL", name)
	case slices.Contains(saidBuiltins, name), slices.Contains(celBuiltins, name):
		c.report(at, "%q is given by the flow itself and cannot be set", name)
	default:
		c.variables[name] = 0
	}
}

// begin makes the nodes, so that they can name each other.
func (c *compiler) begin(at place) {
	c.flow.byID = make(map[string]*node)
	for i, source := range c.source.GetNodes() {
		n := &node{id: source.GetId(), kind: kindOf(source)}
		c.flow.nodes = append(c.flow.nodes, n)
		if c.flow.byID[n.id] != nil {
			c.report(at.item(i).field("id"), "%q stands there twice", n.id)
			continue
		}
		c.flow.byID[n.id] = n
	}
}

func kindOf(n *schema.Node) kind {
	switch {
	case len(n.GetSay()) > 0:
		return kindSay
	case n.GetMenu() != nil:
		return kindMenu
	case n.GetAsk() != nil:
		return kindAsk
	case len(n.GetBranch()) > 0:
		return kindBranch
	case n.GetGoto() != "":
		return kindGoto
	case n.GetRequestAgent() != nil:
		return kindRequest
	case len(n.GetSet()) > 0:
		return kindSet
	case n.GetCall() != nil:
		return kindCall
	case n.GetEnd() != nil:
		return kindEnd
	}
	return ""
}

// target is the node called id, which stands at a place; nil if id is empty.
func (c *compiler) target(at place, id string) *node {
	n := c.flow.byID[id]
	if n == nil && id != "" {
		c.report(at, "there is no node %q", id)
	}
	return n
}

// whole compiles what is of the flow as a whole.
func (c *compiler) whole(root place) {
	f, s := c.flow, c.source
	if len(f.nodes) > 0 {
		f.start = f.nodes[0]
	}
	if id := s.GetStart(); id != "" {
		f.start = c.target(root.field("start"), id)
	}
	f.returned = c.target(root.field("returned"), s.GetReturned())
	f.waiting = c.text(root.field("waiting"), s.GetWaiting(), rule{most: engine.MaxTextRunes})
	f.changed = c.text(root.field("changed"), s.GetChanged(), rule{most: engine.MaxTextRunes})
	f.hours = c.hours(root.field("hours"), s.GetHours())

	at := root.field("fallback")
	f.misses = DefaultMisses
	if fallback := s.GetFallback(); fallback != nil && fallback.Misses != nil {
		f.misses = int(fallback.GetMisses())
	}
	f.pardon = c.text(at.field("text"), s.GetFallback().GetText(), rule{most: engine.MaxMenuBodyRunes})
	f.fallback = c.target(at.field("next"), s.GetFallback().GetNext())
}

// node compiles the way on, and then what is of its kind.
func (c *compiler) node(at place, n *node, s *schema.Node) {
	n.next = c.target(at.field("next"), s.GetNext())
	n.otherwise = c.target(at.field("otherwise"), s.GetOtherwise())
	c.way(at, n, s)
	switch n.kind {
	case kindSay:
		for i, m := range s.GetSay() {
			n.say = append(n.say, c.message(at.field("say").item(i), m))
		}
	case kindMenu:
		n.menu = c.menu(at.field("menu"), n, s.GetMenu())
	case kindAsk:
		n.ask = c.ask(at.field("ask"), s.GetAsk())
	case kindBranch:
		for i, s := range s.GetBranch() {
			at := at.field("branch").item(i)
			n.branch = append(n.branch, branch{
				when: c.condition(at.field("when"), s.GetWhen()), next: c.target(at.field("next"), s.GetNext()),
			})
		}
	case kindGoto:
		n.next = c.target(at.field("goto"), s.GetGoto())
	case kindRequest:
		n.request = c.request(at.field("request_agent"), s.GetRequestAgent())
	case kindSet:
		for i, s := range s.GetSet() {
			n.set = append(n.set, c.assignment(at.field("set").item(i), s))
		}
	case kindCall:
		n.call = c.call(at.field("call"), n, s.GetCall())
	case kindEnd:
		n.withdraw = s.GetEnd().GetWithdraw()
	}
}

// way reports a way on that is missing, and one that cannot be.
func (c *compiler) way(at place, n *node, s *schema.Node) {
	needsNext, mayNext, needsOtherwise, mayOtherwise := false, false, false, false
	switch n.kind {
	case kindSay, kindSet, kindCall:
		needsNext = true
	case kindAsk:
		needsNext, mayOtherwise = true, true
	case kindMenu:
		mayNext, mayOtherwise = true, true
	case kindBranch:
		needsOtherwise = true
	}
	switch {
	case needsNext && s.GetNext() == "":
		c.report(at, "is a dead end: next must name the node after it")
	case !needsNext && !mayNext && s.GetNext() != "":
		c.report(at.field("next"), "means nothing with %s", n.kind)
	}
	switch {
	case needsOtherwise && s.GetOtherwise() == "":
		c.report(at, "is a dead end where no condition holds: otherwise must name a node")
	case !needsOtherwise && !mayOtherwise && s.GetOtherwise() != "":
		c.report(at.field("otherwise"), "means nothing with %s", n.kind)
	}
}

func (c *compiler) request(at place, s *schema.RequestAgent) *request {
	forAgents := func(name, words string, most int) text {
		if words == "" {
			return text{}
		}
		return c.text(at.field(name), &schema.Text{Plain: words}, rule{most: most})
	}
	return &request{
		text:    c.text(at.field("text"), s.GetText(), rule{most: engine.MaxTextRunes}),
		reason:  forAgents("reason", s.GetReason(), engine.MaxReasonRunes),
		summary: forAgents("summary", s.GetSummary(), engine.MaxReasonRunes),
	}
}

// sorted are the keys of m in a steady order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
