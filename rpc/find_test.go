package rpc

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// contact makes a conversation of ws with somebody.
func (m *memory) contact(ws engine.WorkspaceID, channel engine.ChannelID, c engine.Contact) engine.ConversationID {
	m.mu.Lock()
	m.made++
	id := engine.NewConversationID(1, [14]byte{m.made, 0xee})
	m.conversations[id] = &engine.Conversation{ID: id}
	m.mu.Unlock()
	m.must(id, engine.Command{
		Workspace: ws, By: engine.Party{Kind: engine.Customer},
		Body: engine.Receive{
			Channel: channel, Contact: c, External: id.String(), SentAt: engine.InstantOf(time.Now()),
			Content: engine.Content{Kind: engine.ContentText, Text: "hello"},
		},
	})
	return id
}

// findAll pages until there is no more, and tells what was found on each page.
func findAll(t *testing.T, client intervenev1connect.LiveChatServiceClient, request *intervenev1.FindConversationsRequest) (pages [][]string, scanned uint32) {
	t.Helper()
	for {
		page, err := client.FindConversations(t.Context(), request)
		if err != nil {
			t.Fatalf("FindConversations: %v", err)
		}
		ids := []string{}
		for _, card := range page.GetCards() {
			ids = append(ids, card.GetConversationId())
		}
		pages, scanned = append(pages, ids), scanned+page.GetScanned()
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			return pages, scanned
		}
		if len(pages) > 100 {
			t.Fatalf("got %d pages, want an end", len(pages))
		}
	}
}

// TestFindConversations: those who wait come first, an erased contact never, and
// another workspace's never.
func TestFindConversations(t *testing.T) {
	e := newEdge(t)
	nia := func(name, number string) engine.Contact { return engine.Contact{Name: name, WaID: number} }
	active := e.contact("acme", "main", nia("Nia Active", "15550101"))
	requesting := e.contact("acme", "main", nia("Nía Requesting", "15550102"))
	held := e.contact("acme", "main", nia("NIA Held", "15550103"))
	erased := e.contact("acme", "main", nia("Nia Erased", "15550104"))
	e.contact("acme", "main", nia("Ben", "15550105"))
	foreign := e.contact("other", "others", nia("Nia Foreign", "15550106"))
	e.move("acme", requesting, engine.RequestAgent{})
	e.move("acme", held, engine.RequestAgent{}, engine.Intervene{}, engine.SetTags{Tags: []string{"VIP"}})
	e.move("acme", erased, engine.Erase{})

	tests := []struct {
		name, token, query string
		want               []engine.ConversationID
	}{
		{"by name", ashaToken, "nia", []engine.ConversationID{requesting, held, active}},
		{"by part of a number", ashaToken, "5501", nil}, // filled in below
		{"by whole number", ashaToken, "+1 555-0103", []engine.ConversationID{held}},
		{"by tag", ashaToken, "vi", []engine.ConversationID{held}},
		{"erased, by name", ashaToken, "erased", nil},
		{"erased, by number", ashaToken, "15550104", nil},
		{"another workspace's, by number", ashaToken, "15550106", nil},
		{"another workspace's own", oliToken, "15550106", []engine.ConversationID{foreign}},
		{"from another workspace", oliToken, "15550103", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pages, scanned := findAll(t, e.client(tt.token), &intervenev1.FindConversationsRequest{Query: tt.query})
			if tt.name == "by part of a number" {
				if len(pages) != 1 || len(pages[0]) != 4 {
					t.Errorf("got %v, want the four of this workspace", pages)
				}
				return
			}
			want := []string{}
			for _, id := range tt.want {
				want = append(want, id.String())
			}
			if diff := cmp.Diff([][]string{want}, pages); diff != "" {
				t.Errorf("got a difference (-want +got):\n%s", diff)
			}
			if stand := map[string]uint32{ashaToken: 4, oliToken: 1}[tt.token]; scanned != stand {
				t.Errorf("got %d looked at, want %d", scanned, stand)
			}
		})
	}
}

