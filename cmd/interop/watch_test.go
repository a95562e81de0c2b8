package main

import (
	"slices"
	"strings"
	"testing"
)

// The frames as grpcurl and buf curl print them.
const (
	helloFrame   = `{"hello": {"serverId": "X", "heartbeatInterval": "15s", "agentId": "asha"}}`
	middleFrame  = `{"snapshotChunk": {"resumeToken": "AA=="}}`
	lastFrame    = `{"snapshotChunk": {"last": true, "resumeToken": "AA=="}}`
	activeFrame  = `{"deltaBatch": {"upserts": [{"column": "COLUMN_ACTIVE", "contact": {"name": "` + customerName + `"}}]}}`
	otherFrame   = `{"deltaBatch": {"upserts": [{"column": "COLUMN_REQUESTING", "contact": {"name": "Ben"}}]}}`
	askedFrame   = `{"deltaBatch": {"upserts": [{"column": "COLUMN_REQUESTING", "contact": {"name": "` + customerName + `"}}]}}`
	goAwayFrame  = `{"goAway": {"retryAfter": "0.5s"}}`
	strangeFrame = `{"hello": {"agentId": "ben"}}`
	earlyCard    = `{"snapshotChunk": {"cards": [{"column": "COLUMN_ACTIVE"}], "last": true}}`
)

func TestTell(t *testing.T) {
	tests := []struct {
		name   string
		output []string
		want   []step
		wrong  string // what the error says; empty: there is none
	}{
		{"whole story", []string{helloFrame, middleFrame, lastFrame, activeFrame, askedFrame, goAwayFrame}, []step{greeted, shown, asked, sentAway}, ""},
		{"heartbeat", []string{helloFrame, lastFrame, `{"heartbeat": {}}`}, []step{greeted, shown}, ""},
		{"somebody else asks", []string{helloFrame, lastFrame, otherFrame}, []step{greeted, shown}, ""},
		{"the customer only writes", []string{helloFrame, lastFrame, activeFrame}, []step{greeted, shown}, ""},
		{"snapshot never ends", []string{helloFrame, middleFrame, middleFrame}, []step{greeted}, ""},
		{"nothing", nil, nil, ""},
		{"hello to somebody else", []string{strangeFrame}, nil, `hello to "ben"`},
		{"two hellos", []string{helloFrame, helloFrame}, []step{greeted}, "after hello"},
		{"no hello", []string{lastFrame}, nil, "after nothing"},
		{"a card from before", []string{helloFrame, earlyCard}, []step{greeted}, "snapshot of 1 cards"},
		{"change before the snapshot", []string{helloFrame, askedFrame}, []step{greeted}, "a change after hello"},
		{"no JSON", []string{helloFrame, "ERROR:"}, []step{greeted}, "as JSON"},
		{"cut off", []string{helloFrame, `{"snapshotChunk": {`}, []step{greeted}, "as JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			steps := make(chan step, len(tt.output))
			err := tell(strings.NewReader(strings.Join(tt.output, "\n")), steps)
			close(steps)
			var got []step
			for s := range steps {
				got = append(got, s)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got steps %v, want %v", got, tt.want)
			}
			switch {
			case tt.wrong == "" && err != nil:
				t.Errorf("got error %v, want none", err)
			case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
				t.Errorf("got error %v, want one that says %q", err, tt.wrong)
			}
		})
	}
}
