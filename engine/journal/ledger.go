package journal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	iofs "io/fs"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
)

// ErasuresName is the erasure ledger within a journal's directory, unless
// [Options] name another file.
const ErasuresName = "erasures"

const (
	// ledgerHeader is the first line. Two ledgers may be put together as they are,
	// so it may stand between lines too.
	ledgerHeader = "intervene erasures 1\n"
	// ledgerTime has always the same length.
	ledgerTime = "2006-01-02T15:04:05.000Z"
	// A line is an instant, a conversation's ID, and the sum of both: all lines
	// are of one length, so that the end is found without reading the file, and a
	// line that a crash tore is overwritten as a whole.
	ledgerIDChars  = 26
	ledgerSumChars = 8
	ledgerLine     = len(ledgerTime) + 1 + ledgerIDChars + 1 + ledgerSumChars + 1
	// maxLedgerLine bounds what of a damaged ledger is taken for a line.
	maxLedgerLine = 1 << 10
)

// Erasure is one line of the erasure ledger: that a conversation was erased, and
// when. It says nothing of whose it was.
type Erasure struct {
	Conversation engine.ConversationID
	At           engine.Instant
}

// ledger is the erasure ledger: what was erased must stay so when a copy is
// restored that was made before. It lies outside of what is copied, and an
// erasure is acknowledged once it is in there.
type ledger struct {
	fs   vfs.FS
	path string

	mu   sync.Mutex
	file vfs.File
	end  int64
}

// openLedger opens the ledger, which it makes if it is missing.
func openLedger(fs vfs.FS, path string) (*ledger, error) {
	there, err := exists(fs, path)
	if err == nil && !there {
		err = createLedger(fs, path, nil)
	}
	if err != nil {
		return nil, err
	}
	file, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("open the erasure ledger: %w", err)
	}
	l := &ledger{fs: fs, path: path, file: file}
	if l.end, err = ledgerEnd(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return l, nil
}

// ledgerEnd is where the next line goes: after the last one that is whole.
func ledgerEnd(file vfs.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, fmt.Errorf("open the erasure ledger: %w", err)
	}
	head := make([]byte, len(ledgerHeader))
	if _, err := file.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read the erasure ledger: %w", err)
	}
	if string(head) != ledgerHeader {
		return 0, corrupt("the erasure ledger does not begin as one of this version")
	}
	end := info.Size()
	tail := make([]byte, min(end, 2*int64(ledgerLine))) // more than a torn line, and less than three
	if _, err := file.ReadAt(tail, end-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read the erasure ledger: %w", err)
	}
	whole := bytes.LastIndexByte(tail, '\n') + 1
	last := bytes.LastIndexByte(tail[:max(whole-1, 0)], '\n') + 1
	switch line := string(tail[last:whole]); {
	case whole < len(tail):
		return end - int64(len(tail)-whole), nil // the line that a crash tore is written over
	case tornLine(line):
		return end - int64(len(line)), nil
	case line == ledgerHeader:
		return end, nil
	default:
		if _, ok := parseErasure(line); !ok {
			return 0, corrupt("the last line of the erasure ledger is damaged")
		}
		return end, nil
	}
}

// tornLine reports that a line has its end and not all of the rest, which a crash
// leaves where a line lies across two blocks of the disk.
func tornLine(line string) bool { return len(line) == ledgerLine && strings.Contains(line, "\x00") }

// createLedger makes a ledger. Under its name it is always whole.
func createLedger(fs vfs.FS, path string, erasures []Erasure) error {
	creating := path + ".creating"
	file, err := fs.Create(creating, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create the erasure ledger: %w", err)
	}
	w := bufio.NewWriter(file)
	_, err = w.WriteString(ledgerHeader)
	for i := 0; err == nil && i < len(erasures); i++ {
		_, err = w.WriteString(erasures[i].line())
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("create the erasure ledger: %w", err)
	}
	if err := fs.Rename(creating, path); err != nil {
		return fmt.Errorf("name the erasure ledger: %w", err)
	}
	return syncDir(fs, fs.PathDir(path))
}

func (e Erasure) line() string {
	text := e.At.Time().UTC().Format(ledgerTime) + " " + e.Conversation.String()
	return fmt.Sprintf("%s %08x\n", text, crc32.Checksum([]byte(text), castagnoli))
}

// parseErasure reads what line wrote.
func parseErasure(line string) (Erasure, bool) {
	if len(line) != ledgerLine {
		return Erasure{}, false
	}
	at, err := time.Parse(ledgerTime, line[:len(ledgerTime)])
	if err != nil {
		return Erasure{}, false
	}
	id, err := engine.ParseConversationID(line[len(ledgerTime)+1:][:ledgerIDChars])
	e := Erasure{Conversation: id, At: engine.InstantOf(at)}
	return e, err == nil && e.line() == line
}

// add makes an erasure durable in the ledger.
func (l *ledger) add(e Erasure) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.file.WriteAt([]byte(e.line()), l.end); err != nil {
		return fmt.Errorf("write the erasure ledger: %w", err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("sync the erasure ledger: %w", err)
	}
	l.end += int64(ledgerLine)
	return nil
}

