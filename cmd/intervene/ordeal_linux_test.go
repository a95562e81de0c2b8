package main

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	// ordealDisk is the size of the disk that is filled; the engine leaves 512 MB of
	// it free.
	ordealDisk   = 2 << 30
	ordealCycles = 20
	// nearlyFull is less than what the engine leaves free, and enough for its work.
	nearlyFull = 400 << 20
	// ordealWait bounds the wait for what an ordeal has to bring about.
	ordealWait = 90 * time.Second
	// ordealQuiet is how long nothing is offered when all is done.
	ordealQuiet = 3 * time.Second
)

// ordeal is an engine under load to which is done what machines do. It needs to be
// root: the long tests alone have it.
func ordeal(t *testing.T) *crasher {
	t.Helper()
	if os.Getenv("INTERVENE_SOAK") == "" {
		t.Skip("an ordeal of minutes that needs root: make soak")
	}
	seed := seedOf(t)
	t.Logf("INTERVENE_SEED=%d", seed)
	network := standin.Config{
		Seed: seed,
		Webhook: standin.WebhookConfig{
			Gather: 10 * time.Millisecond, MaxBatch: 20, Parallelism: 64, QueueLimit: 400_000,
			RedeliveryFirst: 200 * time.Millisecond, RedeliveryLongest: 2 * time.Second, MaxOffers: 100_000,
		},
	}
	c := &crasher{
		site: openSite(t, network, cast()...), ledger: newLedger(), mirror: newMirror(), dice: rand.New(rand.NewPCG(seed, 'o')),
	}
	c.site.pace = 10_000
	c.site.configure(t)
	c.eyes = newCaller(t, c.site, supervisorName)
	return c
}

// begin starts the engine and its load.
func (c *crasher) begin(t *testing.T) {
	t.Helper()
	c.start(t)
	c.load = startLoad(t, c.site, c.ledger, c.dice.Uint64())
	c.load.resume()
}

// end waits until all is done, and judges it.
func (c *crasher) end(t *testing.T) {
	t.Helper()
	c.idle(t) // lists miss who moves while their pages are turned, which in a flood many do
	c.load.pause()
	c.settle(t, false)
	c.site.stop(t)
	c.site.verify(t)
}

// supervise starts the engine again if it has ended by itself, as a service manager
// does, and reports whether it had to.
func (c *crasher) supervise(t *testing.T) bool {
	t.Helper()
	select {
	case <-c.site.process.done:
		c.site.gone(t)
		c.start(t)
		return true
	default:
		return false
	}
}

// TestDiskFull fills the disk under load: sometimes nearly, sometimes to the last
// byte.
func TestDiskFull(t *testing.T) {
	c := ordeal(t)
	if err := os.MkdirAll(c.site.dataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", c.site.dataDir, "tmpfs", 0, fmt.Sprintf("size=%d", ordealDisk)); err != nil {
		t.Fatalf("mount a small disk: got error %v, want none", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(c.site.dataDir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: got error %v, want none", err)
		}
	})
	c.site.excused = []string{"the disk is full", "no space left", "journal"}
	c.begin(t)
	restarts := 0
	for cycle := range ordealCycles {
		leave := int64(nearlyFull)
		if cycle%2 == 1 {
			leave = 0
		}
		rest(t.Context(), 500*time.Millisecond)
		ballast := fill(t, c.site.dataDir, leave)
		rest(t.Context(), 3*time.Second)
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		if c.supervise(t) {
			restarts++
		}
		began := time.Now()
		c.load.pause() // every command comes to its end: the engine takes work again
		c.look(t)
		t.Logf("%d bytes left: back after %s", leave, time.Since(began).Round(time.Millisecond))
		c.load.resume()
	}
	c.end(t)
	t.Logf("%d fillings of the disk, %d restarts", ordealCycles, restarts)
}

// fill leaves so much free where dir is.
func fill(t *testing.T, dir string, leave int64) string {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	block := make([]byte, 1<<20)
	for {
		var fs syscall.Statfs_t
		if err := syscall.Statfs(dir, &fs); err != nil {
			t.Fatal(err)
		}
		free := int64(fs.Bavail) * fs.Bsize
		if free <= leave {
			return path
		}
		if _, err := file.Write(block[:min(int64(len(block)), free-leave)]); err != nil {
			return path // somebody else took the rest
		}
	}
}

