package serve_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/engine"
)

var update = flag.Bool("update", false, "write docs/METRICS.md")

// measured are the packages that have metrics, each in its metrics.go, in the order of the
// document.
var measured = []struct{ dir, title, about string }{
	{"rpc/whatsapp", "WhatsApp", "The webhook in and the Graph API out."},
	{"actors", "Conversations", "Commands, the hand-off, the outbox, the workers, bots and presence."},
	{"rpc", "API and streams", "Calls of agents and bots, and the boards and conversations that they watch."},
	{"engine/journal", "Journal", "The durable log, its disk and Pebble's own figures."},
	{"engine/media", "Files", "Those of messages."},
	{"cmd/intervene/traces", "Traces", "Spans on their way to a collector, if one is configured."},
	{"cmd/intervene/serve", "Engine", "The build and its backups."},
}

const metricsDocument = "../../../docs/METRICS.md"

// TestMetricsDocument: docs/METRICS.md is what an engine has registered.
func TestMetricsDocument(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.config.Traces = &config.Traces{Endpoint: "http://127.0.0.1:1", Sample: config.DefaultTraceSample} // nothing is sent there
	w.config.TLS = newAuthority(t).issue(1, time.Now().Add(time.Hour))
	w.start()
	got := w.document()
	if *update {
		if err := os.WriteFile(metricsDocument, []byte(got), 0o644); err != nil {
			t.Fatalf("write: %v", err)
		}
		return
	}
	want, err := os.ReadFile(metricsDocument)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if got != string(want) {
		t.Error("docs/METRICS.md is not what the code says: run make generate")
	}
}

// metric is one family as it is registered.
type metric struct {
	name, help, kind, dir string
	labels                []string
}

// registered are all metrics of the engine, also those that have no series yet.
func (w *world) registered() (all []metric) {
	w.t.Helper()
	registry := w.engine.Registry()
	kinds, sources := w.kinds(), sourcesOfMetrics(w.t)
	for _, d := range descriptions(registry) {
		m := described(w.t, d)
		if !strings.HasPrefix(m.name, "intervene_") || slices.ContainsFunc(all, func(other metric) bool { return other.name == m.name }) {
			continue // the runtime's, or a family with constant labels, that is told once
		}
		if m.kind = kinds[m.name]; m.kind == "" {
			m.kind = kindOf(w.t, registry, d)
		}
		m.dir = sources.of(w.t, m.name)
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	return all
}

// descriptions are of all that is registered. The registry is locked meanwhile.
func descriptions(registry *prometheus.Registry) (all []*prometheus.Desc) {
	told := make(chan *prometheus.Desc)
	go func() {
		defer close(told)
		registry.Describe(told)
	}()
	for d := range told {
		all = append(all, d)
	}
	return all
}

// kinds are those of the families that have series.
func (w *world) kinds() map[string]string {
	w.t.Helper()
	families, err := w.engine.Registry().Gather()
	if err != nil {
		w.t.Fatalf("gather: %v", err)
	}
	kinds := make(map[string]string)
	for _, family := range families {
		kinds[family.GetName()] = strings.ToLower(family.GetType().String())
	}
	return kinds
}

// description is how a Desc tells of itself, which is the only way to ask it.
var description = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: "((?:[^"\\]|\\.)*)", unit: "[^"]*", constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)

func described(t *testing.T, d *prometheus.Desc) metric {
	t.Helper()
	parts := description.FindStringSubmatch(d.String())
	if parts == nil {
		t.Fatalf("got description %s, want another form", d)
	}
	m := metric{name: parts[1], help: strings.ReplaceAll(parts[2], `\"`, `"`)}
	for label := range strings.SplitSeq(parts[3]+","+parts[4], ",") {
		if name, _, _ := strings.Cut(label, "="); name != "" {
			m.labels = append(m.labels, name)
		}
	}
	return m
}

// look stands for a collector: the registry says which one it has in its place.
type look struct{ *prometheus.Desc }

func (l look) Describe(to chan<- *prometheus.Desc) { to <- l.Desc }
func (look) Collect(chan<- prometheus.Metric)      {}

// kindOf is that of a family without a series yet.
func kindOf(t *testing.T, registry *prometheus.Registry, d *prometheus.Desc) string {
	t.Helper()
	already, ok := errors.AsType[prometheus.AlreadyRegisteredError](registry.Register(look{d}))
	if !ok {
		t.Fatalf("%s: got it not registered by itself, want it so", d)
	}
	switch already.ExistingCollector.(type) {
	case *prometheus.CounterVec:
		return "counter"
	case *prometheus.GaugeVec:
		return "gauge"
	case *prometheus.HistogramVec:
		return "histogram"
	default:
		t.Fatalf("%s: got collector %T, want a vector", d, already.ExistingCollector)
		return ""
	}
}

// metricsSources are the metrics.go of the packages.
type metricsSources map[string]string

func sourcesOfMetrics(t *testing.T) metricsSources {
	t.Helper()
	sources := make(metricsSources)
	for _, p := range measured {
		text, err := os.ReadFile(path.Join("../../..", p.dir, "metrics.go"))
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		sources[p.dir] = string(text)
	}
	return sources
}

