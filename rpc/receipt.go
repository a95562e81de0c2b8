package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// receiptSearch is how many of the newest messages are looked through for one of
// the customer's: before that many answers they read it long ago.
const receiptSearch = 50

const (
	// maxReceipts bounds the receipts that are on their way at once; more are
	// dropped. receiptTimeout bounds each.
	maxReceipts    = 64
	receiptTimeout = 5 * time.Second
)

// What became of a receipt: values of a metric's label.
const (
	receiptTold    = "told"
	receiptDropped = "dropped"
	receiptFailed  = "failed"
)

// receipts are those on their way to the platform. None is waited for by the
// caller over whom it goes.
type receipts struct {
	platform Receipts
	log      *slog.Logger
	metrics  *metrics
	slots    chan struct{} // each holds one on its way

	ctx  context.Context // ends with close
	stop context.CancelFunc

	mu     sync.Mutex // orders group.Go before group.Wait
	closed bool
	group  sync.WaitGroup
}

func newReceipts(platform Receipts, log *slog.Logger, m *metrics) *receipts {
	ctx, stop := context.WithCancel(context.Background())
	return &receipts{platform: platform, log: log, metrics: m, slots: make(chan struct{}, maxReceipts), ctx: ctx, stop: stop}
}

// offer sends a receipt on its way, or drops it.
func (r *receipts) offer(channel engine.ChannelID, external string, typing bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	select {
	case r.slots <- struct{}{}:
		r.group.Go(func() { r.tell(channel, external, typing) })
	default:
		r.metrics.receipts.WithLabelValues(receiptDropped).Inc()
	}
}

func (r *receipts) tell(channel engine.ChannelID, external string, typing bool) {
	defer func() { <-r.slots }()
	ctx, cancel := context.WithTimeout(r.ctx, receiptTimeout)
	defer cancel()
	outcome := receiptTold
	if err := r.platform.MarkRead(ctx, channel, external, typing); err != nil {
		outcome = receiptFailed
		r.log.DebugContext(ctx, "receipt was not told", "channel", string(channel), "error", err)
	}
	r.metrics.receipts.WithLabelValues(outcome).Inc()
}

// close gives up what is on its way.
func (r *receipts) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.stop()
	r.group.Wait()
}

// SendTyping implements the service.
func (s service) SendTyping(ctx context.Context, r *intervenev1.SendTypingRequest) (*intervenev1.SendTypingResponse, error) {
	id, err := conversationID(r.GetConversationId())
	if err != nil {
		return nil, err
	}
	card, err := s.visibleCard(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := mayType(callerOf(ctx).Principal, &card, engine.InstantOf(time.Now())); err != nil {
		return nil, err
	}
	if err := s.receipt(&card, true); err != nil {
		return nil, err
	}
	return &intervenev1.SendTypingResponse{}, nil
}

// mayType spares a customer the sight of an answer that would be refused. It
// rests on the card as it was read, which a hint may.
func mayType(p Principal, card *engine.Card, now engine.Instant) error {
	refused := engine.Error{Column: card.Column, Holder: card.Holder, Epoch: card.Epoch}
	switch {
	case p.Role != RoleBot && (card.Column != engine.Intervened || card.Holder != p.ID):
		refused.Code = engine.CodeNotHolder
	case p.Role == RoleBot && card.Column == engine.Intervened:
		refused.Code = engine.CodeBotFenced
	case p.Role == RoleBot && now < card.MutedUntil:
		refused.Code = engine.CodeBotMuted
	default:
		return nil
	}
	return &refused
}

// tellRead tells the customer's platform that card's conversation was read. It
// is a courtesy: the command that it follows has succeeded, whatever comes of it.
func (s *Server) tellRead(ctx context.Context, card *engine.Card) {
	if !s.served.Load().ReadReceipts {
		return
	}
	if err := s.receipt(card, false); err != nil {
		s.log.ErrorContext(ctx, "no read receipt", "conversation", card.Conversation, "error", err)
	}
}

// receipt tells of the newest message of the customer, which the platform takes
// to mean those before it, too.
func (s *Server) receipt(card *engine.Card, typing bool) error {
	newest, err := s.options.Conversations.Messages(card.Conversation, 0, receiptSearch)
	if err != nil {
		return fmt.Errorf("read newest messages: %w", err)
	}
	for i := range newest {
		received, ok := newest[i].Event.Body.(engine.MessageReceived)
		if !ok || received.External == "" {
			continue
		}
		s.receipts.offer(card.Channel, received.External, typing)
		return nil
	}
	return nil
}
