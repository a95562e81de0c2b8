package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const (
	deployFolder  = "../../deploy"
	runbookFolder = "../../docs/runbooks"
	runbookURL    = "https://github.com/intervenehq/intervene/blob/main/docs/runbooks/"
	maxRunbook    = 60 // lines: nobody reads more at night
)

// ruleGroups are the groups of one file.
type ruleGroups struct {
	Groups []struct {
		Rules []struct {
			Alert, Record, Expr string
			For                 *string
			Labels, Annotations map[string]string
		}
	}
}

func readRules(t *testing.T, file string) (groups ruleGroups) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if err := yaml.Unmarshal(text, &groups); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return groups
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: got %d files and error %v, want some", pattern, len(files), err)
	}
	return files
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(text)
}

// personal are labels that must be in no alert: they would go to pagers and chats.
var personal = regexp.MustCompile(`\$labels\.(\w+)`)

// TestAlerts: each has what whoever it wakes needs, a test in both directions, and a
// runbook with a drill; and each runbook has its alert.
func TestAlerts(t *testing.T) {
	alerts := make(map[string]bool)
	overview := read(t, filepath.Join(runbookFolder, "README.md"))
	tests := ""
	for _, file := range glob(t, filepath.Join(deployFolder, "prometheus", "*_test.yaml")) {
		tests += read(t, file)
	}
	for _, file := range glob(t, filepath.Join(deployFolder, "prometheus", "*.yaml")) {
		if strings.HasSuffix(file, "_test.yaml") {
			continue
		}
		for _, group := range readRules(t, file).Groups {
			for _, rule := range group.Rules {
				if rule.Alert == "" {
					continue
				}
				alerts[rule.Alert] = true
				if severity := rule.Labels["severity"]; severity != "page" && severity != "ticket" {
					t.Errorf("%s: got severity %q, want page or ticket", rule.Alert, severity)
				}
				if rule.For == nil {
					t.Errorf("%s: got no for, want one, if only 0m", rule.Alert)
				}
				for _, name := range []string{"summary", "description"} {
					if rule.Annotations[name] == "" {
						t.Errorf("%s: got no %s, want one", rule.Alert, name)
					}
				}
				if got, want := rule.Annotations["runbook_url"], runbookURL+rule.Alert+".md"; got != want {
					t.Errorf("%s: got runbook %s, want %s", rule.Alert, got, want)
				}
				for _, label := range personal.FindAllStringSubmatch(rule.Annotations["description"], -1) {
					if !slices.Contains([]string{"channel", "workspace", "kind"}, label[1]) {
						t.Errorf("%s: got label %s told, want channel, workspace or kind alone", rule.Alert, label[1])
					}
				}
			}
		}
	}
	for alert := range alerts {
		fires, quiet := verdicts(tests, alert)
		if !fires || !quiet {
			t.Errorf("%s: got tests that it fires: %t, that it does not: %t, want both", alert, fires, quiet)
		}
		text := read(t, filepath.Join(runbookFolder, alert+".md"))
		for _, heading := range []string{"# " + alert + "\n", "## Look first", "## Likely causes, and what to do", "## It is over when", "## Drill"} {
			if !strings.Contains(text, heading) {
				t.Errorf("the runbook of %s has no %q", alert, heading)
			}
		}
		if lines := strings.Count(text, "\n"); lines > maxRunbook {
			t.Errorf("the runbook of %s: got %d lines, want at most %d", alert, lines, maxRunbook)
		}
		if !strings.Contains(overview, "| "+alert+" |") {
			t.Errorf("the table of runbooks lacks %s", alert)
		}
	}
	for _, file := range glob(t, filepath.Join(runbookFolder, "*.md")) {
		name := strings.TrimSuffix(filepath.Base(file), ".md")
		if name != "README" && !alerts[name] {
			t.Errorf("runbook %s has no alert", name)
		}
	}
}

// verdicts tells whether promtool's tests have the alert firing, and quiet.
func verdicts(tests, alert string) (fires, quiet bool) {
	for part := range strings.SplitSeq(tests, "- expr: ") {
		if strings.HasPrefix(part, `ALERTS{alertname="`+alert+`",`) {
			empty := strings.Contains(part, "exp_samples: []")
			fires, quiet = fires || !empty, quiet || empty
		}
	}
	return fires, quiet
}

type place struct{ X, Y, W, H int }

func (p place) overlaps(q place) bool {
	return p.X < q.X+q.W && q.X < p.X+p.W && p.Y < q.Y+q.H && q.Y < p.Y+p.H
}

type dashboard struct {
	UID, Title, Refresh string
	Tags                []string
	Templating          struct{ List []struct{ Name, Type string } }
	Panels              []struct {
		ID                       int
		Title, Description, Type string
		GridPos                  place
		Datasource               struct{ UID string }
		FieldConfig              struct {
			Defaults struct {
				Unit       string
				Thresholds struct{ Steps []json.RawMessage }
			}
		}
		Targets []struct{ RefID, Expr string }
	}
}

// gridWidth is how many columns Grafana has.
const gridWidth = 24