// of is the one package whose metrics.go names a metric.
func (s metricsSources) of(t *testing.T, name string) (dir string) {
	t.Helper()
	short, pebble := strings.CutPrefix(name, "intervene_journal_pebble_")
	for _, p := range measured {
		if strings.Contains(s[p.dir], `"`+name+`"`) || pebble && strings.Contains(s[p.dir], `"`+short+`"`) {
			if dir != "" {
				t.Errorf("%s: got it in %s and %s, want it in one", name, dir, p.dir)
			}
			dir = p.dir
		}
	}
	if dir == "" {
		t.Errorf("%s: got it in no metrics.go, want it in one", name)
	}
	return dir
}

const documentHead = `# Metrics

What an engine tells at ` + "`/metrics`" + ` of the admin listener, in Prometheus' formats. This file is made from a running engine by ` + "`make generate`" + `; a test holds it to the code.

- Nothing is labelled by a person, a conversation or a text. Every label is one of a list, or a name from the configuration, so that a scrape stays under 3,000 lines
  whatever comes in. Counters with labels stand at 0 from the start, so that a rate sees the first count; these appear with it: %s.
- Histograms have classic buckets and native ones (10 %% wide, 100 at most, which Prometheus scrapes in its protobuf format).
- Besides these there are the ` + "`go_`, `process_` and `promhttp_`" + ` metrics of the Go client.
- Alerts are suggestions: what is too long for customers is a matter of your promise to them.
`

func (w *world) document() string {
	w.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, documentHead, quoted(slices.Sorted(maps.Keys(appearing))))
	all := w.registered()
	unused := make(map[string]bool)
	for name := range uses {
		unused[name] = true
	}
	for _, p := range measured {
		fmt.Fprintf(&b, "\n## %s\n\n%s `%s/metrics.go`\n\n| name | type | labels | unit | tells | good for |\n| --- | --- | --- | --- | --- | --- |\n", p.title, p.about, p.dir)
		for _, m := range all {
			if m.dir != p.dir {
				continue
			}
			use, ok := uses[m.name]
			if !ok {
				w.t.Errorf("%s: got no word about what it is good for, want one in uses", m.name)
			}
			delete(unused, m.name)
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", m.name, m.kind, quoted(m.labels), unitOf(m), m.help, use)
		}
	}
	for name := range unused {
		w.t.Errorf("%s: got a use of it, and no such metric", name)
	}
	fmt.Fprintf(&b, "\n## Labels\n\nThe engine's codes are %s.\n\n| metric | label | values |\n| --- | --- | --- |\n", quoted(named[engine.Code](1)))
	closed := closedLabels(w.t)
	for _, m := range all {
		for _, label := range m.labels {
			b.WriteString(labelRow(w.t, m.name, label, closed))
		}
	}
	return b.String()
}

func labelRow(t *testing.T, name, label string, closed map[string][]string) string {
	t.Helper()
	values, ok := closed[name+"/"+label]
	if others, found := strings.CutSuffix(quoted(values), quoted(named[engine.Code](1))); found {
		return fmt.Sprintf("| `%s` | `%s` | %sa code of the engine |\n", name, label, others)
	}
	if ok {
		return fmt.Sprintf("| `%s` | `%s` | %s |\n", name, label, quoted(values))
	}
	open, ok := openLabels[label]
	if !ok {
		t.Errorf("%s: got no list of the values of %s, want one", name, label)
	}
	return fmt.Sprintf("| `%s` | `%s` | %s |\n", name, label, open)
}

func quoted(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "`" + strings.Join(names, "`, `") + "`"
}

// unitOf is by the name, as the convention has it.
func unitOf(m metric) string {
	base := strings.TrimSuffix(m.name, "_total")
	switch {
	case strings.HasSuffix(base, "_timestamp_seconds"):
		return "Unix time, s"
	case strings.HasSuffix(base, "_seconds"):
		return "s"
	case strings.HasSuffix(base, "_bytes"):
		return "B"
	}
	return "1"
}

// checkLabels holds the values that labels have to their lists.
func (w *world) checkLabels() {
	w.t.Helper()
	families, err := w.engine.Registry().Gather()
	if err != nil {
		w.t.Fatalf("gather: %v", err)
	}
	closed := closedLabels(w.t)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				values, ok := closed[family.GetName()+"/"+label.GetName()]
				if ok && !slices.Contains(values, label.GetValue()) {
					w.t.Errorf("%s: got %s %q, want one of its list", family.GetName(), label.GetName(), label.GetValue())
				}
			}
			checkBuckets(w.t, family.GetName(), m.GetHistogram())
		}
	}
}

// checkBuckets: all histograms have the same shape, whichever package has them.
func checkBuckets(t *testing.T, name string, h *dto.Histogram) {
	t.Helper()
	const tenPercent = 3 // the schema of a factor of 1.1
	if h == nil || !strings.HasPrefix(name, "intervene_") {
		return
	}
	if len(h.GetBucket()) == 0 || h.Schema == nil || h.GetSchema() > tenPercent {
		t.Errorf("%s: got %d classic buckets and schema %d, want some and %d or coarser", name, len(h.GetBucket()), h.GetSchema(), tenPercent)
	}
}
