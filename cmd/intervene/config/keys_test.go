package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/intervenehq/intervene/deploy"
)

// keys are all that the parser knows, as its source has them.
func keys(t *testing.T) []string {
	t.Helper()
	known := slices.Concat(botKinds, secretKeys)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatalf("list the source: %v", err)
	}
	mapping := regexp.MustCompile(`p\.mapping\(.*\)`)
	literal := regexp.MustCompile(`"([a-z0-9_]+)"`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		for _, call := range mapping.FindAllString(string(text), -1) {
			for _, key := range literal.FindAllStringSubmatch(call[strings.Index(call, ","):], -1) {
				known = append(known, key[1])
			}
		}
	}
	if slices.Sort(known); !slices.Contains(known, "auto_resolve_after") || !slices.Contains(known, "listen") {
		t.Fatalf("got keys %q, want those of the parser", known)
	}
	return slices.Compact(known)
}

// TestExample holds deploy/intervene.yaml to what is so: it is accepted, and no key is
// missing.
func TestExample(t *testing.T) {
	c := parsed(t, string(deploy.Example))
	least := parsed(t, "workspaces: [{id: acme}]")
	if c.LogLevel != least.LogLevel || c.Drain != least.Drain || c.ReadReceipts != least.ReadReceipts || c.Workspaces[0].Policy != least.Workspaces[0].Policy {
		t.Errorf("got another meaning with the defaults written out than without:\n%s%s", describe(c), describe(least))
	}
	if len(c.Workspaces[0].Tokens) > 0 {
		t.Errorf("got a token in the example, want none: everybody knows it")
	}
	for _, key := range keys(t) {
		if !regexp.MustCompile(`\b` + key + `:`).Match(deploy.Example) {
			t.Errorf("got nothing about %s, want it explained", key)
		}
	}
}

// TestExampleUncommented: what is commented out is right, too, each kind of bot by
// itself.
func TestExampleUncommented(t *testing.T) {
	commented := regexp.MustCompile(`^( *)# ( *(?:- )?\{?[a-z_]+: .*|  ?[a-z]+:|tls:|backup:|traces:|bot:)$`)
	for _, kind := range botKinds {
		var text strings.Builder
		skipping := ""
		for line := range strings.Lines(string(deploy.Example)) {
			line = strings.TrimRight(line, "\n")
			begins := regexp.MustCompile(`^    #   ([a-z]+):`).FindStringSubmatch(line)
			switch {
			case begins != nil && slices.Contains(botKinds, begins[1]):
				skipping = begins[1]
			case !strings.HasPrefix(line, "    #     "):
				skipping = ""
			}
			if skipping != "" && skipping != kind {
				continue
			}
			text.WriteString(commented.ReplaceAllString(line, "$1$2") + "\n")
		}
		pem := certificate(t, "one.example.com")
		paths := regexp.MustCompile(`cert: (.*), key: (.*)\}`).FindStringSubmatch(pem)
		full := strings.NewReplacer("fullchain.pem", paths[1], "privkey.pem", paths[2],
			"the 64 digits", strings.Repeat("0", 64)).Replace(text.String())
		env := func(name string) (string, bool) {
			if name == "BOT_SECRET" {
				return "whsec_" + strings.Repeat("QUFB", 10), true
			}
			return canary, true
		}
		c, err := Parse(testFile, []byte(full), env)
		if err != nil {
			t.Errorf("%s: got error %v, want none, of\n%s", kind, err, full)
			continue
		}
		w := c.Workspaces[0]
		if c.TLS == nil || c.Backup == nil || len(w.Tokens) != 1 || w.Channels[0].WABAID == "" || w.Bot == (Bot{}) {
			t.Errorf("%s: got something left out of\n%s", kind, full)
		}
	}
}
