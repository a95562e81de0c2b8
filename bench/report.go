package main

import (
	"fmt"
	"strings"

	"github.com/intervenehq/intervene/bench/measure"
)

// slice is what was measured in a part of a round: all rates are a second's.
type slice struct {
	Seconds float64
	// CPU is how many processors the server took.
	CPU      float64
	Resident int64 // the most
	// Changes were answered. Deliveries reached those who read.
	Changes, Deliveries                float64
	BytesPerDelivery, CardsPerDelivery float64
	// Lost streams were ended by the server or the network, and came back.
	Lost int64
	Lag  *lagSummary `json:",omitempty"`
}

// lagSummary is in milliseconds.
type lagSummary struct {
	Changes          int64 // as often as they were seen
	P50, P99, Max    float64
	SendP50, SendP99 float64 // from the sending of the command on
}

func (l *lags) summary() *lagSummary {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	const ms = 1000.0
	return &lagSummary{
		Changes: l.sinceAck.TotalCount(),
		P50:     float64(l.sinceAck.ValueAtQuantile(50)) / ms, P99: float64(l.sinceAck.ValueAtQuantile(99)) / ms, Max: float64(l.sinceAck.Max()) / ms,
		SendP50: float64(l.sinceSend.ValueAtQuantile(50)) / ms, SendP99: float64(l.sinceSend.ValueAtQuantile(99)) / ms,
	}
}

func (s *slice) fill(r received) {
	s.Deliveries = float64(r.deliveries) / s.Seconds
	s.BytesPerDelivery = float64(r.bytes) / float64(max(1, r.deliveries))
	s.Lost = r.lost
	s.CardsPerDelivery = float64(r.cards) / float64(max(1, r.deltas))
}

// and is the mean of two slices of the same kind.
func (s slice) and(other slice) slice {
	s.CPU = (s.CPU + other.CPU) / 2
	s.Changes = (s.Changes + other.Changes) / 2
	s.Resident = max(s.Resident, other.Resident)
	return s
}

// round is the parts that took turns.
type round struct{ Healthy, WithStalled, Raw slice }

// memory is of both servers, in bytes.
type memory struct{ Engine, Raw used }

// used is resident as the system counts, and in use as the runtime does.
type used struct{ Resident, Heap, Stacks int64 }

// each is what one of n takes of what came since before.
func (m memory) each(before memory, n int) memory {
	return memory{m.Engine.each(before.Engine, n), m.Raw.each(before.Raw, n)}
}

func (u used) each(before used, n int) used {
	of := int64(n)
	return used{(u.Resident - before.Resident) / of, (u.Heap - before.Heap) / of, (u.Stacks - before.Stacks) / of}
}

func (u used) String() string {
	return fmt.Sprintf("%.1f KB resident (%.1f of heap, %.1f of stacks)", kilobytes(u.Resident), kilobytes(u.Heap), kilobytes(u.Stacks))
}

// crowdResult is what one scenario measured.
type crowdResult struct {
	Crowd               crowd
	Rate, PerConnection int
	// Base is the same changes without a subscriber.
	Base slice
	// Memory is of one stream at rest.
	Memory memory
	Rounds []round
	// What the engine counted.
	Ended        map[string]float64
	Resets       float64
	PauseSeconds float64
	Shed, Failed int64
}

// count takes what the engine says of its streams.
func (r *crowdResult) count(m metrics) {
	r.Ended = make(map[string]float64)
	for _, reason := range []string{"caller", "stalled", "drain", "age", "revoked", "backend", "failure"} {
		if n := m.sum("intervene_rpc_streams_ended_total", `reason="`+reason+`"`); n > 0 {
			r.Ended[reason] = n
		}
	}
	r.Resets = m.sum("intervene_rpc_stream_resets_total")
	r.PauseSeconds = m.sum("intervene_rpc_view_pause_seconds_total")
}

// perDelivery is the CPU of one delivery, in microseconds, after what as many
// changes take without a subscriber.
func perDelivery(s, base slice) float64 {
	changes := base.CPU * s.Changes / max(1, base.Changes)
	return (s.CPU - changes) * 1e6 / max(1, s.Deliveries)
}

// table is of one scenario.
func (r *crowdResult) table() measure.Table {
	t := measure.Table{
		Title: fmt.Sprintf("Streams, %s: %d subscribers of %d workspaces, %d changes/s, %d streams a connection",
			r.Crowd.Name, r.Crowd.Subscribers, r.Crowd.Workspaces, r.Rate, r.PerConnection),
		Columns: []string{"round", "part", "changes/s", "deliveries/s", "cards", "bytes", "lag p50 ms", "p99", "max", "since send p50", "p99", "CPUs", "µs/delivery", "RSS MB", "lost"},
	}
	line := func(name, part string, s slice) {
		lag := s.Lag
		if lag == nil {
			lag = new(lagSummary)
		}
		t.Add(name, part, s.Changes, s.Deliveries, s.CardsPerDelivery, s.BytesPerDelivery,
			lag.P50, lag.P99, lag.Max, lag.SendP50, lag.SendP99, s.CPU, perDelivery(s, r.Base), s.Resident>>20, s.Lost)
	}
	t.Add("", "no subscriber", r.Base.Changes, "", "", "", "", "", "", "", "", r.Base.CPU, "", r.Base.Resident>>20, "")
	for i, round := range r.Rounds {
		name := fmt.Sprint(i + 1)
		line(name, "all read", round.Healthy)
		line(name, "stalled beside", round.WithStalled)
		line(name, "raw net/http", round.Raw)
	}
	t.Notes = []string{
		r.ratios() + ".",
		fmt.Sprintf("A stream at rest: %v; raw: %v.", r.Memory.Engine, r.Memory.Raw),
		fmt.Sprintf("Streams ended: %v; resets %.0f; views waited %.0f s for CPU; changes shed %d, failed %d.", r.Ended, r.Resets, r.PauseSeconds, r.Shed, r.Failed),
	}
	return t
}

func (f *streamsFound) tables() []measure.Table {
	var all []measure.Table
	for _, r := range f.Crowds {
		all = append(all, r.table())
	}
	if f.Drain != nil {
		all = append(all, f.Drain.table())
	}
	return all
}

// charts are none: two scenarios are no line.
func (f *streamsFound) charts() []measure.Chart { return nil }

// ratios are what is aimed at, of each round.
func (r *crowdResult) ratios() string {
	var cpu, p50, p99 []string
	for _, round := range r.Rounds {
		cpu = append(cpu, fmt.Sprintf("%.2f", perDelivery(round.Healthy, r.Base)/perDelivery(round.Raw, r.Base)))
		p50 = append(p50, fmt.Sprintf("%.2f", round.WithStalled.Lag.SendP50/max(0.001, round.Healthy.Lag.SendP50)))
		p99 = append(p99, fmt.Sprintf("%.2f", round.WithStalled.Lag.SendP99/max(0.001, round.Healthy.Lag.SendP99)))
	}
	list := func(of []string) string { return strings.Join(of, ", ") }
	return fmt.Sprintf("CPU per delivery of raw: %s; lag since sending with stalled of that without: p50 %s, p99 %s", list(cpu), list(p50), list(p99))
}

func kilobytes(n int64) float64 { return float64(n) / 1024 }
