package rpc

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// TestCommands gives each command once and looks at what became of the conversation.
func TestCommands(t *testing.T) {
	e := newEdge(t)
	asha, sam, robot := e.client(ashaToken), e.client(samToken), e.client(robotToken)
	ctx := t.Context()
	id := e.open("acme").String()

	check := func(name string, card *intervenev1.Card, err error, column intervenev1.Column, holder string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if card.GetColumn() != column || card.GetHolderAgentId() != holder {
			t.Fatalf("%s: got %v held by %q, want %v by %q", name, card.GetColumn(), card.GetHolderAgentId(), column, holder)
		}
	}
	const (
		active     = intervenev1.Column_COLUMN_ACTIVE
		requesting = intervenev1.Column_COLUMN_REQUESTING
		intervened = intervenev1.Column_COLUMN_INTERVENED
	)
	requested, err := robot.RequestAgent(ctx, &intervenev1.RequestAgentRequest{ConversationId: id, CommandId: newCommandID(), Reason: "refund"})
	check("request", requested.GetCard(), err, requesting, "")
	if got := requested.GetCard().GetRequestReason(); got != "refund" {
		t.Errorf("got reason %q, want refund", got)
	}
	withdrawn, err := robot.WithdrawRequest(ctx, &intervenev1.WithdrawRequestRequest{ConversationId: id, CommandId: newCommandID()})
	check("withdraw", withdrawn.GetCard(), err, active, "")
	requested, err = asha.RequestAgent(ctx, &intervenev1.RequestAgentRequest{ConversationId: id, CommandId: newCommandID()})
	check("request by an agent", requested.GetCard(), err, requesting, "")
	won, err := asha.Intervene(ctx, &intervenev1.InterveneRequest{ConversationId: id, CommandId: newCommandID()})
	check("intervene", won.GetCard(), err, intervened, "asha")

	sent, err := asha.SendMessage(ctx, &intervenev1.SendMessageRequest{
		ConversationId: id, CommandId: newCommandID(), Content: &intervenev1.SendMessageRequest_Text{Text: &intervenev1.Text{Body: "I am here"}},
	})
	check("send", sent.GetCard(), err, intervened, "asha")
	if m := sent.GetMessage(); m.GetContent().GetText().GetBody() != "I am here" || m.GetDelivery() != intervenev1.Delivery_DELIVERY_QUEUED || m.GetAuthor().GetId() != "asha" {
		t.Errorf("got message %v, want Asha's, queued", m)
	}
	noted, err := asha.AddNote(ctx, &intervenev1.AddNoteRequest{ConversationId: id, CommandId: newCommandID(), Body: "knows us"})
	check("note", noted.GetCard(), err, intervened, "asha")
	tagged, err := asha.SetTags(ctx, &intervenev1.SetTagsRequest{ConversationId: id, CommandId: newCommandID(), Tags: []string{"vip", "new"}})
	check("tags", tagged.GetCard(), err, intervened, "asha")
	if diff := cmp.Diff([]string{"new", "vip"}, tagged.GetCard().GetTags()); diff != "" {
		t.Errorf("got tags with a difference (-want +got):\n%s", diff)
	}
	e.receive("acme", mustConversation(t, id), "are you there?")
	read, err := asha.MarkRead(ctx, &intervenev1.MarkReadRequest{ConversationId: id, CommandId: newCommandID()})
	check("mark read", read.GetCard(), err, intervened, "asha")
	if got := read.GetCard().GetUnreadCount(); got != 0 {
		t.Errorf("got %d unread, want 0", got)
	}
	moved, err := asha.Transfer(ctx, &intervenev1.TransferRequest{ConversationId: id, CommandId: newCommandID(), ToAgentId: "ben"})
	check("transfer", moved.GetCard(), err, intervened, "ben")
	taken, err := sam.TakeOver(ctx, &intervenev1.TakeOverRequest{ConversationId: id, CommandId: newCommandID()})
	check("take over", taken.GetCard(), err, intervened, "sam")
	admin, err := e.client(adaToken).TakeOver(ctx, &intervenev1.TakeOverRequest{ConversationId: id, CommandId: newCommandID()})
	check("take over by the administrator", admin.GetCard(), err, intervened, "ada")
	resolved, err := sam.Resolve(ctx, &intervenev1.ResolveRequest{ConversationId: id, CommandId: newCommandID()})
	check("resolve", resolved.GetCard(), err, active, "")
}

