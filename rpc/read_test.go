package rpc

import (
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

func newRequest(t *testing.T, name protoreflect.FullName) proto.Message {
	t.Helper()
	kind, err := protoregistry.GlobalTypes.FindMessageByName(name)
	if err != nil {
		t.Fatalf("find %s: %v", name, err)
	}
	return kind.New().Interface()
}

func TestListConversationsPages(t *testing.T) {
	e := newEdge(t)
	asha := e.client(ashaToken)
	want := make(map[string]bool)
	for range 7 {
		id := e.open("acme")
		e.move("acme", id, engine.RequestAgent{})
		want[id.String()] = true
	}
	e.open("acme") // Active
	e.open("other")

	request := &intervenev1.ListConversationsRequest{Column: intervenev1.Column_COLUMN_REQUESTING, PageSize: 3}
	var sizes []int
	var last time.Time
	for {
		page, err := asha.ListConversations(t.Context(), request)
		if err != nil {
			t.Fatalf("ListConversations: %v", err)
		}
		sizes = append(sizes, len(page.GetCards()))
		for _, card := range page.GetCards() {
			if !want[card.GetConversationId()] || card.GetColumn() != request.Column {
				t.Errorf("got card %v, want each that requests an agent once", card)
			}
			delete(want, card.GetConversationId())
			if at := card.GetRequestedAt().AsTime(); at.Before(last) {
				t.Errorf("got %v after %v, want the oldest first", at, last)
			} else {
				last = at
			}
		}
		counters := map[intervenev1.Column]uint64{}
		for _, c := range page.GetCounters().GetColumns() {
			counters[c.GetColumn()] = c.GetConversations()
		}
		if diff := cmp.Diff(map[intervenev1.Column]uint64{1: 1, 2: 7, 3: 0}, counters); diff != "" {
			t.Errorf("got counters with a difference (-want +got):\n%s", diff)
		}
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			break
		}
	}
	if diff := cmp.Diff([]int{3, 3, 1}, sizes); diff != "" || len(want) != 0 {
		t.Errorf("got pages with a difference (-want +got):\n%s\nand %d cards not shown", diff, len(want))
	}
}

// TestFullLastPage: a last page that is full says that it is the last.
func TestFullLastPage(t *testing.T) {
	e := newEdge(t)
	for range 3 {
		e.open("acme")
	}
	page, err := e.client(ashaToken).ListConversations(t.Context(), &intervenev1.ListConversationsRequest{Column: intervenev1.Column_COLUMN_ACTIVE, PageSize: 3})
	if err != nil || len(page.GetCards()) != 3 || page.GetNextPageToken() != "" {
		t.Errorf("got %d cards, token %q, error %v, want 3 cards and no token", len(page.GetCards()), page.GetNextPageToken(), err)
	}
}

// movedRows shows a row whose conversation left its column meanwhile.
type movedRows struct {
	*memory
	extra engine.BoardRow
}

func (m movedRows) BoardPage(ws engine.WorkspaceID, column engine.Column, after engine.BoardRow, limit int) ([]engine.BoardRow, error) {
	rows, err := m.memory.BoardPage(ws, column, after, limit)
	return append(rows, m.extra, engine.BoardRow{Conversation: engine.ConversationID{9}}), err
}

func TestListConversationsSkipsWhatMoved(t *testing.T) {
	moved := new(movedRows)
	e := newEdge(t, func(o *Options) {
		moved.memory = o.Conversations.(*memory)
		o.Conversations = moved
	})
	stays := e.open("acme")
	moved.extra.Conversation = e.held()
	page, err := e.client(ashaToken).ListConversations(t.Context(), &intervenev1.ListConversationsRequest{Column: intervenev1.Column_COLUMN_ACTIVE})
	if err != nil {
		t.Fatalf("ListConversations: %v", err)
	}
	if cards := page.GetCards(); len(cards) != 1 || cards[0].GetConversationId() != stays.String() {
		t.Errorf("got cards %v, want that of %v alone", cards, stays)
	}
}

