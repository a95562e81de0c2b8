package serve

import (
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc"
	"github.com/intervenehq/intervene/rpc/bot/chatwoot"
	"github.com/intervenehq/intervene/rpc/bot/flow"
	"github.com/intervenehq/intervene/rpc/bot/rasa"
)

// bots makes those of all workspaces, and has what carries their turns.
type bots struct {
	edge      *rpc.Server
	http, h2c *http.Client
	// gateway serves bots that were written for Chatwoot.
	gateway *chatwoot.Gateway
}

// crew are the bots of one configuration.
type crew struct {
	byWorkspace map[engine.WorkspaceID]actors.Bot
	deadlines   map[engine.WorkspaceID]time.Duration
	chatwoot    []*chatwoot.Bot
	made        map[engine.WorkspaceID]config.Bot // what each was made of
}

// protocols are what config calls them.
var protocols = map[string]rpc.BotProtocol{"connect": rpc.BotConnect, "grpc": rpc.BotGRPC, "grpcweb": rpc.BotGRPCWeb}

func newBots(e *Engine) *bots {
	return &bots{
		edge: e.edge, http: e.carrying(rpc.NewBotHTTP(false)), h2c: e.carrying(rpc.NewBotHTTP(true)),
		gateway: chatwoot.NewGateway(chatwoot.GatewayOptions{Commands: e.router, Board: e.journal, Bot: e.tokens.Bot, Log: e.log}),
	}
}

// crew makes the bots of c. Those of present whose configuration is the same stay.
func (b *bots) crew(c *config.Config, present *crew) (*crew, error) {
	next := &crew{
		byWorkspace: make(map[engine.WorkspaceID]actors.Bot), deadlines: make(map[engine.WorkspaceID]time.Duration),
		made: make(map[engine.WorkspaceID]config.Bot),
	}
	for i := range c.Workspaces {
		w := &c.Workspaces[i]
		bot, err := b.take(w, present)
		if err != nil {
			return nil, err
		}
		next.byWorkspace[w.ID], next.deadlines[w.ID], next.made[w.ID] = bot, w.Bot.Deadline, w.Bot
		if served, ok := bot.(*chatwoot.Bot); ok {
			next.chatwoot = append(next.chatwoot, served)
		}
	}
	return next, nil
}

func (b *bots) take(w *config.Workspace, present *crew) (actors.Bot, error) {
	if present != nil {
		if bot, ok := present.byWorkspace[w.ID]; ok && reflect.DeepEqual(present.made[w.ID], w.Bot) {
			return bot, nil
		}
	}
	bot, err := b.bot(w)
	if err != nil {
		return nil, botError(w, err)
	}
	return bot, nil
}

func botError(w *config.Workspace, err error) error {
	return fmt.Errorf("bot of workspace %s: %w", w.ID, err)
}

func (b *bots) bot(w *config.Workspace) (actors.Bot, error) {
	switch kind := &w.Bot; {
	case kind.Flow != nil:
		return flowOf(kind)
	case kind.Connect != nil:
		o := rpc.BotOptions{
			HTTP: b.http, URL: kind.Connect.URL, Locale: kind.Locale,
			Protocol: protocols[kind.Connect.Protocol], Token: kind.Connect.Token.Reveal(),
		}
		if o.Protocol == rpc.BotGRPC {
			o.HTTP = b.h2c
		}
		return b.edge.NewBot(o), nil
	case kind.Webhook != nil:
		signer, err := signerOf(kind.Webhook)
		return b.edge.NewWebhookBot(rpc.BotOptions{HTTP: b.http, URL: kind.Webhook.URL, Locale: kind.Locale, Signer: signer}), err
	case kind.Rasa != nil:
		return rasa.New(rasa.Options{
			HTTP: b.http, URL: kind.Rasa.URL, Token: kind.Rasa.Token.Reveal(), OnReturned: kind.Rasa.OnReturned, Locale: kind.Locale,
		}), nil
	case kind.Chatwoot != nil:
		return b.gateway.NewBot(chatwoot.Options{
			HTTP: b.http, URL: kind.Chatwoot.URL, Workspace: w.ID, Account: kind.Chatwoot.Account, AnswerWithin: kind.Chatwoot.AnswerWithin,
		}), nil
	default:
		return flow.Default().With(flow.Options{Locale: kind.Locale}), nil
	}
}

func flowOf(kind *config.Bot) (actors.Bot, error) {
	parsed, err := flow.Parse(kind.Flow.Path, kind.Flow.Text)
	if err != nil {
		return nil, err
	}
	return parsed.With(flow.Options{Locale: kind.Locale}), nil
}

// signerOf is nil where nothing is signed.
func signerOf(kind *config.BotWebhook) (*rpc.Signer, error) {
	if secret := kind.Secret.Reveal(); secret != "" {
		return rpc.NewSigner(secret)
	}
	return nil, nil
}

func (b *bots) close() {
	b.http.CloseIdleConnections()
	b.h2c.CloseIdleConnections()
}
