package flow

import (
	"slices"
	"strconv"
	"strings"

	"github.com/intervenehq/intervene/engine"
)

// variableLanguage is the one variable that the flow itself looks at.
const variableLanguage = "language"

// Names of the position. They are in journals: never renamed, and no variable
// of a file can have a point in its name.
const (
	positionFlow    = "flow.id"
	positionVersion = "flow.version"
	// positionNode is where the flow waits, as kind/id; absent: nowhere.
	positionNode = "flow.node"
	// positionBack is where it waited when a keyword came that resumes.
	positionBack = "flow.back"
	// positionMisses counts what was not understood in a row.
	positionMisses = "flow.misses"
	// positionAway says that the customer was told that it is closed now.
	positionAway = "flow.away"
)

// position is where a conversation stands in its flow.
type position struct {
	node   *node // waits; nil: the flow begins with the next message
	back   *node
	misses int
	away   bool
}

// recall reads the position and the values of variables. What another bot left
// there is forgotten, and so is a place that the flow no longer has: then moved.
func (f *Flow) recall(variables []engine.Variable) (p position, values []string, moved bool) {
	values = make([]string, len(f.variables))
	for i, v := range f.variables {
		values[i] = v.initial
	}
	other := false
	for _, v := range variables {
		switch v.Name {
		case positionFlow:
			other = v.Value != f.id
		case positionVersion: // what counts is whether the node is still there
		case positionNode:
			p.node = f.waitingAt(v.Value)
			moved = p.node == nil
		case positionBack:
			p.back = f.waitingAt(v.Value)
		case positionMisses:
			// What is no count was not written here; it counts as none.
			if n, err := strconv.ParseUint(v.Value, 10, 16); err == nil {
				p.misses = int(n)
			}
		case positionAway:
			p.away = v.Value != ""
		default:
			if i := f.variable(v.Name); i >= 0 && len(v.Value) <= MaxValueRunes*4 {
				values[i] = clip(v.Value, MaxValueRunes)
			}
		}
	}
	if other {
		return position{}, values, p.node != nil || moved
	}
	return p, values, moved
}

func (f *Flow) variable(name string) int {
	i, found := slices.BinarySearchFunc(f.variables, name, func(v variable, name string) int { return strings.Compare(v.name, name) })
	if !found {
		return -1
	}
	return i
}

// waitingAt is the node that was waited at, if there still is one of its name
// and kind.
func (f *Flow) waitingAt(written string) *node {
	k, id, _ := strings.Cut(written, "/")
	n := f.byID[id]
	if n == nil || string(n.kind) != k || !n.kind.waits() {
		return nil
	}
	return n
}

func (n *node) written() string { return string(n.kind) + "/" + n.id }

// remembered is what recall reads. What holds its initial value is left out.
func (f *Flow) remembered(p position, values []string) []engine.Variable {
	remembered := make([]engine.Variable, 0, 4+len(values))
	remember := func(name, value string) {
		remembered = append(remembered, engine.Variable{Name: name, Value: value})
	}
	remember(positionFlow, f.id)
	remember(positionVersion, f.version)
	if p.node != nil {
		remember(positionNode, p.node.written())
	}
	if p.back != nil {
		remember(positionBack, p.back.written())
	}
	if p.misses > 0 {
		remember(positionMisses, strconv.Itoa(p.misses))
	}
	if p.away {
		remember(positionAway, "told")
	}
	for i, v := range f.variables {
		if values[i] != v.initial {
			remember(v.name, values[i])
		}
	}
	return remembered
}
