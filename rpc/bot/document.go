package bot

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/intervenehq/intervene/engine"
)

const (
	// MaxDocumentBytes bounds a bot's file.
	MaxDocumentBytes = 1 << 20
	// MaxPhrases bounds the keywords and person phrases of a bot together:
	// every message is searched for each of them.
	MaxPhrases = 2000
	// MaxPhraseRunes bounds one of them: what a button can carry.
	MaxPhraseRunes = 256
	// MaxMissesUntilRequest bounds how often a customer may be sent away.
	MaxMissesUntilRequest = 100
	// DefaultMissesUntilRequest is how often they are when the file says nothing.
	DefaultMissesUntilRequest = 3
)

//go:embed default.yaml
var defaultYAML []byte

// Default is the bot of a workspace that brings none. Its file documents every
// field.
func Default() *Bot {
	b, err := Parse("default.yaml", defaultYAML)
	if err != nil {
		panic("the embedded bot is broken: " + err.Error())
	}
	return b
}

// Parse reads a bot from text, the YAML of the file called name. The error
// lists all that is wrong, a line each: "name:line: reason".
func Parse(name string, text []byte) (*Bot, error) {
	if len(text) > MaxDocumentBytes {
		return nil, fmt.Errorf("%s:1: must have at most %d bytes", name, MaxDocumentBytes)
	}
	var d document
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	switch err := decoder.Decode(&d); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s:1: is empty", name)
	case err != nil:
		return nil, located(name, err)
	}
	c := checker{name: name, firstLines: make(map[string]int)}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		c.report(1, "must be a single YAML document")
	}
	b := c.bot(&d)
	if err := c.err(); err != nil {
		return nil, err
	}
	return b, nil
}

// document is the file as it is written.
type document struct {
	Greeting           text          `yaml:"greeting"`
	Answers            []answerEntry `yaml:"answers"`
	PersonPhrases      []text        `yaml:"person_phrases"`
	PersonAnswer       text          `yaml:"person_answer"`
	WaitingAnswer      text          `yaml:"waiting_answer"`
	MissesUntilRequest count         `yaml:"misses_until_request"`
	MissesAnswer       text          `yaml:"misses_answer"`
	Fallback           text          `yaml:"fallback"`
}

type answerEntry struct {
	Keywords []text `yaml:"keywords"`
	Alone    bool   `yaml:"alone"`
	Answer   text   `yaml:"answer"`
}

// text is a piece of text and the line that it stands on, 0 if it is absent.
type text struct {
	value string
	line  int
}

func (t *text) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!binary" {
		return refuse(node, "must be text")
	}
	t.value, t.line = strings.TrimSpace(node.Value), node.Line
	return nil
}

// count is a whole number and the line that it stands on, 0 if it is absent.
type count struct{ value, line int }

func (c *count) UnmarshalYAML(node *yaml.Node) error {
	n, err := strconv.Atoi(node.Value)
	if err != nil || node.Kind != yaml.ScalarNode {
		return refuse(node, "must be a whole number")
	}
	c.value, c.line = n, node.Line
	return nil
}

// refuse reports a value in the decoder's own way, so that it goes on with the
// rest of the file.
func refuse(node *yaml.Node, reason string) error {
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %s", node.Line, reason)}}
}

// decoderLine is how the decoder tells a line; it has no other way.
var decoderLine = regexp.MustCompile(`^(?:yaml: )?line ([0-9]+): (.*)$`)

// located gives the decoder's problems name and line.
func located(name string, err error) error {
	reasons := []string{err.Error()}
	var several *yaml.TypeError
	if errors.As(err, &several) {
		reasons = several.Errors
	}
	problems := make([]error, len(reasons))
	for i, reason := range reasons {
		reason, _, _ = strings.Cut(reason, "\n") // of a value that it quotes
		line := "1"
		if found := decoderLine.FindStringSubmatch(reason); found != nil {
			line, reason = found[1], found[2]
		}
		// A Go type says nothing to who writes YAML.
		reason, _, _ = strings.Cut(reason, " in type ")
		reason, _, _ = strings.Cut(reason, " into ")
		reason, _, _ = strings.Cut(reason, " `")
		problems[i] = fmt.Errorf("%s:%s: %s", name, line, strings.TrimPrefix(reason, "yaml: "))
	}
	return errors.Join(problems...)
}

type problem struct {
	line   int
	reason string
}

