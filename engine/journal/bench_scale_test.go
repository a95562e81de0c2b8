//go:build unix

package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

const (
	fewStored     = 10_000
	usuallyStored = 1_000_000
	// storedHot of them chat while commands are counted, scaleInFlight at once.
	storedHot     = fewStored
	scaleInFlight = 256
	// storedAtOnce are made in one go: what is being made is in memory.
	storedAtOnce = 1 << 16
	// storedApart is how far apart in time they began: a million in 14 hours.
	storedApart = 50 * time.Millisecond
	// scaleSlice is one turn of one side: some tenths of a second.
	scaleSlice = 16_000
)

// manyStored is how many the larger journal has: a million, or as many as the environment
// says.
func manyStored(b *testing.B) int {
	b.Helper()
	text := os.Getenv(scaleMany)
	if text == "" {
		return usuallyStored
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < fewStored {
		b.Fatalf("%s: got %q, want a number of conversations from %d on", scaleMany, text, fewStored)
	}
	return n
}

// scaleMany names how many conversations the larger journal has.
const scaleMany = "INTERVENE_BENCH_MANY"

// scaleDir names a folder that keeps the built stores for the next run.
const scaleDir = "INTERVENE_BENCH_STORED"

// BenchmarkStored is what conversations cost that nobody uses: a journal with ten
// thousand and one with a million, each of which has chatted and lapsed to
// History.
//
//	go test -run '^$' -bench Stored -benchtime 40x ./engine/journal
//
// It takes some minutes to build the million, and half an hour where
// INTERVENE_BENCH_MANY=10000000 asks for ten.
func BenchmarkStored(b *testing.B) {
	count := manyStored(b)
	few, many := stored(b, fewStored), stored(b, count)
	for _, s := range []struct {
		count int
		dir   string
	}{{fewStored, few}, {count, many}} {
		b.Run(fmt.Sprintf("start/stored=%d/closed", s.count), func(b *testing.B) { startClosed(b, s.dir) })
		b.Run(fmt.Sprintf("memory/stored=%d", s.count), func(b *testing.B) { memoryOf(b, s.dir) })
	}
	for _, live := range []uint64{8, 32, 64, 192} {
		b.Run(fmt.Sprintf("start/stored=%d/killed/wal=%dMB", count, live), func(b *testing.B) { startKilled(b, many, live<<20) })
	}
	b.Run("commands", func(b *testing.B) { compareStored(b, few, many) })
}

// running is what stands between an open journal and a ready engine, without
// network and workers.
type running struct {
	journal *Journal
	router  *actors.Router
	board   *actors.Board
}

// begin starts an engine's parts on dir, and says how long it took until the
// journal was open and until the board was built.
func begin(b *testing.B, dir string) (e *running, opened, ready time.Duration) {
	b.Helper()
	began := time.Now()
	j, err := Open(dir, benchmarkOptions(b))
	if err != nil {
		b.Fatalf("open: got error %v, want none", err)
	}
	opened = time.Since(began)
	e = &running{journal: j, router: actors.NewRouter(actors.RouterOptions{Store: j})}
	if e.board, err = actors.StartBoard(j, nil, nil); err != nil {
		b.Fatalf("build board: got error %v, want none", err)
	}
	return e, opened, time.Since(began)
}

func (e *running) end(b *testing.B) {
	b.Helper()
	e.router.Stop()
	e.board.Stop()
	closeOpened(b, e.journal)
}

// startClosed is the start after a clean stop.
func startClosed(b *testing.B, dir string) {
	var opening, readying time.Duration
	for b.Loop() {
		b.StopTimer()
		copied := twin(b, dir)
		b.StartTimer()
		e, opened, ready := begin(b, copied)
		b.StopTimer()
		opening, readying = opening+opened, readying+ready
		e.end(b)
		b.StartTimer()
	}
	reportStart(b, opening, readying)
}

// startKilled is the start on what stands on the disk while at least live bytes
// of the log are in memory alone: what SIGKILL leaves behind.
func startKilled(b *testing.B, dir string, live uint64) {
	source := twin(b, dir)
	e, _, _ := begin(b, source)
	load := newCommandsAfter(e.router)
	for e.journal.db.Metrics().WAL.Size < live {
		load.run(b, scaleSlice/4)
	}
	size := e.journal.db.Metrics().WAL.Size
	killed := twin(b, source)
	e.end(b)
	var opening, readying time.Duration
	for b.Loop() {
		b.StopTimer()
		copied := twin(b, killed)
		b.StartTimer()
		again, opened, ready := begin(b, copied)
		b.StopTimer()
		opening, readying = opening+opened, readying+ready
		again.end(b)
		b.StartTimer()
	}
	reportStart(b, opening, readying)
	b.ReportMetric(float64(size)/(1<<20), "wal-MB")
}

func reportStart(b *testing.B, opening, readying time.Duration) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(opening.Seconds()*1e3/float64(b.N), "open-ms")
	b.ReportMetric(readying.Seconds()*1e3/float64(b.N), "ready-ms")
}