func TestPageTokensAreRefused(t *testing.T) {
	e := newEdge(t)
	asha := e.client(ashaToken)
	for range 2 {
		e.open("acme")
	}
	id := e.held()
	e.receive("acme", id, "again")
	page, err := asha.ListConversations(t.Context(), &intervenev1.ListConversationsRequest{Column: intervenev1.Column_COLUMN_ACTIVE, PageSize: 1})
	if err != nil || page.GetNextPageToken() == "" {
		t.Fatalf("ListConversations: got token %q, error %v, want a token", page.GetNextPageToken(), err)
	}
	messages, err := asha.ListMessages(t.Context(), &intervenev1.ListMessagesRequest{ConversationId: id.String(), PageSize: 1})
	if err != nil || messages.GetNextPageToken() == "" {
		t.Fatalf("ListMessages: got token %q, error %v, want a token", messages.GetNextPageToken(), err)
	}
	token := page.GetNextPageToken()
	columns := []struct {
		name, token string
		column      intervenev1.Column
	}{
		{"nonsense", "nonsense", intervenev1.Column_COLUMN_ACTIVE},
		{"no base64", "!!!", intervenev1.Column_COLUMN_ACTIVE},
		{"changed", "AB" + token[2:], intervenev1.Column_COLUMN_ACTIVE},
		{"another place", token[:4] + swapped(token[4:5]) + token[5:], intervenev1.Column_COLUMN_ACTIVE},
		{"another column", token, intervenev1.Column_COLUMN_HISTORY},
		{"of messages", messages.GetNextPageToken(), intervenev1.Column_COLUMN_ACTIVE},
	}
	for _, tt := range columns {
		t.Run(tt.name, func(t *testing.T) {
			_, err := asha.ListConversations(t.Context(), &intervenev1.ListConversationsRequest{Column: tt.column, PageToken: tt.token})
			wantViolation(t, err, "page_token")
		})
	}
	t.Run("another workspace", func(t *testing.T) {
		_, err := e.client(oliToken).ListConversations(t.Context(), &intervenev1.ListConversationsRequest{Column: intervenev1.Column_COLUMN_ACTIVE, PageToken: token})
		wantViolation(t, err, "page_token")
	})
	t.Run("another conversation", func(t *testing.T) {
		_, err := asha.ListMessages(t.Context(), &intervenev1.ListMessagesRequest{ConversationId: e.held().String(), PageToken: messages.GetNextPageToken()})
		wantViolation(t, err, "page_token")
	})
}

func swapped(s string) string {
	if s == "A" {
		return "B"
	}
	return "A"
}

func TestListMessages(t *testing.T) {
	e := newEdge(t)
	asha := e.client(ashaToken)
	id := e.held()
	for _, text := range []string{"one", "two", "three"} {
		e.receive("acme", id, text)
	}
	var got []string
	request := &intervenev1.ListMessagesRequest{ConversationId: id.String(), PageSize: 3}
	pages := 0
	for {
		page, err := asha.ListMessages(t.Context(), request)
		if err != nil {
			t.Fatalf("ListMessages: %v", err)
		}
		pages++
		for _, m := range page.GetMessages() {
			got = append(got, m.GetContent().GetText().GetBody())
		}
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"three", "two", "one", "hello"}, got); diff != "" || pages != 2 {
		t.Errorf("got %d pages with a difference (-want +got):\n%s\nwant 2", pages, diff)
	}
}

// TestListMessagesBoundsBytes: messages that carry raw items end a page early,
// and none is left out.
func TestListMessagesBoundsBytes(t *testing.T) {
	e := newEdge(t)
	id := e.open("acme")
	for range 4 {
		e.receive("acme", id, strings.Repeat("x", maxPageBytes/2))
	}
	asha := e.client(ashaToken)
	request := &intervenev1.ListMessagesRequest{ConversationId: id.String()}
	seen, pages := 0, 0
	for {
		page, err := asha.ListMessages(t.Context(), request)
		if err != nil {
			t.Fatalf("ListMessages: %v", err)
		}
		if size := proto.Size(page); len(page.GetMessages()) > 1 && size > maxPageBytes+maxPageBytes/4 {
			t.Errorf("got a page of %d bytes, want about %d at most", size, maxPageBytes)
		}
		seen += len(page.GetMessages())
		pages++
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			break
		}
	}
	if seen != 5 || pages < 3 {
		t.Errorf("got %d messages on %d pages, want 5 on 3 or more", seen, pages)
	}
}

// TestListConversationsFiltered: pages hold what the filter admits, also where
// that is rare, and a cursor goes on while rows move and only in its own list.
func TestListConversationsFiltered(t *testing.T) {
	e := newEdge(t)
	asha := e.client(ashaToken)
	want := make(map[string]bool)
	for n := range 250 {
		id := e.open("acme")
		if n%50 == 0 {
			e.move("acme", id, engine.SetTags{Tags: []string{"vip"}})
			want[id.String()] = true
		}
	}
	request := &intervenev1.ListConversationsRequest{
		Column: intervenev1.Column_COLUMN_ACTIVE, PageSize: 2, Filter: &intervenev1.Filter{Tag: "vip"},
	}
	var token string
	for pages := 0; ; pages++ {
		page, err := asha.ListConversations(t.Context(), request)
		if err != nil || pages > 10 {
			t.Fatalf("page %d: %v", pages, err)
		}
		for _, card := range page.GetCards() {
			if !want[card.GetConversationId()] {
				t.Errorf("got card %v, want each with the tag once", card)
			}
			delete(want, card.GetConversationId())
		}
		if pages == 0 && len(page.GetCards()) > 0 {
			token = page.GetNextPageToken()
			moved, err := engine.ParseConversationID(page.GetCards()[1].GetConversationId())
			if err != nil {
				t.Fatalf("parse: %v", err)
			}
			e.move("acme", moved, engine.RequestAgent{}) // the row that the cursor was made at
		}
		if page.GetNextPageToken() == "" {
			break
		}
		request.PageToken = page.GetNextPageToken()
	}
	if len(want) != 0 {
		t.Errorf("got none of %v, want all", want)
	}
	_, err := asha.ListConversations(t.Context(), &intervenev1.ListConversationsRequest{
		Column: intervenev1.Column_COLUMN_ACTIVE, PageToken: token, Filter: &intervenev1.Filter{Tag: "other"},
	})
	wantViolation(t, err, "page_token")
	mine, err := asha.ListConversations(t.Context(), &intervenev1.ListConversationsRequest{
		Column: intervenev1.Column_COLUMN_ACTIVE, Filter: &intervenev1.Filter{Mine: true},
	})
	if err != nil || len(mine.GetCards()) != 0 {
		t.Errorf("mine: got %v, error %v, want none", mine.GetCards(), err)
	}
}

