package actors_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// watched is an instant store that remembers what the newest append made of what.
type watched struct {
	instant
	appended engine.Append
}

func (w *watched) Append(a engine.Append) (engine.Change, error) {
	w.appended = a
	return w.instant.Append(a)
}

// BenchmarkMetrics is the CPU of what metrics do for a chat's five commands beside
// that of the commands, in slices that take turns: with a nil registerer metrics count
// all the same, so there is no engine without them to compare with. The share is of
// router and conversation alone; with a journal a command takes three to four times as
// long.
//
//	go test -run '^$' -bench Metrics -benchtime 40x ./actors
func BenchmarkMetrics(b *testing.B) {
	store := &watched{}
	router := actors.NewRouter(actors.RouterOptions{Store: store, Registerer: prometheus.NewRegistry()})
	b.Cleanup(router.Stop)
	c := &caller{id: actors.NewConversationID(0)}
	c.chat(b, router)
	last := store.appended
	before, events := *last.After, last.Events
	command := engine.Command{Workspace: acme, By: engine.Party{Kind: engine.Engine}, Body: engine.RecordStatus{}}
	const chats, commands = 1000, 5
	var given, counted time.Duration
	for b.Loop() {
		began := cpu(b)
		for range chats {
			c.chat(b, router)
		}
		between := cpu(b)
		for range chats * commands {
			router.Count(command, &before, events)
		}
		given, counted = given+between-began, counted+cpu(b)-between
	}
	all := float64(b.N * chats * commands)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(given.Nanoseconds())/all, "cpu-ns/command")
	b.ReportMetric(float64(counted.Nanoseconds())/all, "cpu-ns/metrics")
	b.ReportMetric(100*float64(counted)/float64(given), "%")
	if err := router.Drain(context.Background()); err != nil {
		b.Errorf("drain: %v", err)
	}
}
