//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	// attackMemory bounds what an engine with next to no data holds under any
	// attack, Pebble's cache and memtables included.
	attackMemory = 512 << 20
	// recoverTimeout bounds the way back to as many goroutines and files as before;
	// slackVitals is what comes and goes without an attack, as of idle connections.
	recoverTimeout = 45 * time.Second
	slackVitals    = 24
	// honestPause is between two calls of an honest client.
	honestPause = 3 * time.Millisecond
	// soakFactor is how much more of everything a soak does.
	soakFactor = 10
)

// vitals are what an attack must not leave behind.
type vitals struct{ goroutines, files int }

// target is the engine that is attacked, with the honest who go on meanwhile.
type target struct {
	*site
	honest *honest
	before vitals
	// scale multiplies what is sent: 1, or soakFactor.
	scale int
}

// TestAttacks attacks a real engine in one way after the other. Meanwhile honest
// clients are served, and after each the engine holds no more goroutines and files
// than before, bounded memory, and all that it acknowledged.
func TestAttacks(t *testing.T) {
	t.Parallel()
	v := newTarget(t)
	for _, attack := range []struct {
		name string
		run  func(*target, *testing.T)
	}{
		{"oversized bodies", (*target).oversized},
		{"floods of headers", (*target).headers},
		{"malformed HTTP2", (*target).malformed},
		{"rapid resets", (*target).rapidResets},
		{"floods of control frames", (*target).controlFrames},
		{"windows that stay closed", (*target).closedWindows},
		{"stalled streams", (*target).stalledStreams},
		{"redelivery storm", (*target).redelivery},
		{"idle connections", (*target).idleConnections},
	} {
		t.Run(strings.ReplaceAll(attack.name, " ", "-"), func(t *testing.T) {
			v.honest.reset()
			began := time.Now()
			attack.run(v, t)
			t.Logf("%s of attack; honest: %s", time.Since(began).Round(time.Millisecond), v.honest.told())
			v.recovers(t)
		})
	}
	v.honest.end(t)
	v.stop(t)
	v.verify(t)
}

func newTarget(t *testing.T) *target {
	t.Helper()
	v := &target{site: openSite(t, standin.Config{Seed: seedOf(t)}, cast()...), scale: 1}
	if os.Getenv("INTERVENE_SOAK") != "" {
		v.scale = soakFactor
	}
	v.start(t)
	v.honest = startHonest(t, v.site)
	v.honest.waitFor(t, 50) // connections and caches as they are from now on
	v.before = v.vitals(t)
	return v
}

// vitals asks the engine's own metrics.
func (v *target) vitals(t *testing.T) vitals {
	t.Helper()
	found := v.metrics(t)
	return vitals{goroutines: int(found["go_goroutines"]), files: int(found["process_open_fds"])}
}

// metrics are all that have no histogram, by name and labels as they are written.
func (s *site) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	response, err := http.Get("http://" + s.process.log.adminAddress(t) + "/metrics")
	if err != nil {
		t.Fatalf("metrics: got error %v, want them\n%s", err, s.process.log.tail())
	}
	defer http.DefaultClient.CloseIdleConnections()
	found := make(map[string]float64)
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok && name != "#" {
			if n, err := strconv.ParseFloat(value, 64); err == nil {
				found[name] = n
			}
		}
	}
	if err := response.Body.Close(); err != nil {
		t.Fatalf("metrics: %v", err)
	}
	return found
}

// recovers waits until the engine is as it was before, and still serves.
func (v *target) recovers(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(recoverTimeout)
	for {
		now := v.vitals(t)
		if now.goroutines <= v.before.goroutines+slackVitals && now.files <= v.before.files+slackVitals {
			t.Logf("%d goroutines and %d files, %d and %d before; at most %d MiB of memory",
				now.goroutines, now.files, v.before.goroutines, v.before.files, v.peak(t)>>20)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: got %+v, want %+v or little more\n%s", recoverTimeout, now, v.before, v.process.log.tail())
		}
		rest(t.Context(), settlePause)
	}
	if peak := v.peak(t); peak > attackMemory {
		t.Errorf("memory: got a peak of %d MiB, want at most %d", peak>>20, attackMemory>>20)
	}
	v.honest.waitFor(t, 20)
}

// peak is the most memory that the engine ever held.
func (s *site) peak(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.cmd.Process.Pid))
	if err != nil {
		t.Fatalf("memory of the engine: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
			if err != nil {
				t.Fatalf("memory of the engine: got %q, want kB", line)
			}
			return kib << 10
		}
	}
	t.Fatal("memory of the engine: got no VmHWM, want one")
	return 0
}

// honest are clients who only want to work: one reads over one connection, one
// writes notes over one that is new for each. None of their calls may fail.
type honest struct {
	group sync.WaitGroup
	stop  context.CancelFunc

	mu    sync.Mutex
	took  []time.Duration
	calls int
	err   error // the first of a call that failed
	// notes were acknowledged, of those that were begun.
	notes, begun int

	id   string // of the conversation that the notes are in
	site *site
}