// memoryOf is what an engine holds right after its start, and once storedHot
// conversations have chatted.
func memoryOf(b *testing.B, dir string) {
	for b.Loop() {
		before := reachable()
		e, _, _ := begin(b, twin(b, dir))
		b.ReportMetric(float64(reachable()-before)/1e3, "started-kB")
		load := newCommandsAfter(e.router)
		held := reachable()
		load.run(b, storedHot*chatSteps)
		b.ReportMetric(float64(reachable()-held)/storedHot, "B/hot")
		m := e.journal.db.Metrics()
		b.ReportMetric(float64(m.BlockCache.Size)/1e6, "block-cache-MB")
		b.ReportMetric(float64(m.MemTable.Size)/1e6, "memtable-MB")
		b.ReportMetric(float64(m.DiskSpaceUsage())/1e6, "disk-MB")
		runtime.KeepAlive(load)
		e.end(b)
	}
	b.ReportMetric(0, "ns/op")
}

// compareStored gives the same commands to both, in turns.
func compareStored(b *testing.B, few, many string) {
	type side struct {
		*running
		*commands
		meter
		flushed, compacted uint64
	}
	var sides [2]side
	for i, dir := range []string{few, many} {
		s := &sides[i]
		s.running, _, _ = begin(b, twin(b, dir))
		defer s.end(b)
		s.commands = newCommandsAfter(s.running.router)
		s.run(b, storedHot*chatSteps) // everybody who is hot is in memory
		quiet(s.journal)
		m := s.journal.db.Metrics().Total()
		s.flushed, s.compacted = m.TableBytesFlushed, m.TableBytesCompacted
	}
	turn := 0
	for b.Loop() {
		for i := range sides {
			s := &sides[(turn+i)%2] // each goes first as often as the other
			s.time(scaleSlice, func() { s.run(b, scaleSlice) })
		}
		turn++
	}
	b.ReportMetric(0, "ns/op")
	for i, name := range []string{"few", "many"} {
		s := &sides[i]
		m := s.journal.db.Metrics().Total()
		b.ReportMetric(s.rate(), name+"-commands/s")
		b.ReportMetric(s.cpuEach(), name+"-cpu-µs")
		b.ReportMetric(float64(m.TableBytesFlushed-s.flushed)/float64(s.count), name+"-flushed-B")
		b.ReportMetric(float64(m.TableBytesCompacted-s.compacted)/float64(s.count), name+"-compacted-B")
	}
	b.ReportMetric(sides[1].rate()/sides[0].rate(), "many/few")
}

// newCommandsAfter goes on where stored stopped.
func newCommandsAfter(router *actors.Router) *commands {
	c := newCommands(router, scaleInFlight, storedHot)
	for _, chats := range c.chats {
		for _, s := range chats {
			s.Receive("") // the first name is taken
		}
	}
	return c
}

