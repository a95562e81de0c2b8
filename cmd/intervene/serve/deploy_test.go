package serve_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const deployFolder = "../../../deploy"

// seen are the metrics of a scrape, with every value of each of their labels. A
// histogram is three of them.
type seen map[string]map[string]map[string]bool

func (s seen) add(metric string, labels map[string]string) {
	if s[metric] == nil {
		s[metric] = make(map[string]map[string]bool)
	}
	for label, value := range labels {
		if s[metric][label] == nil {
			s[metric][label] = make(map[string]bool)
		}
		s[metric][label][value] = true
	}
}

// scraped reads what /metrics says.
func scraped(t *testing.T, text string) seen {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("read the scrape: %v", err)
	}
	s := make(seen)
	for name, family := range families {
		for _, m := range family.GetMetric() {
			labels := make(map[string]string)
			for _, pair := range m.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			if family.GetType() != dto.MetricType_HISTOGRAM {
				s.add(name, labels)
				continue
			}
			s.add(name+"_count", labels)
			s.add(name+"_sum", labels)
			for _, bucket := range m.GetHistogram().GetBucket() {
				labels["le"] = strconv.FormatFloat(bucket.GetUpperBound(), 'g', -1, 64)
				s.add(name+"_bucket", labels)
			}
		}
	}
	return s
}

// rare are metrics, without labels, that no test of a minute brings about. One that a
// scrape has after all is an error: it does not belong here.
var rare = []string{
	"intervene_tls_certificate_expiry_timestamp_seconds", // without TLS there is none
}

// rareValues are likewise, of metrics that every scrape has.
var rareValues = map[string]string{
	"intervene_command_durable_duration_seconds_count": "failed", // the disk is full
}

// scrapeLabels are what Prometheus adds to every metric.
var scrapeLabels = []string{"job", "instance"}

// deployed is one expression of a rule or a panel, and where it stands.
type deployed struct{ place, expression string }

// TestDeployedExpressions finds every metric, label and value that rules and panels
// ask for in the scrape of an engine that has seen all kinds of traffic.
func TestDeployedExpressions(t *testing.T) {
	w := newWorld(t)
	w.seesEverything()
	metrics := scraped(t, w.exposed())
	for _, name := range rare {
		if metrics[name] != nil {
			t.Errorf("the scrape has %s: it is not rare", name)
		}
		metrics.add(name, nil)
	}
	metrics.add("up", nil)
	all, recorded := rulesOf(t)
	for _, name := range recorded {
		metrics.add(name, nil)
	}
	metrics.add("ALERTS", map[string]string{"alertstate": "firing"})
	all = append(all, panelsOf(t)...)
	for _, d := range all {
		for _, problem := range metrics.problems(d.expression) {
			t.Errorf("%s: %s", d.place, problem)
		}
	}
	if len(all) < 100 {
		t.Errorf("got %d expressions, want those of all rules and panels", len(all))
	}
}

// TestDeployedExpressionsAreRead plants a mistake of each kind.
func TestDeployedExpressionsAreRead(t *testing.T) {
	s := make(seen)
	s.add("a_total", map[string]string{"outcome": "ok"})
	for expression, want := range map[string]string{
		`sum by (outcome) (rate(a_total{outcome="ok",job="x"}[5m]))`: "",
		`rate(a_total[5m`:             "parse",
		`rate(b_total[5m])`:           "b_total",
		`a_total{result="ok"}`:        "label result",
		`a_total{outcome="bad"}`:      `no value "bad"`,
		`a_total{outcome=~"ok|bad"}`:  `no value "bad"`,
		`a_total{outcome!="bad"}`:     `no value "bad"`,
		`sum by (code) (a_total)`:     "label code",
		`a_total / on (code) a_total`: "label code",
	} {
		got := strings.Join(s.problems(expression), "; ")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q in it", expression, got, want)
		}
	}
}

var grafanaVariables = strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*")

