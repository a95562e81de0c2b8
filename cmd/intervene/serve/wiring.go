package serve

import (
	"runtime/debug"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc"
	"github.com/intervenehq/intervene/rpc/whatsapp"
)

// What follows says in each part's own words what the configuration says.

func policiesOf(c *config.Config) map[engine.WorkspaceID]engine.Policy {
	policies := make(map[engine.WorkspaceID]engine.Policy, len(c.Workspaces))
	for _, w := range c.Workspaces {
		policy := w.Policy
		policy.BotUnavailable = w.Bot.UnavailableMessage
		policies[w.ID] = policy
	}
	return policies
}

func tokensOf(c *config.Config) []rpc.Token {
	var tokens []rpc.Token
	for _, w := range c.Workspaces {
		for _, t := range w.Tokens {
			role, err := rpc.ParseRole(string(t.Role))
			if err != nil {
				panic(err) // config checked it: the two lists of roles differ
			}
			tokens = append(tokens, rpc.Token{
				Hash:      t.SHA256,
				Principal: rpc.Principal{ID: t.ID, Name: t.Name, Workspace: w.ID, Role: role},
			})
		}
	}
	return tokens
}

func channelsOf(c *config.Config) whatsapp.Config {
	var edge whatsapp.Config
	for _, a := range c.Apps {
		app := whatsapp.App{
			ID: whatsapp.AppID(a.ID), VerifyToken: whatsapp.Secret(a.VerifyToken.Reveal()),
			GraphBaseURL: a.GraphBaseURL, GraphVersion: a.GraphVersion, MediaHosts: a.MediaHosts,
		}
		for _, s := range a.AppSecrets {
			app.AppSecrets = append(app.AppSecrets, whatsapp.Secret(s.Reveal()))
		}
		edge.Apps = append(edge.Apps, app)
	}
	for _, w := range c.Workspaces {
		for _, ch := range w.Channels {
			edge.Channels = append(edge.Channels, whatsapp.Channel{
				ID: ch.ID, Workspace: w.ID, App: whatsapp.AppID(ch.App),
				PhoneNumberID: whatsapp.PhoneNumberID(ch.PhoneNumberID),
				AccessToken:   whatsapp.Secret(ch.AccessToken.Reveal()),
				WABAID:        whatsapp.WABAID(ch.WABAID), MessagesPerSecond: ch.MessagesPerSecond,
				StopKeywords: ch.StopKeywords, StartKeywords: ch.StartKeywords,
			})
		}
	}
	return edge
}

// Version is what this binary was built from, as far as the build tells.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return info.Main.Version
}
