package whatsapp

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const (
	testSecret = "app-secret"
	nextSecret = "next-app-secret"
	testVerify = "verify-me"
	testToken  = "access-token"
)

// testConfig has two apps; 1001 and 1002 are channels of main, 2001 is other's.
func testConfig() Config {
	return Config{
		Apps: []App{
			{ID: "main", VerifyToken: testVerify, AppSecrets: []Secret{testSecret, nextSecret}},
			{ID: "other", VerifyToken: "other-verify", AppSecrets: []Secret{"other-secret"}},
		},
		Channels: []Channel{
			{ID: "acme-main", Workspace: "acme", App: "main", PhoneNumberID: "1001", AccessToken: testToken},
			{ID: "acme-second", Workspace: "acme", App: "main", PhoneNumberID: "1002", AccessToken: testToken},
			{ID: "zeta-main", Workspace: "zeta", App: "other", PhoneNumberID: "2001", AccessToken: testToken},
		},
	}
}

func TestConfigValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   string // in the error; empty: valid
	}{
		{"as it is", func(*Config) {}, ""},
		{"nothing at all", func(c *Config) { *c = Config{} }, ""},
		{"plain loopback", func(c *Config) { c.Apps[0].GraphBaseURL = "http://127.0.0.1:9/graph" }, ""},
		{"app twice", func(c *Config) { c.Apps[1].ID = "main" }, `app "main" is there twice`},
		{"app without id", func(c *Config) { c.Apps[1].ID = "" }, "id must be"},
		{"app id with a slash", func(c *Config) { c.Apps[0].ID = "a/b" }, "id must be"},
		{"no verify token", func(c *Config) { c.Apps[0].VerifyToken = "" }, "verify_token"},
		{"no secrets", func(c *Config) { c.Apps[0].AppSecrets = nil }, "app_secrets has 0, want 1 to 4"},
		{"five secrets", func(c *Config) { c.Apps[0].AppSecrets = []Secret{"a", "b", "c", "d", "e"} }, "app_secrets has 5, want 1 to 4"},
		{"empty secret", func(c *Config) { c.Apps[0].AppSecrets = []Secret{""} }, "empty strings"},
		{"base URL of another scheme", func(c *Config) { c.Apps[0].GraphBaseURL = "ftp://host" }, "graph_base_url"},
		{"base URL without host", func(c *Config) { c.Apps[0].GraphBaseURL = "https:///v1" }, "graph_base_url"},
		{"base URL that is none", func(c *Config) { c.Apps[0].GraphBaseURL = "http://[::1" }, "graph_base_url"},
		{"base URL with a password", func(c *Config) { c.Apps[0].GraphBaseURL = "https://a:b@host" }, "no user"},
		{"version with a slash", func(c *Config) { c.Apps[0].GraphVersion = "../v1" }, "graph_version"},
		{"channel twice", func(c *Config) { c.Channels[1].ID = "acme-main" }, `channel "acme-main" is there twice`},
		{"number twice", func(c *Config) { c.Channels[2].PhoneNumberID = "1001" }, "another channel's"},
		{"channel of no app", func(c *Config) { c.Channels[0].App = "none" }, `app "none" is not configured`},
		{"channel without workspace", func(c *Config) { c.Channels[0].Workspace = "" }, "must not be empty"},
		{"number with a slash", func(c *Config) { c.Channels[0].PhoneNumberID = "1/2" }, "phone_number_id"},
		{"no access token", func(c *Config) { c.Channels[0].AccessToken = "" }, "access_token"},
		{"access token of two lines", func(c *Config) { c.Channels[0].AccessToken = "a\r\nb" }, "access_token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := testConfig()
			tt.change(&config)
			err := config.Validate()
			if tt.want == "" && err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Fatalf("got error %v, want one that says %q", err, tt.want)
			}
			if _, webhookErr := NewWebhook(config, nil, nil, NewMetrics(nil)); (webhookErr == nil) != (err == nil) {
				t.Errorf("NewWebhook: got error %v, want as Validate: %v", webhookErr, err)
			}
			if _, graphErr := NewGraph(config, nil, NewMetrics(nil)); (graphErr == nil) != (err == nil) {
				t.Errorf("NewGraph: got error %v, want as Validate: %v", graphErr, err)
			}
		})
	}
}

func TestSecretsStayHidden(t *testing.T) {
	config := testConfig()
	marshalled, err := json.Marshal(config)
	if err != nil {
		t.Fatalf("marshal: got error %v, want none", err)
	}
	for name, text := range map[string]string{
		"%v": fmt.Sprintf("%v", config), "%+v": fmt.Sprintf("%+v", config), "%#v": fmt.Sprintf("%#v", config),
		"%q": fmt.Sprintf("%q %q", config.Apps, config.Channels[0].AccessToken), "%x": fmt.Sprintf("%x", config.Apps[0].VerifyToken), "JSON": string(marshalled),
	} {
		for _, secret := range []string{testSecret, testVerify, testToken, fmt.Sprintf("%x", testVerify)} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: got a secret in %s, want none", name, text)
			}
		}
	}
}
