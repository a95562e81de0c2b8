package demo

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/intervenehq/intervene/rpc/client"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

const (
	// commandTries is how often a command is given until its outcome is known;
	// commandPause is between two of them.
	commandTries = 8
	commandPause = 50 * time.Millisecond
	commandLimit = 20 * time.Second
	// lostShare of the commands lose their first answer, repeatedShare are given
	// once more though they were answered.
	lostShare     = 0.05
	repeatedShare = 0.05
)

// caller is one member of the cast with a connection of their own.
type caller struct {
	id        string
	client    *client.Client
	api       intervenev1connect.LiveChatServiceClient
	transport *http.Transport
	ledger    *ledger
	board     *board // what their own stream shows; nil: they watch none
	hostile   bool
}

// newCaller speaks HTTP/2 without TLS. The caller is to be closed.
func newCaller(m member, apiURL string, l *ledger, hostile bool) *caller {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	c := &caller{id: string(m.id), transport: &http.Transport{Protocols: &protocols}, ledger: l, hostile: hostile}
	var network http.RoundTripper = lossy{c.transport}
	if hostile {
		network = fraying{network}
	}
	c.client = client.New(&http.Client{Transport: network}, apiURL, m.token)
	c.api = c.client.API()
	return c
}

// watch begins to follow the board.
func (c *caller) watch() { c.board = followBoard(c.client, c.ledger) }

func (c *caller) close() {
	if c.board != nil {
		c.board.stop()
	}
	c.transport.CloseIdleConnections()
}

// answer is what came back of a command.
type answer struct {
	refusal refusal // zero: accepted
	card    *intervenev1.Card
	message *intervenev1.Message
	at      time.Time
}

func (a answer) accepted() bool { return a.refusal == refusal{} }

// command is one call of the API, which may be made again.
type command func(context.Context) (answer, error)

// Whether a command changes what a board shows.
const (
	seen   = true
	unseen = false
)

// of binds a command's request to its call.
func of[Q any, A interface{ GetCard() *intervenev1.Card }](call func(context.Context, *Q) (A, error), request *Q) command {
	return func(ctx context.Context) (answer, error) {
		response, err := call(ctx, request)
		if err != nil {
			return answer{}, err
		}
		a := answer{card: response.GetCard()}
		if sent, ok := any(response).(interface{ GetMessage() *intervenev1.Message }); ok {
			a.message = sent.GetMessage()
		}
		return a, nil
	}
}

// do gives a command until its outcome is known. Now and then its first answer
// is lost, or it is given again though it was answered: both must change
// nothing.
func (c *caller) do(ctx context.Context, d *rand.Rand, name string, shows bool, cmd command) (answer, error) {
	lose := c.hostile && d.Float64() < lostShare
	again := c.hostile && d.Float64() < repeatedShare
	a, err := c.insist(ctx, cmd, lose)
	if err != nil {
		c.ledger.problem(fmt.Sprintf("%s by %s has no known outcome: %s", name, c.id, connect.CodeOf(err)))
		return a, err
	}
	if !a.accepted() {
		return a, nil
	}
	if shows {
		c.board.await(a.card.GetConversationId(), a.card.GetVersion(), a.at)
	}
	if again {
		second, err := c.insist(ctx, cmd, false)
		if err != nil || !second.same(a) {
			c.ledger.problem(fmt.Sprintf("%s by %s, repeated, had another outcome", name, c.id))
		}
	}
	return a, nil
}

// same reports whether b is the first outcome told again.
func (a answer) same(b answer) bool {
	return a.refusal == b.refusal &&
		a.card.GetVersion() == b.card.GetVersion() && a.card.GetEpoch() == b.card.GetEpoch() &&
		a.card.GetColumn() == b.card.GetColumn() && a.card.GetHolderAgentId() == b.card.GetHolderAgentId() &&
		a.message.GetMessageId() == b.message.GetMessageId()
}

func (c *caller) insist(ctx context.Context, cmd command, lose bool) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	var err error
	for try := range commandTries {
		call := ctx
		if lose && try == 0 {
			call = losingAnswer(ctx)
		}
		started := time.Now()
		var a answer
		a, err = cmd(call)
		a.at = time.Now()
		if err == nil {
			c.ledger.commandTook(a.at.Sub(started))
			return a, nil
		}
		if r, known := refusalOf(err); known {
			c.ledger.commandTook(a.at.Sub(started))
			a.refusal = r
			return a, nil
		}
		if !rest(ctx, commandPause<<try) {
			return a, err
		}
	}
	return answer{}, err
}

