package serve_test

import (
	"maps"
	"slices"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/intervenehq/intervene/engine"
)

// appearing are the counters whose series appear with their first count, and why.
var appearing = map[string]string{
	"intervene_graph_requests_total": "1,400 series, of which most cannot be",
	"intervene_rpc_requests_total":   "900 series, of which most cannot be",
	"intervene_transitions_total":    "192 series, of which most cannot be; none is a failure of the engine",
}

// beginning are the values that are there at the start, of labels that have more.
var beginning = map[string][]string{
	// For each of perhaps a thousand bots: a code for each would be 23,000 lines.
	"intervene_bot_turns_total/outcome": {"answered", "accepted", "failed", "lapsed"},
	// The other codes are those of whoever gives the file.
	"intervene_media_puts_total/outcome": {"stored", "not read", engine.CodeFull.String(), engine.CodeUnavailable.String()},
}

// TestCountersBeginAtZero: Prometheus sees the first count of a series only if it has
// seen the 0 before it.
func TestCountersBeginAtZero(t *testing.T) {
	w := newWorld(t)
	families, err := w.engine.Registry().Gather()
	if err != nil {
		t.Fatalf("gather: got error %v, want none", err)
	}
	scraped := make(map[string]*dto.MetricFamily)
	for _, family := range families {
		scraped[family.GetName()] = family
	}
	closed, left := closedLabels(t), maps.Clone(beginning)
	for _, m := range w.registered() {
		if m.kind != "counter" || len(m.labels) == 0 {
			continue
		}
		family := scraped[m.name]
		if why, ok := appearing[m.name]; ok != (len(family.GetMetric()) == 0) {
			t.Errorf("%s: got %d series at the start, expected to appear later: %t (%s)", m.name, len(family.GetMetric()), ok, why)
		}
		if _, ok := appearing[m.name]; ok {
			continue
		}
		combinations := 1
		for _, label := range m.labels {
			got, want := valuesOf(family, label), closed[m.name+"/"+label]
			if some, ok := beginning[m.name+"/"+label]; ok {
				want = some
				delete(left, m.name+"/"+label)
			}
			if _, open := openLabels[label]; open {
				want = got // the configuration's, or the schema's
			}
			slices.Sort(got)
			if want = slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
				t.Errorf("%s: got %s %q at the start, want %q", m.name, label, got, want)
			}
			combinations *= len(want)
		}
		if got := len(family.GetMetric()); got != combinations || got == 0 {
			t.Errorf("%s: got %d series at the start, want %d", m.name, got, combinations)
		}
	}
	for name := range left {
		t.Errorf("%s: got no such label of a counter, want it", name)
	}
}

// valuesOf are those of a label, each once.
func valuesOf(family *dto.MetricFamily, label string) (values []string) {
	for _, m := range family.GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == label && !slices.Contains(values, l.GetValue()) {
				values = append(values, l.GetValue())
			}
		}
	}
	return values
}
