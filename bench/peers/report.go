package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/intervenehq/intervene/bench/measure"
)

// median of values; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func medians(scores []score) score {
	pick := func(of func(score) float64) float64 {
		var all []float64
		for _, s := range scores {
			all = append(all, of(s))
		}
		return median(all)
	}
	return score{
		Rate: pick(func(s score) float64 { return s.Rate }),
		P50:  pick(func(s score) float64 { return s.P50 }),
		P99:  pick(func(s score) float64 { return s.P99 }),
	}
}

// aims are what the engine is meant to reach beside a side: a ratio of rates, and
// at most so much of its p99, 0: as much as it likes.
var aims = map[int]map[string]struct{ rate, p99 float64 }{
	256:  {sidePebble: {rate: 0.85}, sideSingle: {rate: 10, p99: 0.1}, sideGrouped: {rate: 1}},
	4096: {sidePebble: {rate: 0.75}},
}

const connectAim = 0.75

func (f *found) tables() []measure.Table {
	rates := measure.Table{Title: "Durable commands: commands/s (p50 / p99 in ms), medians", Columns: append([]string{"in flight"}, f.Sides...)}
	ratios := measure.Table{Title: "Intervene in process beside each", Columns: []string{"in flight", "beside", "commands/s of it", "p99 of its", "aim", "reached"}}
	for _, inFlight := range slices.Sorted(maps.Keys(f.Scores)) {
		row := []any{inFlight}
		ours := medians(f.Scores[inFlight][sideEngine])
		for _, side := range f.Sides {
			theirs := medians(f.Scores[inFlight][side])
			row = append(row, fmt.Sprintf("%.0f (%.2f / %.2f)", theirs.Rate, theirs.P50, theirs.P99))
			if side == sideEngine {
				continue
			}
			rate, late := ours.Rate/max(theirs.Rate, 1e-9), ours.P99/max(theirs.P99, 1e-9)
			aim, reached := verdict(inFlight, side, rate, late)
			ratios.Add(inFlight, side, rate, late, aim, reached)
		}
		rates.Add(row...)
	}
	for _, side := range f.Sides {
		if n := f.Failed[side]; n > 0 {
			rates.Notes = append(rates.Notes, fmt.Sprintf("%s: %d commands failed and are not counted.", side, n))
		}
	}
	if f.Postgres != "" {
		rates.Notes = append(rates.Notes, "PostgreSQL "+f.Postgres+".")
	}
	tables := []measure.Table{rates, ratios}
	if len(f.Edges) == 0 {
		return tables
	}
	edges := measure.Table{
		Title:   "Edges, callers and senders in the same process, medians",
		Columns: []string{"what", "beside", "a second", "of it", "ratio", "µs CPU", "of it", "aim", "reached"},
	}
	for _, e := range f.Edges {
		ratio := median(e.Rates) / max(median(e.Bases), 1e-9)
		aim, reached := "", ""
		if e.Base == connectBase {
			aim, reached = fmt.Sprint(connectAim), said(ratio >= connectAim)
		}
		edges.Add(e.Name, e.Base, median(e.Rates), median(e.Bases), ratio, median(e.CPU), median(e.BaseCPU), aim, reached)
	}
	return append(tables, edges)
}

func verdict(inFlight int, side string, rate, p99 float64) (aim, reached string) {
	wanted, ok := aims[inFlight][side]
	if !ok {
		return "", ""
	}
	aim = fmt.Sprintf("commands/s %v", wanted.rate)
	if wanted.p99 > 0 {
		aim += fmt.Sprintf(", p99 %v", wanted.p99)
	}
	return aim, said(rate >= wanted.rate && (wanted.p99 == 0 || p99 <= wanted.p99))
}

func said(reached bool) string {
	if reached {
		return "yes"
	}
	return "**no**"
}

func (f *found) charts() []measure.Chart {
	rate := measure.Chart{Name: "peers", Title: "Durable commands", X: "in flight", Y: "commands/s", LogX: true, LogY: true}
	late := measure.Chart{Name: "peers-p99", Title: "Durable commands", X: "in flight", Y: "p99, ms", LogX: true, LogY: true}
	for _, side := range f.Sides {
		var x, rates, p99 []float64
		for _, inFlight := range slices.Sorted(maps.Keys(f.Scores)) {
			m := medians(f.Scores[inFlight][side])
			x, rates, p99 = append(x, float64(inFlight)), append(rates, m.Rate), append(p99, m.P99)
		}
		rate.Lines = append(rate.Lines, measure.Line{Name: side, X: x, Y: rates})
		late.Lines = append(late.Lines, measure.Line{Name: side, X: x, Y: p99})
	}
	return []measure.Chart{rate, late}
}
