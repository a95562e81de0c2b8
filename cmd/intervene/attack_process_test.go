//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	// fewFiles is how many files the engine may open in TestFewFiles.
	fewFiles = 256
	// stopCycles are the times that the engine is stopped; more in a soak.
	stopCycles = 8
)

// tagging gives the honest's conversation one tag after the other, over one
// connection that is there before any attack.
func (v *target) tagging(t *testing.T) (tag func()) {
	t.Helper()
	c, d, n := newCaller(t, v.site, supervisorName), rand.New(rand.NewPCG(seedOf(t), 't')), 0
	return func() {
		t.Helper()
		n++
		if _, err := c.api.SetTags(t.Context(), &intervenev1.SetTagsRequest{
			ConversationId: v.honest.id, CommandId: drawCommandID(d), Tags: []string{fmt.Sprintf("tag-%d", n)},
		}); err != nil {
			t.Fatalf("tag %d: got error %v, want none\n%s", n, err, v.process.log.tail())
		}
	}
}

// TestFewFiles floods an engine that may open few files with connections: it
// refuses them before the journal has none left, goes on for those it has, and takes
// new ones when the flood is over.
func TestFewFiles(t *testing.T) {
	t.Parallel()
	s := openSite(t, standin.Config{Seed: seedOf(t)}, cast()...)
	s.binary = limited(t, s.binary)
	s.start(t)
	v := &target{site: s, scale: 1, honest: startHonest(t, s)}
	v.honest.waitFor(t, 20)
	v.honest.end(t) // whoever makes a new connection for each call may be refused now
	v.before = v.vitals(t)
	limit := int(v.metrics(t)[`intervene_connections_limit{listener="public"}`])
	if limit == 0 || limit >= fewFiles {
		t.Fatalf("limit: got %d, want one below the %d files", limit, fewFiles)
	}
	tag := v.tagging(t)
	tag()
	var flood []net.Conn
	for range 4 * fewFiles {
		flood = append(flood, v.dial(t))
	}
	for range 100 {
		tag()
	}
	// The system accepts before the engine does: the last may wait their turn.
	for deadline := time.Now().Add(recoverTimeout); v.metrics(t)[`intervene_connections_refused_total{listener="public"}`] < float64(4*fewFiles-limit); {
		if time.Now().After(deadline) {
			t.Fatalf("refused: got %v, want %d or more", v.metrics(t)[`intervene_connections_refused_total{listener="public"}`], 4*fewFiles-limit)
		}
		rest(t.Context(), settlePause)
	}
	if files := v.vitals(t).files; files > limit+fewFiles/2 {
		t.Errorf("files: got %d in the flood, want at most %d", files, limit+fewFiles/2)
	}
	for _, c := range flood {
		_ = c.Close()
	}
	before := v.honest
	v.honest = startHonest(t, s)
	v.honest.goesOn(before)
	v.recovers(t)
	v.honest.end(t)
	s.stop(t)
	s.verify(t)
}

// limited is binary with few files to open.
func limited(t *testing.T, binary string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "limited")
	script := fmt.Sprintf("#!/bin/sh\nulimit -n %d\nexec %q \"$@\"\n", fewFiles, binary)
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatalf("write %s: %v", path, err)
	}
	return path
}

// TestStops stops the engine under load and lets it go on, as a hypervisor or a
// debugger does: callers wait or give up, and nothing is lost, done twice or taken
// for late that was not.
func TestStops(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	t.Logf("INTERVENE_SEED=%d", seed)
	c := &crasher{
		site: openSite(t, hostileNetwork(seed), cast()...), ledger: newLedger(), mirror: newMirror(), dice: rand.New(rand.NewPCG(seed, 'z')),
	}
	c.eyes = newCaller(t, c.site, supervisorName)
	c.site.start(t)
	v := &streams{site: c.site, dice: c.dice, eyes: c.eyes, gallery: newGallery()}
	v.gallery.generation.Store(1)
	v.follow(t)
	c.load = startLoad(t, c.site, c.ledger, seed)
	cycles, longest := stopCycles, 600*time.Millisecond
	if os.Getenv("INTERVENE_SOAK") != "" {
		cycles, longest = stopCycles*soakFactor, 12*time.Second // beyond a frame's time, a webhook's and a call's
	}
	cycles = cyclesOf(t, cycles)
	c.load.resume()
	var stopped time.Duration
	for range cycles {
		rest(t.Context(), between(c.dice, 20*time.Millisecond, 300*time.Millisecond))
		c.signal(t, syscall.SIGSTOP)
		pause := between(c.dice, 10*time.Millisecond, longest)
		rest(t.Context(), pause)
		stopped += pause
		c.signal(t, syscall.SIGCONT)
	}
	c.load.pause()
	c.settle(t, false)
	for id, s := range c.mirror.conversations {
		if s.card.GetWindowExpiresAt() != nil && s.card.GetColumn() == columnHistory {
			t.Errorf("conversation %s: got its window lapsed, which is open for a day", id)
		}
	}
	v.comesToRest(t)
	c.site.stop(t)
	v.judge(t)
	c.site.verify(t)
	_, commands, _ := c.ledger.copy()
	t.Logf("%d stops, %s in all; %d conversations, %d commands in %d tries", cycles, stopped.Round(time.Millisecond),
		len(c.mirror.conversations), len(commands), c.load.tries.Load())
}

func (c *crasher) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := c.site.process.cmd.Process.Signal(signal); err != nil {
		t.Fatalf("%s: got error %v, want none\n%s", signal, err, c.site.process.log.tail())
	}
}
