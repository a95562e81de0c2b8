package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// canary is in every secret of these tests, and in whatever was written in
// the place of one: nothing that is printed may hold it.
const canary = "s3cr3t"

var testEnv = map[string]string{
	"WA_VERIFY_TOKEN": canary + "-verify", "WA_APP_SECRET": canary + "-app", "WA_ACCESS_TOKEN": canary + "-access",
	"EMPTY": "", "SPACED": canary + " ",
}

func lookupTestEnv(name string) (string, bool) {
	text, set := testEnv[name]
	return text, set
}

const testFile = "testdata/files/intervene.yaml"

// TestProblems runs the files of testdata/problems: what is wrong with a
// configuration, and where. The path is cut short to the file's name.
func TestProblems(t *testing.T) {
	datadriven.Walk(t, "testdata/problems", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			c, err := Parse(testFile, []byte(d.Input), lookupTestEnv)
			var problems Problems
			if !errors.As(err, &problems) || c != nil {
				t.Fatalf("%s: got error %v and configuration %t, want problems and none", d.Pos, err, c != nil)
			}
			text := err.Error()
			if strings.Contains(text, canary) {
				t.Errorf("%s: got a secret in the problems:\n%s", d.Pos, text)
			}
			for _, p := range problems {
				if p.File != testFile || p.Line < 1 || p.Column < 1 || p.Line > strings.Count(d.Input, "\n")+1 {
					t.Errorf("%s: got a problem at %s:%d:%d, want a place in the file", d.Pos, p.File, p.Line, p.Column)
				}
			}
			return strings.ReplaceAll(text, testFile, "FILE") + "\n"
		})
	})
}

// TestAccepted runs the files of testdata/accepted: what a configuration means,
// defaults included. Secrets are shown: they are the tests' own.
func TestAccepted(t *testing.T) {
	datadriven.Walk(t, "testdata/accepted", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			c, err := Parse(testFile, []byte(d.Input), lookupTestEnv)
			if err != nil {
				t.Fatalf("%s: got problems, want none:\n%v", d.Pos, err)
			}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
				if printed := fmt.Sprintf(verb, *c); strings.Contains(printed, canary) || strings.Contains(printed, hex.EncodeToString([]byte(canary))) {
					t.Errorf("%s: got a secret in %s of the configuration", d.Pos, verb)
				}
			}
			return describe(c)
		})
	})
}

func describe(c *Config) string {
	var out strings.Builder
	fmt.Fprintf(&out, "listen %s\nadmin %s\ndata %s\nreceipts %t\n", c.Listen, c.AdminListen, filepath.ToSlash(c.DataDir), c.ReadReceipts)
	if c.ErasureLedger != "" {
		fmt.Fprintf(&out, "erasure ledger %s\n", filepath.ToSlash(c.ErasureLedger))
	}
	if b := c.Backup; b != nil {
		fmt.Fprintf(&out, "backup %s every %s keep %d\n", filepath.ToSlash(b.Folder), b.Every, b.Keep)
	}
	if tr := c.Traces; tr != nil {
		fmt.Fprintf(&out, "traces %s sample=%g", tr.Endpoint, tr.Sample)
		for _, name := range slices.Sorted(maps.Keys(tr.Headers)) {
			fmt.Fprintf(&out, " %s=%s", name, tr.Headers[name].Reveal())
		}
		out.WriteString("\n")
	}
	for _, a := range c.Apps {
		fmt.Fprintf(&out, "app %s verify=%s secrets=", a.ID, a.VerifyToken.Reveal())
		for _, s := range a.AppSecrets {
			out.WriteString(s.Reveal() + ";")
		}
		fmt.Fprintf(&out, " graph=%s %s media=%q\n", a.GraphBaseURL, a.GraphVersion, a.MediaHosts)
	}
	for _, w := range c.Workspaces {
		fmt.Fprintf(&out, "workspace %s takeover=%t auto-resolve=%s write-first=%t outside-silence=%s retention=%s\n", w.ID,
			w.Policy.TakeoverFromActive, w.Policy.AutoResolveAfter, w.Policy.WriteFirst, w.Policy.OutsideSilence, w.Policy.Retention)
		describeBot(&out, &w)
		for _, ch := range w.Channels {
			fmt.Fprintf(&out, "  channel %s app=%s number=%s token=%s account=%s rate=%d stop=%q start=%q\n", ch.ID, ch.App, ch.PhoneNumberID,
				ch.AccessToken.Reveal(), ch.WABAID, ch.MessagesPerSecond, ch.StopKeywords, ch.StartKeywords)
		}
		for _, tk := range w.Tokens {
			fmt.Fprintf(&out, "  token %s %q %s %x\n", tk.ID, tk.Name, tk.Role, tk.SHA256[:4])
		}
	}
	return out.String()
}

