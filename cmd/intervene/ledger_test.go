package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// ledger is what the test did and was answered, written down outside the
// engine: what the engine shares with its own checks hides from those, not
// from this.
type ledger struct {
	mu       sync.Mutex
	written  map[standin.WAMID]written
	commands []*command
	problems []string
}

// written is one message of a customer, of a text that no other has.
type written struct{ phone, text string }

// commandKind says what a command asks for.
type commandKind string

const (
	doSend      commandKind = "SendMessage"
	doRequest   commandKind = "RequestAgent"
	doWithdraw  commandKind = "WithdrawRequest"
	doIntervene commandKind = "Intervene"
	doTakeOver  commandKind = "TakeOver"
	doTransfer  commandKind = "Transfer"
	doResolve   commandKind = "Resolve"
	doMarkRead  commandKind = "MarkRead"
	doNote      commandKind = "AddNote"
	doTags      commandKind = "SetTags"
)

// command is one command whose outcome is known, however often it was tried.
type command struct {
	kind         commandKind
	by           string
	conversation string
	text         string // of a message or note
	answer       answer
}

func newLedger() *ledger { return &ledger{written: make(map[standin.WAMID]written)} }

func (l *ledger) wrote(wamid standin.WAMID, w written) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written[wamid] = w
}

func (l *ledger) answered(c *command) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commands = append(l.commands, c)
}

func (l *ledger) problem(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

// copy is the ledger as it stands; while the load is paused, all of it.
func (l *ledger) copy() (map[standin.WAMID]written, []*command, []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.written), slices.Clone(l.commands), slices.Clone(l.problems)
}

// expected are the refusals that a race with somebody else explains. Any other
// is the engine's or the test's fault.
var expected = map[commandKind][]string{
	doSend:      {"NOT_HOLDER", "BOT_FENCED"},
	doIntervene: {"HELD_BY_OTHER", "NOT_REQUESTING"},
	doTakeOver:  {"NOT_INTERVENED"},
	doTransfer:  {"NOT_HOLDER", "NOT_INTERVENED"},
	doResolve:   {"NOT_HOLDER", "NOT_INTERVENED"},
	doMarkRead:  {"NOT_HOLDER"},
}

// clerk gives commands for one caller and writes each down with its outcome.
type clerk struct {
	*caller
	ledger *ledger
	dice   *rand.Rand
	tries  func() // told before each try
}

func (c *clerk) do(ctx context.Context, cmd command, try call) answer {
	cmd.by = c.id
	a, err := insist(ctx, func(ctx context.Context) (answer, error) {
		c.tries()
		return try(ctx)
	})
	if err != nil {
		c.ledger.problem("%s by %s on %s: %v", cmd.kind, c.id, cmd.conversation, err)
		return a
	}
	if !a.accepted() && !slices.Contains(expected[cmd.kind], a.refusal.reason) {
		c.ledger.problem("%s by %s on %s: refused, %s", cmd.kind, c.id, cmd.conversation, a.refusal)
	}
	cmd.answer = a
	c.ledger.answered(&cmd)
	return a
}

func (c *clerk) send(ctx context.Context, id string) answer {
	text := fmt.Sprintf("Let me see. (%s %x)", c.id, c.dice.Uint64())
	return c.do(ctx, command{kind: doSend, conversation: id, text: text}, asked(c.api.SendMessage, &intervenev1.SendMessageRequest{
		ConversationId: id, CommandId: drawCommandID(c.dice),
		Content: &intervenev1.SendMessageRequest_Text{Text: &intervenev1.Text{Body: text}},
	}))
}

func (c *clerk) note(ctx context.Context, id string) answer {
	text := fmt.Sprintf("Looked into it. (%s %x)", c.id, c.dice.Uint64())
	return c.do(ctx, command{kind: doNote, conversation: id, text: text}, asked(c.api.AddNote,
		&intervenev1.AddNoteRequest{ConversationId: id, CommandId: drawCommandID(c.dice), Body: text}))
}

func (c *clerk) tag(ctx context.Context, id string) answer {
	tags := []string{fmt.Sprintf("tag-%d", c.dice.IntN(5)), "vip"}
	return c.do(ctx, command{kind: doTags, conversation: id}, asked(c.api.SetTags,
		&intervenev1.SetTagsRequest{ConversationId: id, CommandId: drawCommandID(c.dice), Tags: tags}))
}

func (c *clerk) request(ctx context.Context, id string) answer {
	return c.do(ctx, command{kind: doRequest, conversation: id}, asked(c.api.RequestAgent,
		&intervenev1.RequestAgentRequest{ConversationId: id, CommandId: drawCommandID(c.dice), Reason: "by the API"}))
}

func (c *clerk) withdraw(ctx context.Context, id string) answer {
	return c.do(ctx, command{kind: doWithdraw, conversation: id}, asked(c.api.WithdrawRequest,
		&intervenev1.WithdrawRequestRequest{ConversationId: id, CommandId: drawCommandID(c.dice)}))
}

func (c *clerk) intervene(ctx context.Context, id string) answer {
	return c.do(ctx, command{kind: doIntervene, conversation: id}, asked(c.api.Intervene,
		&intervenev1.InterveneRequest{ConversationId: id, CommandId: drawCommandID(c.dice)}))
}

func (c *clerk) takeOver(ctx context.Context, id string) answer {
	return c.do(ctx, command{kind: doTakeOver, conversation: id}, asked(c.api.TakeOver,
		&intervenev1.TakeOverRequest{ConversationId: id, CommandId: drawCommandID(c.dice)}))
}

func (c *clerk) transfer(ctx context.Context, id, to string) answer {
	return c.do(ctx, command{kind: doTransfer, conversation: id}, asked(c.api.Transfer,
		&intervenev1.TransferRequest{ConversationId: id, CommandId: drawCommandID(c.dice), ToAgentId: to}))
}

func (c *clerk) resolve(ctx context.Context, id string) answer {
	return c.do(ctx, command{kind: doResolve, conversation: id}, asked(c.api.Resolve,
		&intervenev1.ResolveRequest{ConversationId: id, CommandId: drawCommandID(c.dice)}))
}

func (c *clerk) markRead(ctx context.Context, id string) answer {
	return c.do(ctx, command{kind: doMarkRead, conversation: id}, asked(c.api.MarkRead,
		&intervenev1.MarkReadRequest{ConversationId: id, CommandId: drawCommandID(c.dice)}))
}
