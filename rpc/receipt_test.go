package rpc

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

func TestReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		id := e.held()
		e.receive("acme", id, "newest") // its External, too
		asha := e.client(ashaToken)
		if _, err := asha.SendMessage(t.Context(), &intervenev1.SendMessageRequest{ConversationId: id.String(), CommandId: newCommandID(), Content: bodyText("hi")}); err != nil {
			t.Fatalf("SendMessage: %v", err)
		}
		if _, err := asha.MarkRead(t.Context(), &intervenev1.MarkReadRequest{ConversationId: id.String(), CommandId: newCommandID()}); err != nil {
			t.Fatalf("MarkRead: %v", err)
		}
		synctest.Wait()
		if _, err := asha.SendTyping(t.Context(), &intervenev1.SendTypingRequest{ConversationId: id.String()}); err != nil {
			t.Fatalf("SendTyping: %v", err)
		}
		synctest.Wait()
		want := []toldReceipt{{"main", "newest", false}, {"main", "newest", true}}
		if diff := cmp.Diff(want, e.platform.receipts(), cmp.AllowUnexported(toldReceipt{})); diff != "" {
			t.Errorf("got a difference (-want +got):\n%s", diff)
		}
	})
}

// TestReadReceiptsAreOff: unless the configuration has them.
func TestReadReceiptsAreOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, func(o *Options) { o.ReadReceipts = false })
		if _, err := e.client(ashaToken).MarkRead(t.Context(), &intervenev1.MarkReadRequest{ConversationId: e.held().String(), CommandId: newCommandID()}); err != nil {
			t.Fatalf("MarkRead: %v", err)
		}
		synctest.Wait()
		if got := e.platform.receipts(); len(got) != 0 {
			t.Errorf("got receipts %v, want none", got)
		}
	})
}

// TestReceiptsAreBounded: a platform that hangs holds nobody up, and has only so
// many waiting for it.
func TestReceiptsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		id := e.held()
		e.platform.hold = make(chan struct{}) // for ever
		start := time.Now()
		for range maxReceipts + 3 {
			if _, err := e.client(ashaToken).SendTyping(t.Context(), &intervenev1.SendTypingRequest{ConversationId: id.String()}); err != nil {
				t.Fatalf("SendTyping: %v", err)
			}
		}
		synctest.Wait()
		if got := time.Since(start); got != 0 {
			t.Errorf("got callers held up for %v, want not at all", got)
		}
		if got := len(e.platform.receipts()); got != maxReceipts {
			t.Errorf("got %d receipts on their way, want %d", got, maxReceipts)
		}
		if got := value(t, e.server.metrics.receipts.WithLabelValues(receiptDropped)); got != 3 {
			t.Errorf("got %v dropped, want 3", got)
		}
		time.Sleep(receiptTimeout + time.Second)
		if got := value(t, e.server.metrics.receipts.WithLabelValues(receiptFailed)); got != maxReceipts {
			t.Errorf("got %v failed after their time, want %d", got, maxReceipts)
		}
		if _, err := e.client(ashaToken).SendTyping(t.Context(), &intervenev1.SendTypingRequest{ConversationId: id.String()}); err != nil {
			t.Fatalf("SendTyping: %v", err)
		}
		e.server.Close() // ends the one on its way
		e.server.receipts.offer("main", "late", true)
		if got := len(e.platform.receipts()); got != maxReceipts+1 {
			t.Errorf("got %d receipts, want %d: none after Close", got, maxReceipts+1)
		}
	})
}

// TestMayType: typing is for whoever may write.
func TestMayType(t *testing.T) {
	held := engine.Card{Column: engine.Intervened, Holder: "asha", Epoch: 3}
	active := engine.Card{Column: engine.Active, MutedUntil: 100}
	tests := []struct {
		name string
		role Role
		id   engine.AgentID
		card engine.Card
		now  engine.Instant
		want engine.Code
	}{
		{"holder", RoleAgent, "asha", held, 0, 0},
		{"another agent", RoleAgent, "ben", held, 0, engine.CodeNotHolder},
		{"supervisor", RoleSupervisor, "sam", held, 0, engine.CodeNotHolder},
		{"agent while the bot answers", RoleAgent, "asha", active, 0, engine.CodeNotHolder},
		{"bot while an agent holds it", RoleBot, "robot", held, 0, engine.CodeBotFenced},
		{"bot while it is silent", RoleBot, "robot", active, 99, engine.CodeBotMuted},
		{"bot", RoleBot, "robot", active, 100, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := mayType(Principal{ID: tt.id, Workspace: "acme", Role: tt.role}, &tt.card, tt.now)
			if got := engine.CodeOf(err); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if refused, ok := errors.AsType[*engine.Error](err); ok && refused.Epoch != tt.card.Epoch {
				t.Errorf("got epoch %d in the refusal, want %d", refused.Epoch, tt.card.Epoch)
			}
		})
	}
}

// noMessages is a backend whose messages cannot be read.
type noMessages struct{ *memory }

func (noMessages) Messages(engine.ConversationID, uint64, int) ([]engine.Message, error) {
	return nil, &engine.Error{Code: engine.CodeCorrupt}
}

// TestReceiptFails: MarkRead has succeeded, whatever comes of its receipt.
func TestReceiptFails(t *testing.T) {
	e := newEdge(t, func(o *Options) { o.Conversations = noMessages{o.Conversations.(*memory)} })
	id := e.held().String()
	if _, err := e.client(ashaToken).MarkRead(t.Context(), &intervenev1.MarkReadRequest{ConversationId: id, CommandId: newCommandID()}); err != nil {
		t.Errorf("MarkRead: got error %v, want none", err)
	}
	_, err := e.client(ashaToken).SendTyping(t.Context(), &intervenev1.SendTypingRequest{ConversationId: id})
	wantRefusal(t, err, connect.CodeDataLoss, "CORRUPT")
}