// problems are what an expression asks for and nobody has.
func (s seen) problems(expression string) (found []string) {
	parsed, err := metricsql.Parse(grafanaVariables.Replace(expression))
	if err != nil {
		return []string{fmt.Sprintf("cannot parse %s: %v", expression, err)}
	}
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		switch e := e.(type) {
		case *metricsql.MetricExpr:
			found = append(found, s.selectorProblems(e)...)
		case *metricsql.AggrFuncExpr:
			found = append(found, s.groupProblems(e, e.Modifier.Args)...)
		case *metricsql.BinaryOpExpr:
			found = append(found, s.groupProblems(e, e.GroupModifier.Args)...)
			found = append(found, s.groupProblems(e, e.JoinModifier.Args)...)
		}
	})
	return found
}

func nameOf(e *metricsql.MetricExpr) string {
	for _, f := range e.LabelFilterss[0] {
		if f.Label == "__name__" {
			return f.Value
		}
	}
	return ""
}

func (s seen) selectorProblems(e *metricsql.MetricExpr) (found []string) {
	name := nameOf(e)
	labels, ok := s[name]
	if !ok {
		return []string{"no metric " + name}
	}
	for _, f := range e.LabelFilterss[0] {
		if f.Label == "__name__" || slices.Contains(scrapeLabels, f.Label) {
			continue
		}
		values, ok := labels[f.Label]
		if !ok {
			found = append(found, fmt.Sprintf("%s has no label %s", name, f.Label))
			continue
		}
		for value := range strings.SplitSeq(f.Value, "|") {
			if !values[value] && rareValues[name] != value && engineCodes[value] == 0 {
				found = append(found, fmt.Sprintf("%s: label %s has no value %q", name, f.Label, value))
			}
		}
	}
	return found
}

// engineCodes are labels of what fails.
var engineCodes = func() map[string]engine.Code {
	codes := make(map[string]engine.Code)
	for code := engine.CodeInvalid; code <= engine.CodeNotResendable; code++ {
		codes[code.String()] = code
	}
	return codes
}()

// groupProblems are the labels that something is grouped by and that a selector in it has not.
func (s seen) groupProblems(e metricsql.Expr, by []string) (found []string) {
	metricsql.VisitAll(e, func(inner metricsql.Expr) {
		selector, ok := inner.(*metricsql.MetricExpr)
		if !ok {
			return
		}
		labels := s[nameOf(selector)]
		for _, label := range by {
			if labels[label] == nil && !slices.Contains(scrapeLabels, label) {
				found = append(found, fmt.Sprintf("%s has no label %s to group by", nameOf(selector), label))
			}
		}
	})
	return found
}

// rulesOf are the expressions of all rules, and the names that are recorded.
func rulesOf(t *testing.T) (all []deployed, recorded []string) {
	t.Helper()
	for _, file := range deployFiles(t, "prometheus/*.yaml") {
		if strings.HasSuffix(file, "_test.yaml") {
			continue
		}
		var rules struct {
			Groups []struct {
				Rules []struct{ Alert, Record, Expr string }
			}
		}
		if err := yaml.Unmarshal(readDeployed(t, file), &rules); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, group := range rules.Groups {
			for _, rule := range group.Rules {
				all = append(all, deployed{filepath.Base(file) + ", " + rule.Alert + rule.Record, rule.Expr})
				if rule.Record != "" {
					recorded = append(recorded, rule.Record)
				}
			}
		}
	}
	return all, recorded
}

var labelValues = regexp.MustCompile(`^label_values\((.*), \w+\)$`)