// TestFindPages: pages hold each once, whatever their size, and whoever has the
// number comes first.
func TestFindPages(t *testing.T) {
	e := newEdge(t)
	all := make(map[string]bool)
	for n := range 7 {
		id := e.contact("acme", "main", engine.Contact{Name: "Nia", WaID: fmt.Sprintf("1555010%d0", n)})
		if n%2 == 0 {
			e.move("acme", id, engine.RequestAgent{})
		}
		all[id.String()] = true
	}
	exact := e.contact("acme", "main", engine.Contact{Name: "Nia", WaID: "1555010"})
	all[exact.String()] = true
	for size := range 10 {
		want := maps.Clone(all)
		pages, scanned := findAll(t, e.client(ashaToken), &intervenev1.FindConversationsRequest{Query: "1555010", PageSize: int32(size)})
		if pages[0][0] != exact.String() {
			t.Errorf("pages of %d: got %v first, want who has the number", size, pages[0][0])
		}
		for _, page := range pages {
			if size > 0 && len(page) > size {
				t.Errorf("pages of %d: got one of %d", size, len(page))
			}
			for _, id := range page {
				if !want[id] {
					t.Errorf("pages of %d: got %s, want each once", size, id)
				}
				delete(want, id)
			}
		}
		if len(want) != 0 || scanned != 8 {
			t.Errorf("pages of %d: got %d missing and %d looked at, want 0 and 8", size, len(want), scanned)
		}
	}
}

// longHistory is a history that does not end.
type longHistory struct {
	*memory
	// slow is how long each page takes.
	slow time.Duration
}

func (m longHistory) BoardPage(_ engine.WorkspaceID, column engine.Column, after engine.BoardRow, limit int) ([]engine.BoardRow, error) {
	time.Sleep(m.slow)
	if column != engine.History {
		return nil, nil
	}
	rows := make([]engine.BoardRow, limit)
	for i := range rows {
		rows[i].Conversation = engine.NewConversationID(1, [14]byte{0xff})
		rows[i].Index.Order = after.Index.Order + engine.Instant(i) + 1
	}
	return rows, nil
}

func (m longHistory) Card(id engine.ConversationID) (engine.Card, error) {
	return engine.Card{Conversation: id, Workspace: "acme", Column: engine.History, Contact: engine.Contact{Name: "Ben"}}, nil
}

// TestFindIsBounded: a page gives up after so many conversations or so long, and
// the next one goes on from there.
func TestFindIsBounded(t *testing.T) {
	for name, tt := range map[string]struct {
		slow time.Duration
		want uint32
	}{
		"in number": {0, maxFindScanned},
		"in time":   {maxFindTime/2 + time.Millisecond, 2 * findStep},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEdge(t, func(o *Options) { o.Conversations = longHistory{o.Conversations.(*memory), tt.slow} })
				asha := e.client(ashaToken)
				request := &intervenev1.FindConversationsRequest{Query: "nia"}
				var last string
				for range 2 {
					page, err := asha.FindConversations(t.Context(), request)
					if err != nil {
						t.Fatalf("FindConversations: %v", err)
					}
					// The columns before it are empty, and take their time.
					if page.GetScanned() > tt.want || page.GetNextPageToken() == "" || page.GetNextPageToken() == last {
						t.Errorf("got %d looked at, token %q, want at most %d and a new place", page.GetScanned(), page.GetNextPageToken(), tt.want)
					}
					request.PageToken, last = page.GetNextPageToken(), page.GetNextPageToken()
				}
				place, ok := e.server.cursors.findPlace(last, "acme", "nia")
				if !ok || place.column != engine.History || place.after.Index.Order == 0 {
					t.Errorf("got place %v, %t, want one in the history", place, ok)
				}
			})
		})
	}
}

