package sim

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// heard is what the engine made of one call to its edge; the caller is told less.
type heard struct {
	// note takes the command that the edge makes of the call.
	note    func(id engine.ConversationID, cmd engine.Command)
	did     bool // it became a command
	receipt engine.Receipt
	err     error
}

type heardKey struct{}

// commands is the router, as the edge has it.
type commands struct{ *actors.Router }

// Do implements rpc.Commands.
func (c commands) Do(ctx context.Context, id engine.ConversationID, cmd engine.Command) (engine.Receipt, error) {
	h, ok := ctx.Value(heardKey{}).(*heard)
	if !ok {
		return c.Router.Do(ctx, id, cmd)
	}
	h.did = true
	h.note(id, cmd)
	h.receipt, h.err = c.Router.Do(ctx, id, cmd)
	return h.receipt, h.err
}

// callable reports whether a command may be given by a call; the others are given to the
// router alone here.
func callable(body engine.CommandBody) bool {
	switch b := body.(type) {
	case engine.StartConversation, engine.Erase:
		return false
	case engine.SendMessage:
		return b.Content.Kind == engine.ContentText
	}
	return true
}

// procedure is the call of the edge by which a page or a bot gives o.
func (w *world) procedure(o *op) func(context.Context) (card *intervenev1.Card, message *intervenev1.Message, err error) {
	client := w.as(o.by.ID)
	id, name := o.conversation.String(), uuid.UUID(o.id).String()
	var epoch *uint64
	if o.epoch != 0 {
		epoch = &o.epoch
	}
	switch b := o.body.(type) {
	case engine.RequestAgent:
		return called(client.RequestAgent, &intervenev1.RequestAgentRequest{ConversationId: id, CommandId: name, ExpectedEpoch: epoch, Reason: b.Reason})
	case engine.WithdrawRequest:
		return called(client.WithdrawRequest, &intervenev1.WithdrawRequestRequest{ConversationId: id, CommandId: name, ExpectedEpoch: epoch})
	case engine.Intervene:
		return called(client.Intervene, &intervenev1.InterveneRequest{ConversationId: id, CommandId: name, ExpectedEpoch: epoch})
	case engine.TakeOver:
		return called(client.TakeOver, &intervenev1.TakeOverRequest{ConversationId: id, CommandId: name, ExpectedEpoch: epoch})
	case engine.Transfer:
		return called(client.Transfer, &intervenev1.TransferRequest{ConversationId: id, CommandId: name, ExpectedEpoch: epoch, ToAgentId: string(b.To)})
	case engine.Resolve:
		return called(client.Resolve, &intervenev1.ResolveRequest{ConversationId: id, CommandId: name, ExpectedEpoch: epoch})
	case engine.MarkRead:
		return called(client.MarkRead, &intervenev1.MarkReadRequest{ConversationId: id, CommandId: name, ExpectedEpoch: epoch})
	case engine.AddNote:
		return called(client.AddNote, &intervenev1.AddNoteRequest{ConversationId: id, CommandId: name, ExpectedEpoch: epoch, Body: b.Body})
	case engine.SetTags:
		return called(client.SetTags, &intervenev1.SetTagsRequest{ConversationId: id, CommandId: name, ExpectedEpoch: epoch, Tags: b.Tags})
	case engine.ResendMessage:
		message := engine.MessageID{Conversation: o.conversation, Version: b.Send}
		return called(client.ResendMessage, &intervenev1.ResendMessageRequest{
			ConversationId: id, CommandId: name, ExpectedEpoch: epoch, MessageId: message.String(),
		})
	case engine.SendMessage:
		return called(client.SendMessage, &intervenev1.SendMessageRequest{
			ConversationId: id, CommandId: name, ExpectedEpoch: epoch, Repeatable: b.Repeatable,
			Content: &intervenev1.SendMessageRequest_Text{Text: &intervenev1.Text{Body: b.Content.Text}},
		})
	}
	panic(fmt.Sprintf("nobody calls the edge for %T here", o.body))
}

// called is one call, whose answer's card and message are told.
func called[Request any, Answer interface{ GetCard() *intervenev1.Card }](
	procedure func(context.Context, Request) (Answer, error), request Request,
) func(context.Context) (*intervenev1.Card, *intervenev1.Message, error) {
	return func(ctx context.Context) (*intervenev1.Card, *intervenev1.Message, error) {
		answer, err := procedure(ctx, request)
		if err != nil {
			return nil, nil, err
		}
		if sent, ok := any(answer).(interface{ GetMessage() *intervenev1.Message }); ok {
			return answer.GetCard(), sent.GetMessage(), nil
		}
		return answer.GetCard(), nil, nil
	}
}

