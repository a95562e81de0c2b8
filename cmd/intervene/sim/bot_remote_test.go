package sim

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"

	"connectrpc.com/connect"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// botKind is how the engine reaches the bot of a workspace.
type botKind uint8

const (
	botInside botKind = iota // in its own process, as flows are
	botPosted                // at a URL, where signed turns are posted
	botCalled                // by the Connect protocol
	botKinds
)

func (k botKind) String() string { return [botKinds]string{"inside", "posted", "called"}[k] }

const (
	botURL        = "http://bot.test"
	botPath       = "/turns"
	botLocale     = "de"
	signingSecret = "whsec_YSBzaWduaW5nIHNlY3JldCBvZiB0aGUgc2ltdWxhdGlvbg=="
)

// bot is the bot of workspace, as this life of the engine asks it.
func (w *world) bot(workspace engine.WorkspaceID) (actors.Bot, error) {
	moody := &moodyBot{world: w, workspace: workspace}
	kind := w.sim.plan.bots[workspace]
	if kind == botInside {
		moody.submission = moody.command
		return moody, nil
	}
	b := &remoteBot{moodyBot: moody, kind: kind, turns: make(map[engine.MessageID]*carriedTurn)}
	moody.submission = b.call
	options := rpc.BotOptions{HTTP: &http.Client{Transport: botWire{w, b.handler()}}, URL: botURL, Locale: botLocale, Token: botToken(workspace)}
	if kind == botCalled {
		b.port = w.edge.NewBot(options)
		return b, nil
	}
	var err error
	options.URL += botPath
	if options.Signer, err = rpc.NewSigner(signingSecret); err != nil {
		return nil, err
	}
	b.port = w.edge.NewWebhookBot(options)
	return b, nil
}

// botToken is what the bot of workspace calls the engine with, and is called with.
func botToken(workspace engine.WorkspaceID) string { return string(workspace) + "-bot" }

// remoteBot is a bot of another process: it reads what comes over the wire, and
// writes what it answers there. What came is held against what was sent, both ways.
type remoteBot struct {
	*moodyBot
	kind botKind
	port actors.Bot // the engine's end of the wire

	mu    sync.Mutex
	turns map[engine.MessageID]*carriedTurn
}

// carriedTurn is one turn on its way.
type carriedTurn struct {
	asked  engine.TurnRequest
	answer engine.TurnAnswer
}

// Turn sends one over the wire.
func (b *remoteBot) Turn(ctx context.Context, r engine.TurnRequest) (engine.TurnAnswer, error) {
	turn := &carriedTurn{asked: r}
	b.mu.Lock()
	b.turns[r.ID] = turn
	b.mu.Unlock()
	answer, err := b.port.Turn(ctx, r)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil && !sameAnswer(answer, turn.answer) {
		b.violate("bots: turn %s was answered %+v, and the engine heard %+v", r.ID, turn.answer, answer)
	}
	return answer, err
}

func (b *remoteBot) violate(format string, args ...any) {
	b.world.alive(func() { b.world.sim.ledger.violate(format, args...) })
}

func sameAnswer(heard, said engine.TurnAnswer) bool {
	said.Variables = byName(said.Variables)
	if len(said.Say) == 0 {
		said.Say = nil
	}
	return reflect.DeepEqual(heard, said)
}

// byName are variables as they are on the wire, where they have no order.
func byName(variables []engine.Variable) []engine.Variable {
	sorted := slices.Clone(variables)
	slices.SortFunc(sorted, func(a, b engine.Variable) int { return cmp.Compare(a.Name, b.Name) })
	return sorted
}

// handler is the bot's own end of the wire.
func (b *remoteBot) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(intervenev1connect.NewBotServiceHandler(calledBot{b}))
	mux.HandleFunc("POST "+botPath, b.posted)
	return mux
}

// calledBot speaks Connect.
type calledBot struct{ *remoteBot }

// Turn implements BotService.
func (b calledBot) Turn(ctx context.Context, r *intervenev1.TurnRequest) (*intervenev1.TurnResponse, error) {
	call, _ := connect.CallInfoForHandlerContext(ctx)
	if got := call.RequestHeader().Get("Authorization"); got != "Bearer "+botToken(b.workspace) {
		b.violate("bots: the bot of %s is called with a token that is not its own", b.workspace)
	}
	return b.take(ctx, r)
}

