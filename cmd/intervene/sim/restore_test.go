package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/cmd/intervene/restore"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/archive"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// checkpointDir is where the copy lies that a backup is made of.
const checkpointDir = dataDir + "/checkpoint"

// losses are what becomes of a simulation's disks.
type losses struct {
	// left is how many more are lost.
	left int
	// send: what was held is sent after all; else it is given up.
	send bool
	// within is how long after a life's begin a backup is made at most.
	within time.Duration
	// release is how long after a restore an operator decides on what is held.
	release time.Duration
	// interrupted: the restore itself loses its power after so many changes.
	interrupted int
}

// backup is a copy of a running engine, and what had been told before it began.
type backup struct {
	archive []byte
	began   engine.Instant
	journal [16]byte
	// newest is the version of each conversation that was shown.
	newest map[engine.ConversationID]uint64
	// accepted are the commands that were answered so, taken the items of the
	// platform that were acknowledged.
	accepted map[*op]bool
	taken    map[item]bool
}

// item is what the platform offers, by what tells it from others.
type item struct {
	kind   standin.ItemKind
	wamid  standin.WAMID
	status standin.Status
}

func itemOf(o *standin.Offer) item { return item{o.Kind, o.WAMID, o.Status} }

// mayLose reports whether the disk is still to be lost.
func (s *sim) mayLose() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plan.losses.left > 0 && !s.healed
}

// backUpSometime makes a backup in the middle of a life, if one is still to be lost.
func (w *world) backUpSometime() {
	s := w.sim
	rng := s.plan.seed.rng("backup", w.life)
	if !w.pause(time.Duration(rng.Int64N(int64(s.plan.losses.within)))) {
		return
	}
	b := s.beginBackup(w)
	text, err := w.copy()
	w.alive(func() {
		if err != nil {
			s.ledger.note("life %d makes no backup: %v", w.life, err)
			return
		}
		b.archive = text
		s.sees("restore: backup made")
		s.ledger.note("life %d has made a backup of %d bytes", w.life, len(text))
		s.mu.Lock()
		s.backup = b
		s.mu.Unlock()
	})
}

// beginBackup notes what the backup must hold.
func (s *sim) beginBackup(w *world) *backup {
	b := &backup{
		journal: w.journal.ID(), newest: make(map[engine.ConversationID]uint64),
		accepted: make(map[*op]bool), taken: make(map[item]bool),
	}
	offers := s.meta.Offers()
	for i := range offers {
		if !offers[i].AcknowledgedAt.IsZero() {
			b.taken[itemOf(&offers[i])] = true
		}
	}
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	b.began = engine.InstantOf(time.Now())
	for _, id := range l.order {
		b.newest[id] = l.stories[id].newest
	}
	for _, o := range l.opOrder {
		b.accepted[o] = o.receipt != nil
	}
	l.noteLocked("life %d begins a backup", w.life)
	return b
}

// copy writes a backup, as serve does.
func (w *world) copy() ([]byte, error) {
	head := archive.Head{MadeAt: time.Now().UTC(), Journal: fmt.Sprintf("%x", w.journal.ID()), Offset: w.journal.Durable()}
	if err := w.checkpoint(); err != nil {
		return nil, err
	}
	// A real one writes for minutes, while the engine goes on.
	if !w.pause(time.Duration(w.sim.plan.seed.rng("copy", w.life).Int64N(int64(20 * time.Second)))) {
		return nil, errReset
	}
	var text bytes.Buffer
	to, err := archive.NewWriter(&text, head)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"durable-mark", journal.ErasuresName} {
		if err := addFile(to, w.disk, name); err != nil {
			return nil, err
		}
	}
	if err := w.files.Copy(func(name string, size int64, stored time.Time, r io.Reader) error {
		return to.Add("media/"+name, size, stored, r)
	}); err != nil {
		return nil, err
	}
	names, err := w.disk.List(checkpointDir + "/store")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		if err := addFile(to, w.disk, "store/"+name); err != nil {
			return nil, err
		}
	}
	if _, err := to.Close(); err != nil {
		return nil, err
	}
	return text.Bytes(), w.disk.RemoveAll(checkpointDir)
}

func (w *world) checkpoint() error {
	w.disk.beginFlush()
	defer w.disk.endFlush()
	if w.disk.logFailed() {
		return errReset // a real process has ended by now
	}
	return w.journal.Checkpoint(checkpointDir)
}

func addFile(to *archive.Writer, fs vfs.FS, name string) error {
	file, err := fs.Open(checkpointDir + "/" + name)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil {
		err = to.Add(name, info.Size(), info.ModTime(), file)
	}
	return errors.Join(err, file.Close())
}

