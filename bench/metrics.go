package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// metrics are what a process says of itself, by name with labels.
type metrics map[string]float64

// fetchMetrics has the process collect its garbage first, so that memory is what
// is in use.
func fetchMetrics(ctx context.Context, admin string) (metrics, error) {
	if err := fetch(ctx, admin+"/debug/pprof/heap?gc=1", func(r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	}); err != nil {
		return nil, err
	}
	m := make(metrics)
	return m, fetch(ctx, admin+"/metrics", m.parse)
}

func fetch(ctx context.Context, url string, read func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("fetch %s: %s", url, response.Status)
	}
	if err := read(response.Body); err != nil {
		return fmt.Errorf("fetch %s: %w", url, err)
	}
	return nil
}

// parse reads Prometheus' text format.
func (m metrics) parse(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), " # ") // an exemplar
		at := strings.LastIndexByte(line, ' ')
		if line == "" || line[0] == '#' || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return fmt.Errorf("metric %s: %w", line[:at], err)
		}
		m[line[:at]] = value
	}
	return lines.Err()
}

// sum adds what has a name and all of these labels, written as label="value".
func (m metrics) sum(name string, labels ...string) float64 {
	var total float64
next:
	for series, value := range m {
		has, inside, _ := strings.Cut(series, "{")
		if has != name {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(inside, label) {
				continue next
			}
		}
		total += value
	}
	return total
}

// used is the memory of heap and stacks.
func (m metrics) used() used {
	return used{Heap: int64(m["go_memstats_heap_inuse_bytes"]), Stacks: int64(m["go_memstats_stack_inuse_bytes"])}
}
