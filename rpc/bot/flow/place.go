package flow

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"go.yaml.in/yaml/v3"
)

// place is where in the file something stands: the node that comes closest to
// path, for what is absent has no node of its own.
type place struct {
	node *yaml.Node
	path string
}

// field is the place of a field, as the schema or JSON writes its name.
func (p place) field(name string) place {
	path := name
	if p.path != "" {
		path = p.path + "." + name
	}
	node := p.node
	if value := valueOf(node, name); value != nil {
		node = value
	} else if value := valueOf(node, camelCase(name)); value != nil {
		node = value
	}
	return place{node, path}
}

// key is the place of an entry of a map.
func (p place) key(key string) place {
	node := p.node
	if value := valueOf(node, key); value != nil {
		node = value
	}
	return place{node, p.path + "[" + strconv.Quote(key) + "]"}
}

func (p place) item(i int) place {
	node := p.node
	if node != nil && node.Kind == yaml.SequenceNode && i < len(node.Content) {
		node = node.Content[i]
	}
	return place{node, fmt.Sprintf("%s[%d]", p.path, i)}
}

// of is the place of what a rule of the schema found.
func (p place) of(path *validate.FieldPath) place {
	for _, element := range path.GetElements() {
		p = p.field(element.GetFieldName())
		switch subscript := element.GetSubscript().(type) {
		case *validate.FieldPathElement_Index:
			p = p.item(int(subscript.Index))
		case *validate.FieldPathElement_StringKey:
			p = p.key(subscript.StringKey)
		}
	}
	return p
}

func valueOf(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 1; i < len(mapping.Content); i += 2 {
		if mapping.Content[i-1].Value == key {
			return mapping.Content[i]
		}
	}
	return nil
}

// camelCase is a field's name as JSON writes it, which is taken too.
func camelCase(name string) string {
	var camel strings.Builder
	up := false
	for _, letter := range name {
		switch {
		case letter == '_':
			up = true
			continue
		case up && 'a' <= letter && letter <= 'z':
			letter -= 'a' - 'A'
		}
		up = false
		camel.WriteRune(letter)
	}
	return camel.String()
}

// Problem is one thing that is wrong with a file.
type Problem struct {
	Line, Column int // from 1, in characters
	Reason       string
}

// ProblemsError is all that is wrong with the file called Name, in its order.
type ProblemsError struct {
	Name     string
	Problems []Problem
	lines    []string
}

// Error tells each problem with the line that it stands in, as protoyaml tells
// those that it finds itself.
func (e *ProblemsError) Error() string {
	var out strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(&out, "%s:%d:%d %s", e.Name, p.Line, p.Column, p.Reason)
		if p.Line <= len(e.lines) && e.lines[p.Line-1] != "" {
			dots := strings.Repeat(".", min(p.Column-1, maxShownRunes))
			fmt.Fprintf(&out, "\n%4d | %s\n%4d | %s^", p.Line, shortened(e.lines[p.Line-1]), p.Line, dots)
		}
	}
	return out.String()
}

// maxShownRunes bounds how much of a line an error shows.
const maxShownRunes = 200

func shortened(line string) string {
	if runes := []rune(line); len(runes) > maxShownRunes {
		return string(runes[:maxShownRunes]) + "…"
	}
	return line
}

// MaxProblems bounds how many problems one error tells.
const MaxProblems = 100

// problems collects what is wrong with a file.
type problems struct {
	name  string
	lines []string
	found []Problem
}

func (ps *problems) report(at place, format string, args ...any) {
	if len(ps.found) == MaxProblems {
		return
	}
	reason := fmt.Sprintf(format, args...)
	if at.path != "" {
		reason = at.path + ": " + reason
	}
	line, column := 1, 1
	if at.node != nil {
		line, column = max(at.node.Line, 1), max(at.node.Column, 1)
	}
	ps.found = append(ps.found, Problem{line, column, reason})
}

// err is nil if nothing was found.
func (ps *problems) err() error {
	if len(ps.found) == 0 {
		return nil
	}
	slices.SortStableFunc(ps.found, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &ProblemsError{Name: ps.name, Problems: ps.found, lines: ps.lines}
}
