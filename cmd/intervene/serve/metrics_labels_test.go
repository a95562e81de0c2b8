package serve_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// openLabels are those whose values are no list: the configuration, the API's
// schema or the build bounds them.
var openLabels = map[string]string{
	"channel":   "the `id` of a configured channel",
	"workspace": "the `id` of a configured workspace",
	"procedure": "a procedure of the API, a path of files or sessions",
	"version":   "the revision",
}

// closedLabels are the values that a label may have, by metric and label: from the
// code, so that none is forgotten here.
func closedLabels(t *testing.T) map[string][]string {
	t.Helper()
	actors, rpc, whatsapp := sourceOf(t, "../../../actors"), sourceOf(t, "../../../rpc"), sourceOf(t, "../../../rpc/whatsapp")
	codes := named[engine.Code](1)
	refused := []string{engine.CodeInvalid.String(), engine.CodeNotFound.String(), engine.CodeForbidden.String()}
	undurable := slices.DeleteFunc(slices.Clone(codes), func(code string) bool { return slices.Contains(refused, code) })
	columns := named[engine.Column](1)
	kinds := named[engine.DueKind](1)
	var connectCodes, resets []string
	for code := connect.CodeCanceled; code <= connect.CodeUnauthenticated; code++ {
		connectCodes = append(connectCodes, code.String())
	}
	for reason := range int32(len(intervenev1.ResetReason_name)) {
		resets = append(resets, intervenev1.ResetReason_name[reason])
	}
	calls := []string{"ok", "refused", "failed"}
	listeners := []string{"public", "admin"}
	traces, serve := sourceOf(t, "../traces"), sourceOf(t, ".")
	journal, media := sourceOf(t, "../../../engine/journal"), sourceOf(t, "../../../engine/media")
	return map[string][]string{
		"intervene_webhook_ack_duration_seconds/outcome": whatsapp.typed("ack"),
		"intervene_webhook_events_total/kind":            distinct(named[engine.ContentKind](1), whatsapp.typed("eventKind")),
		"intervene_webhook_fields_total/field":           append(whatsapp.keys("otherFields"), whatsapp.prefixed("otherField")...),
		"intervene_webhook_oddities_total/kind":          whatsapp.typed("oddityKind"),
		"intervene_webhook_oddities_total/reason":        whatsapp.typed("oddityReason"),
		"intervene_webhook_items_refused_total/code":     refused,
		"intervene_webhook_items_undurable_total/code":   append([]string{engine.Code(0).String()}, undurable...),
		"intervene_graph_requests_total/operation":       whatsapp.typed("graphOperation"),
		"intervene_graph_requests_total/outcome": {
			"ok", "refused", "failed", engine.Accepted.String(), engine.Rejected.String(), engine.Unknown.String(), engine.Queued.String(),
		},
		"intervene_graph_requests_total/code":                append(whatsapp.keys("actions"), whatsapp.prefixed("codeLabel")...),
		"intervene_graph_request_duration_seconds/operation": whatsapp.typed("graphOperation"),
		"intervene_graph_waits_total/reason":                 whatsapp.typed("waitReason"),

		"intervene_command_durable_duration_seconds/command": actors.elements("commandNames"),
		"intervene_command_durable_duration_seconds/outcome": calls,
		"intervene_command_refusals_total/code":              append(actors.prefixed("codeNone"), codes...),
		"intervene_transitions_total/from":                   columns,
		"intervene_transitions_total/to":                     columns,
		"intervene_transitions_total/cause":                  named[engine.Cause](1),
		"intervene_actor_refusals_total/reason":              {engine.CodeOverloaded.String(), engine.CodeUnavailable.String()},
		"intervene_board_conversations/column":               columns[:3],
		"intervene_board_oldest_age_seconds/column":          columns[1:3],
		"intervene_actor_evictions_total/reason":             actors.prefixed("evictedFor"),
		"intervene_config_reloads_total/outcome":             serve.prefixed("reload"),
		"intervene_unready_reasons/reason":                   serve.prefixed("unready"),
		"intervene_traces_dropped_total/reason":              traces.prefixed("reason"),
		"intervene_connections_open/listener":                listeners,
		"intervene_connections_limit/listener":               listeners,
		"intervene_connections_refused_total/listener":       listeners,
		"intervene_connection_faults_total/listener":         listeners,
		"intervene_outbox_results_total/result": {
			engine.Accepted.String(), engine.Rejected.String(), engine.Unknown.String(), engine.Discarded.String(),
		},
		"intervene_worker_due/kind":                    kinds,
		"intervene_worker_oldest_due_seconds/kind":     kinds,
		"intervene_worker_overflows_total/kind":        kinds,
		"intervene_worker_record_retries_total/kind":   kinds,
		"intervene_media_downloads_total/state":        named[engine.MediaState](1),
		"intervene_bot_turns_total/outcome":            append(append(actors.prefixed("outcome"), engine.Code(0).String()), codes...),
		"intervene_presence_leases_ended_total/reason": actors.prefixed("lease"),

		"intervene_rpc_requests_total/code":              append(connectCodes, rpc.prefixed("code")...),
		"intervene_rpc_streams_ended_total/reason":       rpc.prefixed("endedBy"),
		"intervene_rpc_stream_resets_total/reason":       resets,
		"intervene_rpc_template_refreshes_total/outcome": rpc.prefixed("refresh"),
		"intervene_rpc_receipts_total/outcome":           rpc.prefixed("receipt"),

		"intervene_journal_appends_total/outcome":   append([]string{"durable"}, codes[engine.CodeOverloaded-1:engine.CodeCorrupt]...),
		"intervene_journal_purges_total/outcome":    journal.prefixed("purge"),
		"intervene_journal_held_conversations/kind": {engine.DueSend.String(), engine.DueTurn.String()},
		"intervene_media_puts_total/outcome":        append(media.prefixed("put"), codes...),
		"intervene_backups_total/outcome":           {"done", "failed", "refused"},
	}
}