func startHonest(t *testing.T, s *site) *honest {
	t.Helper()
	h := &honest{site: s}
	var ctx context.Context
	ctx, h.stop = context.WithCancel(t.Context())
	t.Cleanup(func() {
		h.stop()
		h.group.Wait()
	})
	write(t, s, standin.Customer{PhoneNumberID: siteNumber, WAID: "15550001", Name: "Customer"}, "Hello")
	reader, writer := newCaller(t, s, agentNames[0]), newFreshCaller(t, s, agentNames[1])
	for deadline := time.Now().Add(settleTimeout); h.id == ""; rest(t.Context(), settlePause) {
		page, err := reader.api.ListConversations(t.Context(), &intervenev1.ListConversationsRequest{Column: columnActive})
		if err == nil && len(page.GetCards()) > 0 {
			h.id = page.GetCards()[0].GetConversationId()
		}
		if time.Now().After(deadline) {
			t.Fatalf("the honest found no conversation: %v\n%s", err, s.process.log.tail())
		}
	}
	h.group.Go(func() {
		h.work(ctx, func(ctx context.Context) error {
			_, err := reader.api.GetConversation(ctx, &intervenev1.GetConversationRequest{ConversationId: h.id})
			return err
		})
	})
	d := rand.New(rand.NewPCG(seedOf(t), 'h'))
	h.group.Go(func() {
		h.work(ctx, func(ctx context.Context) error {
			h.mu.Lock()
			h.begun++
			h.mu.Unlock()
			_, err := writer.api.AddNote(ctx, &intervenev1.AddNoteRequest{ConversationId: h.id, CommandId: drawCommandID(d), Body: "note"})
			if err == nil {
				h.mu.Lock()
				h.notes++
				h.mu.Unlock()
			}
			return err
		})
	})
	return h
}

func (h *honest) work(ctx context.Context, call func(context.Context) error) {
	for rest(ctx, honestPause) {
		limited, cancel := context.WithTimeout(ctx, callTimeout)
		began := time.Now()
		err := call(limited)
		took := time.Since(began)
		cancel()
		if ctx.Err() != nil {
			return
		}
		h.mu.Lock()
		h.took = append(h.took, took)
		h.calls++
		if h.err == nil {
			h.err = err
		}
		h.mu.Unlock()
	}
}

func (h *honest) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.took = h.took[:0]
}

// told is how long the calls took since the last reset. That is not judged: the
// machine may be busy.
func (h *honest) told() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.took) == 0 {
		return "no call came back"
	}
	slices.Sort(h.took)
	n := len(h.took)
	return fmt.Sprintf("%d calls, p50 %s, p99 %s, longest %s", n, h.took[n/2].Round(10*time.Microsecond),
		h.took[n*99/100].Round(10*time.Microsecond), h.took[n-1].Round(10*time.Microsecond))
}

// waitFor waits for so many calls more, none of which may have failed.
func (h *honest) waitFor(t *testing.T, n int) {
	t.Helper()
	h.mu.Lock()
	until := h.calls + n
	h.mu.Unlock()
	for deadline := time.Now().Add(settleTimeout); ; rest(t.Context(), honestPause) {
		h.mu.Lock()
		calls, err := h.calls, h.err
		h.mu.Unlock()
		if err != nil {
			t.Fatalf("an honest call: got error %v, want none\n%s", err, h.site.process.log.tail())
		}
		if calls >= until {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("honest calls: got no %d in %s, want them served\n%s", n, settleTimeout, h.site.process.log.tail())
		}
	}
}

// goesOn counts the notes of those before, who have ended.
func (h *honest) goesOn(before *honest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes, h.begun = h.notes+before.notes, h.begun+before.begun
}

// end stops the honest and holds that all of their notes are there.
func (h *honest) end(t *testing.T) {
	t.Helper()
	h.stop()
	h.group.Wait()
	if h.err != nil {
		t.Errorf("an honest call: got error %v, want none", h.err)
	}
	m := newMirror()
	if err := m.update(t.Context(), newCaller(t, h.site, supervisorName)); err != nil {
		t.Fatalf("read what is there: %v", err)
	}
	notes := 0
	for _, e := range m.conversations[h.id].events {
		if e.GetNote() != nil {
			notes++
		}
	}
	// One may have been made durable while its caller stopped.
	if notes < h.notes || notes > h.begun {
		t.Errorf("notes: got %d, want the %d that were acknowledged, of %d", notes, h.notes, h.begun)
	}
}

// newFreshCaller makes a connection for every call, over HTTP/1.1.
func newFreshCaller(t *testing.T, s *site, id string) *caller {
	t.Helper()
	return callerOver(t, s, id, &http.Transport{DisableKeepAlives: true})
}
