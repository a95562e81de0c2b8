package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// What a run of fullRun must at least have offered; shorter and longer runs
// in proportion.
const (
	fullRun           = 30 * time.Second
	fullConversations = 2000
	fullRaces         = 500
)

// Report is what a headless run found.
type Report struct {
	Seed                    uint64      `json:"seed"`
	Conversations           int         `json:"conversations"`
	WebhookEvents           int         `json:"webhook_events"`
	MessagesOffered         int         `json:"messages_offered"`
	MessagesJournaled       int         `json:"messages_journaled"`
	Lost                    int         `json:"lost"`
	DuplicatesOffered       int         `json:"duplicates_offered"`
	DuplicatesApplied       int         `json:"duplicates_applied"`
	SendsAccepted           int         `json:"sends_accepted"`
	SendsOutOfOrder         int         `json:"sends_out_of_order"`
	BotSendsWhileIntervened int         `json:"bot_sends_while_intervened"`
	InterveneRaces          int         `json:"intervene_races"`
	InterveneDoubleWinners  int         `json:"intervene_double_winners"`
	BadSignaturesOffered    int         `json:"bad_signatures_offered"`
	BadSignaturesAccepted   int         `json:"bad_signatures_accepted"`
	Ack                     Percentiles `json:"ack_ms"`
	Command                 Percentiles `json:"command_ms"`
	StreamLag               Percentiles `json:"stream_lag_ms"`
	Violations              []string    `json:"violations"`
}

// requireLoad adds a violation for each floor that a run of length d missed: a
// run that was too easy proves too little.
func (r *Report) requireLoad(d time.Duration) {
	share := float64(d) / float64(fullRun)
	for _, floor := range []struct {
		what      string
		got, full int
	}{
		{"conversations", r.Conversations, fullConversations},
		{"intervene races", r.InterveneRaces, fullRaces},
	} {
		if want := int(share * float64(floor.full)); floor.got < want {
			r.Violations = append(r.Violations, fmt.Sprintf("load: %d %s, want at least %d", floor.got, floor.what, want))
		}
	}
}

// Write stores the report as JSON.
func (r Report) Write(path string) error {
	if r.Violations == nil {
		r.Violations = []string{} // a list, also when empty
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil { // #nosec G306 -- a report is for whoever may read the folder
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// Print tells the report to a person.
func (r Report) Print(w io.Writer) error {
	rows := []struct {
		name string
		of   string
	}{
		{"seed", fmt.Sprint(r.Seed)},
		{"conversations", fmt.Sprint(r.Conversations)},
		{"webhook events", fmt.Sprint(r.WebhookEvents)},
		{"messages", fmt.Sprintf("%d offered, %d journaled, %d lost", r.MessagesOffered, r.MessagesJournaled, r.Lost)},
		{"duplicates", fmt.Sprintf("%d offered, %d applied", r.DuplicatesOffered, r.DuplicatesApplied)},
		{"bad signatures", fmt.Sprintf("%d offered, %d accepted", r.BadSignaturesOffered, r.BadSignaturesAccepted)},
		{"sends", fmt.Sprintf("%d accepted, %d out of order", r.SendsAccepted, r.SendsOutOfOrder)},
		{"bot while intervened", fmt.Sprintf("%d sends", r.BotSendsWhileIntervened)},
		{"intervene races", fmt.Sprintf("%d, %d with two winners", r.InterveneRaces, r.InterveneDoubleWinners)},
		{"webhook ack", r.Ack.String()},
		{"command", r.Command.String()},
		{"stream lag", r.StreamLag.String()},
		{"violations", fmt.Sprint(len(r.Violations))},
	}
	for _, row := range rows {
		if _, err := fmt.Fprintf(w, "%-22s %s\n", row.name, row.of); err != nil {
			return fmt.Errorf("print the report: %w", err)
		}
	}
	for _, v := range r.Violations {
		if _, err := fmt.Fprintf(w, "  %s\n", v); err != nil {
			return fmt.Errorf("print the report: %w", err)
		}
	}
	return nil
}

func (p Percentiles) String() string { return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", p.P50, p.P99) }
