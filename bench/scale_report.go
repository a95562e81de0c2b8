package main

import (
	"fmt"
	"strconv"

	"github.com/intervenehq/intervene/bench/measure"
)

func (f *scaleFound) tables() []measure.Table {
	columns := []string{"commands/s", "p50 ms", "p99 ms", "failed", "engine CPUs", "µs CPU each", "appends per fsync", "disk B per append", "RSS MB"}
	values := func(p scalePoint) []any {
		return []any{
			p.Load.Rate(), p.Load.Latency.P50, p.Load.Latency.P99, p.Load.Failed + p.Load.Unsent,
			p.Cost.CPUs, p.Cost.CPUEach, p.Cost.AppendsPerFsync, p.Cost.BytesEach, p.Cost.ResidentMB,
		}
	}
	hot := measure.Table{Title: fmt.Sprintf("More conversations are hot: SetTags, %d in flight", scaleFlight), Columns: append([]string{"hot"}, columns...)}
	for _, p := range f.Hot {
		hot.Add(append([]any{strconv.Itoa(p.Of)}, values(p)...)...)
	}
	stored := measure.Table{
		Title:   fmt.Sprintf("More conversations are stored: SetTags to %d hot ones, %d in flight", storedHot, scaleFlight),
		Columns: append(append([]string{"in History"}, columns...), "events in all", "disk B per event", "start to ready ms"),
		Notes:   []string{"Disk per event is of the whole data directory after a clean stop: Pebble's log files, which are kept for reuse, count until there is more than they hold."},
	}
	for _, p := range f.Stored {
		stored.Add(append(append([]any{strconv.Itoa(p.Of)}, values(p)...), p.Appends, p.DiskPerEvent, float64(p.Start.Milliseconds()))...)
	}
	events := measure.Table{
		Title:   fmt.Sprintf("Conversations become longer: SetTags to %d of them, one in flight for each", eventful),
		Columns: append([]string{"events each, at least"}, columns...),
	}
	for _, p := range f.Events {
		events.Add(append([]any{strconv.Itoa(p.Of)}, values(p)...)...)
	}
	boards := measure.Table{
		Title:   "More boards are watched: SetTags in an open loop",
		Columns: append(append([]string{"boards"}, columns...), "deliveries/s", "µs CPU per delivery"),
		Notes:   []string{"CPU per delivery is all that the engine took, the changes with it."},
	}
	for _, p := range f.Subscribers {
		boards.Add(append(append([]any{strconv.Itoa(p.Of)}, values(p)...), p.Delivered, p.Cost.CPUs*1e6/max(1, p.Delivered))...)
	}
	return []measure.Table{hot, stored, events, boards}
}

func (f *scaleFound) charts() []measure.Chart {
	var charts []measure.Chart
	for _, kind := range []struct {
		name, x string
		points  []scalePoint
	}{{"hot", "conversations hot", f.Hot}, {"stored", "conversations stored", f.Stored}, {"events", "events in each conversation", f.Events}, {"boards", "boards watched", f.Subscribers}} {
		var x, rate, p50, p99, cpu []float64
		for _, p := range kind.points {
			x, rate, cpu = append(x, float64(p.Of)), append(rate, p.Load.Rate()), append(cpu, p.Cost.CPUEach)
			p50, p99 = append(p50, p.Load.Latency.P50), append(p99, p.Load.Latency.P99)
		}
		charts = append(charts,
			measure.Chart{Name: "scale-" + kind.name, Title: "Commands", X: kind.x, Y: "commands/s", LogX: true, Lines: []measure.Line{{Name: "SetTags", X: x, Y: rate}}},
			measure.Chart{
				Name: "scale-" + kind.name + "-latency", Title: "Latency", X: kind.x, Y: "ms", LogX: true, LogY: true,
				Lines: []measure.Line{{Name: "p50", X: x, Y: p50}, {Name: "p99", X: x, Y: p99}},
			},
			measure.Chart{Name: "scale-" + kind.name + "-cpu", Title: "CPU of the engine", X: kind.x, Y: "µs a command", LogX: true, Lines: []measure.Line{{Name: "SetTags", X: x, Y: cpu}}})
	}
	return charts
}