// all are the erasures in the ledger.
func (l *ledger) all() ([]Erasure, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return ReadErasures(io.NewSectionReader(l.file, 0, l.end))
}

func (l *ledger) close() error { return l.file.Close() }

// ReadErasures reads a ledger. A last line that is not whole is what a crash left
// of an erasure that was not acknowledged; any other damage is refused.
func ReadErasures(r io.Reader) ([]Erasure, error) {
	var erasures []Erasure
	lines := bufio.NewReaderSize(r, maxLedgerLine)
	for n := 1; ; n++ {
		text, err := lines.ReadSlice('\n')
		whole := err == nil
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, corruptLedger(n, err)
		}
		line := string(text)
		e, ok := parseErasure(line)
		switch {
		case n == 1 && line != ledgerHeader:
			return nil, corrupt("the erasure ledger does not begin as one of this version")
		case ok:
			erasures = append(erasures, e)
		case line == ledgerHeader, !whole, tornLine(line) && endsHere(lines):
		default:
			return nil, corruptLedger(n, nil)
		}
		if !whole {
			return erasures, nil
		}
	}
}

func endsHere(r *bufio.Reader) bool {
	_, err := r.Peek(1)
	return errors.Is(err, io.EOF)
}

func corruptLedger(line int, err error) error {
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		return fmt.Errorf("read the erasure ledger: %w", err)
	}
	return corrupt("line %d of the erasure ledger is damaged", line)
}

// erasuresPath is where the ledger lies.
func (o *Options) erasuresPath(p place) string {
	if o.Erasures != "" {
		return o.Erasures
	}
	return p.fs.PathJoin(p.dir, ErasuresName)
}

// openErasures opens the ledger, and adds what a crash kept out: an erasure is
// durable in the store before it is in the ledger, and stands among what is to be
// purged until it is.
func (j *Journal) openErasures() error {
	path := j.options.erasuresPath(j.place)
	if dir := j.place.fs.PathDir(path); dir != j.place.dir {
		if there, err := exists(j.place.fs, dir); err != nil || !there {
			return errors.Join(err, engine.Errorf(engine.CodeNotFound, "the folder of the erasure ledger does not exist"))
		}
	}
	var err error
	if j.erasures, err = openLedger(j.place.fs, path); err != nil {
		return err
	}
	ids, err := j.erased()
	if err != nil || len(ids) == 0 {
		return err
	}
	listed, err := j.erasures.all()
	if err != nil {
		return err
	}
	there := make(map[engine.ConversationID]bool, len(listed))
	for _, e := range listed {
		there[e.Conversation] = true
	}
	for _, id := range ids {
		if there[id] {
			continue
		}
		if err := j.erasures.add(Erasure{Conversation: id, At: engine.InstantOf(j.options.Now())}); err != nil {
			return err
		}
	}
	return nil
}

// enterErasure makes an erasure that is durable in the store durable in the
// ledger. A failure ends the process: nobody knows what the disk holds.
func (j *Journal) enterErasure(a *engine.Append) error {
	last := a.Events[len(a.Events)-1]
	if err := j.erasures.add(Erasure{Conversation: a.Conversation, At: last.At}); err != nil {
		j.die(err)
		return engine.Errorf(engine.CodeUnknownOutcome, "the erasure ledger could not be written")
	}
	return nil
}

// copyErasures copies the ledger as it is now.
func (j *Journal) copyErasures(to place) error {
	erasures, err := j.erasures.all()
	if err != nil {
		return err
	}
	return createLedger(to.fs, to.fs.PathJoin(to.dir, ErasuresName), erasures)
}

// Erasures are all that the journal's ledger holds.
func (j *Journal) Erasures() ([]Erasure, error) {
	if err := j.enter(); err != nil {
		return nil, err
	}
	defer j.leave()
	return j.erasures.all()
}

// readLedgerFile reads the ledger at path; a missing one is empty.
func readLedgerFile(fs vfs.FS, path string) (erasures []Erasure, err error) {
	file, err := fs.Open(path)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the erasure ledger: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return ReadErasures(file)
}

// MergeErasures are those of both ledgers, each conversation once, with the
// instant at which it was erased first.
func MergeErasures(a, b []Erasure) []Erasure {
	at := make(map[engine.ConversationID]int, len(a)+len(b))
	var merged []Erasure
	for _, list := range [...][]Erasure{a, b} {
		for _, e := range list {
			i, known := at[e.Conversation]
			if !known {
				at[e.Conversation] = len(merged)
				merged = append(merged, e)
			} else if e.At < merged[i].At {
				merged[i].At = e.At
			}
		}
	}
	return merged
}

// PrintErasures writes erasures as a ledger.
func PrintErasures(w io.Writer, erasures []Erasure) error {
	var text strings.Builder
	text.WriteString(ledgerHeader)
	for _, e := range erasures {
		text.WriteString(e.line())
	}
	_, err := io.WriteString(w, text.String())
	return err
}