func mustConversation(t *testing.T, s string) engine.ConversationID {
	t.Helper()
	id, err := engine.ParseConversationID(s)
	if err != nil {
		t.Fatalf("ParseConversationID: %v", err)
	}
	return id
}

// TestRefusals are those that depend on the whole way through the engine.
func TestRefusals(t *testing.T) {
	e := newEdge(t)
	ctx := t.Context()
	id := e.held().String()

	_, err := e.client(benToken).Intervene(ctx, &intervenev1.InterveneRequest{ConversationId: id, CommandId: newCommandID()})
	if m := wantRefusal(t, err, connect.CodeFailedPrecondition, "HELD_BY_OTHER"); m["holder_agent_id"] != "asha" || m["epoch"] != "3" {
		t.Errorf("got metadata %v, want holder asha and epoch 3", m)
	}
	stale := uint64(1)
	_, err = e.client(ashaToken).Resolve(ctx, &intervenev1.ResolveRequest{ConversationId: id, CommandId: newCommandID(), ExpectedEpoch: &stale})
	if m := wantRefusal(t, err, connect.CodeAborted, "STALE_EPOCH"); m["epoch"] != "3" || m["column"] != "COLUMN_INTERVENED" {
		t.Errorf("got metadata %v, want epoch 3 in COLUMN_INTERVENED", m)
	}
	_, err = e.client(robotToken).SendMessage(ctx, &intervenev1.SendMessageRequest{
		ConversationId: id, CommandId: newCommandID(), Content: &intervenev1.SendMessageRequest_Text{Text: &intervenev1.Text{Body: "beep"}},
	})
	wantRefusal(t, err, connect.CodeFailedPrecondition, "BOT_FENCED")
	_, err = e.client(benToken).AddNote(ctx, &intervenev1.AddNoteRequest{ConversationId: engine.NewConversationID(1, [14]byte{200}).String(), CommandId: newCommandID(), Body: "x"})
	wantRefusal(t, err, connect.CodeNotFound, "NOT_FOUND")
}

// TestRetry: the same command once more has its first outcome; anything that
// differs makes it another.
func TestRetry(t *testing.T) {
	e := newEdge(t)
	ctx := t.Context()
	id := e.held().String()
	asha := e.client(ashaToken)
	send := func(command, body string) (*intervenev1.SendMessageResponse, error) {
		return asha.SendMessage(ctx, &intervenev1.SendMessageRequest{
			ConversationId: id, CommandId: command, Content: &intervenev1.SendMessageRequest_Text{Text: &intervenev1.Text{Body: body}},
		})
	}
	command := newCommandID()
	first, err := send(command, "one")
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	if _, err := send(newCommandID(), "two"); err != nil {
		t.Fatalf("send: %v", err)
	}
	again, err := send(strings.ToUpper(command), "one")
	if err != nil {
		t.Fatalf("send again: %v", err)
	}
	if got, want := again.GetMessage().GetMessageId(), first.GetMessage().GetMessageId(); got != want {
		t.Errorf("got message %s of the retry, want %s", got, want)
	}
	_, err = send(command, "three")
	wantRefusal(t, err, connect.CodeAlreadyExists, "COMMAND_REUSED")
	_, err = asha.AddNote(ctx, &intervenev1.AddNoteRequest{ConversationId: id, CommandId: command, Body: "one"})
	wantRefusal(t, err, connect.CodeAlreadyExists, "COMMAND_REUSED")
	_, err = e.client(samToken).SendMessage(ctx, &intervenev1.SendMessageRequest{
		ConversationId: id, CommandId: command, Content: &intervenev1.SendMessageRequest_Text{Text: &intervenev1.Text{Body: "one"}},
	})
	wantRefusal(t, err, connect.CodeAlreadyExists, "COMMAND_REUSED")
}

