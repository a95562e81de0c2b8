package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"
)

// Place makes the file that a backup's file is to become. It is closed once all
// of it was written.
type Place func(name string, size int64, changed time.Time) (io.WriteCloser, error)

// Discard places files nowhere: to check a backup.
func Discard(string, int64, time.Time) (io.WriteCloser, error) { return nowhere{io.Discard}, nil }

type nowhere struct{ io.Writer }

func (nowhere) Close() error { return nil }

// Read reads a backup and places its files. Nothing that was placed may be used
// before it has answered without an error, because only then all of it is known to
// be what was written. What place answers is passed on as it is; everything else
// that is wrong is a [*DamagedError], a [*NewerError], or an error of r.
func Read(r io.Reader, place Place) (Summary, error) {
	held := &holdingBack{from: r, sum: sha256.New()}
	reading := &reading{
		held: held, tar: tar.NewReader(held), place: place, buffer: make([]byte, copyBytes),
	}
	return reading.run()
}

// reading is one run of Read.
type reading struct {
	held   *holdingBack
	tar    *tar.Reader
	place  Place
	before string
	sums   sums
	buffer []byte
	all    Summary
}

func (r *reading) run() (Summary, error) {
	if err := r.head(); err != nil {
		return Summary{}, err
	}
	for {
		entry, err := r.next()
		switch {
		case err != nil:
		case entry.Name == wholeName:
			return r.all, r.whole(entry)
		case strings.HasPrefix(entry.Name, sumsFolder):
			err = r.checkSums(entry)
		default:
			err = r.file(entry)
		}
		if err != nil {
			return Summary{}, err
		}
	}
}

// next answers the next entry. One that is no plain file as it is written here is
// refused, so that no link and no device ever comes out of a backup.
func (r *reading) next() (*tar.Header, error) {
	entry, err := r.tar.Next()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, damaged("it ends early")
	case errors.Is(err, tar.ErrHeader):
		return nil, damaged("a header cannot be read")
	case err != nil:
		return nil, fmt.Errorf("read the backup: %w", err)
	case entry.Typeflag != tar.TypeReg || entry.Format&tar.FormatUSTAR == 0 || entry.Size < 0:
		return nil, damaged("an entry is no plain file")
	}
	return entry, nil
}

// head reads the first entry.
func (r *reading) head() error {
	entry, err := r.tar.Next()
	if err != nil || entry.Name != headName || entry.Size > maxHeadBytes {
		if err != nil && !errors.Is(err, tar.ErrHeader) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("read the backup: %w", err)
		}
		return errNoBackup
	}
	text, err := r.small(entry, maxHeadBytes)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &r.all.Head); err != nil {
		return damaged("what it is cannot be read")
	}
	switch format := r.all.Head.Format; {
	case format > Format:
		return &NewerError{format}
	case format < 1:
		return damaged("its format is none")
	}
	return nil
}

func (r *reading) small(entry *tar.Header, limit int64) ([]byte, error) {
	if entry.Size > limit {
		return nil, damaged("an entry is too large")
	}
	text := make([]byte, entry.Size)
	if _, err := io.ReadFull(r.tar, text); err != nil {
		return nil, readError(err)
	}
	return text, nil
}

func readError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return damaged("it ends early")
	}
	return fmt.Errorf("read the backup: %w", err)
}

// file places one file.
func (r *reading) file(entry *tar.Header) (err error) {
	if r.sums.files == sumsEach {
		return damaged("sums are missing")
	}
	if err := checkName(entry.Name, r.before); err != nil {
		return err
	}
	r.before = entry.Name
	to, err := r.place(entry.Name, entry.Size, entry.ModTime)
	if err != nil {
		return err
	}
	sum := sha256.New()
	if err := r.copy(to, sum); err != nil {
		return errors.Join(err, to.Close())
	}
	if err := to.Close(); err != nil {
		return fmt.Errorf("write a restored file: %w", err)
	}
	r.all.Files++
	r.all.Bytes += entry.Size
	r.sums.add(entry.Name, sum.Sum(nil))
	return nil
}

// copy tells an error of the backup from one of the disk.
func (r *reading) copy(to io.Writer, sum hash.Hash) error {
	for {
		n, err := r.tar.Read(r.buffer)
		sum.Write(r.buffer[:n]) // never fails
		if _, err := to.Write(r.buffer[:n]); err != nil {
			return fmt.Errorf("write a restored file: %w", err)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return readError(err)
		}
	}
}

// checkSums compares the files since the last sums with what they should be.
func (r *reading) checkSums(entry *tar.Header) error {
	if r.sums.files == 0 {
		return damaged("sums of no files")
	}
	got, err := r.small(entry, maxSumsBytes)
	if err != nil {
		return err
	}
	name, want := r.sums.take()
	if entry.Name != name {
		return damaged("sums are not in their order")
	}
	if bytes.Equal(got, want) {
		return nil
	}
	wantLines := bytes.Split(want, []byte("\n"))
	for i, line := range bytes.Split(got, []byte("\n")) {
		if i < len(wantLines) && !bytes.Equal(line, wantLines[i]) {
			if _, file, ok := bytes.Cut(wantLines[i], []byte("  ")); ok {
				return damaged("%s is not what was written", file)
			}
		}
	}
	return damaged("sums do not belong to the files")
}

// whole compares everything before entry, and that nothing follows on it.
func (r *reading) whole(entry *tar.Header) error {
	if r.sums.files > 0 {
		return damaged("sums are missing")
	}
	r.all.SHA256 = r.held.before()
	text := wholeText(r.all.SHA256)
	var want bytes.Buffer
	last := tar.NewWriter(&want)
	if err := last.WriteHeader(header(wholeName, int64(len(text)), time.Unix(0, 0))); err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	if !bytes.Equal(r.held.back, want.Bytes()) || entry.Size != int64(len(text)) {
		return damaged("its last header is not what was written")
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(r.tar, got); err != nil {
		return readError(err)
	}
	if string(got) != text {
		return damaged("the sum of the whole is another")
	}
	// Padding to a whole block, and two blocks that end a tar.
	end := make([]byte, blockBytes-len(text)+2*blockBytes)
	if _, err := io.ReadFull(r.held.from, end); err != nil {
		return readError(err)
	}
	if !bytes.Equal(end, make([]byte, len(end))) {
		return damaged("its end is not what was written")
	}
	switch _, err := io.ReadFull(r.held.from, end[:1]); {
	case err == nil:
		return damaged("something follows on its end")
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("read the backup: %w", err)
	}
	return nil
}

// holdingBack sums all that is read but for the last block: the header of the
// entry that says what the sum of all before it is.
type holdingBack struct {
	from io.Reader
	sum  hash.Hash
	back []byte
}

func (h *holdingBack) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	h.back = append(h.back, p[:n]...)
	if over := len(h.back) - blockBytes; over > 0 {
		h.sum.Write(h.back[:over]) // never fails
		h.back = h.back[:copy(h.back, h.back[over:])]
	}
	return n, err
}

func (h *holdingBack) before() [sha256.Size]byte { return [sha256.Size]byte(h.sum.Sum(nil)) }