// panelsOf are the expressions of all dashboards.
func panelsOf(t *testing.T) (all []deployed) {
	t.Helper()
	for _, file := range deployFiles(t, "grafana/*.json") {
		var d struct {
			Templating struct {
				List []struct{ Name, Type, Query string }
			}
			Annotations struct{ List []struct{ Name, Expr string } }
			Panels      []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(readDeployed(t, file), &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		place := filepath.Base(file) + ", "
		for _, variable := range d.Templating.List {
			if variable.Type != "query" {
				continue
			}
			all = append(all, deployed{place + variable.Name, labelValues.ReplaceAllString(variable.Query, "$1")})
		}
		for _, annotation := range d.Annotations.List {
			all = append(all, deployed{place + annotation.Name, annotation.Expr})
		}
		for _, panel := range d.Panels {
			for _, target := range panel.Targets {
				all = append(all, deployed{place + panel.Title, target.Expr})
			}
		}
	}
	return all
}

func deployFiles(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(deployFolder, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: got %d files and error %v, want some", pattern, len(files), err)
	}
	return files
}

func readDeployed(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return text
}

// seesEverything gives the engine customers, a bot that answers and one that fails,
// an agent, streams, files, and a platform that refuses.
func (w *world) seesEverything() {
	w.t.Helper()
	failing := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
		http.Error(response, "broken", http.StatusInternalServerError)
	}))
	w.t.Cleanup(failing.Close)
	w.withBot(config.Bot{Rasa: &config.BotRasa{URL: failing.URL}})
	w.writes("16505550101", standin.Message{Text: "Hello"})
	w.stands("16505550101", intervenev1.Column_COLUMN_REQUESTING)
	w.until("a turn that failed", func() bool { return strings.Contains(w.exposed(), `outcome="failed",workspace="acme"`) })
	requested := w.card("16505550101").GetConversationId()
	w.intervene(requested)
	w.becomes(w.says(requested, text("How can I help?")), intervenev1.Delivery_DELIVERY_DELIVERED)
	w.pictureOf(requested, []byte("a picture"), "16505550101", intervenev1.MediaState_MEDIA_STATE_STORED)
	w.events(requested)
	w.resolve(requested)
	if refused := w.deliverUnsigned(); refused != http.StatusUnauthorized {
		w.t.Errorf("a webhook without a signature: got %d, want 401", refused)
	}
	w.hangsUp()
	w.resetsBoard()
	w.meets(standin.Rule{Name: "token", Fault: standin.FaultError, Code: 190, Always: true})
	second, _ := w.chat("16505550102")
	w.says(second, text("Hello?"))
	w.until("a pause", func() bool { return strings.Contains(w.exposed(), "intervene_graph_pauses_total{") })
}

// exposed is what Prometheus gets.
func (w *world) exposed() string {
	w.t.Helper()
	status, body, err := w.admin(http.MethodGet, "/metrics")
	if err != nil || status != http.StatusOK {
		w.t.Fatalf("metrics: got status %d, error %v, want 200", status, err)
	}
	return string(body)
}

func (w *world) deliverUnsigned() int {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url("/webhooks/whatsapp/main"), strings.NewReader("{}"))
	if err != nil {
		w.t.Fatalf("make a webhook: %v", err)
	}
	response, err := w.client.Do(r)
	if err != nil {
		w.t.Fatalf("deliver a webhook: %v", err)
	}
	if err := response.Body.Close(); err != nil {
		w.t.Errorf("deliver a webhook: %v", err)
	}
	return response.StatusCode
}

// hangsUp is a webhook whose sender leaves before its body.
func (w *world) hangsUp() {
	w.t.Helper()
	line, err := net.Dial("tcp", w.engine.Addr().String())
	if err != nil {
		w.t.Fatalf("dial: %v", err)
	}
	_, err = io.WriteString(line, "POST /webhooks/whatsapp/main HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"+
		"X-Hub-Signature-256: sha256="+strings.Repeat("0", 64)+"\r\n\r\n{")
	if err := errors.Join(err, line.Close()); err != nil {
		w.t.Fatalf("begin a webhook: %v", err)
	}
	w.until("somebody who hung up", func() bool { return strings.Contains(w.exposed(), `outcome="hung_up"`) })
}

// resetsBoard resumes a board with what the engine never gave.
func (w *world) resetsBoard() {
	w.t.Helper()
	stream, err := w.as("asha").WatchBoard(w.t.Context(), &intervenev1.WatchBoardRequest{ResumeToken: []byte("of another engine")})
	if err != nil {
		w.t.Fatalf("WatchBoard: %v", err)
	}
	for stream.Receive() && stream.Msg().GetReset_() == nil {
		continue
	}
	if stream.Msg().GetReset_() == nil {
		w.t.Errorf("WatchBoard: got no reset and %v, want one", stream.Err())
	}
	if err := stream.Close(); err != nil {
		w.t.Errorf("close the stream: %v", err)
	}
}
