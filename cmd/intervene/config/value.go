package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// value is a place in the file: what stands there, or that nothing does.
type value struct {
	node         *yaml.Node // nil: nothing, or null, which says the same
	line, column int        // of the node, else of the mapping that lacks it
	path         string
	excused      bool // of being there: what should hold it is reported
}

func (v value) present() bool { return v.node != nil }

// at is what stands under a node, with an alias followed. A node that holds
// itself does no harm: nobody walks deeper than the fields that are known.
func at(node *yaml.Node, path string) value {
	v := value{line: node.Line, column: node.Column, path: path}
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!null" {
		v.node = node
	}
	return v
}

// reader collects all problems while it reads.
type reader struct {
	file      string
	lookupEnv func(string) (string, bool)
	problems  Problems
}

func (r *reader) report(v value, format string, args ...any) {
	r.problems = append(r.problems, Problem{r.file, v.line, v.column, v.path, fmt.Sprintf(format, args...)})
}

// required reports v if it is absent.
func (r *reader) required(v value) bool {
	if !v.present() && !v.excused {
		r.report(v, "is required")
	}
	return v.present()
}

// fields are the values of a mapping by key, every known key included.
type fields map[string]value

// mapping reads v's fields and refuses what is not among keys. What is no
// mapping has all of them absent.
func (r *reader) mapping(v value, keys ...string) fields {
	misplaced := v.present() && v.node.Kind != yaml.MappingNode
	if misplaced {
		r.report(v, "must be a mapping with %s", strings.Join(keys, ", "))
	}
	found := make(fields, len(keys))
	for _, key := range keys {
		found[key] = value{line: v.line, column: v.column, path: join(v.path, key), excused: v.excused || misplaced}
	}
	if misplaced || !v.present() {
		return found
	}
	first := make(map[string]int)
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key := at(v.node.Content[i], join(v.path, "?"))
		name := ""
		if key.present() {
			name = key.node.Value
		}
		known := slices.Contains(keys, name)
		if known || keyForm.MatchString(name) {
			key.path = join(v.path, name)
		}
		if !known {
			r.report(key, "is no known field; there are %s", strings.Join(keys, ", "))
			continue
		}
		if line, repeated := first[name]; repeated {
			r.report(key, "is set on line %d already", line)
			continue
		}
		first[name] = key.line
		field := at(v.node.Content[i+1], key.path)
		if !field.present() {
			field.line, field.column = key.line, key.column
		}
		found[name] = field
	}
	return found
}

// keyForm is what an unknown key must look like to be repeated in a problem: a
// word, not anything that slipped there.
var keyForm = regexp.MustCompile(`^[A-Za-z_-]{1,32}$`)

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// list reads v's items; absent is empty.
func (r *reader) list(v value) []value {
	if !v.present() {
		return nil
	}
	if v.node.Kind != yaml.SequenceNode {
		r.report(v, "must be a list")
		return nil
	}
	items := make([]value, len(v.node.Content))
	for i, node := range v.node.Content {
		items[i] = at(node, fmt.Sprintf("%s[%d]", v.path, i))
	}
	return items
}

// requiredList reads v's items, of which there must be one.
func (r *reader) requiredList(v value) []value {
	if v.excused {
		return nil
	}
	if !v.present() || v.node.Kind == yaml.SequenceNode && len(v.node.Content) == 0 {
		r.report(v, "must hold at least one")
	}
	return r.list(v)
}

// text reads what is written at v, whatever YAML would take it for: an ID of
// digits is the digits. Absent is "" and no problem.
func (r *reader) text(v value) (string, bool) {
	if !v.present() {
		return "", false
	}
	if v.node.Kind != yaml.ScalarNode || !slices.Contains(plainTags, v.node.ShortTag()) {
		r.report(v, "must be text")
		return "", false
	}
	return v.node.Value, true
}

var plainTags = []string{"!!str", "!!int", "!!float", "!!bool", "!!timestamp"}

// requiredText is text that must be there.
func (r *reader) requiredText(v value) (string, bool) {
	if !r.required(v) {
		return "", false
	}
	return r.text(v)
}

// unique remembers where each text was first used.
type unique map[string]value

// claim reports v if its text was used before. It does not repeat the text.
func (r *reader) claim(u unique, text string, v value) {
	if before, used := u[text]; used {
		r.report(v, "must be unique; %s on line %d has it already", before.path, before.line)
		return
	}
	u[text] = v
}
