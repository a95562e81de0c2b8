package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what an engine has taken since it started.
type usage struct {
	cpu             time.Duration
	written         int64 // bytes that it had the disk write
	appends, fsyncs float64
	turns           float64
}

// cost is what an engine took for a load.
type cost struct {
	// CPUs is how many processors it took, of all that it did.
	CPUs       float64
	ResidentMB float64 // at the end
	Appends    float64 // durable ones, a second
	// CPUEach is in microseconds a command, BytesEach what the disk was given, an
	// append.
	CPUEach, BytesEach float64
	AppendsPerFsync    float64
	AppendsPerCommand  float64
	FsyncsPerCommand   float64
}

// usageOf asks the system and the engine.
func usageOf(ctx context.Context, s *site) (usage, error) {
	var u usage
	m := make(metrics)
	if err := fetch(ctx, s.admin()+"/metrics", m.parse); err != nil {
		return u, err
	}
	u.appends = m.sum("intervene_journal_appends_total", `outcome="durable"`)
	u.fsyncs = m.sum("intervene_journal_sync_duration_seconds_count")
	u.turns = m.sum("intervene_bot_turns_total")
	var err error
	if u.cpu, err = cpuOf(s.engine.pid()); err != nil {
		return u, err
	}
	u.written, err = writtenOf(s.engine.pid())
	return u, err
}

// costSince is what commands took since before.
func costSince(ctx context.Context, s *site, before usage, began time.Time, commands int64) (cost, error) {
	after, err := usageOf(ctx, s)
	if err != nil {
		return cost{}, err
	}
	resident, err := residentOf(s.engine.pid())
	if err != nil {
		return cost{}, err
	}
	seconds := time.Since(began).Seconds()
	cpu, appends, fsyncs := (after.cpu - before.cpu).Seconds(), after.appends-before.appends, after.fsyncs-before.fsyncs
	each := float64(max(1, commands))
	return cost{
		CPUs: cpu / seconds, ResidentMB: float64(resident) / (1 << 20), Appends: appends / seconds,
		CPUEach: cpu * 1e6 / each, BytesEach: float64(after.written-before.written) / max(1, appends),
		AppendsPerFsync: appends / max(1, fsyncs), AppendsPerCommand: appends / each, FsyncsPerCommand: fsyncs / each,
	}, nil
}

// writtenOf is what a process had the disk write, in bytes.
func writtenOf(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, fmt.Errorf("read a process's writing: %w", err)
	}
	return parseWritten(string(text))
}

func parseWritten(io string) (int64, error) {
	for line := range strings.Lines(io) {
		if value, ours := strings.CutPrefix(line, "write_bytes:"); ours {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("a process's writing: %w", err)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("a process's writing: no write_bytes")
}
