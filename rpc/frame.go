package rpc

import (
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// frame is one frame of a board, made and encoded once for all streams that
// send it. Nobody changes one.
type frame struct {
	message *intervenev1.WatchBoardResponse
	// upserts and removed are what message says, in the engine's words.
	upserts []*viewCard
	removed []engine.BoardRemoval

	encode  sync.Once
	encoded *intervenev1.WatchBoardResponse
}

// in is the message to send. In protobuf it is one that holds its own encoding as
// fields that it does not know, which are written as they are; JSON has no such
// thing, and is encoded by each stream.
func (f *frame) in(binary bool) *intervenev1.WatchBoardResponse {
	if !binary {
		return f.message
	}
	f.encode.Do(func() {
		raw, err := proto.Marshal(f.message)
		if err != nil {
			f.encoded = f.message // whoever sends it is told
			return
		}
		f.encoded = new(intervenev1.WatchBoardResponse)
		f.encoded.ProtoReflect().SetUnknown(raw)
	})
	return f.encoded
}

// keeping is f, of a shared view, for a stream that shows another beside it: what
// leaves the one and stands in the other stays, as the other has it.
func (f *frame) keeping(other *view) *frame {
	var kept []*viewCard
	var removed []engine.BoardRemoval
	for _, r := range f.removed {
		if card := other.has(r.Conversation); card != nil {
			kept = append(kept, card)
			continue
		}
		removed = append(removed, r)
	}
	if len(kept) == 0 {
		return f
	}
	batch := f.message.GetDeltaBatch()
	return deltaFrame(slices.Concat(f.upserts, kept), removed, batch.GetCounters(), batch.GetResumeToken())
}

// besides is f, of a view that is shown beside shared, without what shared
// tells by itself; nil: nothing is left of it.
func (f *frame) besides(shared *view) *frame {
	var upserts []*viewCard
	for _, card := range f.upserts {
		if has := shared.has(card.id); has == nil || has.version < card.version {
			upserts = append(upserts, card)
		}
	}
	var removed []engine.BoardRemoval
	for _, r := range f.removed {
		if shared.has(r.Conversation) == nil {
			removed = append(removed, r)
		}
	}
	if len(upserts) == 0 && len(removed) == 0 {
		return nil
	}
	return deltaFrame(upserts, removed, nil, shared.token)
}

func snapshotFrame(cards []*viewCard) *frame {
	chunk := &intervenev1.SnapshotChunk{Cards: wireCards(cards)}
	return &frame{message: &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_SnapshotChunk{SnapshotChunk: chunk}}}
}

func deltaFrame(upserts []*viewCard, removed []engine.BoardRemoval, counters *intervenev1.Counters, token []byte) *frame {
	batch := &intervenev1.DeltaBatch{
		Upserts: wireCards(upserts), Removed: removalsOf(removed), Counters: counters, ResumeToken: token,
	}
	return &frame{
		message: &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_DeltaBatch{DeltaBatch: batch}},
		upserts: upserts, removed: removed,
	}
}

// snapshotFrames is one chunk at least: the last one says that it is complete.
func snapshotFrames(cards []*viewCard, counters *intervenev1.Counters, token []byte) []*frame {
	var frames []*frame
	for {
		n := min(len(cards), maxChunkCards)
		f := snapshotFrame(cards[:n])
		frames = append(frames, f)
		if cards = cards[n:]; len(cards) == 0 {
			chunk := f.message.GetSnapshotChunk()
			chunk.Last, chunk.Counters, chunk.ResumeToken = true, counters, token
			return frames
		}
	}
}

// deltaFrames is one batch, unless there is a whole board's worth of cards:
// counters come with the last.
func deltaFrames(upserts []*viewCard, removed []engine.BoardRemoval, counters *intervenev1.Counters, token []byte) []*frame {
	var frames []*frame
	for len(upserts) > maxFrameCards {
		frames = append(frames, deltaFrame(upserts[:maxFrameCards], removed, nil, token))
		upserts, removed = upserts[maxFrameCards:], nil
	}
	return append(frames, deltaFrame(upserts, removed, counters, token))
}

func wireCards(cards []*viewCard) []*intervenev1.Card {
	wire := make([]*intervenev1.Card, len(cards))
	for i, c := range cards {
		wire[i] = c.wire
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
