package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	// writePause is between two messages of customers, servePause between an agent's looks.
	writePause = 100 * time.Millisecond
	servePause = 500 * time.Millisecond
	// crowd is how many customers there are; every personShare-th message asks for a person.
	crowd       = 200
	personShare = 4
	maxMode     = 16
)

// bot speaks Rasa's REST dialect: it asks for a person where the customer does.
type bot struct {
	mode  atomic.Value // one of modes
	asked atomic.Uint64
}

// modes are what may be asked of it: one of so many turns fails, with 0 none.
var modes = map[string]uint64{"ok": 0, "fail": 1, "half": 2}

func (b *bot) fails() bool {
	share := modes[b.mode.Load().(string)]
	return share > 0 && b.asked.Add(1)%share == 0
}

func newBot() http.Handler {
	b := new(bot)
	b.mode.Store("ok")
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webhooks/rest/webhook", b.answer)
	mux.HandleFunc("POST /mode", b.setMode)
	return mux
}

func (b *bot) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswer))
	switch {
	case err != nil:
		http.Error(w, "not read", http.StatusBadRequest)
	case b.fails():
		http.Error(w, "as it was told", http.StatusInternalServerError)
	case strings.Contains(string(body), "person"):
		_, _ = io.WriteString(w, `[{"custom": {"intervene": {"request_agent": {"reason": "asked"}}}}]`)
	default:
		_, _ = io.WriteString(w, `[{"text": "We are open from 7 to 5."}]`)
	}
}

func (b *bot) setMode(w http.ResponseWriter, r *http.Request) {
	mode, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMode))
	if _, known := modes[string(mode)]; err != nil || !known {
		http.Error(w, "ok, half or fail", http.StatusBadRequest)
		return
	}
	b.mode.Store(string(mode))
}

// customers write until ctx ends.
func (s *site) customers(ctx context.Context) {
	again := time.NewTicker(writePause)
	defer again.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		text := "When are you open?"
		if n%personShare == 0 {
			text = "A person, please"
		}
		who := standin.Customer{PhoneNumberID: number, WAID: standin.Identity(fmt.Sprint(15550100 + n%crowd)), Name: "Nora"}
		// Once the stand-in is closed it takes nothing more.
		_, _ = s.graph.WriteText(ctx, who, text, time.Time{})
	}
}

func (s *site) agent(token string) intervenev1connect.LiveChatServiceClient {
	return intervenev1connect.NewLiveChatServiceClient(&http.Client{Transport: bearing(token)}, "http://"+s.ports.api)
}

type bearing string

func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// floor is an agent who serves whoever waits, until ctx ends. A refusal or an engine
// that is gone is a drill's daily bread: the next look tries again.
func (s *site) floor(ctx context.Context, token string) {
	agent := s.agent(token)
	again := time.NewTicker(servePause)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		page, err := agent.ListConversations(ctx, &intervenev1.ListConversationsRequest{Column: intervenev1.Column_COLUMN_REQUESTING, PageSize: 3})
		if err != nil {
			continue
		}
		for _, card := range page.GetCards() {
			_ = s.serveCard(ctx, agent, card.GetConversationId())
		}
	}
}

func (s *site) serveCard(ctx context.Context, agent intervenev1connect.LiveChatServiceClient, id string) error {
	if _, err := agent.Intervene(ctx, &intervenev1.InterveneRequest{ConversationId: id, CommandId: uuid.NewString()}); err != nil {
		return err
	}
	answer := &intervenev1.SendMessageRequest{
		ConversationId: id, CommandId: uuid.NewString(),
		Content: &intervenev1.SendMessageRequest_Text{Text: &intervenev1.Text{Body: "How can I help?"}},
	}
	if _, err := agent.SendMessage(ctx, answer); err != nil {
		return err
	}
	_, err := agent.Resolve(ctx, &intervenev1.ResolveRequest{ConversationId: id, CommandId: uuid.NewString()})
	return err
}

// watch holds a board open until ctx ends.
func (s *site) watch(ctx context.Context, token string) {
	agent := s.agent(token)
	again := time.NewTicker(servePause)
	defer again.Stop()
	for ctx.Err() == nil {
		if stream, err := agent.WatchBoard(ctx, &intervenev1.WatchBoardRequest{Window: 20}); err == nil {
			for stream.Receive() {
				continue // what a board shows is others' subject
			}
			_ = stream.Close()
		}
		select {
		case <-ctx.Done():
		case <-again.C:
		}
	}
}