// TestSlowDisk delays every sync, at last for longer than the engine waits.
func TestSlowDisk(t *testing.T) {
	c := ordeal(t)
	c.site.excused = []string{"unfinished after", "journal"}
	c.begin(t)
	for _, delay := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond} {
		rest(t.Context(), time.Second)
		before := c.accepted()
		stop := delaySyncs(t, c.site.process.cmd.Process.Pid, delay)
		began := time.Now()
		rest(t.Context(), 8*time.Second)
		took := time.Since(began)
		stop()
		t.Logf("syncs delayed by %s: %.0f commands/s", delay, float64(c.accepted()-before)/took.Seconds())
		if c.supervise(t) {
			t.Fatalf("syncs delayed by %s: the engine ended, want it slow", delay)
		}
	}
	stop := delaySyncs(t, c.site.process.cmd.Process.Pid, 30*time.Second)
	select {
	case <-c.site.process.done:
	case <-time.After(ordealWait):
		t.Fatalf("syncs that hang: the engine lives after %s, want it ended", ordealWait)
	}
	stop()
	if !c.supervise(t) {
		t.Error("syncs that hang: got no restart, want one")
	}
	c.end(t)
}

func (c *crasher) accepted() int {
	_, commands, _ := c.ledger.copy()
	return len(commands)
}

// delaySyncs has the kernel's tracer hold every sync of a process back. Tracing
// itself slows, so that a delay of 0 is what to compare with.
func delaySyncs(t *testing.T, pid int, delay time.Duration) (stop func()) {
	t.Helper()
	const calls = "fsync,fdatasync,sync_file_range"
	trace := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+calls,
		"-e", fmt.Sprintf("inject=%s:delay_enter=%d", calls, delay.Microseconds()), "-p", strconv.Itoa(pid))
	if err := trace.Start(); err != nil {
		t.Fatalf("start strace: got error %v, want none", err)
	}
	return func() {
		_ = trace.Process.Signal(os.Interrupt) // it may have ended with what it traced
		_ = trace.Wait()
	}
}

// TestMemoryLimit offers an engine in a container of little memory, and a quarter of a core,
// a fifth more than it can take, for minutes. Its end would be the system's.
func TestMemoryLimit(t *testing.T) {
	const hard = 640 << 20
	const period, quota = 100_000, 25_000
	const share, above = 8, 1.2
	c := ordeal(t)
	c.site.excused = []string{"memory is short"}
	memory, cpu := newGroup(t, "memory"), newGroup(t, "cpu")
	memory.set(t, "memory.limit_in_bytes", hard)
	cpu.set(t, "cpu.cfs_period_us", period)
	cpu.set(t, "cpu.cfs_quota_us", quota)
	c.site.confine = func(pid int) {
		memory.set(t, "cgroup.procs", pid)
		cpu.set(t, "cgroup.procs", pid)
	}
	c.site.env = []string{fmt.Sprintf("GOMEMLIMIT=%d", hard*9/10)}
	c.begin(t)
	capacity := c.flood(t, flood{lasts: 15 * time.Second, share: share})
	c.idle(t)
	over := c.flood(t, flood{lasts: 2 * time.Minute, share: share, rate: int(above * capacity.received())})
	if c.supervise(t) {
		t.Fatal("got the engine ended, want it alive within its memory")
	}
	found, peak := c.site.metrics(t), memory.get(t, "memory.max_usage_in_bytes")
	cpu.set(t, "cpu.cfs_quota_us", -1)
	t.Logf("it takes %s; a fifth more: %s", capacity, over)
	t.Logf("limit %d MB, most in use %d MB, resident each 10 s %d MB; %.0f conversations evicted for memory",
		hard>>20, peak>>20, over.resident, found[`intervene_actor_evictions_total{reason="memory"}`])
	if over.waiting <= capacity.waiting {
		t.Errorf("got %d items waiting after the flood, want more than the %d at capacity: it was no flood", over.waiting, capacity.waiting)
	}
	c.end(t)
}

// TestOverload gives the engine a fifth of a core and offers ten times what that
// takes.
func TestOverload(t *testing.T) {
	const period, quota = 100_000, 20_000
	c := ordeal(t)
	group := newGroup(t, "cpu")
	group.set(t, "cpu.cfs_period_us", period)
	group.set(t, "cpu.cfs_quota_us", quota)
	c.site.confine = func(pid int) { group.set(t, "cgroup.procs", pid) }
	c.begin(t)
	capacity := c.flood(t, flood{lasts: 5 * time.Second, share: 1})
	c.idle(t)
	over := c.flood(t, flood{lasts: 10 * time.Second, share: 1, rate: int(10 * capacity.taken())})
	if c.supervise(t) {
		t.Fatal("got the engine ended, want it alive")
	}
	group.set(t, "cpu.cfs_quota_us", -1)
	c.end(t)
	t.Logf("a fifth of a core takes %s; ten times that: %s", capacity, over)
}

// flood is what customers write who never wrote before, share messages each: at
// a rate, or as fast as they are let.
type flood struct {
	lasts time.Duration
	share int
	rate  int // a second; 0: as fast as the engine takes them
}

