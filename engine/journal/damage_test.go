package journal_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

// TestDamageIsNeverSilent damages one file of a journal at a time: bits flipped,
// the end cut off or zeroed, the file gone. Either it is refused, or a read or
// Verify reports it, or everything that was acknowledged is there.
func TestDamageIsNeverSilent(t *testing.T) {
	images, seed := damageImages(t), uint64(1)
	positions := 100
	if os.Getenv("INTERVENE_SOAK") != "" {
		positions, seed = 1000, rand.Uint64()
	}
	wantLossRefused(t, images[0])
	rng := rand.New(rand.NewPCG(seed, 0))
	outcomes := make(map[string]map[outcome]int)
	for n := range positions {
		image := images[n%len(images)]
		d := image.draw(rng, n/len(images))
		fs := vfs.FS(copyOf(t, image.fs))
		d.do(t, fs)
		got := judge(t, fs, image)
		sort := image.name + " " + d.class
		if outcomes[sort] == nil {
			outcomes[sort] = make(map[outcome]int)
		}
		outcomes[sort][got]++
		if got == silent {
			t.Errorf("seed %d, position %d, %s: got less than was acknowledged and no report, want one or the other", seed, n, d)
		}
	}
	t.Logf("%d positions, seed %d", positions, seed)
	for _, sort := range slices.Sorted(maps.Keys(outcomes)) {
		t.Logf("%-16s %v", sort, outcomes[sort])
	}
}

// wantLossRefused takes from a journal what Pebble does not miss: a WAL file,
// also one that a newer one follows on, and the last record, which is no append.
func wantLossRefused(t *testing.T, crashed image) {
	t.Helper()
	var losses []damage
	for _, file := range crashed.paths["wal"] {
		losses = append(losses, damage{file: file, kind: "removal"})
		losses = append(losses, damage{file: file, kind: "truncation", at: crashed.sizes[file] - 30})
	}
	for _, d := range losses {
		fs := vfs.FS(copyOf(t, crashed.fs))
		d.do(t, fs)
		for _, attempt := range []string{"first", "second"} { // the first has emptied the WAL
			if got := judge(t, fs, crashed); got != refused {
				t.Errorf("%s: got it %s by the %s opening, want it %s", d, got, attempt, refused)
			}
		}
	}
}

// outcome is how a damaged journal showed it.
type outcome string

const (
	refused  outcome = "refused"  // it was not opened
	reported outcome = "reported" // a read or Verify said so
	whole    outcome = "whole"    // nothing was missing: the damage hit dead bytes
	silent   outcome = "silent"
)

// image is what lies on a disk, and what can be read of it undamaged.
type image struct {
	name string
	fs   vfs.FS
	// paths are its files by class, sizes how many bytes each of them has.
	paths map[string][]string
	sizes map[string]int
	ids   []engine.ConversationID
	want  contents
}

// damageImages are a journal after a crash, with rows in tables, in a WAL file
// that is closed and in the newest one, and the same journal after a clean stop.
func damageImages(t *testing.T) []image {
	t.Helper()
	var images []image
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewCrashableMem()
		d := newDisk(mem)
		s := &script{disk: d, writers: make(map[uint64]*journaltest.Writer)}
		s.session(t, 4)
		s.session(t, 3)

		j := open(t, testOptions(t, d))
		s.chat(t, j, 2)
		s.park(t, j, 3)
		release := d.hangTables()
		if _, err := j.BeginFlush(); err != nil {
			t.Fatalf("flush: got error %v, want none", err)
		}
		synctest.Wait()
		s.chat(t, j, 2)
		s.group(t, j)
		s.park(t, j, 4)
		time.Sleep(time.Second) // the mark is rewritten
		images = append(images, image{name: "crashed", fs: mem.CrashClone(vfs.CrashCloneCfg{})})
		release()
		closeJournal(t, j)
		images = append(images, image{name: "closed", fs: mem.CrashClone(vfs.CrashCloneCfg{})})
		for i := range images {
			images[i].ids = s.ids
		}
	})
	for i := range images {
		fs := copyOf(t, images[i].fs)
		images[i].list(t)
		var err error
		if images[i].want, err = read(t, fs, images[i].ids); err != nil {
			t.Fatalf("read %s: got error %v, want none", images[i].name, err)
		}
		wantClean(t, verify(t, fs))
	}
	if logs := images[0].paths["wal"]; len(logs) < 2 {
		t.Fatalf("write-ahead log: got files %v, want a closed one and a newer one", logs)
	}
	if a, b := images[0].want, images[1].want; !reflect.DeepEqual(a, b) {
		t.Error("got other contents after a crash than after a clean stop, want the same")
	}
	return images
}

