package journal

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/record"
)

// Problem is what sort of difference a finding is.
type Problem string

const (
	// ProblemMissing: the events make a row that is not there.
	ProblemMissing Problem = "missing"
	// ProblemExtra: a row is there that no event makes.
	ProblemExtra Problem = "extra"
	// ProblemDiffers: a row says something else than the events.
	ProblemDiffers Problem = "differs"
	// ProblemUnreadable: a row cannot be read.
	ProblemUnreadable Problem = "unreadable"
)

// Finding is one difference between what the events say and what else is
// there. It holds no content.
type Finding struct {
	Problem Problem
	// Row is the sort of row: event, head, snapshot, log, board …
	Row string
	// Conversation is zero where the row belongs to none that is known.
	Conversation engine.ConversationID
	// Number is the version, the offset or the kind of work that it is about.
	Number uint64
	Detail string
}

func (f Finding) String() string {
	text := fmt.Sprintf("%s %s", f.Row, f.Problem)
	if !f.Conversation.IsZero() {
		text += " conversation=" + f.Conversation.String()
	}
	text += fmt.Sprintf(" number=%d", f.Number)
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	return text
}

// maxFindings bounds what a report lists.
const maxFindings = 1000

// Report is what Verify found.
type Report struct {
	Identity      [16]byte
	Offset        uint64 // the newest in the log
	Conversations uint64
	Events        uint64
	Appends       uint64
	Columns       []ColumnCount
	Parked        uint64 // items that wait for `journal repair`
	Held          uint64 // conversations' sends, and turns, that wait for `release`
	// Findings lists the first differences of Differences.
	Findings    []Finding
	Differences int
}

// OK reports that everything is as the events say.
func (r *Report) OK() bool { return r.Differences == 0 }

// ColumnCount is what a column of a workspace holds, counted from the events.
type ColumnCount struct {
	Workspace engine.WorkspaceID
	engine.ColumnCounter
}

func (r *Report) add(f Finding) {
	r.Differences++
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, f)
	}
}

// Verify derives everything in the journal in dir from its events alone, and
// reports every difference to what is there. The engine must be stopped, or dir
// be a checkpoint. An error means that it could not be looked at.
func Verify(dir string, fs vfs.FS) (report Report, err error) {
	in, err := inspect(dir, fs)
	if err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	defer func() { err = errors.Join(err, in.close()) }()
	v := &verifier{
		inspection: in, seed: maphash.MakeSeed(), log: make(map[engine.ConversationID][]logRow),
		expected: make(map[space]uint64), counters: make(map[columnOf]engine.ColumnCounter),
		oldest: make(map[engine.ConversationID]uint64),
	}
	v.report.Identity = in.mark.identity
	if err := v.run(); err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	return v.report, nil
}

// verifier is one run of Verify.
type verifier struct {
	*inspection
	report Report
	seed   maphash.Seed
	kept   *record.Retention
	// log holds what the log says of each conversation, by rising offset.
	log map[engine.ConversationID][]logRow
	// expected counts the rows that events make; keys lists those of the
	// spaces where more are there, once that is known.
	expected map[space]uint64
	keys     map[space]map[string]bool
	counters map[columnOf]engine.ColumnCounter
	// oldest is the version of the oldest event of each conversation that does
	// not begin with its first.
	oldest map[engine.ConversationID]uint64
}

// logRow is a row of the log; its indexes are hashed to be kept in memory.
type logRow struct {
	offset, expected, version uint64
	before, after             uint64
	at                        engine.Instant
}

type columnOf struct {
	workspace engine.WorkspaceID
	column    engine.Column
}

func (v *verifier) run() (err error) {
	if v.kept, err = readRetention(v.db); err != nil {
		return err
	}
	for _, step := range []func() error{v.readLog, v.conversations, v.rows, v.columns, v.parked, v.early, v.purge, v.held} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) hash(i engine.Index) uint64 { return maphash.Comparable(v.seed, i) }

// readLog checks that offsets have no gap and reach the durable mark.
func (v *verifier) readLog() error {
	next := v.kept.GetLogOffset() + 1
	prefix := shardKey(nil, spaceLog, v.shard)
	err := scan(v.db, prefix, afterAll(prefix), func(key, value []byte) (bool, error) {
		offset := logKeyOffset(key)
		if offset != next {
			v.report.add(Finding{Problem: ProblemMissing, Row: spaceLog.String(), Number: next, Detail: "offsets are not contiguous"})
		}
		next = offset + 1
		l, err := decodeChange(offset, value)
		if err != nil {
			v.report.add(Finding{Problem: ProblemUnreadable, Row: spaceLog.String(), Number: offset, Detail: err.Error()})
			return true, nil
		}
		v.log[l.Conversation] = append(v.log[l.Conversation], logRow{
			offset: offset, expected: l.Expected, version: l.Version, before: v.hash(l.Before), after: v.hash(l.After), at: l.At,
		})
		return true, nil
	})
	v.report.Offset = next - 1
	if err != nil {
		return err
	}
	changes, err := readChanges(v.db)
	if err != nil {
		return err
	}
	if err := v.mark.check(v.report.Offset, changes); err != nil {
		v.report.add(Finding{Problem: ProblemMissing, Row: spaceLog.String(), Number: v.mark.offset, Detail: err.Error()})
	}
	return nil
}

