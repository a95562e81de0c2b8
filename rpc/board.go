package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// WatchBoard implements the service.
func (s service) WatchBoard(ctx context.Context, r *intervenev1.WatchBoardRequest, out *connect.ServerStream[intervenev1.WatchBoardResponse]) error {
	key := boardKey(callerOf(ctx).Principal, r)
	known, err := knownCards(r)
	if err != nil {
		return err
	}
	st, err := openStream(ctx, s.Server, out)
	if err != nil {
		return err
	}
	defer st.close()
	b := &boardStream{
		stream: st, known: known, token: r.GetResumeToken(),
		binary: !strings.Contains(out.Conn().RequestHeader().Get("Content-Type"), "json"),
	}
	b.shared.view = s.views.join(key, st.bell)
	defer s.views.leave(b.shared.view, st.bell)
	if r.GetIncludeMine() {
		b.mine.view = s.views.join(mineKey(st.who.Principal), st.bell)
		defer s.views.leave(b.mine.view, st.bell)
	}
	if r.GetPresence() {
		b.agents.view = s.views.joinAgents(st.who.Workspace, st.bell)
		defer s.views.leaveAgents(b.agents.view, st.bell)
	}
	return st.serve(ctx, b.pull, frames[intervenev1.WatchBoardResponse]{
		heartbeat: &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_Heartbeat{Heartbeat: &intervenev1.Heartbeat{}}},
		goAway: func(g *intervenev1.GoAway) *intervenev1.WatchBoardResponse {
			return &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_GoAway{GoAway: g}}
		},
	})
}

// boardKey is what r asks for on behalf of p.
func boardKey(p Principal, r *intervenev1.WatchBoardRequest) viewKey {
	key := viewKey{workspace: p.Workspace, columns: engine.BoardColumns, filter: boardFilter(p, r.GetFilter()), window: pageSize(r.GetWindow())}
	if len(r.GetColumns()) > 0 {
		clear(key.columns[:])
		for i, c := range slices.Sorted(slices.Values(r.GetColumns())) { // one set of columns is one board
			key.columns[i] = engine.Column(c)
		}
	}
	return key
}

func boardFilter(p Principal, f *intervenev1.Filter) engine.BoardFilter {
	filter := engine.BoardFilter{
		Unassigned: f.GetUnassigned(), Channel: engine.ChannelID(f.GetChannelId()), Tag: f.GetTag(),
	}
	if f.GetMine() {
		filter.Holder = p.ID
	}
	return filter
}

// mineKey is what p holds, shown beside a board.
func mineKey(p Principal) viewKey {
	key := viewKey{workspace: p.Workspace, filter: engine.BoardFilter{Holder: p.ID}, window: maxPageSize, beside: true}
	key.columns[0] = engine.Intervened
	return key
}

func knownCards(r *intervenev1.WatchBoardRequest) (map[engine.ConversationID]uint64, error) {
	cards := make(map[engine.ConversationID]uint64, len(r.GetKnown()))
	for i, known := range r.GetKnown() {
		id, err := engine.ParseConversationID(known.GetConversationId())
		if err != nil {
			return nil, invalid(fmt.Sprintf("known[%d].conversation_id", i), "must be the id of a conversation")
		}
		cards[id] = known.GetVersion()
	}
	return cards, nil
}

// boardStream is a stream of one board.
type boardStream struct {
	*stream[intervenev1.WatchBoardResponse]
	binary bool
	// token and known are what the caller came with, until it was told of a board.
	token []byte
	known map[engine.ConversationID]uint64

	told         bool
	shared, mine place
	agents       agentsPlace
}

// place is how far a stream has come in a view; the zero one is of no view.
type place struct {
	view *view
	at   uint64
}

// pull sends everything that is new.
func (b *boardStream) pull() error {
	if err := b.greet(); err != nil {
		return err
	}
	ready, err := b.begun()
	if err != nil || !ready {
		return err
	}
	if !b.told {
		if err := b.first(); err != nil {
			return err
		}
		b.told, b.known, b.token = true, nil, nil
	}
	if err := b.changes(); err != nil {
		return err
	}
	return b.tellAgents()
}

func (b *boardStream) greet() error {
	if b.sent > 0 {
		return nil
	}
	return b.send(&intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_Hello{Hello: &intervenev1.Hello{
		ServerId:          b.server.id,
		HeartbeatInterval: durationpb.New(heartbeatInterval),
		AgentId:           string(b.who.ID),
		JournalId:         b.server.cursors.name(),
	}}})
}

