package archive

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"strings"
	"time"
)

const (
	// Format is that of the backups that this version writes. It reads older ones,
	// and refuses newer ones.
	Format = 1

	headName   = "backup.json"
	sumsFolder = "sums/"
	wholeName  = "SHA256"
	// sumsEach is how many files' sums stand together, and are in memory.
	sumsEach = 1000
	// maxHeadBytes and maxSumsBytes bound what is read into memory.
	maxHeadBytes = 64 << 10
	maxSumsBytes = sumsEach * 512
	// blockBytes is the size that all parts of a tar are rounded up to.
	blockBytes = 512
	// copyBytes is how much of a file is in memory.
	copyBytes = 64 << 10
	fileMode  = 0o640
)

// Head says what a backup is of.
type Head struct {
	Format int `json:"format"`
	// Version is the binary's that made it.
	Version string    `json:"version"`
	MadeAt  time.Time `json:"made_at"`
	// Journal is the identity of the journal, Offset the newest that is surely in it.
	Journal string `json:"journal"`
	Offset  uint64 `json:"offset"`
	// Bytes is about how much its files hold: for whoever waits.
	Bytes int64 `json:"bytes"`
}

// Summary is what a whole backup came to.
type Summary struct {
	Head  Head
	Files int   // those of the backup itself left out
	Bytes int64 // that they hold
	// SHA256 is the sum of all before the last entry, which says the same.
	SHA256 [sha256.Size]byte
}

// names are what files may be called: a few plain words with slashes between.
var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9][A-Za-z0-9._-]{0,127}){0,2}$`)

func checkName(name, before string) error {
	switch {
	case !names.MatchString(name) || name == headName || name == wholeName || strings.HasPrefix(name, sumsFolder):
		return damaged("a file has a name that none in a backup has")
	case name <= before:
		return damaged("files are not in their order")
	}
	return nil
}

// Writer writes one backup.
type Writer struct {
	to    io.Writer
	whole hash.Hash
	tar   *tar.Writer

	head   Head
	before string // the name of the file before
	sums   sums
	buffer []byte
	files  int
	bytes  int64
}

// NewWriter begins a backup.
func NewWriter(to io.Writer, head Head) (*Writer, error) {
	head.Format = Format
	w := &Writer{to: to, whole: sha256.New(), head: head, buffer: make([]byte, copyBytes)}
	w.tar = tar.NewWriter(io.MultiWriter(to, w.whole))
	text, err := json.Marshal(head)
	if err != nil {
		return nil, fmt.Errorf("describe the backup: %w", err)
	}
	return w, w.small(headName, append(text, '\n'))
}

// Add adds a file of size bytes, which it reads from r. Files come by rising name.
func (w *Writer) Add(name string, size int64, changed time.Time, r io.Reader) error {
	if err := checkName(name, w.before); err != nil {
		return err
	}
	w.before = name
	if err := w.tar.WriteHeader(header(name, size, changed)); err != nil {
		return fmt.Errorf("write to the backup: %w", err)
	}
	sum := sha256.New()
	n, err := io.CopyBuffer(onlyWriter{io.MultiWriter(w.tar, sum)}, io.LimitReader(r, size), w.buffer)
	if err != nil {
		return fmt.Errorf("write to the backup: %w", err)
	}
	if n != size {
		return fmt.Errorf("write to the backup: a file has %d bytes, %d were announced: %w", n, size, io.ErrUnexpectedEOF)
	}
	w.files++
	w.bytes += size
	w.sums.add(name, sum.Sum(nil))
	if w.sums.files == sumsEach {
		return w.flushSums()
	}
	return nil
}

// onlyWriter hides that a writer may read by itself, which would take a buffer of
// its own.
type onlyWriter struct{ io.Writer }

// Close ends the backup. One that is not closed is refused by whoever reads it.
func (w *Writer) Close() (Summary, error) {
	if w.sums.files > 0 {
		if err := w.flushSums(); err != nil {
			return Summary{}, err
		}
	}
	if err := w.tar.Flush(); err != nil {
		return Summary{}, fmt.Errorf("write to the backup: %w", err)
	}
	s := Summary{Head: w.head, Files: w.files, Bytes: w.bytes, SHA256: [sha256.Size]byte(w.whole.Sum(nil))}
	last := tar.NewWriter(w.to)
	text := wholeText(s.SHA256)
	err := last.WriteHeader(header(wholeName, int64(len(text)), time.Unix(0, 0)))
	if err == nil {
		_, err = io.WriteString(last, text)
	}
	if err == nil {
		err = last.Close()
	}
	if err != nil {
		return Summary{}, fmt.Errorf("write to the backup: %w", err)
	}
	return s, nil
}

func wholeText(sum [sha256.Size]byte) string { return hex.EncodeToString(sum[:]) + "\n" }

// header is the same for the same file, whoever owns it.
func header(name string, size int64, changed time.Time) *tar.Header {
	return &tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: size, Mode: fileMode, ModTime: time.Unix(changed.Unix(), 0), Format: tar.FormatUSTAR,
	}
}

// small writes an entry of the backup's own.
func (w *Writer) small(name string, text []byte) error {
	err := w.tar.WriteHeader(header(name, int64(len(text)), time.Unix(0, 0)))
	if err == nil {
		_, err = w.tar.Write(text)
	}
	if err != nil {
		return fmt.Errorf("write to the backup: %w", err)
	}
	return nil
}

func (w *Writer) flushSums() error {
	name, text := w.sums.take()
	return w.small(name, text)
}

// sums collects the sums of the files since the last entry of them.
type sums struct {
	text    []byte
	files   int
	entries int
}

func (s *sums) add(name string, sum []byte) {
	s.text = append(hex.AppendEncode(s.text, sum), "  "+name+"\n"...)
	s.files++
}

// take answers the next entry of sums, whose text stays until add.
func (s *sums) take() (name string, text []byte) {
	text = s.text
	s.entries++
	s.text, s.files = s.text[:0], 0
	return fmt.Sprintf("%s%06d", sumsFolder, s.entries), text
}

// DamagedError says that what was read is no whole backup.
type DamagedError struct{ reason string }

func (e *DamagedError) Error() string { return "the backup is damaged: " + e.reason }

func damaged(format string, args ...any) error { return &DamagedError{fmt.Sprintf(format, args...)} }

// NewerError says that a newer version made the backup.
type NewerError struct{ Format int }

func (e *NewerError) Error() string {
	return fmt.Sprintf("the backup has format %d, which a newer version of Intervene made; this one knows up to %d", e.Format, Format)
}

var errNoBackup = errors.New("this is no backup of Intervene")
