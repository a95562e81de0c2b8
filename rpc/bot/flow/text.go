package flow

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/intervenehq/intervene/rpc/bot/flow/schema"
)

// text is what is said, in each language. It has no words if it is not given.
type text struct {
	by  []template
	max int // in characters
}

// template is a text in pieces, with variables between them.
type template []piece

// piece is literal text, or a variable if it is 0 or more, or a built-in name.
type piece struct {
	literal  string
	variable int
	builtin  string
}

const literalPiece = -1

func (t text) given() bool { return t.by != nil }

// in is t in the customer's language, and no longer than it may be. A text of
// variables that hold nothing is three dots: WhatsApp sends no empty ones.
func (t text) in(r *run) string {
	if !t.given() {
		return ""
	}
	s := clip(t.by[r.language()].render(r, plain), t.max)
	if strings.TrimSpace(s) == "" {
		return "…"
	}
	return s
}

// url is t with its variables escaped.
func (t text) url(r *run) string {
	if !t.given() {
		return ""
	}
	return t.by[r.language()].render(r, escaped)
}

func (t template) render(r *run, as func(string) string) string {
	if len(t) == 1 && t[0].variable == literalPiece {
		return t[0].literal
	}
	var out strings.Builder
	for _, p := range t {
		switch {
		case p.builtin != "":
			out.WriteString(as(r.builtin(p.builtin)))
		case p.variable == literalPiece:
			out.WriteString(p.literal)
		default:
			out.WriteString(as(r.values[p.variable]))
		}
	}
	return out.String()
}

func plain(s string) string { return s }

// escaped is s as one part of a path, or one value of a query, and not too long.
func escaped(s string) string {
	out := strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	if len(out) <= MaxURLValue && out != "." && out != ".." {
		return out
	}
	var whole strings.Builder
	for _, letter := range s {
		next := strings.ReplaceAll(url.QueryEscape(string(letter)), "+", "%20")
		if whole.Len()+len(next) > MaxURLValue {
			break
		}
		whole.WriteString(next)
	}
	// What stands for a folder above is no name of anything.
	return strings.TrimLeft(whole.String(), ".")
}

// clip is s, or its beginning if it has more than most characters.
func clip(s string, most int) string {
	if len(s) <= most || utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

// rule is what holds for a text besides being one.
type rule struct {
	most int
	// fixed: it must hold no variables.
	fixed bool
	// url: it is one, of http or https.
	url bool
}

// text compiles m, which may be absent.
func (c *compiler) text(at place, m *schema.Text, r rule) text {
	t := text{max: r.most}
	if m == nil {
		return t
	}
	t.by = make([]template, len(c.flow.languages))
	if len(m.GetByLanguage()) == 0 {
		compiled := c.template(at, m.GetPlain(), r)
		for i := range t.by {
			t.by[i] = compiled
		}
		return t
	}
	if c.flow.languages[0] == "" {
		c.report(at, "is written for languages, and the flow names none")
		return t
	}
	for i, language := range c.flow.languages {
		words, ok := m.GetByLanguage()[language]
		if !ok {
			c.report(at, "says nothing in %s", language)
			continue
		}
		t.by[i] = c.template(at.key(language), words, r)
	}
	for _, language := range sorted(m.GetByLanguage()) {
		if !slices.Contains(c.flow.languages, language) {
			c.report(at.key(language), "%s is not one of the flow's languages", language)
		}
	}
	return t
}

func (c *compiler) template(at place, words string, r rule) template {
	t, ok := c.pieces(at, strings.TrimSpace(words))
	if !ok {
		return t
	}
	length, holes := 0, 0
	for _, p := range t {
		length += utf8.RuneCountInString(p.literal)
		if p.variable != literalPiece || p.builtin != "" {
			holes++
		}
	}
	switch {
	case r.fixed && holes > 0:
		c.report(at, "must hold no variables here")
	case length == 0 && holes == 0:
		c.report(at, "must not be empty")
	case r.url && length+holes*MaxURLValue > r.most:
		c.report(at, "must have at most %d characters, %d for each variable", r.most, MaxURLValue)
	case length > r.most:
		c.report(at, "must have at most %d characters, has %d", r.most, length)
	case r.url && !isWebURL(t[0].literal, holes > 0):
		c.report(at, "must be an http or https URL with no variable in its host")
	}
	return t
}

// isWebURL reports whether s is one, or the beginning of one that goes on after
// its host.
func isWebURL(s string, goesOn bool) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return false
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '\x7f' || r == '"' || r == '<' || r == '>' }) {
		return false
	}
	return !goesOn || u.Path != "" || u.RawQuery != "" || u.Fragment != ""
}

// pieces cuts words at {variable}; {{ and }} are braces.
func (c *compiler) pieces(at place, words string) (template, bool) {
	var t template
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 || len(t) == 0 {
			t = append(t, piece{literal: literal.String(), variable: literalPiece})
			literal.Reset()
		}
	}
	for i := 0; i < len(words); i++ {
		b := words[i]
		switch {
		case b != '{' && b != '}':
			literal.WriteByte(b)
			continue
		case i+1 < len(words) && words[i+1] == b:
			literal.WriteByte(b)
			i++
			continue
		}
		length := strings.IndexByte(words[i:], '}')
		if b == '}' || length < 0 {
			c.report(at, "has a brace alone; write {{ or }} for a brace that is said")
			return t, false
		}
		p, ok := c.hole(at, strings.TrimSpace(words[i+1:i+length]))
		if !ok {
			return t, false
		}
		flush()
		t = append(t, p)
		i += length
	}
	if literal.Len() > 0 || len(t) == 0 {
		flush()
	}
	return t, true
}

func (c *compiler) hole(at place, name string) (piece, bool) {
	if slices.Contains(saidBuiltins, name) {
		return piece{builtin: name, variable: literalPiece}, true
	}
	i, ok := c.variables[name]
	if !ok {
		c.report(at, "nothing gives variable %q a value", name)
	}
	return piece{variable: i}, ok
}
