package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/intervenehq/intervene/cmd/intervene/config"
)

const deployDir = "../../deploy/"

func deployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(deployDir + name)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(text)
}

// instructions are those of a Dockerfile, with lines that go on joined.
func instructions(text string) (list [][2]string) {
	text = regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		if word, rest, found := strings.Cut(strings.TrimSpace(line), " "); found {
			list = append(list, [2]string{word, strings.TrimSpace(rest)})
		}
	}
	return list
}

// lintDockerfile are the rules that no engine is needed for.
func lintDockerfile(text string) (problems []string) {
	known := []string{"FROM", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
	last := make(map[string]string)
	stages := make(map[string]bool)
	for _, i := range instructions(text) {
		word, rest := i[0], i[1]
		switch {
		case !slices.Contains(known, word):
			problems = append(problems, word+" is no instruction that is used here")
		case word == "FROM":
			image, stage, _ := strings.Cut(rest, " AS ")
			if _, tag, tagged := strings.Cut(image, ":"); !tagged || tag == "" || tag == "latest" {
				problems = append(problems, image+" is not pinned by a tag")
			}
			stages[stage] = true
			last = map[string]string{"FROM": image}
		case word == "COPY" && strings.HasPrefix(rest, "--from="):
			if from, _, _ := strings.Cut(strings.TrimPrefix(rest, "--from="), " "); !stages[from] {
				problems = append(problems, "there is no stage "+from)
			}
		case (word == "ENTRYPOINT" || word == "CMD") && !strings.HasPrefix(rest, `["`):
			problems = append(problems, word+" must be a list: a shell would not pass signals on")
		}
		last[word] = rest
	}
	if !strings.HasPrefix(last["FROM"], "gcr.io/distroless/static") {
		problems = append(problems, "the last stage is not distroless")
	}
	if !regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`).MatchString(last["USER"]) {
		problems = append(problems, "USER must be numbers other than 0, for runAsNonRoot")
	}
	if last["ENTRYPOINT"] == "" {
		problems = append(problems, "there is no ENTRYPOINT")
	}
	return problems
}

func TestDockerfile(t *testing.T) {
	text := deployed(t, "Dockerfile")
	if problems := lintDockerfile(text); len(problems) > 0 {
		t.Errorf("got problems %q, want none", problems)
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if goes := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(mod); !strings.Contains(text, "FROM golang:"+string(goes[1])+"-") {
		t.Errorf("got another Go than %s of go.mod", goes[1])
	}
	for spoilt, want := range map[string]string{
		strings.Replace(text, "USER 65532:65532", "USER root", 1):                       "USER",
		strings.Replace(text, ":nonroot", "", 1):                                        "pinned",
		strings.Replace(text, `["/usr/local/bin/intervene"]`, "intervene", 1):           "shell",
		strings.Replace(text, "--from=build", "--from=builder", 1):                      "no stage",
		strings.Replace(text, "gcr.io/distroless/static-debian12", "docker.io/bash", 1): "distroless",
		strings.Replace(text, "EXPOSE", "EXPOSED", 1):                                   "EXPOSED",
	} {
		if problems := lintDockerfile(spoilt); len(problems) != 1 || !strings.Contains(problems[0], want) {
			t.Errorf("spoilt: got problems %q, want one about %s", problems, want)
		}
	}
}

// TestUnit: systemd gives the engine more time than it takes, and hears of it in time.
func TestUnit(t *testing.T) {
	settings := make(map[string]string)
	for line := range strings.Lines(deployed(t, "systemd/intervene.service")) {
		if key, value, found := strings.Cut(strings.TrimSpace(line), "="); found && !strings.HasPrefix(key, "#") {
			settings[key] = value
		}
	}
	seconds := func(key string) time.Duration {
		d, err := time.ParseDuration(settings[key] + "s")
		if err != nil {
			t.Errorf("%s: got %q, want seconds", key, settings[key])
		}
		return d
	}
	const flush = 30 * time.Second // how long the journal's closing may take
	if got, least := seconds("TimeoutStopSec"), config.DefaultDrainLimit+flush; got <= least {
		t.Errorf("TimeoutStopSec: got %s, want more than %s", got, least)
	}
	if got := seconds("WatchdogSec"); got <= flush {
		t.Errorf("WatchdogSec: got %s, want more than %s", got, flush)
	}
	for key, want := range map[string]string{
		"Type": "notify", "ProtectSystem": "strict", "NoNewPrivileges": "yes", "StateDirectory": "intervene", "DynamicUser": "yes",
		"ExecReload": "/bin/kill -HUP $MAINPID",
	} {
		if settings[key] != want {
			t.Errorf("%s: got %q, want %q", key, settings[key], want)
		}
	}
}

// TestManifests parses all of deploy's YAML, and holds the pod to what the engine needs.
func TestManifests(t *testing.T) {
	kinds := make(map[string]map[string]any)
	paths, err := filepath.Glob(deployDir + "kustomize/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("got %d files and error %v, want some", len(paths), err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		for {
			var document map[string]any
			if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: got error %v, want none", path, err)
			}
			if kind, ok := document["kind"].(string); ok {
				kinds[kind] = document
			}
		}
	}
	for _, kind := range []string{"Kustomization", "StatefulSet", "Service", "NetworkPolicy", "PodDisruptionBudget"} {
		if kinds[kind] == nil {
			t.Errorf("got no %s, want one", kind)
		}
	}
	for _, tt := range []struct {
		path string
		want any
	}{
		{"spec replicas", 1},
		{"spec template spec terminationGracePeriodSeconds", 75},
		{"spec template spec securityContext runAsNonRoot", true},
		{"spec template spec securityContext seccompProfile type", "RuntimeDefault"},
		{"spec template spec containers securityContext allowPrivilegeEscalation", false},
		{"spec template spec containers securityContext readOnlyRootFilesystem", true},
		{"spec template spec containers livenessProbe httpGet path", "/livez"},
		{"spec template spec containers readinessProbe httpGet path", "/readyz"},
	} {
		if got := under(kinds["StatefulSet"], strings.Fields(tt.path)); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.path, got, tt.want)
		}
	}
	// An empty selector is every pod of the namespace.
	label := under(kinds["Kustomization"], strings.Fields("labels pairs"))
	for kind, path := range map[string]string{"NetworkPolicy": "spec podSelector matchLabels", "PodDisruptionBudget": "spec selector matchLabels"} {
		if got := under(kinds[kind], strings.Fields(path)); !reflect.DeepEqual(got, label) {
			t.Errorf("%s: got pods with %v, want those with %v", kind, got, label)
		}
	}
	secrets := func(string) (string, bool) { return "", false }
	text := regexp.MustCompile(`\{file: [^}]*\}`).ReplaceAllString(deployed(t, "kustomize/intervene.yaml"), `{value: secret}`)
	c, err := config.Parse("intervene.yaml", []byte(text), secrets)
	if err != nil {
		t.Fatalf("configuration of the pod: %v", err)
	}
	if c.Drain.Delay+c.Drain.Limit+30*time.Second >= 75*time.Second {
		t.Errorf("drain: got %v, want less than the grace period with the flush", c.Drain)
	}
}

// under goes down a path of keys; a list is its first item.
func under(at any, path []string) any {
	for _, key := range path {
		if list, ok := at.([]any); ok && len(list) > 0 {
			at = list[0]
		}
		mapping, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = mapping[key]
	}
	return at
}