// TestFindsAtOnce: few look at once; who finds no place in time is told to come
// back, and who goes away leaves the queue.
func TestFindsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := make(findLimiter, 1)
		if err := limiter.acquire(t.Context()); err != nil {
			t.Fatalf("acquire: %v", err)
		}
		if err := limiter.acquire(t.Context()); engine.CodeOf(err) != engine.CodeOverloaded {
			t.Errorf("got error %v, want overloaded", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := limiter.acquire(ctx); connect.CodeOf(err) != connect.CodeUnknown || ctx.Err() == nil {
			t.Errorf("got error %v, want the context's", err)
		}
		limiter.release()
		if err := limiter.acquire(t.Context()); err != nil {
			t.Errorf("after a release: got error %v, want none", err)
		}
	})
}

func TestFindRefuses(t *testing.T) {
	e := newEdge(t)
	for range 3 {
		e.contact("acme", "main", engine.Contact{Name: "Nia", WaID: "15550100"})
	}
	asha := e.client(ashaToken)
	for _, query := range []string{"", strings.Repeat("é", 129), " ", "+", "🌸"} {
		_, err := asha.FindConversations(t.Context(), &intervenev1.FindConversationsRequest{Query: query})
		wantViolation(t, err, "query")
	}
	page, err := asha.FindConversations(t.Context(), &intervenev1.FindConversationsRequest{Query: strings.Repeat("é", 128)})
	if err != nil || len(page.GetCards()) != 0 {
		t.Errorf("128 characters: got %v, error %v, want nothing found", page, err)
	}
	if page, err = asha.FindConversations(t.Context(), &intervenev1.FindConversationsRequest{Query: "nia", PageSize: 1}); err != nil || page.GetNextPageToken() == "" {
		t.Fatalf("FindConversations: got token %q, error %v, want a token", page.GetNextPageToken(), err)
	}
	token := page.GetNextPageToken()
	_, err = asha.FindConversations(t.Context(), &intervenev1.FindConversationsRequest{Query: "nib", PageToken: token})
	wantViolation(t, err, "page_token")
	_, err = e.client(oliToken).FindConversations(t.Context(), &intervenev1.FindConversationsRequest{Query: "nia", PageToken: token})
	wantViolation(t, err, "page_token")
	_, err = asha.FindConversations(t.Context(), &intervenev1.FindConversationsRequest{Query: "NIA", PageToken: token})
	if err != nil {
		t.Errorf("the same query in capitals: got error %v, want none", err)
	}
}

// TestFindStandsInNoURL: browsers, proxies and logs keep URLs; a GET would carry
// the query there.
func TestFindStandsInNoURL(t *testing.T) {
	method := intervenev1.File_intervene_v1_livechat_proto.Services().ByName("LiveChatService").Methods().ByName("FindConversations")
	options, ok := method.Options().(*descriptorpb.MethodOptions)
	if ok && options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS {
		t.Error("got FindConversations without side effects, want it never to be a GET")
	}
	e := newEdge(t)
	client := intervenev1connect.NewLiveChatServiceClient(e.as(ashaToken), edgeURL, connect.WithHTTPGet())
	if _, err := client.FindConversations(t.Context(), &intervenev1.FindConversationsRequest{Query: "15550100"}); err != nil {
		t.Errorf("got error %v, want an answer to a POST", err)
	}
	response, err := e.as(ashaToken).Get(edgeURL + intervenev1connect.LiveChatServiceFindConversationsProcedure + "?encoding=json&message=%7B%22query%22%3A%22x%22%7D")
	if err != nil {
		t.Fatalf("GET: %v", err)
	}
	readAll(t, response.Body)
	if err := response.Body.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if response.StatusCode != 405 {
		t.Errorf("got status %d for a GET, want 405", response.StatusCode)
	}
	if log := e.log.String(); strings.Contains(log, "15550100") {
		t.Errorf("got the number in the log: %s", log)
	}
}