// stored is a journal that was closed with count conversations in History.
func stored(b *testing.B, count int) string {
	b.Helper()
	root := os.Getenv(scaleDir)
	if root == "" {
		root = b.TempDir()
	}
	dir, building := filepath.Join(root, fmt.Sprint(count)), filepath.Join(root, fmt.Sprintf("%d.part", count))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.RemoveAll(building); err != nil {
		b.Fatalf("remove: got error %v, want none", err)
	}
	began := time.Now()
	j := openTimed(b, building, nil)
	var newest engine.Instant
	for first := 0; first < count; first += storedAtOnce {
		newest = storeChats(b, j, first, min(storedAtOnce, count-first))
	}
	if err := j.Expire(newest); err != nil {
		b.Fatalf("expire: got error %v, want none", err)
	}
	quiet(j)
	closeOpened(b, j)
	if err := os.Rename(building, dir); err != nil {
		b.Fatalf("rename: got error %v, want none", err)
	}
	b.Logf("stored %d conversations in %v", count, time.Since(began).Round(time.Second))
	return dir
}

// storeChats lets n conversations chat and lapse, all at once, and says when the last did.
func storeChats(b *testing.B, j *Journal, first, n int) engine.Instant {
	l := &load{chats: make([][]*chat, maxBatchAppends), turn: make([]int, maxBatchAppends)}
	for i := range n {
		c := &chat{Writer: writer(first + i)}
		c.Now = c.Now.Add(time.Duration(first+i) * storedApart)
		l.chats[i%maxBatchAppends] = append(l.chats[i%maxBatchAppends], c)
	}
	for range chatSteps {
		appendAll(b, j, l.deal(func(c *chat) engine.Append { return c.next(b) }), nil)
	}
	var newest engine.Instant
	appendAll(b, j, l.deal(func(c *chat) engine.Append {
		c.Now = c.Conversation.Index().Due[engine.DueWindow]
		newest = max(newest, c.Now)
		a, refusal := c.Prepare(engine.Command{
			Workspace: c.Workspace, By: journaltest.Engine, Body: engine.FireTimer{Timer: engine.DueWindow},
		})
		if refusal != nil || len(a.Events) == 0 || a.After.Column != engine.History {
			b.Fatalf("lapse: got refusal %v and %d events, want History", refusal, len(a.Events))
		}
		return a
	}), nil)
	return newest
}

// deal makes one append of each chat.
func (l *load) deal(next func(*chat) engine.Append) [][]engine.Append {
	dealt := make([][]engine.Append, len(l.chats))
	for w, chats := range l.chats {
		for _, c := range chats {
			dealt[w] = append(dealt[w], next(c))
		}
	}
	return dealt
}

// quiet waits until Pebble has nothing left to do.
func quiet(j *Journal) {
	for {
		m := j.db.Metrics()
		if m.Compact.NumInProgress == 0 && m.Flush.NumInProgress == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// twin is a copy of what stands on the disk. Tables, which never change, are
// linked; the rest is synced, or the first fsync of whoever opens it would wait
// for the copying.
func twin(b *testing.B, dir string) string {
	b.Helper()
	to, err := os.MkdirTemp(filepath.Dir(dir), "twin")
	if err != nil {
		b.Fatalf("make directory: got error %v, want none", err)
	}
	b.Cleanup(func() {
		if err := os.RemoveAll(to); err != nil {
			b.Errorf("remove: got error %v, want none", err)
		}
	})
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rest)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o750)
		case strings.HasSuffix(path, ".sst"):
			return os.Link(path, target)
		}
		return copySynced(path, target)
	})
	if err != nil {
		b.Fatalf("copy: got error %v, want none", err)
	}
	return to
}

func copySynced(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Sync(), file.Close())
}

// reachable is what the heap holds after a collection.
func reachable() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
