package flow

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// goldenErrors is every error that a file can have, with its place and line.
const goldenErrors = "testdata/errors"

// TestErrors holds what Parse says of files that are wrong. Of the input, \x
// escapes stand for bytes that a text file cannot show.
func TestErrors(t *testing.T) {
	datadriven.Walk(t, goldenErrors, func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			input := d.Input
			if d.Cmd == "escaped" {
				unquoted, err := strconv.Unquote(`"` + strings.ReplaceAll(input, "\n", `\n`) + `"`)
				if err != nil {
					t.Fatalf("%s: %v", d.Pos, err)
				}
				input = unquoted
			}
			if d.HasArg("repeat") {
				input = strings.Repeat(input, 1<<20)
			}
			f, err := Parse("flow.yaml", []byte(input))
			if err == nil {
				return fmt.Sprintf("ok: %s\n", f.ID())
			}
			return err.Error() + "\n"
		})
	})
}

// TestEveryErrorIsShown finds each error that the code can report in the golden
// files: none is without an example.
func TestEveryErrorIsShown(t *testing.T) {
	golden := ""
	files, err := filepath.Glob(goldenErrors + "/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("got golden files %v, %v, want some", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("read golden file: %v", err)
		}
		golden += string(text)
	}
	formats := reportedFormats(t)
	if len(formats) < 40 {
		t.Fatalf("got %d errors in the code, want 40 at least: is report still how they are told?", len(formats))
	}
	verb := regexp.MustCompile(`%[a-z]`)
	for _, format := range formats {
		switch format {
		case "%s": // a rule of the schema, in protovalidate's words
			continue
		case "its conditions cannot be prepared: %v", "is no condition: %v": // nothing is known to bring it about
			continue
		}
		pattern := verb.ReplaceAllString(regexp.QuoteMeta(format), ".*")
		if !regexp.MustCompile(pattern).MatchString(golden) {
			t.Errorf("no golden file shows the error %q", format)
		}
	}
}

func reportedFormats(t *testing.T) []string {
	t.Helper()
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatalf("list sources: %v", err)
	}
	var formats []string
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("parse source: %v", err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || method.Sel.Name != "report" {
				return true
			}
			literal, ok := call.Args[1].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s reports what is no literal", source)
				return true
			}
			format, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Errorf("%s reports %s, which is no text: %v", source, literal.Value, err)
			}
			formats = append(formats, format)
			return true
		})
	}
	return formats
}

// TestProblemsHavePlaces: what is wrong is there for programs, too.
func TestProblemsHavePlaces(t *testing.T) {
	_, err := Parse("flow.yaml", []byte("id: x\nnodes:\n  - {id: a, goto: b}\nfallback: {text: x, next: a}\n"))
	found, ok := errors.AsType[*ProblemsError](err)
	if !ok || len(found.Problems) != 1 || found.Problems[0].Line != 3 || found.Problems[0].Column != 19 {
		t.Errorf("got %v, want one problem on line 3, column 19", err)
	}
}

// TestExamples: the embedded flow and every example that is shipped are flows.
func TestExamples(t *testing.T) {
	if got := Default().ID(); got != "default" {
		t.Errorf("got flow %q, want default", got)
	}
	files, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("got examples %v, %v, want some", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("read example: %v", err)
		}
		if _, err := Parse(file, text); err != nil {
			t.Errorf("got error\n%v\nwant none", err)
		}
	}
}
