package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong, and where.
type Problem struct {
	File         string
	Line, Column int    // from 1
	Field        string // path in the file, such as workspaces[0].id; empty: the file as a whole
	Reason       string
}

func (p Problem) String() string {
	if p.Field == "" {
		return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Reason)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", p.File, p.Line, p.Column, p.Field, p.Reason)
}

// Problems are all that is wrong with a file, in its order.
type Problems []Problem

// MaxShownProblems bounds how many problems an error spells out: more of them
// have one cause.
const MaxShownProblems = 50

// Error has a line for each problem.
func (ps Problems) Error() string {
	var text strings.Builder
	for i, p := range ps {
		if i == MaxShownProblems {
			fmt.Fprintf(&text, "\n%s: and %d problems more", p.File, len(ps)-i)
			break
		}
		if i > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(p.String())
	}
	return text.String()
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
