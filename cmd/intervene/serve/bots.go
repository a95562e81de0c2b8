package serve

import (
	"fmt"
	"net/http"
	"time"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc"
	"github.com/intervenehq/intervene/rpc/bot/chatwoot"
	"github.com/intervenehq/intervene/rpc/bot/flow"
	"github.com/intervenehq/intervene/rpc/bot/rasa"
)

// bots are those of all workspaces, with what carries their turns.
type bots struct {
	byWorkspace map[engine.WorkspaceID]actors.Bot
	deadlines   map[engine.WorkspaceID]time.Duration
	http, h2c   *http.Client
	// chatwoot serves bots that were written for it; nil: there are none.
	chatwoot *chatwoot.Gateway
}

// protocols are what config calls them.
var protocols = map[string]rpc.BotProtocol{"connect": rpc.BotConnect, "grpc": rpc.BotGRPC, "grpcweb": rpc.BotGRPCWeb}

func (e *Engine) botsOf(c *config.Config) (bots, error) {
	b := bots{
		byWorkspace: make(map[engine.WorkspaceID]actors.Bot), deadlines: make(map[engine.WorkspaceID]time.Duration),
		http: e.carrying(rpc.NewBotHTTP(false)), h2c: e.carrying(rpc.NewBotHTTP(true)),
	}
	for i := range c.Workspaces {
		w := &c.Workspaces[i]
		made, err := e.bot(&b, w)
		if err != nil {
			return b, fmt.Errorf("bot of workspace %s: %w", w.ID, err)
		}
		b.byWorkspace[w.ID], b.deadlines[w.ID] = made, w.Bot.Deadline
	}
	return b, nil
}

func (e *Engine) bot(b *bots, w *config.Workspace) (actors.Bot, error) {
	switch kind := &w.Bot; {
	case kind.Flow != nil:
		parsed, err := flow.Parse(kind.Flow.Path, kind.Flow.Text)
		if err != nil {
			return nil, err
		}
		return parsed.With(flow.Options{Locale: kind.Locale}), nil
	case kind.Connect != nil:
		o := rpc.BotOptions{
			HTTP: b.http, URL: kind.Connect.URL, Locale: kind.Locale,
			Protocol: protocols[kind.Connect.Protocol], Token: kind.Connect.Token.Reveal(),
		}
		if o.Protocol == rpc.BotGRPC {
			o.HTTP = b.h2c
		}
		return e.edge.NewBot(o), nil
	case kind.Webhook != nil:
		o := rpc.BotOptions{HTTP: b.http, URL: kind.Webhook.URL, Locale: kind.Locale}
		var err error
		if secret := kind.Webhook.Secret.Reveal(); secret != "" {
			o.Signer, err = rpc.NewSigner(secret)
		}
		return e.edge.NewWebhookBot(o), err
	case kind.Rasa != nil:
		return rasa.New(rasa.Options{
			HTTP: b.http, URL: kind.Rasa.URL, Token: kind.Rasa.Token.Reveal(), OnReturned: kind.Rasa.OnReturned, Locale: kind.Locale,
		}), nil
	case kind.Chatwoot != nil:
		if b.chatwoot == nil {
			b.chatwoot = chatwoot.NewGateway(chatwoot.GatewayOptions{
				Commands: e.router, Board: e.journal, Bot: e.tokens.Bot, Log: e.log,
			})
		}
		return b.chatwoot.NewBot(chatwoot.Options{
			HTTP: b.http, URL: kind.Chatwoot.URL, Workspace: w.ID, Account: kind.Chatwoot.Account, AnswerWithin: kind.Chatwoot.AnswerWithin,
		}), nil
	default:
		return flow.Default().With(flow.Options{Locale: kind.Locale}), nil
	}
}

func (b *bots) close() {
	if b.http != nil {
		b.http.CloseIdleConnections()
		b.h2c.CloseIdleConnections()
	}
}
