package actors

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/intervenehq/intervene/engine"
)

// commandBodies is one of each.
var commandBodies = []engine.CommandBody{
	engine.Receive{},
	engine.RecordStatus{},
	engine.AnswerTurn{},
	engine.FailTurn{},
	engine.SendMessage{},
	engine.RequestAgent{},
	engine.WithdrawRequest{},
	engine.Intervene{},
	engine.TakeOver{},
	engine.Transfer{},
	engine.Resolve{},
	engine.MarkRead{},
	engine.AddNote{},
	engine.SetTags{},
	engine.FireTimer{},
	engine.AttemptSend{},
	engine.RecordAttempt{},
	engine.AcceptTurn{},
	engine.Amend{},
	engine.RecordEcho{},
	engine.ChangeContact{},
	engine.LinkContact{},
	engine.SetConsent{},
	engine.StartConversation{},
	engine.ResendMessage{},
	engine.Erase{},
	engine.RecordMedia{},
	engine.GiveUpSends{},
}

// TestCommandNames: each command that the domain knows has a name of its own, by
// which its metrics call it. What the domain knows stands in its source.
func TestCommandNames(t *testing.T) {
	missing := domainCommands(t)
	if len(missing) < 20 {
		t.Fatalf("got %d commands in the domain's source, want all of them", len(missing))
	}
	for _, body := range commandBodies {
		name := reflect.TypeOf(body).Name()
		if !missing[name] {
			t.Errorf("%s: got it twice, or none in the domain, want it once", name)
		}
		delete(missing, name)
		if got, want := commandNames[kindOf(body)], snakeCase(name); got != want {
			t.Errorf("%s: got the name %q, want %q", name, got, want)
		}
	}
	for name := range missing {
		t.Errorf("%s: got no name for it, want one in commandNames", name)
	}
}

// domainCommands are the types with a method isCommand.
func domainCommands(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../engine/*.go")
	if err != nil {
		t.Fatalf("find the domain's source: %v", err)
	}
	found := make(map[string]bool)
	for _, file := range files {
		syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("parse the domain: %v", err)
		}
		for _, d := range syntax.Decls {
			method, ok := d.(*ast.FuncDecl)
			if !ok || method.Recv == nil || method.Name.Name != "isCommand" {
				continue
			}
			if of, ok := method.Recv.List[0].Type.(*ast.Ident); ok {
				found[of.Name] = true
			}
		}
	}
	return found
}

func snakeCase(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
