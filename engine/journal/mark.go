package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// mark is the durable mark: a small file that says what has been acknowledged
// at least. Pebble's WAL may end early without a sign when what it ends with is
// damaged; then the store is behind the mark, and the journal is not opened.
//
// The file has two slots that are written in turn, in blocks of their own, so
// that a torn write leaves the other one.
type mark struct {
	file vfs.File
	// written is how often the mark was written; slots are taken in turn by it.
	written uint64
}

// marked is what a mark says.
type marked struct {
	identity [16]byte
	// offset is the newest one in the log; changes is how many writes that are
	// no appends were made.
	offset, changes uint64
	state           markState
}

// markState says what was done with the journal last. The numbers are on disk:
// never reordered, never reused.
type markState byte

const (
	// markOpen: it was open, and may have been killed.
	markOpen markState = 0
	// markClean: it was closed. Nothing of the store stands in its WAL alone.
	markClean markState = 1
	// markUnchecked: it was being opened after a kill, and what came out of the
	// WAL may stand in tables without having been checked.
	markUnchecked markState = 2
)

const (
	markName      = "durable-mark"
	markMagic     = "ivmark02"
	markSlots     = 2
	markSlotBytes = 4096
	// A slot holds magic, identity, how often the mark was written, offset,
	// changes, state, and the sum of these.
	markRecordBytes = len(markMagic) + 16 + 8 + 8 + 8 + 1 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// createMark makes the mark of a new journal or of a copy. Under its name it is always whole.
func createMark(p place, m marked) error {
	creating := p.mark + ".creating"
	file, err := p.fs.Create(creating, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create durable mark: %w", err)
	}
	buf := make([]byte, 0, markSlots*markSlotBytes)
	for slot := range uint64(markSlots) {
		buf = append(buf[:slot*markSlotBytes], encodeMark(slot, m)...)
	}
	_, err = file.Write(buf[:cap(buf)])
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("create durable mark: %w", err)
	}
	if err := p.fs.Rename(creating, p.mark); err != nil {
		return fmt.Errorf("name durable mark: %w", err)
	}
	return syncDir(p.fs, p.dir)
}

func encodeMark(written uint64, m marked) []byte {
	buf := make([]byte, 0, markRecordBytes)
	buf = append(buf, markMagic...)
	buf = append(buf, m.identity[:]...)
	for _, n := range [...]uint64{written, m.offset, m.changes} {
		buf = binary.BigEndian.AppendUint64(buf, n)
	}
	buf = append(buf, byte(m.state))
	return binary.BigEndian.AppendUint32(buf, crc32.Checksum(buf, castagnoli))
}

func decodeMark(buf []byte) (written uint64, m marked, ok bool) {
	if len(buf) != markRecordBytes || string(buf[:len(markMagic)]) != markMagic {
		return 0, marked{}, false
	}
	body := buf[:markRecordBytes-4]
	if binary.BigEndian.Uint32(buf[len(body):]) != crc32.Checksum(body, castagnoli) {
		return 0, marked{}, false
	}
	n := len(markMagic)
	n += copy(m.identity[:], body[n:])
	written = binary.BigEndian.Uint64(body[n:])
	m.offset = binary.BigEndian.Uint64(body[n+8:])
	m.changes = binary.BigEndian.Uint64(body[n+16:])
	m.state = markState(body[n+24])
	return written, m, m.state <= markUnchecked
}

// readMark reads the newest slot that is whole, and how often the mark was
// written. None is corruption: the mark is only ever missing before the journal
// is there.
func readMark(fs vfs.FS, path string) (m marked, written uint64, err error) {
	file, err := fs.Open(path)
	if err != nil {
		return marked{}, 0, corrupt("the durable mark cannot be opened: %w", err)
	}
	whole := false
	for slot := range int64(markSlots) {
		buf := make([]byte, markRecordBytes)
		if _, err := file.ReadAt(buf, slot*markSlotBytes); err != nil && !errors.Is(err, io.EOF) {
			return marked{}, 0, errors.Join(fmt.Errorf("read durable mark: %w", err), file.Close())
		}
		if n, found, ok := decodeMark(buf); ok && (!whole || n > written) {
			m, written, whole = found, n, true
		}
	}
	if err := file.Close(); err != nil {
		return marked{}, 0, fmt.Errorf("read durable mark: %w", err)
	}
	if !whole {
		return marked{}, 0, corrupt("the durable mark is damaged")
	}
	return m, written, nil
}

// openMark opens the mark, which was written so often.
func openMark(fs vfs.FS, path string, written uint64) (*mark, error) {
	file, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("open durable mark: %w", err)
	}
	return &mark{file: file, written: written}, nil
}

// write makes m the durable mark, in place of the older one of the two.
func (k *mark) write(m marked) error {
	k.written++
	slot := int64(k.written % markSlots)
	if _, err := k.file.WriteAt(encodeMark(k.written, m), slot*markSlotBytes); err != nil {
		return fmt.Errorf("write durable mark: %w", err)
	}
	if err := k.file.SyncData(); err != nil {
		return fmt.Errorf("sync durable mark: %w", err)
	}
	return nil
}

// check refuses a store that holds less than was acknowledged.
func (m marked) check(offset, changes uint64) error {
	if offset < m.offset {
		return corrupt("the log ends at offset %d, and %d was acknowledged", offset, m.offset)
	}
	if changes < m.changes {
		return corrupt("the store holds %d changes beside the log, and %d were acknowledged", changes, m.changes)
	}
	return nil
}
