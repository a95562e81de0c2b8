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
	"strconv"
	"strings"
	"time"
)

// hurry is how many times shorter than in deploy/ the rules' "for" is here. Their
// expressions are as they are.
const hurry = 20

var ruleFor = regexp.MustCompile(`(?m)^( +for: )(\S+)$`)

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

// hurried divides every "for", and has slow groups evaluated like all others.
func hurried(rules []byte) []byte {
	rules = regexp.MustCompile(`(?m)^ +interval: .*\n`).ReplaceAll(rules, nil)
	return ruleFor.ReplaceAllFunc(rules, func(line []byte) []byte {
		part := ruleFor.FindSubmatch(line)
		d, err := time.ParseDuration(string(part[2]))
		if err != nil {
			return line // Prometheus will say what is wrong with it
		}
		return append(part[1], strconv.FormatInt((d/hurry).Milliseconds(), 10)+"ms"...)
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

// fires waits for an alert.
func (j *judge) fires(ctx context.Context, name string) error {
	return until(ctx, name+" to fire", func(ctx context.Context) error {
		firing, err := j.firing(ctx)
		for _, a := range firing {
			if a.Labels.AlertName == name {
				return nil
			}
		}
		return errors.Join(err, fmt.Errorf("got %d other alerts firing, want %s", len(firing), name))
	})
}
