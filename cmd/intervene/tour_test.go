package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	tourFile = "../../docs/TOUR.md"
	// tourTimeout ends a tour that hangs; a slow machine does not meet it.
	tourTimeout = 3 * time.Minute
)

// tourTells is what the tour must print, in this order.
var tourTells = []string{
	"ok\n", "1158201444\n", "403\n", "401\n",
	"I am an automatic assistant", `"column":"COLUMN_ACTIVE"`,
	`"column":"COLUMN_REQUESTING"`,
	`"column":"COLUMN_INTERVENED"`, `"holderAgentId":"asha"`, `"reason":"HELD_BY_OTHER"`,
	`"reason":"NOT_HOLDER"`, `"delivery":"DELIVERY_`, `"body": "Asha here. What happened?"`,
	`"message":{"messageId":`, "\n1\n",
	"my parcel is broken", `"tags":["damage"]`,
	`"mime_type":"text/plain","bytes":19}`, `"title":"My money back"`, `"body": "What would you like?"`,
	`{"hello":`, `{"snapshotChunk":`, `"last":true`, `{"card":`, `{"events":`, `"handOver":`,
	`"cause":"CAUSE_RESOLVED"`, `"body": "You are welcome!"`,
	`intervene_board_conversations{column="active"} 1`, "intervene_command_durable_duration_seconds_count",
	"intervene_journal_commit_duration_seconds_count", "intervene_webhook_ack_duration_seconds_count",
	`"column":"COLUMN_REQUESTING"`, "1\n",
	"flow.yaml: flow bakery, version ", "1. Opening hours", "We bake from 7 to 5.", "Choose one of these.", "-> requesting (asked)",
	": 1 conversations", "everything is as the events say\n",
}

// TestTour runs every command of the tour as it stands there, but for the ports
// and the build.
func TestTour(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatalf("the tour needs curl: %v", err)
	}
	text, err := os.ReadFile(tourFile)
	if err != nil {
		t.Fatalf("read the tour: %v", err)
	}
	script := tourScript(t, string(text))
	ctx, cancel := context.WithTimeout(t.Context(), tourTimeout)
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", "-u")
	bash.Dir = t.TempDir()
	bash.Stdin = strings.NewReader(script)
	// A tour that is cut short takes its engine along: see the traps.
	bash.Cancel = func() error { return bash.Process.Signal(syscall.SIGTERM) }
	bash.WaitDelay = stopTimeout
	output, err := bash.CombinedOutput()
	if err != nil {
		t.Errorf("run the tour: got error %v, want none", err)
	}
	rest := string(output)
	for _, want := range tourTells {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("the tour does not tell %q where it should; it told\n%s", want, output)
		}
		rest = after
	}
	if left, err := os.ReadDir(bash.Dir); err != nil || len(left) > 0 {
		t.Errorf("got %v, %v left after the tour, want nothing", left, err)
	}
}

// tourScript is all that a reader pastes, on ports of its own.
func tourScript(t *testing.T, text string) string {
	t.Helper()
	var script strings.Builder
	script.WriteString("trap exit TERM\ntrap 'jobs=$(jobs -p); test -z \"$jobs\" || kill -KILL $jobs' EXIT\n")
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(text, -1)
	if len(blocks) < 10 {
		t.Fatalf("got %d blocks of commands in the tour, want all of them", len(blocks))
	}
	for _, block := range blocks {
		script.WriteString(block[1])
	}
	const build = "go build -o intervene ./cmd/intervene\n"
	if !strings.Contains(script.String(), build) {
		t.Fatalf("the tour does not build with %q", build)
	}
	replace := []string{build, "cp '" + intervene(t) + "' intervene\n"}
	for _, usual := range []string{"127.0.0.1:8080", "127.0.0.1:9090", "127.0.0.1:9100"} {
		replace = append(replace, usual, freeAddress(t))
	}
	return strings.NewReplacer(replace...).Replace(script.String())
}

// freeAddress is one that nobody listens on at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer func() {
		if err := listener.Close(); err != nil {
			t.Errorf("close the listener: %v", err)
		}
	}()
	return listener.Addr().String()
}
