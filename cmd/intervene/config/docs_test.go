package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocs holds docs/CONFIG.md to what is so: its examples are accepted, it
// tells every default, and no field is missing.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../../docs/CONFIG.md")
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(examples) != 2 {
		t.Fatalf("got %d examples, want 2", len(examples))
	}
	full, least := parsed(t, examples[0][1]), parsed(t, examples[1][1])

	fullWorkspace, leastWorkspace := full.Workspaces[0], least.Workspaces[0]
	if full.Listen != least.Listen || full.AdminListen != least.AdminListen || full.DataDir != least.DataDir || full.ReadReceipts != least.ReadReceipts || full.LogLevel != least.LogLevel || full.Drain != least.Drain || fullWorkspace.Policy != leastWorkspace.Policy {
		t.Errorf("got another meaning with the defaults written out than without:\n%s%s", describe(full), describe(least))
	}
	if app := full.Apps[0]; app.GraphBaseURL != DefaultGraphBaseURL || app.GraphVersion != DefaultGraphVersion {
		t.Errorf("got Graph API %s %s, want the defaults", app.GraphBaseURL, app.GraphVersion)
	}
	hours := strings.TrimSuffix(DefaultAutoResolveAfter.String(), "0m0s")
	for _, told := range []string{
		DefaultListen, DefaultAdminListen, DefaultDataDir, DefaultGraphBaseURL, DefaultGraphVersion, hours, idForm.String(),
		string(RoleAgent), string(RoleSupervisor), string(RoleBot), string(RoleAdmin),
		"listen", "admin_listen", "data_dir", "erasure_ledger", "tls", "cert", "key", "log_level", "drain.delay", "drain.limit", "backup", "folder", "every", "keep", "traces", "endpoint", "sample", "headers", "read_receipts", "allowed_origins", "whatsapp_apps", "workspaces", "id", "verify_token", "app_secrets", "graph_base_url", "graph_version",
		"channels", "whatsapp.app", "whatsapp.phone_number_id", "whatsapp.access_token", "bot", "flow", "connect.url", "connect.protocol", "connect.token", "webhook.url", "webhook.secret", "rasa.url", "rasa.token", "rasa.on_returned",
		"chatwoot.url", "chatwoot.account_id", "chatwoot.answer_within", "deadline", "locale", "unavailable_message",
		"handoff.takeover_from_active", "handoff.auto_resolve_after", "handoff.write_first", "handoff.outside_silence", "retention_days",
		"media_hosts", "whatsapp.waba_id", "whatsapp.messages_per_second", "whatsapp.stop_keywords", "whatsapp.start_keywords", "tokens", "name", "role", "sha256",
		"{env: NAME}", "{file: PATH}", `{value: "..."}`,
	} {
		if !strings.Contains(string(text), "`"+told+"`") {
			t.Errorf("got nothing about %s, want it told", told)
		}
	}
}
