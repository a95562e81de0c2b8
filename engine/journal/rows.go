package journal

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"
)

// group is a sort of row that stands together in a batch: neighbours insert
// faster than scattered keys.
type group uint8

const (
	groupRemoval      group = iota // what erasure and retention remove, before anything is set
	groupConversation              // events and the head
	groupSnapshot
	groupDelivery
	groupAmendment
	groupMedia
	groupDeadLetter
	groupLog
	groupDedupe
	groupExternal
	groupIdentity
	groupBoard // and history
	groupDue
	groupCount
)

// rows are what one append writes, grouped, in one buffer that is reused.
type rows struct {
	buf  []byte
	list []row
	ends [groupCount]int // where in list each group ends
	// headOffset and logOffset are where in buf the committer puts the offset.
	headOffset, logOffset int
}

// row is one key in rows.buf, with the value behind it unless it is deleted. Of
// a range that is deleted the upper end stands in place of the value.
type row struct {
	key, value, end int
	does            deed
}

// deed is what a row does to its key.
type deed uint8

const (
	sets deed = iota
	deletes
	deletesRange
)

func (w *rows) reset() { w.buf, w.list = w.buf[:0], w.list[:0] }

// set adds the row whose key begins at key and whose value begins at value of
// buf and ends where buf does.
func (w *rows) set(key, value int) {
	w.list = append(w.list, row{key: key, value: value, end: len(w.buf)})
}

// remove adds that the key that begins at key of buf is deleted.
func (w *rows) remove(key int) {
	w.list = append(w.list, row{key: key, value: len(w.buf), end: len(w.buf), does: deletes})
}

// removeRange adds that the keys from the one that begins at lower of buf up to
// the one that begins at upper and ends where buf does are deleted.
func (w *rows) removeRange(lower, upper int) {
	w.list = append(w.list, row{key: lower, value: upper, end: len(w.buf), does: deletesRange})
}

// stamp puts the offset where the rows carry it.
func (w *rows) stamp(offset uint64) {
	binary.BigEndian.PutUint64(w.buf[w.headOffset:], offset)
	binary.BigEndian.PutUint64(w.buf[w.logOffset:], offset)
}

// write adds the rows of one group to b.
func (w *rows) write(b *pebble.Batch, g group) error {
	first := 0
	if g > 0 {
		first = w.ends[g-1]
	}
	for _, r := range w.list[first:w.ends[g]] {
		var err error
		switch r.does {
		case deletes:
			err = b.Delete(w.buf[r.key:r.value], nil)
		case deletesRange:
			err = b.DeleteRange(w.buf[r.key:r.value], w.buf[r.value:r.end], nil)
		default:
			err = b.Set(w.buf[r.key:r.value], w.buf[r.value:r.end], nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
