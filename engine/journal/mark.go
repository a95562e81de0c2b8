package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// mark is the durable mark: a small file that says which offset has been
// acknowledged at least. Pebble's WAL may end early without a sign when what
// it ends with is damaged; then its head is behind the mark, and the journal is
// not opened.
//
// The file has two slots that are written in turn, in blocks of their own, so
// that a torn write leaves the other one.
type mark struct {
	file vfs.File
	// slot is the one to be written next.
	slot int64
}

const (
	markName      = "durable-mark"
	markMagic     = "ivmark01"
	markSlots     = 2
	markSlotBytes = 4096
	// A slot holds magic, identity, offset and the sum of these.
	markRecordBytes = len(markMagic) + 16 + 8 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// createMark makes the mark of a new journal or of a copy. Under its name it is always whole.
func createMark(p place, identity [16]byte, offset uint64) error {
	creating := p.mark + ".creating"
	file, err := p.fs.Create(creating, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create durable mark: %w", err)
	}
	buf := make([]byte, markSlots*markSlotBytes)
	for slot := range markSlots {
		encodeMark(buf[slot*markSlotBytes:], identity, offset)
	}
	_, err = file.Write(buf)
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

func encodeMark(buf []byte, identity [16]byte, offset uint64) []byte {
	n := copy(buf, markMagic)
	n += copy(buf[n:], identity[:])
	binary.BigEndian.PutUint64(buf[n:], offset)
	n += 8
	binary.BigEndian.PutUint32(buf[n:], crc32.Checksum(buf[:n], castagnoli))
	return buf[:n+4]
}

func decodeMark(buf []byte) (identity [16]byte, offset uint64, ok bool) {
	if len(buf) < markRecordBytes || string(buf[:len(markMagic)]) != markMagic {
		return identity, 0, false
	}
	body := buf[:markRecordBytes-4]
	if binary.BigEndian.Uint32(buf[len(body):]) != crc32.Checksum(body, castagnoli) {
		return identity, 0, false
	}
	n := len(markMagic)
	n += copy(identity[:], buf[n:])
	return identity, binary.BigEndian.Uint64(buf[n:]), true
}

// readMark reads the newest slot that is whole. None is corruption: the
// mark is only ever missing before the journal is there.
func readMark(fs vfs.FS, path string) (identity [16]byte, offset uint64, next int64, err error) {
	file, err := fs.Open(path)
	if err != nil {
		return identity, 0, 0, corrupt("the durable mark cannot be opened: %w", err)
	}
	whole := false
	for slot := range int64(markSlots) {
		buf := make([]byte, markRecordBytes)
		if _, err := file.ReadAt(buf, slot*markSlotBytes); err != nil && !errors.Is(err, io.EOF) {
			return identity, 0, 0, errors.Join(fmt.Errorf("read durable mark: %w", err), file.Close())
		}
		id, o, ok := decodeMark(buf)
		if ok && (!whole || o > offset) {
			identity, offset, next, whole = id, o, (slot+1)%markSlots, true
		}
	}
	if err := file.Close(); err != nil {
		return identity, 0, 0, fmt.Errorf("read durable mark: %w", err)
	}
	if !whole {
		return identity, 0, 0, corrupt("the durable mark is damaged")
	}
	return identity, offset, next, nil
}

// openMark opens the mark for writing into slot next.
func openMark(fs vfs.FS, path string, next int64) (*mark, error) {
	file, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("open durable mark: %w", err)
	}
	return &mark{file: file, slot: next}, nil
}

// write makes offset the durable mark.
func (m *mark) write(identity [16]byte, offset uint64) error {
	var buf [markRecordBytes]byte
	encoded := encodeMark(buf[:], identity, offset)
	if _, err := m.file.WriteAt(encoded, m.slot*markSlotBytes); err != nil {
		return fmt.Errorf("write durable mark: %w", err)
	}
	if err := m.file.SyncData(); err != nil {
		return fmt.Errorf("sync durable mark: %w", err)
	}
	m.slot = (m.slot + 1) % markSlots
	return nil
}
