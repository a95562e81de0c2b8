package rpc

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// Overviews counts what becomes durable.
type Overviews interface {
	// Overview is how ws does at an instant. What it returns is the caller's.
	Overview(ws engine.WorkspaceID, now engine.Instant) engine.Overview
}

// GetOverview implements the service.
func (s service) GetOverview(ctx context.Context, _ *intervenev1.GetOverviewRequest) (*intervenev1.GetOverviewResponse, error) {
	ws, now := callerOf(ctx).Workspace, engine.InstantOf(time.Now())
	overview := s.options.Overviews.Overview(ws, now)
	return &intervenev1.GetOverviewResponse{
		Counters:      countersOf(s.options.Boards.Counters(ws), engine.BoardColumns[:]),
		AsOf:          timestampOf(now),
		CompleteSince: timestampOf(overview.CompleteSince),
		CatchingUp:    overview.CatchingUp,
		Hours:         periodsOf(overview.Hours),
		Days:          periodsOf(overview.Days),
	}, nil
}

func periodsOf(periods []engine.OverviewPeriod) []*intervenev1.OverviewPeriod {
	wire := make([]*intervenev1.OverviewPeriod, len(periods))
	for i := range periods {
		p := &periods[i]
		wire[i] = &intervenev1.OverviewPeriod{
			Begin:         timestampOf(p.Begin),
			Conversations: p.Conversations, Asked: p.Asked, Requests: p.Requests, Interventions: p.Interventions,
			Resolutions: p.Resolutions, AutoResolutions: p.AutoResolutions, Dismissals: p.Dismissals, Withdrawals: p.Withdrawals,
			Waiting: durationsOf(p.Waiting), Holding: durationsOf(p.Holding),
		}
	}
	return wire
}

func durationsOf(d engine.Durations) *intervenev1.Durations {
	if d.Count == 0 {
		return nil
	}
	return &intervenev1.Durations{
		Count: d.Count, Median: durationpb.New(d.Median), NinthDecile: durationpb.New(d.NinthDecile),
		Longest: durationpb.New(d.Longest), Mean: durationpb.New(d.Mean),
	}
}