func TestDigest(t *testing.T) {
	epoch := uint64(2)
	base := func() *intervenev1.AddNoteRequest {
		return &intervenev1.AddNoteRequest{ConversationId: "c", CommandId: "id", Body: "b"}
	}
	want, err := digest("asha", base())
	if err != nil {
		t.Fatalf("digest: %v", err)
	}
	same := base()
	same.CommandId = "ID"
	if got, err := digest("asha", same); err != nil || got != want {
		t.Errorf("another command_id: got %x, %v, want %x", got, err, want)
	}
	if same.CommandId != "ID" {
		t.Error("got the request changed, want it left alone")
	}
	withEpoch, withBody := base(), base()
	withEpoch.ExpectedEpoch, withBody.Body = &epoch, "c"
	others := map[string]commandRequest{
		"another epoch": withEpoch, "another body": withBody,
		// On the wire it has the same bytes.
		"another procedure": &intervenev1.TransferRequest{ConversationId: "c", CommandId: "id", ToAgentId: "b"},
	}
	for name, request := range others {
		if got, err := digest("asha", request); err != nil || got == want {
			t.Errorf("%s: got %x, %v, want another digest", name, got, err)
		}
	}
	if got, err := digest("ben", base()); err != nil || got == want {
		t.Errorf("another principal: got %x, %v, want another digest", got, err)
	}
}

func TestCommandID(t *testing.T) {
	const id = "0198c0de-1234-7abc-8def-0123456789ab"
	lower, err := commandID(id)
	if err != nil {
		t.Fatalf("commandID: %v", err)
	}
	upper, err := commandID(strings.ToUpper(id))
	if err != nil || upper != lower {
		t.Errorf("upper case: got %v, %v, want %v", upper, err, lower)
	}
	if _, err := commandID("00000000-0000-0000-0000-000000000000"); engine.CodeOf(err) != engine.CodeInvalid {
		t.Errorf("nil UUID: got error %v, want invalid", err)
	}
}

