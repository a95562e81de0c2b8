package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// MaxBotAnswerBytes bounds what a bot answers to one turn, decompressed.
const MaxBotAnswerBytes = 1 << 20

// BotProtocol is what a bot speaks. The zero value is the Connect protocol.
type BotProtocol uint8

// A bot may speak whatever Connect does.
const (
	BotConnect BotProtocol = iota
	BotGRPC
	BotGRPCWeb
)

// BotOptions are what a bot on the network is asked with. HTTP and URL are required.
type BotOptions struct {
	// HTTP carries the turns. Redirects are not followed, whatever it says of them:
	// the customer's words go where the configuration says. For BotGRPC over plain
	// TCP it must speak HTTP/2 there.
	HTTP *http.Client
	// URL is the base of a BotService, or where turns are posted.
	URL string
	// Locale is the customers' language as far as the bot has not set another; BCP 47.
	Locale string

	// Protocol and Token, sent as bearer token unless it is empty, are of BotService.
	Protocol BotProtocol
	Token    string
	// Signer signs what is posted; nil: it is not signed.
	Signer *Signer
}

// Bot is a bot on the network. It may be used from many goroutines.
//
// Its errors tell how the bot failed and nothing that it said. A turn that failed
// before the bot can have answered is engine.CodeUnavailable: it may be asked again,
// for a turn's ID stays what it is.
type Bot struct {
	server *Server
	locale string
	rules  validation
	ask    func(context.Context, *intervenev1.TurnRequest) (*intervenev1.TurnResponse, error)
}

// NewBot is a bot that serves BotService.
func (s *Server) NewBot(o BotOptions) *Bot {
	options := []connect.ClientOption{connect.WithReadMaxBytes(MaxBotAnswerBytes), connect.WithSendCompression("")}
	switch o.Protocol {
	case BotGRPC:
		options = append(options, connect.WithGRPC())
	case BotGRPCWeb:
		options = append(options, connect.WithGRPCWeb())
	case BotConnect:
	}
	client := intervenev1connect.NewBotServiceClient(staying(o.HTTP), o.URL, options...)
	return s.newBot(o, func(ctx context.Context, r *intervenev1.TurnRequest) (*intervenev1.TurnResponse, error) {
		ctx, call := connect.NewClientContext(ctx)
		if o.Token != "" {
			call.RequestHeader().Set("Authorization", "Bearer "+o.Token)
		}
		response, err := client.Turn(ctx, r)
		if err != nil {
			return nil, callFailure(err)
		}
		return response, nil
	})
}

func (s *Server) newBot(
	o BotOptions, ask func(context.Context, *intervenev1.TurnRequest) (*intervenev1.TurnResponse, error),
) *Bot {
	return &Bot{server: s, locale: o.Locale, rules: s.rules, ask: ask}
}

// Turn asks the bot.
func (b *Bot) Turn(ctx context.Context, r engine.TurnRequest) (engine.TurnAnswer, error) {
	response, err := b.ask(ctx, turnOf(&r, b.locale))
	if err != nil {
		return engine.TurnAnswer{}, err
	}
	if err := b.rules.validator.Validate(response); err != nil {
		return engine.TurnAnswer{}, errors.New("bot broke a rule of the schema") // which one may quote what it said
	}
	if accepted := response.GetAccepted(); accepted != nil {
		return engine.TurnAnswer{Accepted: true, Within: accepted.GetWithin().AsDuration()}, nil
	}
	answer, err := b.server.botAnswer(ctx, r.ID.Conversation, func() (engine.ChannelID, error) { return r.Channel, nil }, response.GetActions())
	if err != nil {
		return engine.TurnAnswer{}, fmt.Errorf("bot's answer: %w", err)
	}
	answer.Repeatable = response.GetRepeatable()
	return answer, nil
}

// staying is client, which goes nowhere that a bot sends it.
func staying(client *http.Client) *http.Client {
	stays := *client
	stays.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &stays
}

// callFailure is err without what the bot said, and without the URL.
func callFailure(err error) error {
	code := connect.CodeOf(err)
	if code == connect.CodeUnavailable {
		return engine.Errorf(engine.CodeUnavailable, "bot is unavailable%s", dialFailure(err))
	}
	return fmt.Errorf("bot answered %s%s", code, dialFailure(err))
}

// dialFailure tells what the network said, if it was the network.
func dialFailure(err error) string {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return ": " + e.Error()
	}
	return ""
}

// NewBotHTTP is a client for bots: bounded in what it keeps, and patient only as
// long as a turn's deadline. h2c says that it speaks HTTP/2 without TLS, and nothing
// else.
func NewBotHTTP(h2c bool) *http.Client {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: botDialTimeout, KeepAlive: botKeepAlive}).DialContext,
		TLSHandshakeTimeout:    botDialTimeout,
		MaxIdleConnsPerHost:    maxIdleBotConns,
		IdleConnTimeout:        idleTimeout,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
	if h2c {
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetHTTP2(true)
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	return &http.Client{Transport: transport}
}

const (
	botDialTimeout  = 3 * time.Second
	botKeepAlive    = 15 * time.Second
	maxIdleBotConns = 64
)
