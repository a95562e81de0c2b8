package rpc

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

func TestGetOverview(t *testing.T) {
	e := newEdge(t)
	e.held()
	e.overview = engine.Overview{
		CompleteSince: 1000, CatchingUp: true,
		Hours: []engine.OverviewPeriod{{
			Begin: 3_600_000, Conversations: 1, Asked: 2, Requests: 3, Interventions: 4, Resolutions: 5, AutoResolutions: 6, Dismissals: 7, Withdrawals: 8,
			Waiting: engine.Durations{Count: 9, Median: time.Second, NinthDecile: 2 * time.Second, Longest: 3 * time.Second, Mean: 4 * time.Second},
		}},
		Days: []engine.OverviewPeriod{{Begin: 86_400_000, Holding: engine.Durations{Count: 1, Median: time.Hour, NinthDecile: time.Hour, Longest: time.Hour, Mean: time.Hour}}},
	}
	got, err := e.client(samToken).GetOverview(t.Context(), &intervenev1.GetOverviewRequest{})
	if err != nil {
		t.Fatalf("GetOverview: %v", err)
	}
	if since := time.Since(got.GetAsOf().AsTime()); since < 0 || since > time.Minute {
		t.Errorf("got it as of %v, want now", got.GetAsOf().AsTime())
	}
	got.AsOf = nil
	hour := durationpb.New(time.Hour)
	want := &intervenev1.GetOverviewResponse{
		Counters: &intervenev1.Counters{Columns: []*intervenev1.ColumnCounter{
			{Column: intervenev1.Column_COLUMN_ACTIVE}, {Column: intervenev1.Column_COLUMN_REQUESTING}, {Column: intervenev1.Column_COLUMN_INTERVENED, Conversations: 1},
		}},
		CompleteSince: &timestamppb.Timestamp{Seconds: 1}, CatchingUp: true,
		Hours: []*intervenev1.OverviewPeriod{{
			Begin:         &timestamppb.Timestamp{Seconds: 3600},
			Conversations: 1, Asked: 2, Requests: 3, Interventions: 4, Resolutions: 5, AutoResolutions: 6, Dismissals: 7, Withdrawals: 8,
			Waiting: &intervenev1.Durations{
				Count: 9, Median: durationpb.New(time.Second), NinthDecile: durationpb.New(2 * time.Second),
				Longest: durationpb.New(3 * time.Second), Mean: durationpb.New(4 * time.Second),
			},
		}},
		Days: []*intervenev1.OverviewPeriod{{
			Begin: &timestamppb.Timestamp{Seconds: 86_400}, Holding: &intervenev1.Durations{Count: 1, Median: hour, NinthDecile: hour, Longest: hour, Mean: hour},
		}},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("got a difference (-want +got):\n%s", diff)
	}
}