// newCommandID draws a UUID of version 4.
func newCommandID(d *rand.Rand) string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], d.Uint64())
	binary.BigEndian.PutUint64(id[8:], d.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id.String()
}

func (c *caller) intervene(ctx context.Context, d *rand.Rand, conversation string) (answer, error) {
	return c.do(ctx, d, "Intervene", seen, of(c.api.Intervene, &intervenev1.InterveneRequest{
		ConversationId: conversation, CommandId: newCommandID(d),
	}))
}

// resolveIn is resolve on the condition that the epoch is still this one.
func (c *caller) resolveIn(ctx context.Context, d *rand.Rand, conversation string, epoch uint64) (answer, error) {
	return c.do(ctx, d, "Resolve", seen, of(c.api.Resolve, &intervenev1.ResolveRequest{
		ConversationId: conversation, CommandId: newCommandID(d), ExpectedEpoch: &epoch,
	}))
}

func (c *caller) resolve(ctx context.Context, d *rand.Rand, conversation string) (answer, error) {
	return c.do(ctx, d, "Resolve", seen, of(c.api.Resolve, &intervenev1.ResolveRequest{
		ConversationId: conversation, CommandId: newCommandID(d),
	}))
}

func (c *caller) withdraw(ctx context.Context, d *rand.Rand, conversation string) (answer, error) {
	return c.do(ctx, d, "WithdrawRequest", seen, of(c.api.WithdrawRequest, &intervenev1.WithdrawRequestRequest{
		ConversationId: conversation, CommandId: newCommandID(d),
	}))
}

func (c *caller) takeOver(ctx context.Context, d *rand.Rand, conversation string) (answer, error) {
	return c.do(ctx, d, "TakeOver", seen, of(c.api.TakeOver, &intervenev1.TakeOverRequest{
		ConversationId: conversation, CommandId: newCommandID(d),
	}))
}

func (c *caller) transfer(ctx context.Context, d *rand.Rand, conversation, to string) (answer, error) {
	return c.do(ctx, d, "Transfer", seen, of(c.api.Transfer, &intervenev1.TransferRequest{
		ConversationId: conversation, CommandId: newCommandID(d), ToAgentId: to,
	}))
}

func (c *caller) markRead(ctx context.Context, d *rand.Rand, conversation string) (answer, error) {
	return c.do(ctx, d, "MarkRead", unseen, of(c.api.MarkRead, &intervenev1.MarkReadRequest{
		ConversationId: conversation, CommandId: newCommandID(d),
	}))
}

func (c *caller) note(ctx context.Context, d *rand.Rand, conversation string) (answer, error) {
	return c.do(ctx, d, "AddNote", unseen, of(c.api.AddNote, &intervenev1.AddNoteRequest{
		ConversationId: conversation, CommandId: newCommandID(d), Body: "Looked into it.",
	}))
}

func (c *caller) tag(ctx context.Context, d *rand.Rand, conversation string) (answer, error) {
	return c.do(ctx, d, "SetTags", unseen, of(c.api.SetTags, &intervenev1.SetTagsRequest{
		ConversationId: conversation, CommandId: newCommandID(d), Tags: []string{"demo"},
	}))
}

// send writes what was accepted into the ledger.
func (c *caller) send(ctx context.Context, d *rand.Rand, conversation, text string) (answer, error) {
	return c.sendAs(ctx, d, conversation, newCommandID(d), text)
}

func (c *caller) sendAs(ctx context.Context, d *rand.Rand, conversation, commandID, text string) (answer, error) {
	a, err := c.do(ctx, d, "SendMessage", seen, of(c.api.SendMessage, &intervenev1.SendMessageRequest{
		ConversationId: conversation, CommandId: commandID,
		Content: &intervenev1.SendMessageRequest_Text{Text: &intervenev1.Text{Body: text}},
	}))
	if err == nil && a.accepted() {
		c.ledger.send(accepted{conversation: conversation, message: a.message.GetMessageId(), by: c.id, text: text})
	}
	return a, err
}
