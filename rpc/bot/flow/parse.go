package flow

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"buf.build/go/protovalidate"
	"buf.build/go/protoyaml"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/rpc/bot/flow/schema"
)

//go:embed default.yaml
var defaultYAML []byte

// Default is the flow of a workspace that brings none.
func Default() *Flow { return parsedDefault() }

var parsedDefault = sync.OnceValue(func() *Flow {
	f, err := Parse("default.yaml", defaultYAML)
	if err != nil {
		panic("the embedded flow is broken: " + err.Error())
	}
	return f
})

// Parse reads the flow file called name. The error lists what is wrong with it,
// each with its place and the line: "name:line:column reason".
func Parse(name string, text []byte) (*Flow, error) {
	ps := &problems{name: name}
	text = ps.normal(text)
	root := ps.tree(text)
	if err := ps.err(); err != nil {
		return nil, err
	}
	var source schema.Flow
	decode := protoyaml.UnmarshalOptions{Path: name, CustomUnmarshaler: texts{}}
	if err := decode.Unmarshal(text, &source); err != nil {
		return nil, undecoded(err)
	}
	if err := ps.rules(root, &source); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	c := compiler{problems: ps, source: &source, flow: &Flow{id: source.GetId(), version: hex.EncodeToString(sum[:6])}}
	c.compile(root)
	if err := ps.err(); err != nil {
		return nil, err
	}
	return c.flow, nil
}

// undecoded is what the decoder found, which has its places in it, a problem
// after the other.
func undecoded(err error) error {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return fmt.Errorf("decode flow: %w", err)
	}
	var out []string
	for _, err := range several.Unwrap() {
		out = append(out, strings.TrimRight(err.Error(), "\n"))
	}
	return errors.New(strings.Join(out, "\n"))
}

// normal is text with plain line ends; what cannot be shown by lines is a
// problem, for every error names one.
func (ps *problems) normal(text []byte) []byte {
	if len(text) > MaxFileBytes {
		ps.report(place{}, "must have at most %d bytes", MaxFileBytes)
		return nil
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	for i, line := range strings.Split(string(text), "\n") {
		at := place{node: &yaml.Node{Line: i + 1, Column: 1}}
		if !utf8.ValidString(line) {
			ps.report(at, "must be UTF-8")
		}
		if before, _, found := cutAny(line, "\r\u0085\u2028\u2029"); found {
			at.node.Column = utf8.RuneCountInString(before) + 1
			ps.report(at, "must not hold line breaks of another kind; write them as \\n in a quoted text")
		}
		ps.lines = append(ps.lines, strings.ToValidUTF8(line, "?"))
	}
	return text
}

func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i:], true
	}
	return s, "", false
}

// tree is the file's one document, and what protoyaml does not mind is a
// problem: keys that stand twice, aliases, and a second document.
func (ps *problems) tree(text []byte) place {
	if len(ps.found) > 0 {
		return place{}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF), err == nil && len(document.Content) == 0:
		ps.report(place{}, "is empty")
		return place{}
	case err != nil:
		ps.syntax(err)
		return place{}
	}
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		ps.syntax(err)
	default:
		ps.report(place{node: &second}, "must be a single YAML document")
	}
	root := document.Content[0]
	ps.shape(root, 0)
	if root.Kind != yaml.MappingNode {
		ps.report(place{node: root}, "must hold the fields of a flow")
	}
	return place{node: root}
}

func (ps *problems) shape(node *yaml.Node, depth int) {
	at := place{node: node}
	switch {
	case node.Line > len(ps.lines):
		// The decoder has what is missing at the end stand behind it, where protoyaml
		// would look for its line.
		node.Line = len(ps.lines)
		ps.report(at, "has no value")
		return
	case node.Kind == yaml.AliasNode:
		ps.report(at, "is an alias; quote what begins with a *, and write in full what stands twice")
		return
	case depth > MaxFileDepth:
		ps.report(at, "is nested deeper than %d", MaxFileDepth)
		return
	case node.Kind == yaml.MappingNode:
		first := make(map[string]int)
		for i := 0; i < len(node.Content); i += 2 {
			key := node.Content[i]
			if line, twice := first[key.Value]; twice {
				ps.report(place{node: key}, "%q stands on line %d already", key.Value, line)
				continue
			}
			first[key.Value] = key.Line
		}
	}
	for _, part := range node.Content {
		ps.shape(part, depth+1)
	}
}

// The decoder tells the line in its words only, and no column.
var decoderLine = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?(.*)$`)

func (ps *problems) syntax(err error) {
	at, reason := place{node: &yaml.Node{Line: 1, Column: 1}}, "it cannot be decoded"
	if found := decoderLine.FindStringSubmatch(err.Error()); found != nil {
		reason = found[2]
		if line, err := strconv.Atoi(found[1]); err == nil {
			at.node.Line = line
		}
	}
	// The decoder's line is where the part began that it could not finish.
	ps.report(at, "is not YAML, here or below: %s", reason)
}

// rules holds the file against the rules of its schema.
func (ps *problems) rules(root place, source *schema.Flow) error {
	v, err := validator()
	if err != nil {
		return fmt.Errorf("compile the schema's rules: %w", err)
	}
	err = v.Validate(source)
	if err == nil {
		return nil
	}
	rejected, ok := errors.AsType[*protovalidate.ValidationError](err)
	if !ok {
		return fmt.Errorf("hold flow against its schema: %w", err)
	}
	for _, violation := range rejected.Violations {
		ps.report(root.of(violation.Proto.GetField()), "%s", violation.Proto.GetMessage())
	}
	return nil
}

var validator = sync.OnceValues(func() (protovalidate.Validator, error) {
	return protovalidate.New(protovalidate.WithMessages(new(schema.Flow)), protovalidate.WithDisableLazy())
})

// texts decodes texts, which are written as one text or as one for each language.
type texts struct{}

func (texts) Unmarshal(node *yaml.Node, message proto.Message) (bool, error) {
	text, ok := message.(*schema.Text)
	switch {
	case !ok:
		return false, nil
	case node.Kind == yaml.ScalarNode && node.Tag != "!!null":
		text.Plain = node.Value
		return true, nil
	case node.Kind != yaml.MappingNode:
		return false, errors.New("must be a text, or a text for each language")
	}
	text.ByLanguage = make(map[string]string)
	for pair := range slices.Chunk(node.Content, 2) {
		if pair[0].Kind != yaml.ScalarNode || pair[1].Kind != yaml.ScalarNode || pair[1].Tag == "!!null" {
			return false, errors.New("must be a text for each language")
		}
		text.ByLanguage[pair[0].Value] = pair[1].Value
	}
	return true, nil
}
