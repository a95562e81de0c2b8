package main

import (
	"strings"
	"testing"
)

func TestMetrics(t *testing.T) {
	m := make(metrics)
	err := m.parse(strings.NewReader(`# HELP ended Streams.
# TYPE ended counter
ended{procedure="/a/Watch",reason="caller"} 2
ended{procedure="/b/Watch",reason="caller"} 3
ended{procedure="/b/Watch",reason="stalled"} 1e+02
ended_bytes{reason="caller"} 7
lag_bucket{le="0.5"} 4 # {trace="x"} 0.3 1.7e+09
go_memstats_heap_inuse_bytes 1000
go_memstats_stack_inuse_bytes 24
# EOF
`))
	if err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	for _, tt := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"ended", nil, 105},
		{"ended", []string{`reason="caller"`}, 5},
		{"ended", []string{`reason="caller"`, `procedure="/a/Watch"`}, 2},
		{"ended", []string{`reason="drain"`}, 0},
		{"lag_bucket", nil, 4},
	} {
		if got := m.sum(tt.name, tt.labels...); got != tt.want {
			t.Errorf("%s %v: got %v, want %v", tt.name, tt.labels, got, tt.want)
		}
	}
	if got, want := m.used(), (used{Heap: 1000, Stacks: 24}); got != want {
		t.Errorf("got %+v in use, want %+v", got, want)
	}
	if err := m.parse(strings.NewReader("broken many\n")); err == nil {
		t.Error("got no error of a value that is no number, want one")
	}
}
