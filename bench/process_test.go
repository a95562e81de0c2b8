package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseCPU(t *testing.T) {
	stat := "4711 (a) name (with) S 1 4711 4711 0 -1 4194560 7000 0 12 0 250 75 9 8 20 0 14 0 123456 1800000000 22000"
	got, err := parseCPU(stat)
	if want := 3250 * time.Millisecond; got != want || err != nil {
		t.Errorf("got CPU %v, %v, want %v", got, err, want)
	}
	for _, wrong := range []string{"", "4711 (name) S 1 2", strings.Replace(stat, "250", "x", 1)} {
		if got, err := parseCPU(wrong); err == nil {
			t.Errorf("got CPU %v of %q, want an error", got, wrong)
		}
	}
}

func TestParseResident(t *testing.T) {
	got, err := parseResident("Name:\tintervene\nVmHWM:\t  999999 kB\nVmRSS:\t  123456 kB\nThreads:\t9\n")
	if want := int64(123456 << 10); got != want || err != nil {
		t.Errorf("got %d, %v, want %d", got, err, want)
	}
	for _, wrong := range []string{"Name:\tzombie\n", "VmRSS:\tmuch\n"} {
		if got, err := parseResident(wrong); err == nil {
			t.Errorf("got %d of %q, want an error", got, wrong)
		}
	}
}