// named are an enum's names, from first on. Past its end all are unknown, which may
// also be the name of one.
func named[E interface {
	~uint8
	String() string
}](first E) (names []string) {
	for e := first; e.String() != "unknown" || (e+1).String() != "unknown"; e++ {
		names = append(names, e.String())
	}
	return names
}

// distinct are all names once.
func distinct(lists ...[]string) (names []string) {
	for _, name := range slices.Concat(lists...) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// source is the Go code of one package, without its tests.
type source struct {
	t     *testing.T
	dir   string
	files []*ast.File
}

func sourceOf(t *testing.T, dir string) source {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatalf("find source: %v", err)
	}
	s := source{t: t, dir: dir}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("parse source: %v", err)
		}
		s.files = append(s.files, file)
	}
	return s
}

// typed are the texts of the constants of a type.
func (s source) typed(name string) []string {
	return s.constants(name, func(spec *ast.ValueSpec, _ string) bool {
		of, ok := spec.Type.(*ast.Ident)
		return ok && of.Name == name
	})
}

// prefixed are those of the constants that begin so.
func (s source) prefixed(prefix string) []string {
	return s.constants(prefix, func(spec *ast.ValueSpec, name string) bool {
		return spec.Type == nil && strings.HasPrefix(name, prefix)
	})
}

func (s source) constants(what string, wanted func(spec *ast.ValueSpec, name string) bool) (texts []string) {
	s.t.Helper()
	s.values(token.CONST, func(spec *ast.ValueSpec, name string, value ast.Expr) {
		if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING && wanted(spec, name) {
			texts = append(texts, s.text(literal))
		}
	})
	if len(texts) == 0 {
		s.t.Fatalf("%s: got no constants %s, want some", s.dir, what)
	}
	return texts
}

// keys are those of a map variable.
func (s source) keys(name string) []string {
	return s.literal(name, func(e ast.Expr) ast.Expr { return e.(*ast.KeyValueExpr).Key })
}

// elements are those of an array variable.
func (s source) elements(name string) []string {
	return s.literal(name, func(e ast.Expr) ast.Expr { return e })
}

func (s source) literal(variable string, part func(ast.Expr) ast.Expr) (texts []string) {
	s.t.Helper()
	s.values(token.VAR, func(_ *ast.ValueSpec, name string, value ast.Expr) {
		if list, ok := value.(*ast.CompositeLit); ok && name == variable {
			for _, e := range list.Elts {
				texts = append(texts, s.text(part(e).(*ast.BasicLit)))
			}
		}
	})
	if len(texts) == 0 {
		s.t.Fatalf("%s: got no variable %s, want one", s.dir, variable)
	}
	return texts
}

func (s source) values(of token.Token, yield func(spec *ast.ValueSpec, name string, value ast.Expr)) {
	for _, file := range s.files {
		for _, d := range file.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok || group.Tok != of {
				continue
			}
			for _, spec := range group.Specs {
				for i, value := range spec.(*ast.ValueSpec).Values {
					yield(spec.(*ast.ValueSpec), spec.(*ast.ValueSpec).Names[i].Name, value)
				}
			}
		}
	}
}

// text is what a literal says: the text of a string, a number as it stands.
func (s source) text(literal *ast.BasicLit) string {
	if literal.Kind != token.STRING {
		return literal.Value
	}
	text, err := strconv.Unquote(literal.Value)
	if err != nil {
		s.t.Fatalf("%s: got literal %s, want a text: %v", s.dir, literal.Value, err)
	}
	return text
}
