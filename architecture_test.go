// Package intervene_test holds the rules that no single package can hold: who
// may import whom, and what the domain must not touch. It is the one Go package
// in this folder.
package intervene_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const modulePath = "github.com/intervenehq/intervene"

// A rule says what the packages of one folder and below may import. Of several
// rules that cover a package the longest folder's is its only one; a package
// that none covers is a violation, so that a new place earns a line here.
type rule struct {
	folder string
	// alone: the rule covers the folder itself and nothing below it.
	alone bool
	// ours are the folders of the rules whose packages it may import, besides
	// its own. Tests may also use the real parts of other places, but not cmd.
	ours []string
	// stdlibOnly keeps every other module out.
	stdlibOnly bool
	why        string
}

const whyEdge = "an edge meets the others only in cmd, and only the Connect edge speaks the wire types"

var rules = []rule{
	{folder: ".", alone: true, why: "the module's root holds no package but these tests"},
	{folder: "engine", alone: true, stdlibOnly: true, why: "the domain knows the standard library and nothing else"},
	{
		folder: "engine/journal", ours: []string{"engine", "engine/journal/record"},
		why: "the journal keeps what the domain decided, and knows neither actors nor the wire",
	},
	{folder: "engine/media", ours: []string{"engine"}, why: "files are kept apart from the journal, and know nothing of messages"},
	{folder: "engine/archive", stdlibOnly: true, why: "a backup is files with sums, whatever they are of"},
	{folder: "engine/fuzztest", stdlibOnly: true, why: "what holds every decoder knows none of them"},
	{folder: "engine/journal/record", why: "the disk's schema changes apart from everything"},
	{folder: "actors", ours: []string{"engine"}, why: "actors meet the journal and the wire only in cmd"},
	{folder: "rpc", alone: true, ours: []string{"engine", "rpc/gen"}, why: "the Connect edge meets actors, the journal and other edges only in cmd"},
	{folder: "rpc/client", ours: []string{"rpc/gen"}, why: "a client knows the wire and nothing of the server: it is for programs of others, too"},
	{folder: "rpc/gen", why: "generated code stands on its own"},
	{folder: "rpc/whatsapp", ours: []string{"engine"}, why: whyEdge},
	{folder: "rpc/bot", ours: []string{"engine"}, why: whyEdge},
	{
		folder: "rpc/bot/flow", ours: []string{"engine", "rpc/bot/flow/schema"},
		why: "a flow knows the domain and the schema of its files, and neither the wire nor another bot",
	},
	{folder: "rpc/bot/flow/schema", why: "the schema of flow files changes apart from everything"},
	{folder: "rpc/bot/examples", ours: []string{"rpc/gen"}, why: "an example is a program of somebody else, who has the schema and nothing more"},
	{folder: "rpc/console", ours: []string{"engine"}, why: whyEdge},
	{
		folder: "cmd", ours: []string{"engine", "engine/journal", "engine/media", "engine/archive", "actors", "rpc", "rpc/client", "rpc/gen", "rpc/whatsapp", "rpc/bot", "rpc/bot/flow", "rpc/console", "deploy", "cmd/intervene/restore"},
		why: "cmd wires the parts together and leaves the disk's schema to the journal",
	},
	{
		folder: "cmd/intervene/restore", ours: []string{"engine", "engine/journal", "engine/media", "engine/archive", "actors", "rpc/whatsapp"},
		why: "a restore wires the parts that it needs, for the binary and for its simulation",
	},
	{
		folder: "cmd/intervene/sim",
		ours:   []string{"engine", "engine/journal", "engine/media", "engine/archive", "actors", "cmd/intervene/restore", "rpc", "rpc/gen", "rpc/whatsapp", "rpc/bot/flow"},
		why:    "the simulation wires the real parts as cmd does, and nothing of it is in the binary",
	},
	{folder: "deploy", stdlibOnly: true, why: "what operators begin with is files, of which the binary prints one"},
	{folder: "bench", ours: []string{"rpc/client", "rpc/gen"}, why: "a load runs from outside, through the public API"},
}

// homes are the only folders that may import a module: what leaves its home
// becomes part of everything.
var homes = map[string][]string{
	"github.com/asynkron/protoactor-go": {"actors"},
	"github.com/cockroachdb/pebble":     {"engine/journal", "engine/media"},
	"connectrpc.com":                    {"rpc", "cmd", "bench"},
	"github.com/failsafe-go":            {"actors"},
	"github.com/standard-webhooks":      {"rpc"},
	"buf.build":                         {"rpc"},
	"cel.dev/cel-go":                    {"rpc/bot/flow"},
	"github.com/alecthomas/kong":        {"cmd", "bench"},
	"go.opentelemetry.io":               {"cmd/intervene/traces"},
	"github.com/wcharczuk/go-chart":     {"bench"},
}

// domainBans keep package engine pure: the same command on the same
// conversation must decide the same, on recovery too.
var domainBans = struct{ imports, names []string }{
	imports: []string{"context", "crypto/rand", "io", "log", "math/rand", "net", "os", "runtime", "sync", "syscall", "unsafe"},
	names: []string{
		"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc", "time.Tick", "time.NewTimer", "time.NewTicker",
		"fmt.Print", "fmt.Printf", "fmt.Println", "fmt.Fprint", "fmt.Fprintf", "fmt.Fprintln",
	},
}