// script writes a journal.
type script struct {
	disk    *disk
	writers map[uint64]*journaltest.Writer
	ids     []engine.ConversationID
}

// session opens the journal, writes to it, and closes it.
func (s *script) session(t *testing.T, chats int) {
	t.Helper()
	j := open(t, testOptions(t, s.disk))
	s.chat(t, j, chats)
	s.park(t, j, uint64(chats))
	if err := j.Expire(journaltest.Start.Add(time.Duration(chats) * time.Hour)); err != nil {
		t.Fatalf("expire: got error %v, want none", err)
	}
	closeJournal(t, j)
}

// chat lets eight conversations go on.
func (s *script) chat(t *testing.T, j *journal.Journal, chats int) {
	t.Helper()
	for n := range uint64(8) {
		s.writer(j, n).Chat(t, chats)
	}
}

// writer is the nth conversation.
func (s *script) writer(j *journal.Journal, n uint64) *journaltest.Writer {
	w := s.writers[n]
	if w == nil {
		w = journaltest.NewWriter(j, n)
		s.writers[n] = w
		s.ids = append(s.ids, w.Conversation.ID)
	}
	w.Journal = j
	return w
}

func (s *script) park(t *testing.T, j *journal.Journal, n uint64) {
	t.Helper()
	if err := j.Park(parkedItem(n)); err != nil {
		t.Fatalf("park: got error %v, want none", err)
	}
}

func parkedItem(n uint64) engine.Parked {
	w := journaltest.NewWriter(nil, 1000+n)
	item := w.Receive("it cannot be taken now")
	return engine.Parked{
		Conversation: w.Conversation.ID, At: w.Now,
		Item: engine.Inbound{Workspace: w.Workspace, Channel: w.Channel, Message: &item},
	}
}

// group makes one fsync cover far more than a block of the write-ahead log.
func (s *script) group(t *testing.T, j *journal.Journal) {
	t.Helper()
	const members, size = 12, 10 << 10
	release := s.disk.hang()
	var wg sync.WaitGroup
	for n := range uint64(members) {
		w := s.writer(j, 100+n)
		item := w.Receive(strings.Repeat("x", size))
		a, _ := w.Prepare(engine.Command{Workspace: w.Workspace, By: journaltest.Customer, Body: item})
		wg.Go(func() {
			if _, err := w.Commit(a); err != nil {
				t.Errorf("append: got error %v, want none", err)
			}
		})
		if n == 0 {
			synctest.Wait() // the rest waits behind its fsync
		}
	}
	synctest.Wait()
	release()
	wg.Wait()
}

// contents are everything that can be read of a journal.
type contents struct {
	Conversations []engine.Conversation
	Cards         []engine.Card
	Events        [][]engine.Event
	Log           []engine.Change
	Board         []engine.BoardRow
	Due           []engine.DueItem
	Parked        []engine.Parked
}

// errFatal says that the process would have ended.
var errFatal = &engine.Error{Code: engine.CodeUnavailable, Err: errors.New("the journal ended the process")}

