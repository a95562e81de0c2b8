package chatwoot

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/intervenehq/intervene/engine"
)

const (
	// Prefix is where the endpoints begin.
	Prefix = "/api/v1/accounts/"

	messagesPath = "POST " + Prefix + "{account}/conversations/{conversation}/messages"
	statusPath   = "POST " + Prefix + "{account}/conversations/{conversation}/toggle_status"

	// maxRequestBytes bounds what a bot posts.
	maxRequestBytes = 256 << 10
	// requestTimeout is how long it may take with that, and with its answer.
	requestTimeout = 30 * time.Second
)

// Commands decides and makes durable; as a router of conversations does.
type Commands interface {
	Do(ctx context.Context, id engine.ConversationID, cmd engine.Command) (engine.Receipt, error)
}

// GatewayOptions are what a gateway works with; all are required.
type GatewayOptions struct {
	Commands Commands
	Board    Board
	// Bot tells which bot a token is, of which workspace.
	Bot func(token string) (engine.WorkspaceID, engine.Party, bool)
	Log *slog.Logger
}

// Gateway serves what bots written for Chatwoot call.
type Gateway struct {
	options GatewayOptions
	numbers *numbers
	bots    atomic.Pointer[map[engine.WorkspaceID]*Bot]
	mux     *http.ServeMux
}

// NewGateway makes one. Its bots are made with NewBot, and served from Serve on.
func NewGateway(o GatewayOptions) *Gateway {
	g := &Gateway{options: o, numbers: newNumbers(o.Board), mux: http.NewServeMux()}
	g.Serve()
	g.mux.HandleFunc(messagesPath, g.calling(g.createMessage))
	g.mux.HandleFunc(statusPath, g.calling(g.toggleStatus))
	g.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, notFoundText) })
	return g
}

// Serve takes calls of bots, and of no others from then on. One under way ends.
func (g *Gateway) Serve(bots ...*Bot) {
	served := make(map[engine.WorkspaceID]*Bot, len(bots))
	for _, b := range bots {
		served[b.options.Workspace] = b
	}
	g.bots.Store(&served)
}

func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.mux.ServeHTTP(w, r) }

// call is one of a bot that was let in.
type call struct {
	context context.Context
	bot     *Bot
	by      engine.Party
	told    *told
}

// What a bot is told when it is not served, as Chatwoot says it.
const (
	notFoundText     = "Resource could not be found"
	unauthorizedText = "Invalid Access Token"
)

// calling lets a bot in before anything of its request is read.
func (g *Gateway) calling(serve func(call, map[string]any) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		deadline := time.Now().Add(requestTimeout)
		controller := http.NewResponseController(w)
		if err := errors.Join(controller.SetReadDeadline(deadline), controller.SetWriteDeadline(deadline)); err != nil {
			refuse(w, http.StatusInternalServerError, "cannot bound the request's time")
			return
		}
		workspace, by, ok := g.options.Bot(r.Header.Get("api_access_token"))
		if !ok {
			refuse(w, http.StatusUnauthorized, unauthorizedText)
			return
		}
		c, err := g.call(r, workspace, by)
		if err != nil {
			g.answerError(w, err)
			return
		}
		ctx, cancel := context.WithDeadline(r.Context(), deadline)
		defer cancel()
		c.context = ctx
		body, err := read(w, r)
		if err != nil {
			g.answerError(w, err)
			return
		}
		answer, err := serve(c, body)
		if err != nil {
			g.answerError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, answer)
	}
}

var errNotFound = &engine.Error{Code: engine.CodeNotFound}

// call finds the conversation that r's path names.
func (g *Gateway) call(r *http.Request, workspace engine.WorkspaceID, by engine.Party) (call, error) {
	bot, ok := (*g.bots.Load())[workspace]
	account, err := strconv.ParseInt(r.PathValue("account"), 10, 64)
	if !ok || err != nil || account != bot.options.Account {
		return call{}, errNotFound
	}
	number, err := strconv.ParseInt(r.PathValue("conversation"), 10, 64)
	if err != nil {
		return call{}, errNotFound
	}
	t, err := g.numbers.find(key{workspace, number})
	if err != nil {
		return call{}, err
	}
	if t == nil {
		return call{}, errNotFound
	}
	return call{bot: bot, by: by, told: t}, nil
}

// read takes JSON or a form, as Chatwoot does.
func read(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	limited := http.MaxBytesReader(w, r.Body, maxRequestBytes)
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && (kind == "application/x-www-form-urlencoded" || kind == "multipart/form-data") {
		r.Body = limited
		if err := r.ParseMultipartForm(maxRequestBytes); /* #nosec G120 -- the body is limited above */ err != nil && !errors.Is(err, http.ErrNotMultipart) {
			return nil, invalid("body", "cannot be read as a form")
		}
		if r.MultipartForm != nil && len(r.MultipartForm.File) > 0 {
			return nil, invalid("attachments", "are not taken here")
		}
		body := make(map[string]any)
		for name := range r.PostForm {
			body[name] = r.PostForm.Get(name)
		}
		return body, nil
	}
	text, err := io.ReadAll(limited)
	if err != nil {
		return nil, invalid("body", "is too large, or broke off")
	}
	var body map[string]any
	if len(text) > 0 && json.Unmarshal(text, &body) != nil {
		return nil, invalid("body", "must be a JSON object")
	}
	return body, nil
}

func invalid(field, problem string) error {
	return &engine.Error{Code: engine.CodeInvalid, Field: field, Problem: problem}
}

// statuses are how refusals look; what is not here is nobody's fault there.
var statuses = map[engine.Code]int{
	engine.CodeInvalid: http.StatusUnprocessableEntity, engine.CodeNotFound: http.StatusNotFound, engine.CodeForbidden: http.StatusForbidden,
	engine.CodeBotFenced: http.StatusUnprocessableEntity, engine.CodeWindowClosed: http.StatusUnprocessableEntity,
	engine.CodeStaleEpoch: http.StatusUnprocessableEntity, engine.CodeBotMuted: http.StatusUnprocessableEntity,
	engine.CodeOptedOut: http.StatusUnprocessableEntity, engine.CodeOverloaded: http.StatusTooManyRequests,
	engine.CodeUnavailable: http.StatusServiceUnavailable, engine.CodeUnknownOutcome: http.StatusServiceUnavailable,
	engine.CodeFull: http.StatusServiceUnavailable, engine.CodeFenced: http.StatusServiceUnavailable, engine.CodeConflict: http.StatusServiceUnavailable,
}

func (g *Gateway) answerError(w http.ResponseWriter, err error) {
	refused, ok := errors.AsType[*engine.Error](err)
	status, known := 0, false
	if ok {
		status, known = statuses[refused.Code]
	}
	switch {
	case !known && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		refuse(w, http.StatusServiceUnavailable, "it took too long")
	case !known:
		g.options.Log.Error("bot's call failed", slog.Any("error", err))
		refuse(w, http.StatusInternalServerError, "something went wrong here")
	case refused.Code == engine.CodeNotFound:
		refuse(w, status, notFoundText)
	case refused.Code == engine.CodeInvalid:
		refuse(w, status, refused.Field+" "+refused.Problem)
	default:
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
		refuse(w, status, refused.Code.String())
	}
}

// refuse says why under both names that Chatwoot has for it.
func refuse(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, map[string]string{"error": text, "message": text})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // all of it is ours
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the caller went away: what it asked for is done
}
