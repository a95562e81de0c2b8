package client

import (
	"testing"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// tell gives f events from its newest on, the last of them as given.
func tell(t *testing.T, f *conversationFold, count uint64, last *intervenev1.ConversationEvent) {
	t.Helper()
	for range count {
		event := &intervenev1.ConversationEvent{Version: f.newest + 1}
		if event.Version == count && last != nil {
			last.Version, event = count, last
		}
		if err := f.append(event); err != nil {
			t.Fatalf("event %d: %v", event.Version, err)
		}
	}
}

// TestWhatIsGoneIsForgotten: a client keeps no content whose time is over.
func TestWhatIsGoneIsForgotten(t *testing.T) {
	tests := []struct {
		name  string
		last  *intervenev1.ConversationEvent
		count uint64
		first uint64 // that is kept
	}{
		{"nothing", nil, 10, 1},
		{"trim", &intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_Trim{Trim: &intervenev1.Trim{OldestVersion: 6}}}, 10, 6},
		{"trim of what was never here", &intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_Trim{Trim: &intervenev1.Trim{OldestVersion: 1}}}, 10, 1},
		{"erasure", &intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_Erasure{Erasure: &intervenev1.Erasure{}}}, 10, 10},
		{"a long conversation", nil, 3*maxEvents + 7, 2*maxEvents + 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f conversationFold
			tell(t, &f, tt.count, tt.last)
			shown := f.snapshot().Events
			if got := shown[0].GetVersion(); got != tt.first || uint64(len(shown)) != tt.count-tt.first+1 {
				t.Errorf("got %d events from version %d on, want them from %d on", len(shown), got, tt.first)
			}
			if len(f.events) > 2*maxEvents {
				t.Errorf("got %d events in memory, want at most %d", len(f.events), 2*maxEvents)
			}
		})
	}
}

// TestSnapshotsDoNotChange: what was handed out stays as it was.
func TestSnapshotsDoNotChange(t *testing.T) {
	var f conversationFold
	tell(t, &f, 3, nil)
	before := f.snapshot().Events
	tell(t, &f, 2*maxEvents, nil)
	f.drop(maxEvents)
	if len(before) != 3 || cap(before) != 3 || before[0].GetVersion() != 1 || before[2].GetVersion() != 3 {
		t.Errorf("got %v, want the three events that were shown", before)
	}
}