// read opens the journal on fs, reads all of it, and closes it.
func read(t *testing.T, fs vfs.FS, ids []engine.ConversationID) (c contents, err error) {
	t.Helper()
	o := testOptions(t, fs)
	o.Create = false
	fatal := make(chan error, 10)
	o.Fatal = func(err error) { fatal <- err }
	j, err := journal.Open(dir, o)
	if err != nil {
		if engine.CodeOf(err) == 0 {
			t.Errorf("open: got error %v, want one with a code", err)
		}
		return contents{}, &refusal{err}
	}
	defer func() {
		err = errors.Join(err, j.Close())
		if len(fatal) > 0 {
			err = errors.Join(err, errFatal)
		}
	}()
	for _, id := range ids {
		if err := c.add(j, id); err != nil {
			return contents{}, err
		}
	}
	for after := uint64(0); after < j.Durable(); {
		page, err := j.Tail(t.Context(), after, 1000)
		if err != nil {
			return contents{}, err
		}
		after = page[len(page)-1].Offset
		c.Log = append(c.Log, page...)
	}
	if _, err := j.BoardRows(func(row engine.BoardRow) error { c.Board = append(c.Board, row); return nil }); err != nil {
		return contents{}, err
	}
	for _, kind := range engine.DueKinds {
		due, err := j.Due(kind, engine.DueItem{}, journaltest.Start.Add(90*day), 1000)
		if err != nil {
			return contents{}, err
		}
		c.Due = append(c.Due, due...)
	}
	c.Parked, err = j.Parked()
	return c, err
}

// refusal is the error of a journal that was not opened.
type refusal struct{ error }

func (c *contents) add(j *journal.Journal, id engine.ConversationID) error {
	conversation, err := j.Load(id)
	if err != nil {
		return err
	}
	card, err := j.Card(id)
	if err != nil && engine.CodeOf(err) != engine.CodeNotFound { // which is no report of damage
		return err
	}
	events, err := j.Events(id, 0, 1000)
	if err != nil {
		return err
	}
	c.Conversations, c.Cards = append(c.Conversations, conversation), append(c.Cards, card)
	c.Events = append(c.Events, events)
	return nil
}

// hangLimit is long after everything is over.
const hangLimit = time.Minute

// judge reads a damaged journal and says how it showed it.
func judge(t *testing.T, fs vfs.FS, i image) outcome {
	t.Helper()
	judged := make(chan outcome, 1)
	go func() {
		got, err := read(t, fs, i.ids)
		if r := (*refusal)(nil); errors.As(err, &r) {
			judged <- refused
			return
		}
		if err != nil {
			judged <- reported
			return
		}
		report, err := journal.Verify(dir, fs)
		switch {
		case err != nil, !report.OK():
			judged <- reported
		case reflect.DeepEqual(got, i.want):
			judged <- whole
		default:
			judged <- silent
		}
	}()
	select {
	case o := <-judged:
		return o
	case <-time.After(hangLimit):
		t.Fatalf("got no end within %s, want one", hangLimit)
		return silent
	}
}

// classes are the sorts of files that are damaged in turn.
var classes = []string{"wal", "table", "manifest", "mark", "options", "marker"}

func classOf(file string) string {
	switch name := path.Base(file); {
	case strings.HasSuffix(name, ".log"):
		return "wal"
	case strings.HasSuffix(name, ".sst"):
		return "table"
	case strings.HasPrefix(name, "MANIFEST"):
		return "manifest"
	case strings.HasPrefix(name, "OPTIONS"):
		return "options"
	case strings.HasPrefix(name, "marker"):
		return "marker"
	case name == "durable-mark":
		return "mark"
	}
	return ""
}

// list finds the files of i.
func (i *image) list(t *testing.T) {
	t.Helper()
	i.paths, i.sizes = make(map[string][]string), make(map[string]int)
	for _, in := range []string{dir, dir + "/store"} {
		names, err := i.fs.List(in)
		if err != nil {
			t.Fatalf("list: got error %v, want none", err)
		}
		slices.Sort(names)
		for _, name := range names {
			info, err := i.fs.Stat(in + "/" + name)
			if err != nil {
				t.Fatalf("stat: got error %v, want none", err)
			}
			if class := classOf(name); class != "" {
				i.paths[class] = append(i.paths[class], in+"/"+name)
				i.sizes[in+"/"+name] = int(info.Size())
			}
		}
	}
}