// vagueNames say nothing of what a package is.
var vagueNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "models", "shared", "base"}

func TestArchitecture(t *testing.T) {
	sources := goFiles(t, os.DirFS("."))
	for _, folder := range []string{"engine", "rpc/gen"} {
		if !slices.ContainsFunc(sources, func(s source) bool { return within(s.folder, folder) }) {
			t.Errorf("got no Go file under %s, want some: is this the module's root?", folder)
		}
	}
	for _, violation := range violations(sources) {
		t.Error(violation)
	}
}

// TestArchitectureFindsViolations plants one of each kind: a check that cannot
// fail checks nothing.
func TestArchitectureFindsViolations(t *testing.T) {
	const prelude = "package p\n\nimport "
	tests := []struct {
		name, file, text, want string
	}{
		{"domain imports a module", "engine/a.go", prelude + `_ "github.com/google/uuid"`, "github.com/google/uuid"},
		{"domain imports the journal", "engine/a.go", prelude + `_ "` + modulePath + `/engine/journal"`, "engine/journal"},
		{"domain imports I/O", "engine/a.go", prelude + `_ "os"`, "os"},
		{"domain reads the clock", "engine/a.go", prelude + `"time"` + "\n\nvar _ = time.Now()", "time.Now"},
		{"domain reads a renamed clock", "engine/a.go", prelude + `clock "time"` + "\n\nvar _ = clock.Now", "time.Now"},
		{"domain draws lots", "engine/a.go", prelude + `_ "math/rand/v2"`, "math/rand/v2"},
		{"domain starts a goroutine", "engine/a.go", "package p\n\nfunc f() { go f() }", "goroutine"},
		{"journal imports actors", "engine/journal/a.go", prelude + `_ "` + modulePath + `/actors"`, "actors"},
		{"journal imports the wire", "engine/journal/a.go", prelude + `_ "` + modulePath + `/rpc/gen/intervene/v1"`, "rpc/gen"},
		{"actors import the journal", "actors/board/a.go", prelude + `_ "` + modulePath + `/engine/journal"`, "engine/journal"},
		{"actors import Pebble", "actors/a.go", prelude + `_ "github.com/cockroachdb/pebble/v2"`, "pebble"},
		{"protoactor leaves actors", "cmd/intervene/a.go", prelude + `_ "github.com/asynkron/protoactor-go/actor"`, "protoactor"},
		{"OpenTelemetry leaves its adapter", "actors/a.go", prelude + `_ "go.opentelemetry.io/otel/trace"`, "cmd/intervene/traces"},
		{"connect edge imports actors", "rpc/a.go", prelude + `_ "` + modulePath + `/actors"`, "actors"},
		{"connect edge imports another edge", "rpc/a.go", prelude + `_ "` + modulePath + `/rpc/whatsapp"`, "rpc/whatsapp"},
		{"edge imports the Connect edge", "rpc/whatsapp/a.go", prelude + `_ "` + modulePath + `/rpc"`, "imports rpc"},
		{"client imports the server", "rpc/client/a.go", prelude + `_ "` + modulePath + `/rpc"`, "imports rpc"},
		{"client imports the domain", "rpc/client/a.go", prelude + `_ "` + modulePath + `/engine"`, "imports engine"},
		{"edge imports another edge", "rpc/bot/a.go", prelude + `_ "` + modulePath + `/rpc/whatsapp"`, "rpc/whatsapp"},
		{"edge imports the wire types", "rpc/bot/a.go", prelude + `_ "` + modulePath + `/rpc/gen/intervene/v1"`, "rpc/gen"},
		{"flow imports the wire types", "rpc/bot/flow/a.go", prelude + `_ "` + modulePath + `/rpc/gen/intervene/v1"`, "rpc/gen"},
		{"a flow's schema leaves flow", "rpc/bot/a.go", prelude + `_ "` + modulePath + `/rpc/bot/flow/schema"`, "rpc/bot/flow/schema"},
		{"cmd imports the disk's schema", "cmd/intervene/a.go", prelude + `_ "` + modulePath + `/engine/journal/record"`, "engine/journal/record"},
		{"bench imports internals", "bench/a.go", prelude + `_ "` + modulePath + `/engine"`, "imports engine"},
		{"test imports cmd", "actors/a_test.go", prelude + `_ "` + modulePath + `/cmd/intervene"`, "cmd/intervene"},
		{"package without a rule", "cache/a.go", "package cache", "no rule"},
		{"edge without a rule", "rpc/sms/a.go", "package sms", "no rule"},
		{"vague name", "actors/util/a.go", "package util", "says nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found := violations([]source{parse(t, fstest.MapFS{tt.file: {Data: []byte(tt.text)}}, tt.file)})
			if len(found) != 1 || !strings.Contains(found[0], tt.want) {
				t.Errorf("got violations %q, want one that names %q", found, tt.want)
			}
		})
	}
}