// loseDisk has the backup, if there is one, brought back to a new disk: lost is
// the one that it was made of, of which the erasure ledger alone is left.
func (s *sim) loseDisk(lost *vfs.MemFS) *vfs.MemFS {
	s.mu.Lock()
	b := s.backup
	s.backup = nil
	s.mu.Unlock()
	if b == nil {
		return lost
	}
	s.plan.losses.left--
	s.ledger.note("the disk is lost")
	erasures, err := erasuresOn(lost)
	if err != nil {
		s.ledger.violate("restore: the erasure ledger cannot be read: %v", err)
		return lost
	}
	mem := vfs.NewCrashableMem()
	if after := s.plan.losses.interrupted; after > 0 {
		d := newDisk(mem, s.plan.seed.rng("restore", s.tally.lives), doom{doomChange, after})
		err := b.restore(d, erasures)
		if d.alive(func() {}) {
			d.cutPower()
		}
		s.ledger.note("the restore is interrupted: %v", err)
		s.tally.interrupted++
		mem = d.left
		s.unfinished(mem)
	}
	if err := b.restore(mem, erasures); err != nil && !(hasStore(mem) && engine.CodeOf(err) == engine.CodeInvalid) {
		s.ledger.violate("restore: the backup cannot be restored: %v", err)
		return lost
	}
	s.rewind(b, mem, erasures)
	return mem
}

// hasStore reports whether a restore was done.
func hasStore(mem *vfs.MemFS) bool {
	_, err := mem.Stat(dataDir + "/store")
	return err == nil
}

// unfinished: nothing of a restore that was interrupted can be opened.
func (s *sim) unfinished(mem *vfs.MemFS) {
	if _, err := mem.Stat(dataDir + "/restoring"); err != nil || hasStore(mem) {
		return
	}
	j, err := journal.Open(dataDir, journal.Options{FS: mem, Create: true, Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		s.ledger.violate("restore: a journal opens where a restore was interrupted (close: %v)", j.Close())
	}
}

func erasuresOn(mem *vfs.MemFS) ([]journal.Erasure, error) {
	file, err := mem.Open(dataDir + "/" + journal.ErasuresName)
	if err != nil {
		return nil, err
	}
	erasures, err := journal.ReadErasures(file)
	return erasures, errors.Join(err, file.Close())
}

// restore brings the backup to fs.
func (b *backup) restore(fs vfs.FS, erasures []journal.Erasure) error {
	_, err := restore.Run(context.Background(), restore.Options{
		From: bytes.NewReader(b.archive), Dir: dataDir, Erasures: erasures,
		Journal: journal.Options{FS: fs, CacheBytes: 1 << 20, Logger: slog.New(slog.DiscardHandler)},
	})
	return err
}

// rewind compares what was restored with what had been told before the backup
// began, and forgets what was lost with the disk.
func (s *sim) rewind(b *backup, mem *vfs.MemFS, erasures []journal.Erasure) {
	d := newDisk(mem, s.plan.seed.rng("rewind"), doom{})
	w, err := s.open(s.tally.lives, d)
	if err != nil {
		s.ledger.violate("restore: what was restored cannot be opened: %v", err)
		return
	}
	all := s.everything(w)
	restores := w.journal.Restores()
	if id := w.journal.ID(); id == b.journal || len(restores) == 0 || restores[len(restores)-1].Before != b.journal {
		s.ledger.violate("restore: the restored journal goes by the name of the one that was lost, or does not know it")
	}
	r := &restored{era: len(s.ledger.restores), mark: markOf(w.journal.ID()), began: b.began, cut: make(map[engine.ConversationID]uint64)}
	for _, hold := range w.journal.Holds(engine.DueSend) {
		r.holds = append(r.holds, hold.Conversation)
	}
	s.tally.restores++
	s.sees("restore: done")
	for range len(w.journal.Holds(engine.DueSend)) + len(w.journal.Holds(engine.DueTurn)) {
		s.sees("restore: held")
	}
	s.tally.held += len(r.holds) + len(w.journal.Holds(engine.DueTurn))
	w.down()
	w.close()
	offers := s.meta.Offers()
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	r.at = engine.InstantOf(time.Now())
	for _, e := range erasures {
		if events := all[e.Conversation]; len(events) > 0 && !isErased(events) {
			l.violateLocked("erasure: %s stands in the ledger, and the restore has brought it back", e.Conversation)
		}
	}
	for i := range offers {
		if it := itemOf(&offers[i]); !offers[i].AcknowledgedAt.IsZero() && !b.taken[it] {
			l.lost[it] = true
		}
	}
	l.rewind(b, r, all)
	s.restoredAt = time.Now()
	for _, f := range s.stories {
		f.rewind(r)
	}
}

// release decides on what a restore holds, some time after it.
func (w *world) release() {
	s := w.sim
	if !s.isHealed() && !w.pause(s.plan.losses.release-time.Since(s.restoredAt)) {
		return
	}
	for _, kind := range []engine.DueKind{engine.DueSend, engine.DueTurn} {
		holds := w.journal.Holds(kind)
		var err error
		for _, hold := range holds {
			err = errors.Join(err, w.letGo(kind, hold))
		}
		if err != nil {
			w.alive(func() { s.ledger.note("life %d does not release all: %v", w.life, err) })
		}
	}
	w.courier.Look()
	w.turns.Look()
}

func (w *world) letGo(kind engine.DueKind, hold journal.Hold) error {
	var err error
	switch {
	case w.sim.plan.losses.send:
		w.alive(func() { w.sim.ledger.releases(hold.Conversation) })
	case kind == engine.DueSend:
		err = w.courier.GiveUp(w.up, hold.Conversation, hold.Through)
	default:
		err = w.turns.GiveUp(w.up, hold.Conversation, hold.Through)
	}
	if err == nil && w.journal.Held(kind, hold.Conversation) {
		err = w.journal.Release(kind, []engine.ConversationID{hold.Conversation})
	}
	return err
}