// checker makes a bot of a document and collects what is wrong with it.
type checker struct {
	name       string
	problems   []problem
	firstLines map[string]int // of each phrase
	full       bool           // MaxPhrases is reported
}

func (c *checker) report(line int, format string, args ...any) {
	c.problems = append(c.problems, problem{max(line, 1), fmt.Sprintf(format, args...)})
}

// err lists the problems as the file has them, nil if there are none.
func (c *checker) err() error {
	slices.SortStableFunc(c.problems, func(a, b problem) int { return a.line - b.line })
	errs := make([]error, len(c.problems))
	for i, p := range c.problems {
		errs[i] = fmt.Errorf("%s:%d: %s", c.name, p.line, p.reason)
	}
	return errors.Join(errs...)
}

func (c *checker) bot(d *document) *Bot {
	b := &Bot{
		greeting:      c.said("greeting", d.Greeting),
		fallback:      c.said("fallback", d.Fallback),
		personAnswer:  c.said("person_answer", d.PersonAnswer),
		waitingAnswer: c.said("waiting_answer", d.WaitingAnswer),
		missesAnswer:  c.said("misses_answer", d.MissesAnswer),
	}
	if d.Fallback.line == 0 {
		c.report(1, "fallback: is required")
	}
	if len(d.PersonPhrases) > 0 && d.PersonAnswer.line == 0 {
		c.report(d.PersonPhrases[0].line, "person_answer: is required with person_phrases")
	}
	// What is left out is said in the words of what stands nearest to it.
	b.personAnswer = first(b.personAnswer, b.fallback)
	b.waitingAnswer = first(b.waitingAnswer, b.personAnswer)
	b.missesAnswer = first(b.missesAnswer, b.personAnswer)

	b.missesUntilRequest = DefaultMissesUntilRequest
	if n := d.MissesUntilRequest; n.line != 0 {
		b.missesUntilRequest = n.value
		if n.value < 0 || n.value > MaxMissesUntilRequest {
			c.report(n.line, "misses_until_request: must be 0 (never) to %d", MaxMissesUntilRequest)
		}
	}
	b.phrases = c.phrases(d)
	return b
}

func (c *checker) phrases(d *document) []phrase {
	var phrases []phrase
	for _, t := range d.PersonPhrases {
		phrases = append(phrases, phrase{text: c.phrase("person_phrases", t), person: true})
	}
	for i := range d.Answers {
		a := &d.Answers[i]
		field := fmt.Sprintf("answers[%d]", i)
		line := a.Answer.line
		if len(a.Keywords) > 0 {
			line = a.Keywords[0].line
		}
		answer := c.said(field+".answer", a.Answer)
		if a.Answer.line == 0 {
			c.report(line, "%s.answer: is required", field)
		}
		if len(a.Keywords) == 0 {
			c.report(line, "%s.keywords: must hold at least one", field)
		}
		for _, t := range a.Keywords {
			phrases = append(phrases, phrase{text: c.phrase(field+".keywords", t), answer: answer, alone: a.Alone})
		}
	}
	slices.SortStableFunc(phrases, rank)
	return phrases
}

// said checks what the bot may say. Nothing at all is no problem here.
func (c *checker) said(field string, t text) string {
	if t.line != 0 && (t.value == "" || utf8.RuneCountInString(t.value) > engine.MaxTextRunes) {
		c.report(t.line, "%s: must have 1 to %d characters", field, engine.MaxTextRunes)
	}
	return t.value
}

// phrase checks what the customer may say, and that it means one thing only.
func (c *checker) phrase(field string, t text) string {
	if len(c.firstLines) == MaxPhrases && !c.full {
		c.full = true
		c.report(t.line, "%s: a bot has at most %d keywords and person phrases in all", field, MaxPhrases)
	}
	normal := normalize(t.value)
	firstLine, known := c.firstLines[normal]
	switch {
	case utf8.RuneCountInString(t.value) > MaxPhraseRunes:
		c.report(t.line, "%s: must have at most %d characters", field, MaxPhraseRunes)
	case normal == " ":
		c.report(t.line, "%s: %q has no word in it", field, t.value)
	case known:
		c.report(t.line, "%s: %q stands on line %d already", field, t.value, firstLine)
	default:
		c.firstLines[normal] = t.line
	}
	return normal
}

func first(text, otherwise string) string {
	if text != "" {
		return text
	}
	return otherwise
}