// TestDashboards: each can be told apart and read.
func TestDashboards(t *testing.T) {
	uids := make(map[string]bool)
	for _, file := range glob(t, filepath.Join(deployFolder, "grafana", "*.json")) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var d dashboard
			if err := json.Unmarshal([]byte(read(t, file)), &d); err != nil {
				t.Fatal(err)
			}
			if want := "intervene-" + strings.TrimSuffix(filepath.Base(file), ".json"); d.UID != want || uids[d.UID] {
				t.Errorf("got uid %q, want %q, once", d.UID, want)
			}
			uids[d.UID] = true
			if d.Title == "" || d.Refresh != "10s" || !slices.Contains(d.Tags, "intervene") {
				t.Errorf("got title %q, refresh %q, tags %q, want a title, 10s and intervene", d.Title, d.Refresh, d.Tags)
			}
			if list := d.Templating.List; len(list) == 0 || list[0].Type != "datasource" {
				t.Errorf("got variables %v, want the data source first", list)
			}
			d.checkPanels(t)
		})
	}
}

func (d *dashboard) checkPanels(t *testing.T) {
	t.Helper()
	ids := make(map[int]bool)
	for i, p := range d.Panels {
		defaults := p.FieldConfig.Defaults
		if p.Title == "" || p.Description == "" || defaults.Unit == "" || len(defaults.Thresholds.Steps) == 0 || len(p.Targets) == 0 {
			t.Errorf("panel %d %q lacks a title, a description, a unit, thresholds or a query", p.ID, p.Title)
		}
		if ids[p.ID] {
			t.Errorf("panel %q: got id %d again, want each once", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Datasource.UID != "${datasource}" {
			t.Errorf("panel %q: got data source %q, want the variable", p.Title, p.Datasource.UID)
		}
		if g := p.GridPos; g.W <= 0 || g.H <= 0 || g.X < 0 || g.X+g.W > gridWidth {
			t.Errorf("panel %q: got place %+v, want it on the grid", p.Title, g)
		}
		for _, q := range d.Panels[:i] {
			if p.GridPos.overlaps(q.GridPos) {
				t.Errorf("panels %q and %q overlap", p.Title, q.Title)
			}
		}
		refs := make(map[string]bool)
		for _, target := range p.Targets {
			if target.Expr == "" || refs[target.RefID] {
				t.Errorf("panel %q: got query %q of %q, want each once with an expression", p.Title, target.Expr, target.RefID)
			}
			refs[target.RefID] = true
		}
	}
	if len(d.Panels) == 0 {
		t.Error("got no panel, want some")
	}
}

func TestHurried(t *testing.T) {
	got := string(hurried([]byte("    interval: 5m\n        for: 10m\n        for: 0m\n        for: soon\n  rate(a[1h]) > b offset 1w + c:rate5m\n")))
	want := "        for: 30000ms\n        for: 0ms\n        for: soon\n  rate(a[180000ms]) > b offset 30240000ms + c:rate5m\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestDrills: each runbook has a drill that can be typed, with its end, or names the
// test of promtool that has its alert firing and quiet.
func TestDrills(t *testing.T) {
	all, err := readRunbooks(runbookFolder, nil)
	if err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	proven := 0
	for _, r := range all {
		if r.test == "" {
			continue
		}
		proven++
		if fires, quiet := verdicts(read(t, filepath.Join("../..", r.test)), r.alert); !fires || !quiet {
			t.Errorf("%s: got a test that it fires: %t, that it does not: %t in %s, want both", r.alert, fires, quiet, r.test)
		}
	}
	if got := len(all) - proven; got < 20 || proven == 0 {
		t.Errorf("got %d drills to type and %d of promtool, want at least 20 and one", got, proven)
	}
}

func TestReadRunbook(t *testing.T) {
	const fault, end, tidy, test = "```sh\nbreak\n```\n", "```sh\nmend\n```\n", "```sh\ntidy\n```\n", "```sh\npromtool test rules a_test.yaml\n```\n"
	const head = "# A\n\n```sh\nlook\n```\n\n## Drill\n\n"
	for name, c := range map[string]struct {
		text string
		want runbook
		bad  bool
	}{
		"two":         {text: head + fault + "End it:\n" + end, want: runbook{alert: "A", fault: "break\n", end: "mend\n"}},
		"three":       {text: head + fault + end + tidy, want: runbook{alert: "A", fault: "break\n", end: "mend\n", tidy: "tidy\n"}},
		"proven":      {text: head + test, want: runbook{alert: "A", test: "a_test.yaml"}},
		"no end":      {text: head + fault, bad: true},
		"no block":    {text: head, bad: true},
		"four":        {text: head + fault + end + tidy + tidy, bad: true},
		"no drill":    {text: "# A\n\n" + fault + end, bad: true},
		"not in bash": {text: head + "```\nbreak\n```\n" + end, bad: true},
	} {
		file := filepath.Join(t.TempDir(), "A.md")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatalf("write: %v", err)
		}
		if got, err := readRunbook(file); got != c.want || (err != nil) != c.bad {
			t.Errorf("%s: got %+v and error %v, want %+v and an error: %t", name, got, err, c.want, c.bad)
		}
	}
}
