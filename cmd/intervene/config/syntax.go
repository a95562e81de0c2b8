package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// root is the one document of text. What is no YAML at all is a problem.
func (r *reader) root(text []byte) (value, bool) {
	top := value{line: 1, column: 1}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		r.report(top, "is empty")
		return top, false
	case err != nil:
		r.syntax(text, err)
		return top, false
	}
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		r.syntax(text, err)
		return top, false
	default:
		r.report(value{line: second.Line, column: second.Column}, "must be a single YAML document")
	}
	return at(document.Content[0], ""), true
}

// The decoder tells places and names in its words only.
var (
	decoderLine   = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?(.*)$`)
	unknownAnchor = regexp.MustCompile(`^yaml: unknown anchor '(.*)' referenced$`)
)

// syntax reports the decoder's error, without what it quotes: an unquoted
// secret that begins with a * is an alias to YAML.
func (r *reader) syntax(text []byte, err error) {
	place := value{line: 1, column: 1}
	if found := unknownAnchor.FindStringSubmatch(err.Error()); found != nil {
		before, _, _ := bytes.Cut(text, []byte("*"+found[1]))
		place.line += bytes.Count(before, []byte("\n"))
		place.column += len(before) - (bytes.LastIndexByte(before, '\n') + 1)
		r.report(place, "is an alias without an anchor; quote what begins with a *")
		return
	}
	reason := "it cannot be decoded"
	if found := decoderLine.FindStringSubmatch(err.Error()); found != nil {
		reason = found[2]
		if line, err := strconv.Atoi(found[1]); err == nil {
			place.line = line
		}
	}
	// The decoder's line is where the part began that it could not finish.
	r.report(place, "is not YAML, here or below: %s", reason)
}
