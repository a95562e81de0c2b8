package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// hurry is how many times faster than in deploy/ this Prometheus lives: it looks each
// second instead of each 15, and every window, offset and "for" of the rules is so many
// times shorter. What they compare with is as it is.
const hurry = 20

var (
	// ruleTime is a "for", a window or an offset.
	ruleTime     = regexp.MustCompile(`(?m)(^ +for: |\[|offset )(\d+)([smhdw])`)
	ruleInterval = regexp.MustCompile(`(?m)^ +interval: .*\n`)
	units        = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}
)

// openPrometheus starts it on copies of the rules, with a look each second.
func (s *site) openPrometheus(ctx context.Context, f flags) error {
	sources, err := filepath.Glob(filepath.Join(f.Deploy, "prometheus", "*.yaml"))
	if err != nil {
		return err
	}
	rules := filepath.Join(s.dir, "rules")
	if err := os.MkdirAll(rules, 0o700); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.yaml") {
			continue
		}
		text, err := os.ReadFile(source)
		if err != nil {
			return fmt.Errorf("read rules: %w", err)
		}
		if err := os.WriteFile(filepath.Join(rules, filepath.Base(source)), hurried(text), 0o600); err != nil {
			return fmt.Errorf("copy rules: %w", err)
		}
	}
	config := filepath.Join(s.dir, "prometheus.yml")
	text := fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules/*.yaml]
scrape_configs:
  - job_name: intervene
    static_configs: [{targets: [%q]}]
`, s.ports.admin)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration of Prometheus: %w", err)
	}
	if _, err := s.child(ctx, "prometheus", f.Prometheus, "--config.file="+config,
		"--storage.tsdb.path="+filepath.Join(s.dir, "tsdb"), "--web.listen-address="+s.ports.prometheus); err != nil {
		return err
	}
	return until(ctx, "Prometheus to be ready", func(ctx context.Context) error {
		_, err := get(ctx, s.prometheusURL+"/-/ready")
		return err
	})
}

// hurried divides the times of rules, and has slow groups evaluated like all others.
func hurried(rules []byte) []byte {
	rules = ruleInterval.ReplaceAll(rules, nil)
	return ruleTime.ReplaceAllFunc(rules, func(found []byte) []byte {
		part := ruleTime.FindSubmatch(found)
		n, err := strconv.ParseInt(string(part[2]), 10, 32)
		if err != nil {
			return found // Prometheus will say what is wrong with it
		}
		d := time.Duration(n) * units[string(part[3])] / hurry
		return append(part[1], strconv.FormatInt(d.Milliseconds(), 10)+"ms"...)
	})
}

// judge asks Prometheus.
type judge struct {
	server string
	rules  int // how many there are
}

// ask answers the data of one answer of the API.
func (j *judge) ask(ctx context.Context, path string, query url.Values, data any) error {
	body, err := get(ctx, j.server+"/api/v1/"+path+"?"+query.Encode())
	if err != nil {
		return err
	}
	answer := struct{ Data any }{data}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("read the answer of Prometheus: %w", err)
	}
	return nil
}

// samples is how many a query answers with.
func (j *judge) samples(ctx context.Context, query string) (int, error) {
	var data struct{ Result []json.RawMessage }
	err := j.ask(ctx, "query", url.Values{"query": {query}}, &data)
	return len(data.Result), err
}

// has waits until a query answers anything.
func (j *judge) has(ctx context.Context, query string) error {
	return until(ctx, query, func(ctx context.Context) error {
		n, err := j.samples(ctx, query)
		if err == nil && n == 0 {
			err = fmt.Errorf("got no sample of %s, want one", query)
		}
		return err
	})
}

func (j *judge) up(ctx context.Context) error { return j.has(ctx, `up{job="intervene"} == 1`) }

type alert struct {
	State  string
	Labels struct{ AlertName, Severity string }
}

// rulesHealthy waits until every rule was evaluated without an error.
func (j *judge) rulesHealthy(ctx context.Context) error {
	return until(ctx, "the rules to evaluate", func(ctx context.Context) error {
		var data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
		if err := j.ask(ctx, "rules", nil, &data); err != nil {
			return err
		}
		var all error
		j.rules = 0
		for _, group := range data.Groups {
			for _, rule := range group.Rules {
				j.rules++
				if rule.Health != "ok" {
					all = errors.Join(all, fmt.Errorf("got rule %s %s (%s), want it ok", rule.Name, rule.Health, rule.LastError))
				}
			}
		}
		if j.rules == 0 {
			return errors.New("got no rule, want those of deploy/prometheus")
		}
		return all
	})
}

// panelsFilled waits for data of every query that must have some.
func (j *judge) panelsFilled(ctx context.Context, queries []panelQuery) error {
	for _, q := range queries {
		var err error
		if q.mayBeEmpty {
			_, err = j.samples(ctx, q.expression)
		} else {
			err = j.has(ctx, q.expression)
		}
		if err != nil {
			return fmt.Errorf("%s, panel %q: %w", q.file, q.panel, err)
		}
	}
	return nil
}

// settle is how long a healthy engine is watched: longer than any "for" of a page
// that could come of its start.
const settle = 20 * time.Second

// nobodyPaged looks at the alerts for a while.
func (j *judge) nobodyPaged(ctx context.Context) error {
	over := time.NewTimer(settle)
	defer over.Stop()
	again := time.NewTicker(glance)
	defer again.Stop()
	for {
		firing, err := j.firing(ctx)
		if err != nil {
			return err
		}
		for _, a := range firing {
			if a.Labels.Severity == "page" {
				return fmt.Errorf("got %s firing on a healthy engine, want nobody paged", a.Labels.AlertName)
			}
		}
		select {
		case <-over.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}

func (j *judge) firing(ctx context.Context) (firing []alert, err error) {
	var data struct{ Alerts []alert }
	if err := j.ask(ctx, "alerts", nil, &data); err != nil {
		return nil, err
	}
	for _, a := range data.Alerts {
		if a.State == "firing" {
			firing = append(firing, a)
		}
	}
	return firing, nil
}

// severities are what an alert is firing as; none if it is not.
func (j *judge) severities(ctx context.Context, name string) (firing []string, err error) {
	all, err := j.firing(ctx)
	for _, a := range all {
		if a.Labels.AlertName == name {
			firing = append(firing, a.Labels.Severity)
		}
	}
	return firing, err
}

// fires waits for an alert, and answers as what it fires first.
func (j *judge) fires(ctx context.Context, name string) (severity string, err error) {
	err = until(ctx, name+" to fire", func(ctx context.Context) error {
		firing, err := j.severities(ctx, name)
		if err == nil && len(firing) == 0 {
			err = fmt.Errorf("got %s not firing, want it", name)
		}
		if err == nil {
			severity = firing[0]
		}
		return err
	})
	return severity, err
}

// resolves waits for an alert of one severity to go. A budget's ticket looks at days
// and stays.
func (j *judge) resolves(ctx context.Context, name, severity string) error {
	return until(ctx, name+" to go", func(ctx context.Context) error {
		firing, err := j.severities(ctx, name)
		if err == nil && slices.Contains(firing, severity) {
			err = fmt.Errorf("got %s firing still, want it gone", name)
		}
		return err
	})
}