// posted takes a signed turn.
func (b *remoteBot) posted(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	webhook, err := standardwebhooks.NewWebhook(signingSecret)
	if err != nil {
		panic(err) // a secret of ours
	}
	if err := webhook.Verify(body, request.Header); err != nil {
		b.violate("bots: a turn's signature is wrong: %v", err)
	}
	r := new(intervenev1.TurnRequest)
	if err := protojson.Unmarshal(body, r); err != nil {
		b.violate("bots: a turn's JSON cannot be read")
	}
	if got := request.Header.Get(standardwebhooks.HeaderWebhookID); got != r.GetTurnId() {
		b.violate("bots: turn %s is signed as %s", r.GetTurnId(), got)
	}
	answer, err := b.take(request.Context(), r)
	switch {
	case connect.CodeOf(err) == connect.CodeUnavailable:
		w.WriteHeader(http.StatusServiceUnavailable)
	case err != nil:
		w.WriteHeader(http.StatusInternalServerError)
	case answer.GetAccepted() != nil:
		b.write(w, http.StatusAccepted, answer)
	case len(answer.GetActions()) == 0 && !answer.GetRepeatable():
		w.WriteHeader(http.StatusNoContent)
	default:
		b.write(w, http.StatusOK, answer)
	}
}

func (b *remoteBot) write(w http.ResponseWriter, status int, answer *intervenev1.TurnResponse) {
	body, err := protojson.Marshal(answer)
	if err != nil {
		panic(err) // text of ours
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // to memory
}

// take is what the bot does with a turn, however it came.
func (b *remoteBot) take(ctx context.Context, wire *intervenev1.TurnRequest) (*intervenev1.TurnResponse, error) {
	id, err := engine.ParseMessageID(wire.GetTurnId())
	b.mu.Lock()
	turn := b.turns[id]
	b.mu.Unlock()
	if err != nil || turn == nil {
		b.violate("bots: the bot of %s is asked for %q, which nobody asks for", b.workspace, wire.GetTurnId())
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	if wrong := misheard(&turn.asked, wire); wrong != "" {
		b.violate("bots: turn %s comes with another %s than was sent", id, wrong)
	}
	answer, err := b.moodyBot.Turn(ctx, turn.asked)
	switch {
	case errors.Is(err, errReset):
		panic(http.ErrAbortHandler)
	case engine.CodeOf(err) == engine.CodeUnavailable:
		return nil, connect.NewError(connect.CodeUnavailable, err)
	case err != nil:
		return nil, connect.NewError(connect.CodeInternal, err)
	}
	b.mu.Lock()
	turn.answer = answer
	b.mu.Unlock()
	b.world.sim.sees("bot: answered %s", b.kind)
	if answer.Accepted {
		return &intervenev1.TurnResponse{Accepted: &intervenev1.Accepted{Within: durationpb.New(answer.Within)}}, nil
	}
	return &intervenev1.TurnResponse{Actions: actionsOf(&answer), Repeatable: answer.Repeatable}, nil
}

// misheard names what of a turn came otherwise than it was sent; empty: nothing.
func misheard(r *engine.TurnRequest, wire *intervenev1.TurnRequest) string {
	locale := botLocale
	variables := make(map[string]string, len(r.Variables))
	for _, v := range r.Variables {
		variables[v.Name] = v.Value
		if v.Name == "locale" {
			locale = v.Value
		}
	}
	switch {
	case wire.GetConversationId() != r.ID.Conversation.String():
		return "conversation"
	case wire.GetEpoch() != r.Epoch || wire.GetThroughVersion() != r.Through:
		return "epoch or version"
	case wire.GetColumn().String() != "COLUMN_"+strings.ToUpper(r.Column.String()):
		return "column"
	case wire.GetWorkspaceId() != string(r.Workspace) || wire.GetChannelId() != string(r.Channel):
		return "workspace or channel"
	case wire.GetContact().GetName() != r.Contact.Name:
		return "contact"
	case len(wire.GetVariables()) != len(variables) || len(variables) > 0 && !reflect.DeepEqual(wire.GetVariables(), variables):
		return "variables"
	case wire.GetLocale() != locale:
		return "locale"
	case r.WindowEnd != 0 && engine.InstantOf(wire.GetWindowExpiresAt().AsTime()) != r.WindowEnd:
		return "window"
	case !sameEvents(r, wire.GetEvents()):
		return "list of what happened"
	}
	return ""
}

func sameEvents(r *engine.TurnRequest, events []*intervenev1.BotEvent) bool {
	if r.Returned {
		if len(events) == 0 || events[0].GetReturned() == nil {
			return false
		}
		transcript := events[0].GetReturned().GetTranscript()
		if !slices.EqualFunc(r.Transcript, transcript, sameMessage) {
			return false
		}
		events = events[1:]
	}
	return slices.EqualFunc(r.Messages, events, func(m engine.TurnMessage, e *intervenev1.BotEvent) bool {
		return e.GetMessage() != nil && sameMessage(m, e.GetMessage())
	})
}

func sameMessage(m engine.TurnMessage, wire *intervenev1.BotMessage) bool {
	return m.Version == wire.GetVersion() && m.At == engine.InstantOf(wire.GetAt().AsTime()) &&
		wire.GetAuthor().String() == "PARTY_KIND_"+strings.ToUpper(m.By.Kind.String()) &&
		(m.Content.Kind != engine.ContentText || m.Content.Text == wire.GetContent().GetText().GetBody())
}

// actionsOf is a in the wire's words.
func actionsOf(a *engine.TurnAnswer) []*intervenev1.BotAction {
	var actions []*intervenev1.BotAction
	for _, content := range a.Say {
		actions = append(actions, &intervenev1.BotAction{Kind: &intervenev1.BotAction_Say{Say: &intervenev1.Say{Content: spoken(content)}}})
	}
	if a.Variables != nil {
		set := make(map[string]string)
		for _, v := range a.Variables {
			set[v.Name] = v.Value
		}
		actions = append(actions, &intervenev1.BotAction{Kind: &intervenev1.BotAction_SetVariables{SetVariables: &intervenev1.SetVariables{Variables: set}}})
	}
	if a.Withdraw {
		actions = append(actions, &intervenev1.BotAction{Kind: &intervenev1.BotAction_Withdraw{Withdraw: &intervenev1.Withdrawal{}}})
	}
	if a.Request {
		actions = append(actions, &intervenev1.BotAction{
			Kind: &intervenev1.BotAction_RequestAgent{RequestAgent: &intervenev1.AgentRequest{Reason: a.Reason, Summary: a.Summary}},
		})
	}
	return actions
}

// spoken is what flows say, in the wire's words.
func spoken(c engine.Content) *intervenev1.Content {
	switch c.Kind {
	case engine.ContentText:
		return &intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: c.Text, LinkPreview: c.LinkPreview}}}
	case engine.ContentButtons:
		buttons := &intervenev1.Buttons{Header: headerOf(c.Menu), Body: c.Text, Footer: c.Menu.Footer}
		for _, b := range c.Menu.Buttons {
			buttons.Buttons = append(buttons.Buttons, &intervenev1.Button{Id: b.ID, Title: b.Title})
		}
		return &intervenev1.Content{Kind: &intervenev1.Content_Buttons{Buttons: buttons}}
	case engine.ContentList:
		list := &intervenev1.List{Header: headerOf(c.Menu), Body: c.Text, Footer: c.Menu.Footer, Label: c.Menu.Label}
		for _, s := range c.Menu.Sections {
			section := &intervenev1.ListSection{Title: s.Title}
			for _, r := range s.Rows {
				section.Rows = append(section.Rows, &intervenev1.ListRow{Id: r.ID, Title: r.Title, Description: r.Description})
			}
			list.Sections = append(list.Sections, section)
		}
		return &intervenev1.Content{Kind: &intervenev1.Content_List{List: list}}
	}
	panic("no flow of the simulation says " + c.Kind.String())
}

func headerOf(m *engine.Menu) *intervenev1.MenuHeader {
	if m.Header == nil {
		return nil
	}
	return &intervenev1.MenuHeader{Kind: &intervenev1.MenuHeader_Text{Text: m.Header.Text}}
}

// botWire carries one life's turns to a bot.
type botWire struct {
	world *world
	bot   http.Handler
}

func (b botWire) RoundTrip(request *http.Request) (*http.Response, error) {
	s := b.world.sim
	if s.chance("bot refuses", s.plan.wire.refused) {
		return nil, errRefused
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	response, err := b.world.reach(b.bot, request, body)
	if err != nil {
		return nil, err
	}
	if !b.world.alive(func() {}) || s.chance("bot's answer", s.plan.wire.lost) {
		s.sees("bot: answer lost")
		return nil, errReset
	}
	return response, nil
}
