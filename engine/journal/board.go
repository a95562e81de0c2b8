package journal

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/intervenehq/intervene/engine"
)

// BoardPage is one page of a column of a workspace: at most limit rows that
// follow on the row after, or the first ones when that is zero. Requesting and
// Intervened begin with the oldest, Active and History with the newest. The place of
// after is enough: it goes on from there also when that row has moved. The
// rows say nothing of due work.
func (j *Journal) BoardPage(workspace engine.WorkspaceID, column engine.Column, after engine.BoardRow, limit int) ([]engine.BoardRow, error) {
	if !column.OnBoard() && column != engine.History {
		return nil, &engine.Error{Code: engine.CodeInvalid, Field: "column", Problem: "must be one"}
	}
	if len(workspace) > maxKeyPart {
		return nil, nil
	}
	if err := j.enter(); err != nil {
		return nil, err
	}
	defer j.leave()
	prefix := columnRange(nil, j.shard, workspace, column)
	lower := prefix
	if !after.Conversation.IsZero() {
		place := engine.Index{Workspace: workspace, Column: column, Order: after.Index.Order}
		lower = append(rowKey(nil, j.shard, after.Conversation, &place), 0)
	}
	it, err := j.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: afterAll(prefix)})
	if err != nil {
		return nil, readError(err)
	}
	limit = pageLimit(limit)
	var rows []engine.BoardRow
	err = scanIter(it, func(key, value []byte) (bool, error) {
		row, err := decodeRow(key, value)
		if err != nil {
			return false, err
		}
		rows = append(rows, row)
		return len(rows) < limit, nil
	})
	if err == nil {
		err = j.settledAll()
	}
	if err != nil {
		return nil, err
	}
	return rows, nil
}

func decodeRow(key, value []byte) (engine.BoardRow, error) {
	row, ok := parseRowKey(key)
	if !ok {
		return engine.BoardRow{}, corrupt("board: the key cannot be read")
	}
	return row, decodeBoardRow(&row, value)
}

// BoardRows passes every row of the three columns of all workspaces to use, and
// answers the offset as of which they are: what a board starts from. History is
// not touched.
func (j *Journal) BoardRows(use func(engine.BoardRow) error) (offset uint64, err error) {
	if err := j.enter(); err != nil {
		return 0, err
	}
	defer j.leave()
	view := j.db.NewSnapshot()
	defer func() {
		if closeErr := view.Close(); closeErr != nil && err == nil {
			err = readError(closeErr)
		}
	}()
	if offset, err = lastOffset(view, j.shard); err != nil {
		return 0, err
	}
	if err := j.settled(offset); err != nil {
		return 0, err
	}
	prefix := shardKey(nil, spaceBoard, j.shard)
	err = scan(view, prefix, afterAll(prefix), func(key, value []byte) (bool, error) {
		row, err := decodeRow(key, value)
		if err != nil {
			return false, err
		}
		return true, use(row)
	})
	if err != nil {
		return 0, err
	}
	return offset, nil
}
