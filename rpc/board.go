package rpc

import (
	"context"
	"fmt"
	"slices"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// maxFrameCards bounds one frame of a board.
const maxFrameCards = 100

// WatchBoard implements the service.
func (s service) WatchBoard(ctx context.Context, r *intervenev1.WatchBoardRequest, out *connect.ServerStream[intervenev1.WatchBoardResponse]) error {
	query, err := boardQuery(callerOf(ctx).Principal, r)
	if err != nil {
		return err
	}
	st, err := openStream(ctx, s.Server, out)
	if err != nil {
		return err
	}
	defer st.close()
	b := &boardStream{stream: st, query: query, token: s.cursors.resumeToken(&query)}
	watch := func(ctx context.Context, update func(engine.BoardUpdate) error) error {
		return s.options.Boards.WatchBoard(ctx, b.query, update)
	}
	return follow(ctx, st, watch, frames[intervenev1.WatchBoardResponse, engine.BoardUpdate]{
		begin:     func() error { return b.begin(r) },
		update:    b.update,
		heartbeat: &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_Heartbeat{Heartbeat: &intervenev1.Heartbeat{}}},
		goAway: func(g *intervenev1.GoAway) *intervenev1.WatchBoardResponse {
			return &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_GoAway{GoAway: g}}
		},
	})
}

// boardQuery is what r asks for on behalf of p, not yet resuming.
func boardQuery(p Principal, r *intervenev1.WatchBoardRequest) (engine.BoardQuery, error) {
	q := engine.BoardQuery{
		Workspace: p.Workspace,
		Columns:   engine.BoardColumns[:],
		Filter: engine.BoardFilter{
			Unassigned: r.GetFilter().GetUnassigned(),
			Channel:    engine.ChannelID(r.GetFilter().GetChannelId()),
			Tag:        r.GetFilter().GetTag(),
		},
		Window: pageSize(r.GetWindow()),
		Known:  make(map[engine.ConversationID]uint64, len(r.GetKnown())),
	}
	if r.GetFilter().GetMine() {
		q.Filter.Holder = p.ID
	}
	if len(r.GetColumns()) > 0 {
		q.Columns = nil
		for _, c := range r.GetColumns() {
			q.Columns = append(q.Columns, engine.Column(c))
		}
		slices.Sort(q.Columns) // one set of columns is one board
	}
	for i, known := range r.GetKnown() {
		id, err := engine.ParseConversationID(known.GetConversationId())
		if err != nil {
			return q, invalid(fmt.Sprintf("known[%d].conversation_id", i), "must be the id of a conversation")
		}
		q.Known[id] = known.GetVersion()
	}
	return q, nil
}

// boardStream is a stream of one board.
type boardStream struct {
	*stream[intervenev1.WatchBoardResponse]
	query engine.BoardQuery
	token []byte
	// told: the caller has a board to which deltas apply.
	told bool
}

// begin greets the caller and decides whether it may resume.
func (b *boardStream) begin(r *intervenev1.WatchBoardRequest) error {
	err := b.send(&intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_Hello{Hello: &intervenev1.Hello{
		ServerId:          b.server.id,
		HeartbeatInterval: durationpb.New(heartbeatInterval),
	}}})
	switch {
	case err != nil || len(r.GetResumeToken()) == 0:
		b.query.Known = nil
		return err
	case b.server.cursors.resumes(r.GetResumeToken(), &b.query):
		b.query.Resume = true
		return nil
	}
	b.query.Known = nil
	return b.reset(intervenev1.ResetReason_RESET_REASON_TOKEN_UNKNOWN)
}

func (b *boardStream) reset(reason intervenev1.ResetReason) error {
	b.server.metrics.resets.WithLabelValues(reason.String()).Inc()
	return b.send(&intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_Reset_{Reset_: &intervenev1.Reset{Reason: reason}}})
}

func (b *boardStream) update(u engine.BoardUpdate) error {
	first := !b.told
	b.told = true
	for i := range u.Upserts {
		if u.Upserts[i].Workspace != b.query.Workspace {
			return fmt.Errorf("board update holds conversation %v of another workspace", u.Upserts[i].Conversation)
		}
	}
	if first && u.Counters == nil {
		u.Counters = b.server.options.Boards.Counters(b.query.Workspace)
	}
	switch {
	case u.Snapshot && first && b.query.Resume:
		if err := b.reset(intervenev1.ResetReason_RESET_REASON_TOO_FAR_BEHIND); err != nil {
			return err
		}
		return b.snapshot(u)
	case u.Snapshot && !first:
		if err := b.reset(intervenev1.ResetReason_RESET_REASON_REBUILT); err != nil {
			return err
		}
		return b.snapshot(u)
	case u.Snapshot:
		return b.snapshot(u)
	case !first && len(u.Upserts) == 0 && len(u.Removed) == 0 && u.Counters == nil:
		return nil
	}
	return b.delta(u)
}

// snapshot is one chunk at least: the last one says that it is complete.
func (b *boardStream) snapshot(u engine.BoardUpdate) error {
	cards := u.Upserts
	for {
		n := min(len(cards), maxFrameCards)
		chunk := &intervenev1.SnapshotChunk{Cards: cardsOf(cards[:n]), Last: n == len(cards)}
		if chunk.Last {
			chunk.Counters, chunk.ResumeToken = b.counters(u.Counters), b.token
		}
		err := b.send(&intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_SnapshotChunk{SnapshotChunk: chunk}})
		if err != nil || chunk.Last {
			return err
		}
		cards = cards[n:]
	}
}

// delta is one batch, unless a resume brings a whole board's worth of cards:
// then counters come with the last.
func (b *boardStream) delta(u engine.BoardUpdate) error {
	cards := u.Upserts
	removed := removalsOf(u.Removed)
	for {
		n := min(len(cards), maxFrameCards)
		batch := &intervenev1.DeltaBatch{Upserts: cardsOf(cards[:n]), Removed: removed, ResumeToken: b.token}
		last := n == len(cards)
		if last {
			batch.Counters = b.counters(u.Counters)
		}
		err := b.send(&intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_DeltaBatch{DeltaBatch: batch}})
		if err != nil || last {
			return err
		}
		cards, removed = cards[n:], nil
	}
}

// counters are nil when there is nothing to say of them.
func (b *boardStream) counters(counters []engine.ColumnCounter) *intervenev1.Counters {
	if counters == nil {
		return nil
	}
	return countersOf(counters, b.query.Columns)
}

func cardsOf(cards []engine.Card) []*intervenev1.Card {
	wire := make([]*intervenev1.Card, len(cards))
	for i := range cards {
		wire[i] = cardOf(&cards[i])
	}
	return wire
}

func removalsOf(removed []engine.BoardRemoval) []*intervenev1.Removal {
	wire := make([]*intervenev1.Removal, len(removed))
	for i, r := range removed {
		wire[i] = &intervenev1.Removal{ConversationId: r.Conversation.String(), Version: r.Version}
	}
	return wire
}
