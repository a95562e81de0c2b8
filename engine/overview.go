package engine

import "time"

// Overview is how a workspace does: what happened in each of the last periods.
type Overview struct {
	// CompleteSince is from when on nothing is missing; 0: nothing is at all.
	CompleteSince Instant
	// CatchingUp: what happened is still being counted.
	CatchingUp bool
	// Hours and Days follow on one another, the oldest first; the last is not over.
	Hours, Days []OverviewPeriod
}

// OverviewPeriod counts what happened from Begin until the next one's.
type OverviewPeriod struct {
	Begin Instant
	// Conversations are those whose customer wrote or asked for a person, Asked
	// those that asked. Large numbers are estimates.
	Conversations, Asked uint64
	Requests             uint64
	Interventions        uint64
	// What was held was given back by somebody, or by itself for being idle.
	Resolutions, AutoResolutions uint64
	// Requests ended without an intervention: by somebody, or taken back.
	Dismissals, Withdrawals uint64
	Waiting                 Durations // from request to intervention
	Holding                 Durations // from intervention to resolution
}

// Durations sum up how long things took. The quantiles are estimates.
type Durations struct {
	Count                              uint64
	Median, NinthDecile, Longest, Mean time.Duration
}