// call gives o by the edge, and holds what the caller is told against what was done.
func (w *world) call(ctx context.Context, o *op) (engine.Receipt, error) {
	l := w.sim.ledger
	h := &heard{note: func(id engine.ConversationID, cmd engine.Command) { l.gave(o, id, cmd) }}
	card, message, err := w.procedure(o)(context.WithValue(ctx, heardKey{}, h))
	switch {
	case err == nil && (!h.did || h.err != nil):
		w.alive(func() { l.violate("edge: %T %s was answered as done, and ended with %v", o.body, o.id, h.err) })
		return engine.Receipt{}, errReset
	case err == nil:
		w.alive(func() { l.answeredBy(o, &h.receipt, card, message) })
		return h.receipt, nil
	case !connect.IsWireError(err):
		return engine.Receipt{}, errReset
	case h.did && h.err != nil:
		w.alive(func() { l.refusedBy(o, h.err, err) })
		return engine.Receipt{}, h.err
	}
	// The edge itself refuses, or could not read what the command did.
	_, takesOver := o.body.(engine.TakeOver)
	switch {
	case unsaid(err):
	case connect.CodeOf(err) == connect.CodePermissionDenied:
		if !takesOver || o.by.Kind == engine.Supervisor {
			w.alive(func() { l.violate("edge: %T %s is refused to %s %s", o.body, o.id, o.by.Kind, o.by.ID) })
		}
		return engine.Receipt{}, engine.Errorf(engine.CodeForbidden, "the edge says so")
	default:
		if !l.isErasing(o.conversation) && !o.foreign {
			w.alive(func() { l.violate("edge: %T %s of %s was refused with %v", o.body, o.id, o.conversation, err) })
		}
	}
	return engine.Receipt{}, engine.Errorf(engine.CodeUnavailable, "the edge says so")
}

// unsaid reports whether an answer of the edge leaves open what was done.
func unsaid(err error) bool {
	switch connect.CodeOf(err) {
	case connect.CodeUnavailable, connect.CodeResourceExhausted, connect.CodeDeadlineExceeded, connect.CodeCanceled:
		return true
	}
	return false
}

// gave notes what the edge makes of a call: the command that was meant, and the same
// one each time.
func (l *ledger) gave(o *op, id engine.ConversationID, cmd engine.Command) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id != o.conversation || cmd.ID != o.id || cmd.By != o.by || cmd.Workspace != o.workspace || cmd.Epoch != o.epoch || !sameBody(cmd.Body, o.body) {
		l.violateLocked("edge: %T %s becomes %+v, want %+v", o.body, o.id, cmd, *o)
	}
	if o.digest == (engine.Digest{}) {
		o.digest = cmd.Digest
	}
	if o.digest != cmd.Digest {
		l.violateLocked("edge: %T %s has another digest when it is repeated", o.body, o.id)
	}
}

func sameBody(a, b engine.CommandBody) bool {
	if tags, ok := a.(engine.SetTags); ok && len(tags.Tags) == 0 {
		a = engine.SetTags{Tags: []string{}}
	}
	return reflect.DeepEqual(a, b)
}

// answeredBy: the card of an answer is that of the receipt, its message the one sent.
func (l *ledger) answeredBy(o *op, receipt *engine.Receipt, card *intervenev1.Card, message *intervenev1.Message) {
	l.wireCard(card, o.workspace, "answer")
	if card.GetVersion() != receipt.Card.Version || card.GetConversationId() != o.conversation.String() {
		l.violate("edge: %T %s is answered with version %d, want %d", o.body, o.id, card.GetVersion(), receipt.Card.Version)
	}
	if want := (engine.MessageID{Conversation: o.conversation, Version: receipt.Version}); message != nil && message.GetMessageId() != want.String() {
		l.violate("edge: %T %s is answered with message %s, want %s", o.body, o.id, message.GetMessageId(), want)
	}
}

// reasons are those that are not named as the engine's codes are.
var reasons = map[engine.Code]string{
	engine.CodeConflict: "UNAVAILABLE", engine.CodeFenced: "UNAVAILABLE", engine.CodeUnknownOutcome: "UNAVAILABLE", engine.CodeFull: "DISK_FULL",
}

// refusedBy: a refusal says over the edge what it says here.
func (l *ledger) refusedBy(o *op, refused, told error) {
	e, ok := refused.(*engine.Error)
	if !ok {
		return // time, or the engine's death
	}
	want := reasons[e.Code]
	if want == "" {
		want = strings.ToUpper(strings.ReplaceAll(e.Code.String(), " ", "_"))
	}
	info := infoOf(told)
	if info.GetReason() != want || info.GetMetadata()["holder"] != string(e.Holder) ||
		e.Column != 0 && info.GetMetadata()["column"] != "COLUMN_"+strings.ToUpper(e.Column.String()) {
		l.violate("edge: %T %s was refused with %v, and its caller is told %v", o.body, o.id, refused, info)
	}
}

func infoOf(err error) *errdetails.ErrorInfo {
	for _, detail := range err.(*connect.Error).Details() { // as all errors of its clients are
		if value, err := detail.Value(); err == nil {
			if info, ok := value.(*errdetails.ErrorInfo); ok {
				return info
			}
		}
	}
	return nil
}
