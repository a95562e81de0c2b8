package actors

import (
	"github.com/tidwall/btree"

	"github.com/intervenehq/intervene/engine"
)

// workspaceBoard is the board of one workspace; Board.mu guards it.
type workspaceBoard struct {
	rows    map[engine.ConversationID]*row
	columns map[engine.Column]*boardColumn
}

// row is one conversation on a column. Its version is 0 until the log told it.
type row struct {
	engine.BoardRow
	version uint64
}

// boardColumn is the rows of one column, in its order.
type boardColumn struct {
	less func(a, b *row) bool
	rows *btree.BTreeG[*row]
	// held are the rows of each holder who has any, so that nobody who asks for
	// their own reads the others'.
	held   map[engine.AgentID]*btree.BTreeG[*row]
	free   int // rows without a holder
	unread int64
}

func boardOf(workspaces map[engine.WorkspaceID]*workspaceBoard, id engine.WorkspaceID) *workspaceBoard {
	w, ok := workspaces[id]
	if !ok {
		w = &workspaceBoard{
			rows:    make(map[engine.ConversationID]*row),
			columns: make(map[engine.Column]*boardColumn),
		}
		for _, column := range engine.BoardColumns {
			w.columns[column] = newBoardColumn(column)
		}
		workspaces[id] = w
	}
	return w
}

func newBoardColumn(column engine.Column) *boardColumn {
	less := engine.BoardLess(column)
	c := &boardColumn{
		less: func(a, b *row) bool { return less(a.BoardRow, b.BoardRow) },
		held: make(map[engine.AgentID]*btree.BTreeG[*row]),
	}
	c.rows = c.newRows()
	return c
}

func (c *boardColumn) newRows() *btree.BTreeG[*row] {
	return btree.NewBTreeGOptions(c.less, btree.Options{NoLocks: true})
}

// fold puts a conversation where change says. It answers how it stood and how
// it stands; on no column: zero.
func (w *workspaceBoard) fold(change *engine.Change) (before, after engine.Index) {
	r, ok := w.rows[change.Conversation]
	if ok {
		before = r.Index
	}
	if change.After.Column.OnBoard() {
		after = change.After
	}
	if ok && before.Column == after.Column && before.Order == after.Order && before.Holder == after.Holder {
		column := w.columns[after.Column]
		column.unread += unread(&after) - unread(&before)
		r.Index, r.version = after, change.Version // its places stay
		return before, after
	}
	if ok {
		w.remove(r)
	}
	if after.Column.OnBoard() {
		w.put(&row{engine.BoardRow{Conversation: change.Conversation, Index: after}, change.Version})
	}
	return before, after
}

func (w *workspaceBoard) put(r *row) {
	w.rows[r.Conversation] = r
	c := w.columns[r.Index.Column]
	c.rows.Set(r)
	c.unread += unread(&r.Index)
	if r.Index.Holder == "" {
		c.free++
		return
	}
	held, ok := c.held[r.Index.Holder]
	if !ok {
		held = c.newRows()
		c.held[r.Index.Holder] = held
	}
	held.Set(r)
}

func (w *workspaceBoard) remove(r *row) {
	delete(w.rows, r.Conversation)
	c := w.columns[r.Index.Column]
	c.rows.Delete(r)
	c.unread -= unread(&r.Index)
	if r.Index.Holder == "" {
		c.free--
		return
	}
	held := c.held[r.Index.Holder]
	held.Delete(r)
	if held.Len() == 0 {
		delete(c.held, r.Index.Holder)
	}
}

// unread is what a row adds to its column's counter.
func unread(i *engine.Index) int64 {
	if i.Unread > 0 {
		return 1
	}
	return 0
}

// count answers the counter of a column, also of a workspace that has nothing
// on its board.
func (w *workspaceBoard) count(column engine.Column) engine.ColumnCounter {
	counter := engine.ColumnCounter{Column: column}
	if w == nil || w.columns[column] == nil {
		return counter
	}
	c := w.columns[column]
	counter.Conversations, counter.Unread = int64(c.rows.Len()), c.unread
	if first, ok := c.rows.Min(); ok && column == engine.Requesting {
		counter.OldestWaiting = first.Index.WaitingSince
	}
	return counter
}

// window calls yield with the first rows of a column that filter admits, at
// most limit.
func (w *workspaceBoard) window(column engine.Column, filter *engine.BoardFilter, limit int, yield func(*row)) {
	if w == nil || w.columns[column] == nil {
		return
	}
	c := w.columns[column]
	rows := c.rows
	switch {
	case filter.Holder != "":
		rows = c.held[filter.Holder]
	case filter.Unassigned && c.free == 0:
		rows = nil
	}
	if rows == nil {
		return
	}
	rows.Scan(func(r *row) bool {
		if filter.Admits(&r.Index) {
			yield(r)
			limit--
		}
		return limit > 0
	})
}