// conversations goes through all events, conversation by conversation.
func (v *verifier) conversations() (err error) {
	prefix := shardKey(nil, spaceConversation, v.shard)
	var c *conversationCheck
	err = scan(v.db, prefix, afterAll(prefix), func(key, value []byte) (bool, error) {
		if len(key) != 1+idBytes+8 {
			v.report.add(Finding{Problem: ProblemUnreadable, Row: spaceConversation.String(), Detail: "the key has another size"})
			return true, nil
		}
		if id := conversationKeyID(key); c == nil || c.id != id {
			if err := c.finish(); err != nil {
				return false, err
			}
			if c, err = newConversationCheck(v, id); err != nil {
				return false, err
			}
		}
		if version := conversationKeyNumber(key); version != headVersion {
			return true, c.event(version, value)
		}
		return true, c.head(value)
	})
	if err == nil {
		err = c.finish()
	}
	for id, rows := range v.log {
		for _, row := range rows {
			v.report.add(Finding{Problem: ProblemExtra, Row: spaceLog.String(), Conversation: id, Number: row.offset})
		}
	}
	return err
}

// derived are the spaces whose rows follow from events and are counted.
var derived = []space{
	spaceSnapshot, spaceDelivery, spaceDedupe, spaceExternal, spaceIdentity, spaceBoard, spaceHistory, spaceDue,
	spaceAmendment, spaceMedia, spaceDeadLetter,
}

