package bot

import (
	"strconv"

	"github.com/intervenehq/intervene/engine"
)

// memory is what the bot remembers of a conversation from turn to turn. What
// another bot left there is forgotten.
type memory struct {
	greeted bool
	misses  int // in a row, since the last match, request or resolve
}

// The names are in journals: never renamed.
const (
	variableGreeted = "greeted"
	variableMisses  = "misses"
)

func recall(variables []engine.Variable) memory {
	var m memory
	for _, v := range variables {
		switch v.Name {
		case variableGreeted:
			m.greeted = v.Value != ""
		case variableMisses:
			// What is no count was not written here; it counts as none.
			if n, err := strconv.ParseUint(v.Value, 10, 16); err == nil {
				m.misses = int(n)
			}
		}
	}
	return m
}

func (m memory) variables() []engine.Variable {
	variables := []engine.Variable{}
	if m.greeted {
		variables = append(variables, engine.Variable{Name: variableGreeted, Value: "yes"})
	}
	if m.misses > 0 {
		variables = append(variables, engine.Variable{Name: variableMisses, Value: strconv.Itoa(m.misses)})
	}
	return variables
}