// begun reports whether all views have something to show.
func (b *boardStream) begun() (bool, error) {
	ready := true
	for _, p := range []*place{&b.shared, &b.mine} {
		if p.view == nil {
			continue
		}
		begun, err := p.view.begun()
		if err != nil {
			return false, err
		}
		ready = ready && begun
	}
	return ready, nil
}

// first tells the caller of a board to which changes apply: the difference to
// what it knows, if that is of this board, else all of it.
func (b *boardStream) first() error {
	switch {
	case len(b.token) == 0:
		return b.snapshot()
	case b.server.cursors.resumes(b.token, b.shared.view.token):
		return b.resume()
	}
	return b.reset(intervenev1.ResetReason_RESET_REASON_TOKEN_UNKNOWN)
}

// reset makes the caller forget, and tells everything.
func (b *boardStream) reset(reason intervenev1.ResetReason) error {
	b.server.metrics.resets.WithLabelValues(reason.String()).Inc()
	err := b.send(&intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_Reset_{Reset_: &intervenev1.Reset{Reason: reason}}})
	if err != nil {
		return err
	}
	return b.snapshot()
}

// snapshot tells what is the caller's own first: the shared board's last chunk
// says that everything was told.
func (b *boardStream) snapshot() error {
	if b.mine.view != nil {
		cards, _, at := b.mine.view.window()
		for chunk := range slices.Chunk(cards, maxChunkCards) {
			if err := b.sendFrame(snapshotFrame(chunk)); err != nil {
				return err
			}
		}
		b.mine.at = at
	}
	c, ok := b.shared.view.after(0)
	if !ok {
		return errors.New("a view that has begun has nothing to show")
	}
	b.shared.at = c.to
	return b.sendFrames(c.frames)
}

// resume tells the difference to what the caller knows.
func (b *boardStream) resume() error {
	cards, counters, at := b.shared.view.window()
	b.shared.at = at
	if b.mine.view != nil {
		var mine []*viewCard
		mine, _, b.mine.at = b.mine.view.window()
		cards = append(cards, mine...)
	}
	shown := make(map[engine.ConversationID]bool, len(cards))
	var upserts []*viewCard
	for _, card := range cards {
		version, known := b.known[card.id]
		if !shown[card.id] && (!known || version != card.version) {
			upserts = append(upserts, card)
		}
		shown[card.id] = true
	}
	var removed []engine.BoardRemoval
	for id, version := range b.known {
		if shown[id] {
			continue
		}
		left, err := b.left(id, version)
		if err != nil {
			return err
		}
		removed = append(removed, left)
	}
	return b.sendFrames(deltaFrames(upserts, removed, counters, b.shared.view.token))
}

// left is the removal of a card that the caller knows at a version.
func (b *boardStream) left(id engine.ConversationID, version uint64) (engine.BoardRemoval, error) {
	card, err := b.server.options.Conversations.Card(id)
	switch {
	case engine.CodeOf(err) == engine.CodeNotFound || (err == nil && card.Workspace != b.who.Workspace):
		// The caller claims to know what is not its own, or not there.
	case err != nil:
		return engine.BoardRemoval{}, fmt.Errorf("read card: %w", err)
	default:
		version = max(version, card.Version)
	}
	return engine.BoardRemoval{Conversation: id, Version: version}, nil
}

// changes tells what changed since the places where the stream stands.
func (b *boardStream) changes() error {
	shared, some := b.shared.view.after(b.shared.at)
	var mine change
	if b.mine.view != nil {
		var more bool
		mine, more = b.mine.view.after(b.mine.at)
		some = some || more
	}
	if !some {
		return nil
	}
	if reason := max(shared.reset, mine.reset); reason != 0 {
		return b.reset(reason)
	}
	if shared.to != 0 {
		b.shared.at = shared.to
	}
	if mine.to != 0 {
		b.mine.at = mine.to
	}
	for _, f := range shared.frames {
		if b.mine.view != nil {
			f = f.keeping(b.mine.view)
		}
		if err := b.sendFrame(f); err != nil {
			return err
		}
	}
	for _, f := range mine.frames {
		if f = f.besides(b.shared.view); f == nil {
			continue
		}
		if err := b.sendFrame(f); err != nil {
			return err
		}
	}
	if !shared.since.IsZero() {
		b.server.metrics.lag.Observe(time.Since(shared.since).Seconds())
	}
	return nil
}

func (b *boardStream) sendFrames(frames []*frame) error {
	for _, f := range frames {
		if err := b.sendFrame(f); err != nil {
			return err
		}
	}
	return nil
}

func (b *boardStream) sendFrame(f *frame) error { return b.send(f.in(b.binary)) }