// damage is one thing done to one file.
type damage struct {
	image, class, file, kind string
	at                       int
	bit                      uint
}

func (d damage) String() string {
	return fmt.Sprintf("%s: %s of %s at byte %d, bit %d", d.image, d.kind, path.Base(d.file), d.at, d.bit)
}

// tailBytes is the end of a file at which half of all damage is done: what it
// ends with is what a log can lose unseen.
const tailBytes = 40 << 10

// draw is the nth damage to i: every class of file has its turn.
func (i image) draw(rng *rand.Rand, n int) damage {
	var class string
	for ; len(i.paths[class]) == 0; n++ {
		class = classes[n%len(classes)]
	}
	files := i.paths[class]
	d := damage{image: i.name, class: class, file: files[rng.IntN(len(files))], bit: uint(rng.IntN(8))}
	size := i.sizes[d.file]
	if size == 0 {
		d.kind = "removal"
		return d
	}
	from := 0
	if rng.IntN(2) == 0 {
		from = max(0, size-tailBytes)
	}
	if d.at = from + rng.IntN(size-from); class == "mark" && rng.IntN(4) > 0 {
		d.at = rng.IntN(2)*4096 + rng.IntN(64) // where its slots are
	}
	switch k := rng.IntN(20); {
	case k < 12:
		d.kind = "flip"
	case k < 16:
		d.kind = "truncation"
	case k < 19:
		d.kind = "zeroing"
	default:
		d.kind = "removal"
	}
	return d
}

func (d damage) do(t *testing.T, fs vfs.FS) {
	t.Helper()
	if d.kind == "removal" {
		if err := fs.Remove(d.file); err != nil {
			t.Fatalf("remove %s: got error %v, want none", d.file, err)
		}
		return
	}
	overwrite(t, fs, d.file, func(data []byte) []byte {
		switch d.kind {
		case "flip":
			data[d.at] ^= 1 << d.bit
		case "truncation":
			data = data[:d.at]
		case "zeroing":
			clear(data[d.at:])
		}
		return data
	})
}

// hangTables lets the making of tables hang until release is called.
func (d *disk) hangTables() (release func()) {
	gate := make(chan struct{})
	d.mu.Lock()
	d.tables = gate
	d.mu.Unlock()
	return func() {
		d.mu.Lock()
		d.tables = nil
		d.mu.Unlock()
		close(gate)
	}
}

// TestDamagedBlocks: what Pebble's checksums refuse is told as corrupt to whoever reads
// it, which quarantines a conversation instead of trying it for ever; all others are read.
func TestDamagedBlocks(t *testing.T) {
	const conversations = 100
	fs := vfs.NewMem()
	j := open(t, testOptions(t, fs))
	var ids []engine.ConversationID
	for n := range uint64(conversations) {
		w := journaltest.NewWriter(j, n)
		w.Chat(t, 4)
		ids = append(ids, w.Conversation.ID)
	}
	closeJournal(t, j)
	i := image{fs: fs}
	i.list(t)
	table := slices.MaxFunc(i.paths["table"], func(a, b string) int { return i.sizes[a] - i.sizes[b] })
	damage{file: table, kind: "flip", at: i.sizes[table] / 4}.do(t, fs) // a quarter in, events stand

	j = open(t, testOptions(t, fs))
	defer closeJournal(t, j)
	corrupt := 0
	for _, id := range ids {
		switch _, err := j.Load(id); {
		case engine.CodeOf(err) == engine.CodeCorrupt:
			corrupt++
		case err != nil:
			t.Errorf("load: got error %v, want none, or one with code corrupt", err)
		}
	}
	if corrupt == 0 || corrupt == conversations {
		t.Errorf("got %d of %d conversations corrupt, want some", corrupt, conversations)
	}
}