// source is one Go file, with its folder relative to the module's root.
type source struct {
	file, folder string
	syntax       *ast.File
	positions    *token.FileSet
}

func (s source) isTest() bool { return strings.HasSuffix(s.file, "_test.go") }

// goFiles parses what belongs to this module, and to no other one.
func goFiles(t *testing.T, tree fs.FS) []source {
	t.Helper()
	var sources []source
	err := fs.WalkDir(tree, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			hidden := strings.HasPrefix(name, ".") && file != "."
			if hidden || name == "node_modules" || name == "testdata" || isOtherModule(tree, file) {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") {
			sources = append(sources, parse(t, tree, file))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("walk the module: %v", err)
	}
	return sources
}

// isOtherModule reports whether a folder below the root begins a module.
func isOtherModule(tree fs.FS, folder string) bool {
	_, err := fs.Stat(tree, path.Join(folder, "go.mod"))
	return err == nil && folder != "."
}

func parse(t *testing.T, tree fs.FS, file string) source {
	t.Helper()
	text, err := fs.ReadFile(tree, file)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	positions := token.NewFileSet()
	syntax, err := parser.ParseFile(positions, file, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return source{file: file, folder: path.Dir(file), syntax: syntax, positions: positions}
}

func violations(sources []source) []string {
	var found []string
	for _, s := range sources {
		covering := ruleOf(s.folder)
		if covering == nil {
			found = append(found, fmt.Sprintf("%s: no rule covers folder %s; architecture_test.go must say what it may import", s.file, s.folder))
			continue
		}
		if slices.Contains(vagueNames, path.Base(s.folder)) {
			found = append(found, fmt.Sprintf("%s: the name %s says nothing of what the package is", s.file, path.Base(s.folder)))
		}
		for _, spec := range s.syntax.Imports {
			if problem := importProblem(s, covering, importPath(spec)); problem != "" {
				found = append(found, s.at(spec.Pos())+": "+problem)
			}
		}
		if covering.folder == "engine" && !s.isTest() {
			found = append(found, impurities(s)...)
		}
	}
	return found
}

func importProblem(s source, covering *rule, imported string) string {
	folder, ours := strings.CutPrefix(imported, modulePath+"/")
	switch {
	case ours:
		return ownImportProblem(s, covering, folder)
	case s.isTest():
		return ""
	case !isStdlib(imported) && covering.stdlibOnly:
		return fmt.Sprintf("%s imports %s: %s", s.folder, imported, covering.why)
	}
	for module, folders := range homes {
		atHome := slices.ContainsFunc(folders, func(home string) bool { return within(s.folder, home) })
		if within(imported, module) && !atHome {
			return fmt.Sprintf("%s imports %s, which lives in %s alone", s.folder, imported, strings.Join(folders, ", "))
		}
	}
	return ""
}

func ownImportProblem(s source, covering *rule, folder string) string {
	target := ruleOf(folder)
	switch {
	case target == nil:
		return fmt.Sprintf("%s imports %s, which no rule covers", s.folder, folder)
	case target == covering, slices.Contains(covering.ours, target.folder):
		return ""
	case s.isTest() && target.folder != "cmd":
		return ""
	}
	return fmt.Sprintf("%s imports %s: %s", s.folder, folder, covering.why)
}

// impurities are what package engine does besides deciding.
func impurities(s source) []string {
	var found []string
	names := make(map[string]string) // what the file calls a package, to its path
	for _, spec := range s.syntax.Imports {
		imported := importPath(spec)
		names[path.Base(imported)] = imported
		if spec.Name != nil {
			names[spec.Name.Name] = imported
		}
		if slices.ContainsFunc(domainBans.imports, func(ban string) bool { return within(imported, ban) }) {
			found = append(found, fmt.Sprintf("%s: the domain imports %s", s.at(spec.Pos()), imported))
		}
	}
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			found = append(found, s.at(node.Pos())+": the domain starts a goroutine")
		case *ast.SelectorExpr:
			base, ok := node.X.(*ast.Ident)
			if !ok {
				return true
			}
			if used := names[base.Name] + "." + node.Sel.Name; slices.Contains(domainBans.names, used) {
				found = append(found, fmt.Sprintf("%s: the domain uses %s", s.at(node.Pos()), used))
			}
		}
		return true
	})
	return found
}

// ruleOf returns the one rule that covers folder, or nil.
func ruleOf(folder string) *rule {
	var covering *rule
	for i := range rules {
		r := &rules[i]
		covers := folder == r.folder || !r.alone && within(folder, r.folder)
		if covers && (covering == nil || len(r.folder) > len(covering.folder)) {
			covering = r
		}
	}
	return covering
}

func (s source) at(pos token.Pos) string { return s.positions.Position(pos).String() }

func importPath(spec *ast.ImportSpec) string { return strings.Trim(spec.Path.Value, "\"`") }

// within reports whether inner is outer or lies below it.
func within(inner, outer string) bool { return inner == outer || strings.HasPrefix(inner, outer+"/") }

// isStdlib reports whether an import path is the standard library's: those
// have no dot in their first element.
func isStdlib(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}