// rows finds what is there and should not be. Every row that should be was
// looked up already, so where the numbers agree there is none.
func (v *verifier) rows() error {
	surplus := make(map[space]map[string]bool)
	for _, s := range derived {
		found := uint64(0)
		if err := v.eachRow(s, func(key, _ []byte) error { found++; return nil }); err != nil {
			return err
		}
		if found != v.expected[s] {
			surplus[s] = make(map[string]bool)
		}
	}
	if err := v.strangers(); err != nil || len(surplus) == 0 {
		return err
	}
	// Go through the events once more, keeping the keys that they make.
	again := &verifier{
		inspection: v.inspection, seed: v.seed, kept: v.kept, log: make(map[engine.ConversationID][]logRow),
		expected: make(map[space]uint64), keys: surplus, counters: make(map[columnOf]engine.ColumnCounter),
		oldest: make(map[engine.ConversationID]uint64),
	}
	if err := again.conversations(); err != nil {
		return err
	}
	for s, keys := range surplus {
		err := v.eachRow(s, func(key, value []byte) error {
			if !keys[string(key)] && !(s == spaceDedupe && v.outlives(value)) {
				v.report.add(v.extra(s, key))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// outlives reports that what a dedupe row points to is gone: the item is known
// all the same.
func (v *verifier) outlives(value []byte) bool {
	ref, err := decodeReference(spaceDedupe.String(), value)
	return err == nil && ref.Version < v.oldest[ref.Conversation]
}

func (v *verifier) extra(s space, key []byte) Finding {
	f := Finding{Problem: ProblemExtra, Row: s.String()}
	switch s {
	case spaceSnapshot, spaceDelivery, spaceMedia:
		if len(key) == 1+idBytes+8 {
			f.Conversation, f.Number = conversationKeyID(key), conversationKeyNumber(key)
		}
	case spaceBoard, spaceHistory:
		row, _ := parseRowKey(key)
		f.Conversation = row.Conversation
	case spaceAmendment:
		if len(key) == 1+idBytes+len(digest{}) {
			f.Conversation = conversationKeyID(key)
		}
	case spaceDeadLetter:
		letter, _ := parseDeadLetterKey(key)
		f.Conversation, f.Number = letter.Message.Conversation, letter.Message.Version
	case spaceDue:
		item, _ := parseDueKey(key)
		f.Conversation, f.Number = item.Conversation, uint64(item.Kind)
	}
	return f
}

// eachRow passes the rows of a space that have not expired.
func (v *verifier) eachRow(s space, use func(key, value []byte) error) error {
	prefix := shardKey(nil, s, v.shard)
	lower := prefix
	switch s {
	case spaceDedupe:
		lower = appendNumber(shardKey(nil, s, v.shard), v.kept.GetDedupeMinute())
	case spaceExternal:
		lower = appendNumber(shardKey(nil, s, v.shard), v.kept.GetExternalGeneration())
	}
	return scan(v.db, lower, afterAll(prefix), func(key, value []byte) (bool, error) {
		if s == spaceDeadLetter {
			if letter, ok := parseDeadLetterKey(key); ok && int64(letter.At) < v.kept.GetDeadLetterAt() {
				return true, nil
			}
		}
		return true, use(key, value)
	})
}

// strangers finds rows of no known sort, or of another shard.
func (v *verifier) strangers() error {
	stranger := func(key, _ []byte) (bool, error) {
		v.report.add(Finding{Problem: ProblemExtra, Row: "unknown", Detail: fmt.Sprintf("a key begins with %x", key[:min(len(key), 3)])})
		return true, nil
	}
	known := [][]byte{metaJournalKey, metaRetentionKey, metaChangesKey, metaRestoresKey}
	for _, s := range append([]space{spaceConversation, spaceLog, spaceParked, spaceClaimed, spaceEarly, spacePurge, spaceHeld}, derived...) {
		known = append(known, shardKey(nil, s, v.shard))
	}
	slices.SortFunc(known, bytes.Compare)
	var lower []byte
	for _, prefix := range known {
		if err := scan(v.db, lower, prefix, stranger); err != nil {
			return err
		}
		lower = afterAll(prefix)
	}
	return scan(v.db, lower, nil, stranger)
}

// columns counts what boards and history show, and compares.
func (v *verifier) columns() error {
	shown := make(map[columnOf]engine.ColumnCounter)
	for _, s := range []space{spaceBoard, spaceHistory} {
		err := v.eachRow(s, func(key, value []byte) error {
			row, err := decodeRow(key, value)
			if err != nil {
				v.report.add(Finding{Problem: ProblemUnreadable, Row: s.String(), Conversation: row.Conversation, Detail: err.Error()})
				return nil
			}
			countColumn(shown, &row.Index)
			return nil
		})
		if err != nil {
			return err
		}
	}
	all := maps.Clone(v.counters)
	maps.Copy(all, shown)
	for _, at := range slices.SortedFunc(maps.Keys(all), compareColumns) {
		if v.counters[at] != shown[at] {
			v.report.add(Finding{Problem: ProblemDiffers, Row: "counter", Number: uint64(at.column)})
		}
		if counter, ok := v.counters[at]; ok {
			v.report.Columns = append(v.report.Columns, ColumnCount{at.workspace, counter})
		}
	}
	return nil
}

// parked counts what waits for repair: no event tells of it yet.
func (v *verifier) parked() error {
	return v.eachRow(spaceParked, func(key, value []byte) error {
		if _, err := decodeParked(key, value); err != nil {
			v.report.add(Finding{Problem: ProblemUnreadable, Row: spaceParked.String(), Detail: err.Error()})
			return nil
		}
		v.report.Parked++
		return nil
	})
}

// early reads the statuses that wait for their send.
func (v *verifier) early() error {
	return v.eachRow(spaceEarly, func(_, value []byte) error {
		if _, err := decodeEarly(value); err != nil {
			v.report.add(Finding{Problem: ProblemUnreadable, Row: spaceEarly.String(), Detail: err.Error()})
		}
		return nil
	})
}

// purge reads which conversations are to be purged: only what is erased is.
func (v *verifier) purge() error {
	return v.eachRow(spacePurge, func(key, value []byte) error {
		empty, err := isEmpty(spacePurge)(value)
		if err != nil || !empty || len(key) != 1+idBytes {
			v.report.add(Finding{Problem: ProblemUnreadable, Row: spacePurge.String(), Detail: "the row has another size or version"})
		} else if id := conversationKeyID(key); v.oldest[id] == 0 {
			v.report.add(Finding{Problem: ProblemExtra, Row: spacePurge.String(), Conversation: id})
		}
		return nil
	})
}

// held reads what waits for an operator: only what is there can.
func (v *verifier) held() error {
	return v.eachRow(spaceHeld, func(key, value []byte) error {
		kind, id, ok := parseHeldKey(key)
		through, err := decodeNumber(spaceHeld.String(), value)
		if err != nil || !ok || !slices.Contains(heldKinds[:], kind) {
			v.report.add(Finding{Problem: ProblemUnreadable, Row: spaceHeld.String(), Detail: "the row has another size or version"})
			return nil
		}
		v.report.Held++
		finding := Finding{Problem: ProblemExtra, Row: spaceHeld.String(), Conversation: id, Number: uint64(kind)}
		var at head
		found, err := get(v.db, headKey(nil, id), func(value []byte) error {
			at, err = decodeHead(value)
			return err
		})
		if err != nil || !found {
			v.report.add(finding)
			return nil
		}
		c, err := loadAt(v.db, id, at, at.version)
		if err == nil && !holdsOn(kind, through, &c) {
			v.report.add(finding)
		}
		return nil // what cannot be loaded is a finding already
	})
}

func compareColumns(a, b columnOf) int {
	if a.workspace != b.workspace {
		if a.workspace < b.workspace {
			return -1
		}
		return 1
	}
	return int(a.column) - int(b.column)
}

// countColumn adds a conversation to its column.
func countColumn(counters map[columnOf]engine.ColumnCounter, i *engine.Index) {
	at := columnOf{i.Workspace, i.Column}
	c := counters[at]
	c.Column = i.Column
	c.Conversations++
	c.Unread += int64(i.Unread)
	if i.WaitingSince != 0 && (c.OldestWaiting == 0 || i.WaitingSince < c.OldestWaiting) {
		c.OldestWaiting = i.WaitingSince
	}
	counters[at] = c
}