const (
	floodHands = 8
	// floodMost bounds what is written, and floodBacklog what waits when no rate is set.
	floodMost    = 1_500_000
	floodBacklog = 2_000
	// residentEvery is how often a flood looks at the engine's memory.
	residentEvery = 10 * time.Second
)

// flooded is what came of a flood.
type flooded struct {
	written, offered, acknowledged uint64
	waiting                        int // items, at its end
	took                           time.Duration
	resident                       []int64 // MB, each residentEvery
}

// taken is how many items a second, messages and statuses, were made durable.
func (f flooded) taken() float64 { return float64(f.acknowledged) / f.took.Seconds() }

// received is how many messages a second were made durable, if few waited.
func (f flooded) received() float64 { return float64(f.written) / f.took.Seconds() }

func (f flooded) String() string {
	return fmt.Sprintf("%d messages written in %s (%.0f/s), %.0f items/s taken, %d of %d offers not answered 200, %d items waiting",
		f.written, f.took.Round(time.Millisecond), f.received(), f.taken(), f.offered-f.acknowledged, f.offered, f.waiting)
}

func (c *crasher) flood(t *testing.T, f flood) flooded {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), f.lasts)
	defer cancel()
	before, began := c.site.graph.Stats(), time.Now()
	var written atomic.Int64
	for n := range floodHands {
		c.load.group.Go(func() {
			for i := 0; ctx.Err() == nil && written.Load() < floodMost; i++ {
				if f.rate > 0 && written.Load() > int64(time.Since(began).Seconds()*float64(f.rate)) ||
					f.rate == 0 && c.site.graph.Stats().Pending > floodBacklog {
					rest(ctx, time.Millisecond)
					i--
					continue
				}
				c.strange(ctx, stranger(began, (i/f.share)*floodHands+n, i), &written)
			}
		})
	}
	var resident []int64
	for rest(ctx, residentEvery) {
		resident = append(resident, residentOf(t, c.site.process.cmd.Process.Pid)>>20)
	}
	<-ctx.Done()
	after := c.site.graph.Stats()
	return flooded{
		written: uint64(written.Load()), acknowledged: after.Acknowledged - before.Acknowledged,
		offered: after.Offered - before.Offered, waiting: int(after.Pending), took: time.Since(began), resident: resident,
	}
}

// strange has a stranger write.
func (c *crasher) strange(ctx context.Context, w written, count *atomic.Int64) {
	wamid, err := c.site.graph.WriteText(ctx, standin.Customer{
		PhoneNumberID: siteNumber, WAID: standin.Identity(w.phone), Name: "Customer",
	}, w.text, time.Time{})
	if err == nil {
		c.ledger.wrote(wamid, w)
		count.Add(1)
	}
}

// stranger is a message of a customer who never wrote before the flood.
func stranger(began time.Time, who, n int) written {
	return written{
		phone: fmt.Sprintf("19%02d%09d", began.Unix()%90+10, who),
		text:  fmt.Sprintf("I never wrote before (%d-%d-%d)", began.UnixNano(), who, n),
	}
}

// idle waits, with the load at rest, until nothing is offered any more.
func (c *crasher) idle(t *testing.T) {
	t.Helper()
	c.load.pause()
	defer c.load.resume()
	since, progress, least := time.Now(), time.Now(), math.MaxInt // since is of the quiet
	for time.Since(since) < ordealQuiet {
		if pending := c.site.graph.Stats().Pending; pending > 0 {
			since = time.Now()
			if pending < least {
				progress, least = since, pending
			}
			if since.Sub(progress) > ordealWait {
				t.Fatalf("%d items are pending, and no fewer in %s, want none", least, ordealWait)
			}
		}
		rest(t.Context(), settlePause)
	}
}

func residentOf(t *testing.T, pid int) int64 {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0 // it has ended, which the caller finds
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == "VmRSS:" {
			kb, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	return 0
}

// group is a control group of the kernel (version 1).
type group string

func newGroup(t *testing.T, controller string) group {
	t.Helper()
	g := group(filepath.Join("/sys/fs/cgroup", controller, fmt.Sprintf("intervene-%d", os.Getpid())))
	if err := os.Mkdir(string(g), 0o755); err != nil {
		t.Fatalf("make a control group: got error %v, want none", err)
	}
	t.Cleanup(func() {
		for range 100 { // its processes must be gone first
			if err := os.Remove(string(g)); err == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	return g
}

func (g group) set(t *testing.T, name string, value int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(string(g), name), []byte(strconv.Itoa(value)), 0o644); err != nil {
		t.Fatalf("set %s: got error %v, want none", name, err)
	}
}

func (g group) get(t *testing.T, name string) int64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(string(g), name))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
