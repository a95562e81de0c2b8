package demo

import (
	"slices"
	"testing"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

func snapshot(last bool, cards ...*intervenev1.Card) *intervenev1.WatchBoardResponse {
	chunk := &intervenev1.SnapshotChunk{Cards: cards, Last: last}
	if last {
		chunk.ResumeToken = []byte("snapshot")
	}
	return &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_SnapshotChunk{SnapshotChunk: chunk}}
}

func delta(removed []*intervenev1.Removal, cards ...*intervenev1.Card) *intervenev1.WatchBoardResponse {
	batch := &intervenev1.DeltaBatch{Upserts: cards, Removed: removed, ResumeToken: []byte("delta")}
	return &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_DeltaBatch{DeltaBatch: batch}}
}

func reset() *intervenev1.WatchBoardResponse {
	return &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_Reset_{Reset_: &intervenev1.Reset{}}}
}

func card(id string, version uint64, column intervenev1.Column) *intervenev1.Card {
	return &intervenev1.Card{ConversationId: id, Version: version, Column: column}
}

func gone(id string, version uint64) []*intervenev1.Removal {
	return []*intervenev1.Removal{{ConversationId: id, Version: version}}
}

func TestBoardFoldsFrames(t *testing.T) {
	tests := []struct {
		name   string
		frames []*intervenev1.WatchBoardResponse
		want   map[string]uint64 // versions
		resume string
	}{
		{"snapshot in parts", []*intervenev1.WatchBoardResponse{
			snapshot(false, card("a", 1, columnActive)), snapshot(true, card("b", 2, columnActive)),
		}, map[string]uint64{"a": 1, "b": 2}, "snapshot"},
		{"newer and older cards", []*intervenev1.WatchBoardResponse{
			snapshot(true, card("a", 3, columnActive)), delta(nil, card("a", 5, columnActive)), delta(nil, card("a", 4, columnActive)),
		}, map[string]uint64{"a": 5}, "delta"},
		{"removal", []*intervenev1.WatchBoardResponse{
			snapshot(true, card("a", 3, columnActive)), delta(gone("a", 3)),
		}, map[string]uint64{}, "delta"},
		{"removal of before", []*intervenev1.WatchBoardResponse{
			snapshot(true, card("a", 3, columnActive)), delta(gone("a", 2)),
		}, map[string]uint64{"a": 3}, "delta"},
		{"back in the window", []*intervenev1.WatchBoardResponse{
			snapshot(true, card("a", 3, columnActive)), delta(gone("a", 3)), delta(nil, card("a", 3, columnActive)),
		}, map[string]uint64{"a": 3}, "delta"},
		{"reset", []*intervenev1.WatchBoardResponse{
			snapshot(true, card("a", 3, columnActive)), reset(), snapshot(true, card("b", 1, columnActive)),
		}, map[string]uint64{"b": 1}, "snapshot"},
		{"reset without its snapshot", []*intervenev1.WatchBoardResponse{
			snapshot(true, card("a", 3, columnActive)), reset(), snapshot(false, card("b", 1, columnActive)),
		}, map[string]uint64{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBoard(newLedger())
			for _, frame := range tt.frames {
				b.apply(frame)
			}
			request := b.request() // forgets what a broken snapshot left
			if got := string(request.GetResumeToken()); got != tt.resume {
				t.Errorf("got resume token %q, want %q", got, tt.resume)
			}
			got := b.face().cards
			if want := sortedKeys(tt.want); !slices.Equal(sortedKeys(got), want) {
				t.Errorf("got cards of %q, want %q", sortedKeys(got), want)
			}
			for id, version := range tt.want {
				if got[id].GetVersion() != version {
					t.Errorf("got version %d of %s, want %d", got[id].GetVersion(), id, version)
				}
			}
			if len(request.GetKnown()) != len(tt.want) {
				t.Errorf("got %d cards known to a resume, want %d", len(request.GetKnown()), len(tt.want))
			}
		})
	}
}

func TestBoardMeasuresLag(t *testing.T) {
	l := newLedger()
	b := newBoard(l)
	b.await("a", 2, noon)
	b.apply(snapshot(true, card("a", 1, columnActive)))
	if got := l.lags.TotalCount(); got != 0 {
		t.Errorf("got %d lags before the change was seen, want 0", got)
	}
	b.apply(delta(gone("a", 4)))
	b.await("a", 3, noon) // the stream was faster, and the card has left since
	if got := l.lags.TotalCount(); got != 2 {
		t.Errorf("got %d lags, want 2", got)
	}
}