func describeBot(out *strings.Builder, w *Workspace) {
	b := &w.Bot
	if f := b.Flow; f != nil {
		fmt.Fprintf(out, "  bot flow %s %q", filepath.ToSlash(f.Path), f.Text)
	}
	if c := b.Connect; c != nil {
		fmt.Fprintf(out, "  bot connect %s %s token=%s", c.URL, c.Protocol, c.Token.Reveal())
	}
	if h := b.Webhook; h != nil {
		fmt.Fprintf(out, "  bot webhook %s secret=%s", h.URL, h.Secret.Reveal())
	}
	if r := b.Rasa; r != nil {
		fmt.Fprintf(out, "  bot rasa %s token=%s on-returned=%q", r.URL, r.Token.Reveal(), r.OnReturned)
	}
	if c := b.Chatwoot; c != nil {
		fmt.Fprintf(out, "  bot chatwoot %s account=%d answer-within=%s", c.URL, c.Account, c.AnswerWithin)
	}
	if *b != (Bot{}) {
		fmt.Fprintf(out, " deadline=%s locale=%s unavailable=%q\n", b.Deadline, b.Locale, b.UnavailableMessage)
	}
}

func TestManyProblemsAreCutShort(t *testing.T) {
	text := "x:\n" + strings.Repeat("? [z]\n", MaxShownProblems+7)
	_, err := Parse("f.yaml", []byte(text), lookupTestEnv)
	if err == nil {
		t.Fatal("got no problems, want many")
	}
	lines := strings.Split(err.Error(), "\n")
	want := "f.yaml: and 9 problems more" // x, and no workspaces
	if len(lines) != MaxShownProblems+1 || lines[MaxShownProblems] != want {
		t.Errorf("got %d lines ending in %q, want %d ending in %q", len(lines), lines[len(lines)-1], MaxShownProblems+1, want)
	}
}

// FuzzParse: whatever is no configuration is refused with problems that have a
// place.
func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte("workspaces: &w [*w]\nlisten: *w"))
	f.Add([]byte("<<: {listen: x}\n? {a: b}\n: c"))
	f.Add([]byte("whatsapp_apps: [{verify_token: {value: *s3cr3t}}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("f.yaml", text, func(string) (string, bool) { return "x", true })
		var problems Problems
		switch {
		case err == nil && len(c.Workspaces) == 0:
			t.Error("got a configuration without a workspace")
		case err != nil && !errors.As(err, &problems):
			t.Errorf("got error %v, want problems", err)
		}
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 {
				t.Errorf("got a problem at %d:%d, want a place from 1:1", p.Line, p.Column)
			}
		}
	})
}

const minimal = `
whatsapp_apps:
  - {id: main, verify_token: {value: s3cr3t-v}, app_secrets: [{value: s3cr3t-a}]}
workspaces:
  - id: acme
    channels:
      - {id: acme-main, whatsapp: {app: main, phone_number_id: "106540352242922", access_token: {value: s3cr3t-t}}}
    tokens:
      - {id: asha, role: ROLE_AGENT, sha256: "0000000000000000000000000000000000000000000000000000000000000001"}
      - {id: ben, role: ROLE_ADMIN, sha256: "0000000000000000000000000000000000000000000000000000000000000002"}
`
