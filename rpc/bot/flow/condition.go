package flow

import (
	"fmt"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/bot/flow/schema"
)

// What a flow knows besides its variables: in texts and conditions, and in
// conditions alone.
const (
	builtinContact = "contact"
	builtinMessage = "message"
	builtinChannel = "channel"
	builtinSpoken  = "spoken"
	builtinOpen    = "open"
	builtinWaiting = "waiting"
	builtinNow     = "now"
)

var (
	saidBuiltins = []string{builtinContact, builtinMessage, builtinChannel, builtinSpoken}
	celBuiltins  = []string{builtinOpen, builtinWaiting, builtinNow}
)

// conditions is where conditions are compiled: each variable is a string, and
// what nothing gives a value is an error.
func (c *compiler) conditions(root place) *cel.Env {
	options := []cel.EnvOption{
		cel.Variable(builtinOpen, cel.BoolType), cel.Variable(builtinWaiting, cel.BoolType), cel.Variable(builtinNow, cel.TimestampType),
		cel.ParserRecursionLimit(maxConditionDepth), cel.ExtendedValidations(),
	}
	for _, name := range saidBuiltins {
		options = append(options, cel.Variable(name, cel.StringType))
	}
	for _, v := range c.flow.variables {
		options = append(options, cel.Variable(v.name, cel.StringType))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		c.report(root, "its conditions cannot be prepared: %v", err)
	}
	return env
}

// maxConditionDepth bounds how deeply a condition is nested.
const maxConditionDepth = 32

// condition is a compiled expression. It never runs longer than its limit.
type condition struct {
	source  string
	program cel.Program
}

func (c *compiler) condition(at place, expression string) condition {
	compiled, of := c.expression(at, expression)
	if of != nil && !of.IsExactType(cel.BoolType) {
		c.report(at, "must be true or false, is %s", of)
	}
	return compiled
}

func (c *compiler) expression(at place, expression string) (condition, *cel.Type) {
	if c.env == nil || expression == "" {
		return condition{}, nil
	}
	ast, issues := c.env.Compile(expression)
	if issues.Err() != nil {
		for _, e := range issues.Errors() {
			c.report(at, "is no condition: %s (column %d of it)", e.Message, e.Location.Column()+1)
		}
		return condition{}, nil
	}
	program, err := c.env.Program(ast, cel.CostLimit(MaxConditionCost))
	if err != nil {
		c.report(at, "is no condition: %v", err)
		return condition{}, nil
	}
	return condition{expression, program}, ast.OutputType()
}

// holds reports whether c does. What cannot be evaluated, or takes too long,
// does not hold.
func (c condition) holds(r *run) bool {
	value, _, err := c.program.Eval(r)
	return err == nil && value == types.True
}

// words is the value of c as text; false if it cannot be evaluated.
func (c condition) words(r *run) (string, bool) {
	value, _, err := c.program.Eval(r)
	if err != nil {
		return "", false
	}
	said, ok := value.ConvertToType(types.StringType).Value().(string)
	return said, ok
}

// ResolveName makes a turn what a condition looks names up in.
func (r *run) ResolveName(name string) (any, bool) {
	switch name {
	case builtinContact, builtinMessage, builtinChannel, builtinSpoken:
		return r.builtin(name), true
	case builtinOpen:
		return r.open(), true
	case builtinWaiting:
		return r.waiting(), true
	case builtinNow:
		return r.now, true
	}
	for i := range r.flow.variables {
		if r.flow.variables[i].name == name {
			return r.values[i], true
		}
	}
	return nil, false
}

// Parent is nil: there is nothing besides.
func (r *run) Parent() interpreter.Activation { return nil }

func (r *run) builtin(name string) string {
	switch name {
	case builtinContact:
		return strings.ToValidUTF8(r.request.Contact.Name, "�")
	case builtinChannel:
		return string(r.request.Channel)
	case builtinSpoken:
		return r.flow.languages[r.language()]
	}
	return strings.ToValidUTF8(r.message, "�")
}

func (r *run) waiting() bool { return r.request.Column == engine.Requesting }

// open reports whether the business is.
func (r *run) open() bool { return r.flow.hours.open(r.now) }

// assignment puts a value into a variable.
type assignment struct {
	variable int
	text     text
	value    condition // if text is not given
}

func (c *compiler) assignment(at place, s *schema.Assignment) assignment {
	a := assignment{variable: c.variables[s.GetVariable()]}
	if s.GetText() != nil {
		if s.GetText().GetPlain() == "" && len(s.GetText().GetByLanguage()) == 0 {
			a.text = text{by: make([]template, len(c.flow.languages)), max: MaxValueRunes} // it is emptied
			return a
		}
		a.text = c.text(at.field("text"), s.GetText(), rule{most: MaxValueRunes})
		return a
	}
	var of *cel.Type
	a.value, of = c.expression(at.field("expression"), s.GetExpression())
	if of != nil && !sayable[of.String()] {
		c.report(at.field("expression"), "must be a text, a number or true or false, is %s", of)
	}
	return a
}

var sayable = map[string]bool{"string": true, "bool": true, "int": true, "uint": true, "double": true, "timestamp": true}

// words is what a puts into its variable: nothing where the expression fails.
func (a *assignment) words(r *run) string {
	if a.text.given() {
		return clip(strings.TrimSpace(a.text.by[r.language()].render(r, plain)), MaxValueRunes)
	}
	said, ok := a.value.words(r)
	if !ok {
		return ""
	}
	return clip(said, MaxValueRunes)
}

// day is a date as variables hold it.
func day(t time.Time) string { return fmt.Sprintf("%04d-%02d-%02d", t.Year(), t.Month(), t.Day()) }
