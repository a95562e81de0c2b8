package serve

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/rpc"
)

// ReloadPath is on the admin listener.
const ReloadPath = "/-/reload"

var (
	errNoSource = errors.New("the engine was started without a file to read")
	errDraining = errors.New("the engine stops")
)

// Check reports what the parts would refuse of a configuration, besides what config
// found. It starts nothing.
func Check(c *config.Config) error {
	if _, err := rpc.NewTokens(tokensOf(c)); err != nil {
		return err
	}
	if err := channelsOf(c).Validate(); err != nil {
		return err
	}
	var problems []error
	for i := range c.Workspaces {
		w := &c.Workspaces[i]
		var err error
		switch kind := &w.Bot; {
		case kind.Flow != nil:
			_, err = flowOf(kind)
		case kind.Webhook != nil:
			_, err = signerOf(kind.Webhook)
		}
		if err != nil {
			problems = append(problems, botError(w, err))
		}
	}
	return errors.Join(problems...)
}

// Reload reads the configuration anew and takes it, but for what waits for a restart.
// Connections, streams and commands go on. If anything of it is wrong, everything stays
// as it is.
func (e *Engine) Reload() (config.Reloaded, error) {
	e.reloading.Lock()
	defer e.reloading.Unlock()
	done := notifyReloading()
	defer done()
	reloaded, err := e.reload()
	e.configMetrics.reloaded(err)
	if err != nil {
		e.log.Error("reload refused, everything stays as it is", slog.Any("problems", problemsOf(err)))
		return config.Reloaded{}, err
	}
	e.log.Info("reloaded", slog.Any("changed", reloaded.Changed), slog.Any("waits_for_restart", reloaded.Waiting))
	e.warnOfExpiry()
	return reloaded, nil
}

func (e *Engine) reload() (config.Reloaded, error) {
	switch {
	case e.source == nil:
		return config.Reloaded{}, errNoSource
	case e.draining.Load():
		return config.Reloaded{}, errDraining
	}
	next, err := e.source()
	if err != nil {
		return config.Reloaded{}, err
	}
	reloaded := e.config.Load().Reload(next)
	serve, err := e.prepare(reloaded.InForce)
	if err != nil {
		return config.Reloaded{}, err
	}
	serve()
	return reloaded, nil
}

// prepare makes every part of c ready, and answers what puts them into force one after
// the other, which cannot fail. A new channel can be sent to before it is heard; who may
// call is last.
func (e *Engine) prepare(c *config.Config) (serve func(), err error) {
	channels := channelsOf(c)
	graph, err := e.graph.Reconfigure(channels)
	if err != nil {
		return nil, err
	}
	webhook, err := e.webhook.Reconfigure(channels)
	if err != nil {
		return nil, err
	}
	edge, err := e.edge.Reconfigure(settingsOf(c))
	if err != nil {
		return nil, err
	}
	tokens, err := e.tokens.Prepare(tokensOf(c))
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	crew, err := e.bots.crew(c, e.crew)
	if err != nil {
		return nil, err
	}
	return func() {
		e.router.SetPolicies(policiesOf(c))
		e.turns.SetBots(crew.byWorkspace, crew.deadlines)
		e.bots.gateway.Serve(crew.chatwoot...)
		graph()
		webhook()
		edge()
		tokens()
		e.crew = crew
		e.certificate.set(c.TLS)
		e.backups.follow(c.Backup)
		e.level.Set(c.LogLevel)
		e.config.Store(c)
	}, nil
}

// serveReload is Reload over HTTP: 422 with the problems if it was refused.
func (e *Engine) serveReload(w http.ResponseWriter, _ *http.Request) {
	reloaded, err := e.Reload()
	switch {
	case errors.Is(err, errNoSource), errors.Is(err, errDraining):
		e.answer(w, http.StatusConflict, refusal{problemsOf(err)})
	case err != nil:
		e.answer(w, http.StatusUnprocessableEntity, refusal{problemsOf(err)})
	default:
		e.answer(w, http.StatusOK, reloaded)
	}
}

// refusal is why something was not done.
type refusal struct {
	Problems []string `json:"problems"`
}

// problemsOf are those of an error, one by one.
func problemsOf(err error) []string { return strings.Split(err.Error(), "\n") }