// TestViolations: a refused field is named as the schema names it.
func TestViolations(t *testing.T) {
	e := newEdge(t)
	ctx := t.Context()
	asha := e.client(ashaToken)
	id, command, zero := e.held().String(), newCommandID(), uint64(0)
	tests := []struct {
		name, field string
		call        func() error
	}{
		{"no conversation_id", "conversation_id", func() error {
			_, err := asha.Resolve(ctx, &intervenev1.ResolveRequest{CommandId: command})
			return err
		}},
		{"malformed conversation_id", "conversation_id", func() error {
			_, err := asha.Resolve(ctx, &intervenev1.ResolveRequest{ConversationId: "nonsense", CommandId: command})
			return err
		}},
		{"no command_id", "command_id", func() error {
			_, err := asha.Resolve(ctx, &intervenev1.ResolveRequest{ConversationId: id})
			return err
		}},
		{"malformed command_id", "command_id", func() error {
			_, err := asha.Resolve(ctx, &intervenev1.ResolveRequest{ConversationId: id, CommandId: "1"})
			return err
		}},
		{"nil command_id", "command_id", func() error {
			_, err := asha.Resolve(ctx, &intervenev1.ResolveRequest{ConversationId: id, CommandId: "00000000-0000-0000-0000-000000000000"})
			return err
		}},
		{"epoch 0", "expected_epoch", func() error {
			_, err := asha.Resolve(ctx, &intervenev1.ResolveRequest{ConversationId: id, CommandId: command, ExpectedEpoch: &zero})
			return err
		}},
		{"no content", "content", func() error {
			_, err := asha.SendMessage(ctx, &intervenev1.SendMessageRequest{ConversationId: id, CommandId: command})
			return err
		}},
		{"empty text", "text.body", func() error {
			_, err := asha.SendMessage(ctx, &intervenev1.SendMessageRequest{
				ConversationId: id, CommandId: command, Content: &intervenev1.SendMessageRequest_Text{Text: &intervenev1.Text{}},
			})
			return err
		}},
		{"long text", "text.body", func() error {
			_, err := asha.SendMessage(ctx, &intervenev1.SendMessageRequest{
				ConversationId: id, CommandId: command,
				Content: &intervenev1.SendMessageRequest_Text{Text: &intervenev1.Text{Body: strings.Repeat("é", 4097)}},
			})
			return err
		}},
		{"unknown agent", "to_agent_id", func() error {
			_, err := asha.Transfer(ctx, &intervenev1.TransferRequest{ConversationId: id, CommandId: command, ToAgentId: "nobody"})
			return err
		}},
		{"agent of another workspace", "to_agent_id", func() error {
			_, err := asha.Transfer(ctx, &intervenev1.TransferRequest{ConversationId: id, CommandId: command, ToAgentId: "oli"})
			return err
		}},
		{"to a bot", "to_agent_id", func() error {
			_, err := asha.Transfer(ctx, &intervenev1.TransferRequest{ConversationId: id, CommandId: command, ToAgentId: "robot"})
			return err
		}},
		{"tag of two lines", "tags", func() error {
			_, err := asha.SetTags(ctx, &intervenev1.SetTagsRequest{ConversationId: id, CommandId: command, Tags: []string{"a\nb"}})
			return err
		}},
		{"empty tag", "tags[1]", func() error {
			_, err := asha.SetTags(ctx, &intervenev1.SetTagsRequest{ConversationId: id, CommandId: command, Tags: []string{"a", ""}})
			return err
		}},
		{"no column", "column", func() error {
			_, err := asha.ListConversations(ctx, &intervenev1.ListConversationsRequest{})
			return err
		}},
		{"column of the future", "column", func() error {
			_, err := asha.ListConversations(ctx, &intervenev1.ListConversationsRequest{Column: 9})
			return err
		}},
		{"negative page", "page_size", func() error {
			_, err := asha.ListMessages(ctx, &intervenev1.ListMessagesRequest{ConversationId: id, PageSize: -1})
			return err
		}},
		{"history watched", "columns[0]", func() error {
			return streamError(asha.WatchBoard(ctx, &intervenev1.WatchBoardRequest{Columns: []intervenev1.Column{intervenev1.Column_COLUMN_HISTORY}}))
		}},
		{"malformed known card", "known[1].conversation_id", func() error {
			return streamError(asha.WatchBoard(ctx, &intervenev1.WatchBoardRequest{Known: []*intervenev1.KnownCard{{ConversationId: id}, {ConversationId: "x"}}}))
		}},
		{"version of the future", "after_version", func() error {
			return streamError(asha.WatchConversation(ctx, &intervenev1.WatchConversationRequest{ConversationId: id, AfterVersion: 1000}))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantViolation(t, tt.call(), tt.field) })
	}
}

// streamError is the error of a stream that should have none but this.
func streamError[F any](stream *connect.ServerStreamForClient[F], err error) error {
	if err != nil {
		return err
	}
	for stream.Receive() {
	}
	err = stream.Err()
	if closed := stream.Close(); closed != nil && err == nil {
		return closed
	}
	return err
}

// TestCommandTimeout: a command that hangs is given up, with an outcome that
// nobody knows.
func TestCommandTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		id := e.held()
		release := make(chan struct{})
		e.before = func(engine.ConversationID, engine.Command) error {
			time.Sleep(commandTimeout + time.Second)
			close(release)
			return nil
		}
		_, err := e.client(ashaToken).Resolve(t.Context(), &intervenev1.ResolveRequest{ConversationId: id.String(), CommandId: newCommandID()})
		wantRefusal(t, err, connect.CodeDeadlineExceeded, "DEADLINE_EXCEEDED")
		<-release
	})
}

func TestEveryCommandHasItsFields(t *testing.T) {
	commands := 0
	for _, method := range procedures() {
		fields := method.Input().Fields()
		if fields.ByName("command_id") == nil {
			continue
		}
		commands++
		message := newRequest(t, method.Input().FullName())
		if _, ok := message.(*intervenev1.StartConversationRequest); ok {
			continue // there need be no conversation yet
		}
		if _, ok := message.(commandRequest); !ok {
			t.Errorf("%v: got %T, want the fields of a command", method.FullName(), message)
		}
	}
	if commands != 13 {
		t.Errorf("got %d commands, want 13", commands)
	}
}
