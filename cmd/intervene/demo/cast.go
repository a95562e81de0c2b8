package demo

import (
	"crypto/sha256"
	"fmt"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/token"
	"github.com/intervenehq/intervene/engine"
)

// member is somebody who calls the API: an agent, a supervisor or a bot.
type member struct {
	id    engine.AgentID
	name  string
	role  config.Role
	token string
}

// cast is everybody of the demo's one workspace.
type cast struct {
	agents     []member
	supervisor member
	bot        member // a bot that speaks through the API, beside the embedded one
	newcomer   member // whoever sits before the screen
}

var agentNames = []string{"Asha", "Ben", "Chika", "Dana", "Emil", "Fatou", "Goran", "Hana"}

// newCast gives everybody a token of their own.
func newCast() (cast, error) {
	var c cast
	var err error
	member := func(id, name string, role config.Role) member {
		t, problem := token.New()
		if problem != nil {
			err = fmt.Errorf("make a token: %w", problem)
		}
		return member{id: engine.AgentID(id), name: name, role: role, token: t.Text}
	}
	for _, name := range agentNames {
		c.agents = append(c.agents, member(idOf(name), name, config.RoleAgent))
	}
	c.supervisor = member("sora", "Sora", config.RoleSupervisor)
	c.bot = member("flow-bot", "Flow bot", config.RoleBot)
	c.newcomer = member("you", "You", config.RoleAgent)
	return c, err
}

func idOf(name string) string { return string(name[0]|0x20) + name[1:] }

// all are everybody, each once.
func (c *cast) all() []member {
	return append(append([]member{}, c.agents...), c.supervisor, c.bot, c.newcomer)
}

func (c *cast) tokens() []config.Token {
	var tokens []config.Token
	for _, m := range c.all() {
		tokens = append(tokens, config.Token{ID: m.id, Name: m.name, Role: m.role, SHA256: sha256.Sum256([]byte(m.token))})
	}
	return tokens
}