func TestPageSize(t *testing.T) {
	for asked, want := range map[int32]int{0: 50, 1: 1, 200: 200, 201: 200, 1 << 30: 200} {
		if got := pageSize(asked); got != want {
			t.Errorf("pageSize(%d): got %d, want %d", asked, got, want)
		}
	}
}

func TestListAgents(t *testing.T) {
	e := newEdge(t)
	list, err := e.client(ashaToken).ListAgents(t.Context(), &intervenev1.ListAgentsRequest{})
	if err != nil {
		t.Fatalf("ListAgents: %v", err)
	}
	want := []*intervenev1.Agent{
		{Id: "ada", Name: "Ada", Role: intervenev1.Role_ROLE_ADMIN},
		{Id: "asha", Name: "Asha", Role: intervenev1.Role_ROLE_AGENT},
		{Id: "ben", Name: "Ben", Role: intervenev1.Role_ROLE_AGENT},
		{Id: "sam", Name: "Sam", Role: intervenev1.Role_ROLE_SUPERVISOR},
	}
	if diff := cmp.Diff(want, list.GetAgents(), protocmp.Transform()); diff != "" {
		t.Errorf("got a difference (-want +got):\n%s", diff)
	}
}

// TestWorkspacesAreApart calls every procedure that names a conversation with
// one of another workspace: none tells it from one that does not exist.
func TestWorkspacesAreApart(t *testing.T) {
	e := newEdge(t)
	foreign := e.held().String()
	oli := e.as(oliToken)
	tested := 0
	for procedure, method := range procedures() {
		fields := method.Input().Fields()
		if fields.ByName("conversation_id") == nil {
			continue
		}
		tested++
		t.Run(string(method.Name()), func(t *testing.T) {
			answers := make([]string, 0, 2)
			for _, id := range []string{foreign, engine.NewConversationID(1, [14]byte{250}).String()} {
				request := newRequest(t, method.Input().FullName())
				fill(request, id)
				err := callWith(t, oli, procedure, method, request)
				wantRefusal(t, err, connect.CodeNotFound, "NOT_FOUND")
				answers = append(answers, err.Error())
			}
			if answers[0] != answers[1] {
				t.Errorf("got %q, want the same as for none: %q", answers[0], answers[1])
			}
		})
	}
	if tested != 17 {
		t.Errorf("got %d procedures that name a conversation, want 17", tested)
	}

	board := e.client(oliToken)
	for _, column := range []intervenev1.Column{1, 2, 3, 4} {
		page, err := board.ListConversations(t.Context(), &intervenev1.ListConversationsRequest{Column: column})
		if err != nil || len(page.GetCards()) != 0 {
			t.Errorf("%v: got cards %v, error %v, want none", column, page.GetCards(), err)
		}
		for _, c := range page.GetCounters().GetColumns() {
			if c.GetConversations() != 0 {
				t.Errorf("%v: got %d counted, want 0", c.GetColumn(), c.GetConversations())
			}
		}
	}
	agents, err := board.ListAgents(t.Context(), &intervenev1.ListAgentsRequest{})
	if err != nil || len(agents.GetAgents()) != 1 || agents.GetAgents()[0].GetId() != "oli" {
		t.Errorf("got agents %v, error %v, want Oli alone", agents.GetAgents(), err)
	}
}

// fill gives a request the fields without which it would be refused for its form.
func fill(request proto.Message, id string) {
	m := request.ProtoReflect()
	values := map[protoreflect.Name]string{"conversation_id": id, "command_id": newCommandID(), "body": "x", "to_agent_id": "oli", "message_id": id + ".1", "session_id": "tab"}
	for name, value := range values {
		if field := m.Descriptor().Fields().ByName(name); field != nil {
			m.Set(field, protoreflect.ValueOfString(value))
		}
	}
	if send, ok := request.(*intervenev1.SendMessageRequest); ok {
		send.Content = &intervenev1.SendMessageRequest_Text{Text: &intervenev1.Text{Body: "x"}}
	}
}
