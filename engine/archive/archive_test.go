package archive_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/intervenehq/intervene/engine/archive"
)

// file is one of a backup.
type file struct{ name, content string }

var few = []file{
	{"durable-mark", "mark"},
	{"media/0123/" + strings.Repeat("a", 64), strings.Repeat("picture", 80)},
	{"store/000001.sst", strings.Repeat("x", 100)},
	{"store/empty", ""},
}

var (
	madeAt  = time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	changed = time.Date(2026, 11, 20, 8, 0, 0, 5, time.UTC)
)

func write(t testing.TB, files []file) (backup []byte, all archive.Summary) {
	t.Helper()
	var to bytes.Buffer
	w, err := archive.NewWriter(&to, archive.Head{Version: "v1", MadeAt: madeAt, Journal: "ab", Offset: 7})
	if err != nil {
		t.Fatalf("new: got error %v, want none", err)
	}
	for _, f := range files {
		if err := w.Add(f.name, int64(len(f.content)), changed, strings.NewReader(f.content)); err != nil {
			t.Fatalf("add %s: got error %v, want none", f.name, err)
		}
	}
	if all, err = w.Close(); err != nil {
		t.Fatalf("close: got error %v, want none", err)
	}
	return to.Bytes(), all
}

// placed collects files as they are placed.
type placed struct {
	files   []file
	changed []time.Time
}

func (p *placed) place(name string, _ int64, changed time.Time) (io.WriteCloser, error) {
	p.files, p.changed = append(p.files, file{name: name}), append(p.changed, changed)
	return p, nil
}

func (p *placed) Write(b []byte) (int, error) {
	p.files[len(p.files)-1].content += string(b)
	return len(b), nil
}

func (p *placed) Close() error { return nil }

func TestWhatIsWrittenIsRead(t *testing.T) {
	backup, wrote := write(t, few)
	for name, r := range map[string]io.Reader{
		"at once": bytes.NewReader(backup), "byte by byte": iotest.OneByteReader(bytes.NewReader(backup)),
		"with its end": iotest.DataErrReader(bytes.NewReader(backup)),
	} {
		var p placed
		read, err := archive.Read(r, p.place)
		if err != nil || read != wrote {
			t.Errorf("%s: got %+v, error %v, want %+v", name, read, err, wrote)
		}
		if fmt.Sprint(p.files) != fmt.Sprint(few) {
			t.Errorf("%s: got other files than were written", name)
		}
		for _, at := range p.changed {
			if !at.Equal(changed.Truncate(time.Second)) {
				t.Errorf("%s: got changed at %s, want %s", name, at, changed)
			}
		}
	}
	if wrote.Files != len(few) || wrote.Head.Offset != 7 || wrote.Bytes != 4+560+100 {
		t.Errorf("summary: got %+v, want what was written", wrote)
	}
}

// TestManyFiles: sums come after every thousandth file.
func TestManyFiles(t *testing.T) {
	var many []file
	for i := range 2500 {
		many = append(many, file{fmt.Sprintf("media/c/%06d", i), fmt.Sprint(i)})
	}
	backup, _ := write(t, many)
	var p placed
	if _, err := archive.Read(bytes.NewReader(backup), p.place); err != nil || len(p.files) != len(many) {
		t.Errorf("got %d files, error %v, want %d", len(p.files), err, len(many))
	}
}

// TestPlainToolsSuffice: the sums of a backup are what `sha256sum --check` reads.
func TestPlainToolsSuffice(t *testing.T) {
	backup, _ := write(t, few)
	sums := make(map[string]string)
	var list string
	for r := tar.NewReader(bytes.NewReader(backup)); ; {
		entry, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("tar: got error %v, want none", err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("tar: got error %v, want none", err)
		}
		if sums[entry.Name] = fmt.Sprintf("%x", sha256.Sum256(content)); strings.HasPrefix(entry.Name, "sums/") {
			list += string(content)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(list), "\n") {
		sum, name, _ := strings.Cut(line, "  ")
		if sums[name] != sum {
			t.Errorf("%s: got sum %s, want %s", name, sum, sums[name])
		}
	}
	if n := strings.Count(list, "\n"); n != len(few) {
		t.Errorf("got %d sums, want %d", n, len(few))
	}
}

// TestEveryFlippedByteIsFound flips each byte of a backup in turn, one bit or another.
func TestEveryFlippedByteIsFound(t *testing.T) {
	backup, _ := write(t, few)
	for i := range backup {
		flip := byte(0x20) // what tells a letter from another case of it, and a blank from nothing
		if i%8 == 7 {
			flip = 0x01
		}
		backup[i] ^= flip
		if _, err := archive.Read(bytes.NewReader(backup), archive.Discard); err == nil {
			t.Errorf("byte %d flipped by %#x: got no error, want one", i, flip)
		}
		backup[i] ^= flip
	}
}

func TestEveryShorterBackupIsFound(t *testing.T) {
	backup, _ := write(t, few)
	for n := 0; n < len(backup); n += 3 {
		if _, err := archive.Read(bytes.NewReader(backup[:n]), archive.Discard); err == nil {
			t.Errorf("cut after %d of %d bytes: got no error, want one", n, len(backup))
		}
	}
	if _, err := archive.Read(bytes.NewReader(append(backup, 0)), archive.Discard); !isDamaged(err) {
		t.Errorf("a byte longer: got error %v, want damaged", err)
	}
	if _, err := archive.Read(io.MultiReader(bytes.NewReader(backup), bytes.NewReader(backup)), archive.Discard); !isDamaged(err) {
		t.Errorf("two of them: got error %v, want damaged", err)
	}
}

func isDamaged(err error) bool {
	_, ok := errors.AsType[*archive.DamagedError](err)
	return ok
}

func TestNamesThatLeadElsewhere(t *testing.T) {
	for _, name := range []string{
		"", ".", "..", "../x", "/etc/passwd", "store/../../x", "store//x", "store/", "./store", "a/b/c/d", "a\\b", "a\x00b", ".hidden", "store/.x",
		"backup.json", "sums/x", "SHA256", strings.Repeat("n", 129),
	} {
		w, err := archive.NewWriter(io.Discard, archive.Head{})
		if err != nil {
			t.Fatalf("new: got error %v, want none", err)
		}
		if err := w.Add(name, 0, changed, strings.NewReader("")); !isDamaged(err) {
			t.Errorf("add %q: got error %v, want it refused", name, err)
		}
		if strings.HasSuffix(name, "/") || strings.Contains(name, "\x00") {
			continue // a tar has no file with such a name
		}
		backup := forged(t, tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o640})
		if _, err := archive.Read(bytes.NewReader(backup), refusePlace(t)); err == nil {
			t.Errorf("read %q: got no error, want it refused", name)
		}
	}
}

// refusePlace fails a test in which a file is placed.
func refusePlace(t *testing.T) archive.Place {
	return func(name string, _ int64, _ time.Time) (io.WriteCloser, error) {
		t.Errorf("got %q placed, want nothing", name)
		return archive.Discard(name, 0, changed)
	}
}

// forged is a tar that begins as a backup and holds one more entry.
func forged(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var to bytes.Buffer
	w := tar.NewWriter(&to)
	head := `{"format":1}`
	all := append([]tar.Header{{Typeflag: tar.TypeReg, Name: "backup.json", Size: int64(len(head)), Mode: 0o640}}, entries...)
	for i := range all {
		if err := w.WriteHeader(&all[i]); err != nil {
			t.Fatalf("forge: %v", err)
		}
		if i == 0 {
			if _, err := io.WriteString(w, head); err != nil {
				t.Fatalf("forge: %v", err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatalf("forge: %v", err)
	}
	return to.Bytes()
}

func TestOnlyPlainFilesInTheirOrder(t *testing.T) {
	plain := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o640} }
	for name, entries := range map[string][]tar.Header{
		"link":         {{Typeflag: tar.TypeSymlink, Name: "store/a", Linkname: "/etc/passwd"}},
		"hard link":    {{Typeflag: tar.TypeLink, Name: "store/a", Linkname: "store/b"}},
		"folder":       {{Typeflag: tar.TypeDir, Name: "store"}},
		"device":       {{Typeflag: tar.TypeChar, Name: "store/a"}},
		"another tar":  {{Typeflag: tar.TypeReg, Name: "store/a", Format: tar.FormatPAX, PAXRecords: map[string]string{"A.b": "c"}}},
		"not in order": {plain("store/b"), plain("store/a")},
		"twice":        {plain("store/a"), plain("store/a")},
		"sums early":   {plain("sums/000001")},
		"two heads":    {plain("backup.json")},
	} {
		_, err := archive.Read(bytes.NewReader(forged(t, entries...)), archive.Discard)
		if !isDamaged(err) || strings.Contains(err.Error(), "ends early") {
			t.Errorf("%s: got error %v, want that entry refused", name, err)
		}
	}
}

func TestOtherFormats(t *testing.T) {
	var to bytes.Buffer
	w := tar.NewWriter(&to)
	head := `{"format":2,"flux":true}`
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "backup.json", Size: int64(len(head))}); err != nil {
		t.Fatalf("header: %v", err)
	}
	if _, err := io.WriteString(w, head); err != nil {
		t.Fatalf("head: %v", err)
	}
	_, err := archive.Read(&to, archive.Discard)
	if newer, ok := errors.AsType[*archive.NewerError](err); !ok || newer.Format != 2 || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("got error %v, want a newer format, by its number", err)
	}
	for _, text := range []string{"", "hello", strings.Repeat("hello ", 1000)} {
		if _, err := archive.Read(strings.NewReader(text), archive.Discard); err == nil {
			t.Errorf("%d bytes of something else: got no error, want one", len(text))
		}
	}
}

func TestErrorsOfOthersArePassedOn(t *testing.T) {
	backup, _ := write(t, few)
	broken := errors.New("broken")
	for at := 0; at < len(backup); at += 5 {
		_, err := archive.Read(io.MultiReader(bytes.NewReader(backup[:at]), iotest.ErrReader(broken)), archive.Discard)
		if !errors.Is(err, broken) {
			t.Errorf("a read that fails after %d bytes: got error %v, want its own", at, err)
		}
	}
	_, err := archive.Read(bytes.NewReader(backup), func(string, int64, time.Time) (io.WriteCloser, error) { return nil, broken })
	if !errors.Is(err, broken) {
		t.Errorf("a file that cannot be placed: got error %v, want its own", err)
	}
	_, err = archive.Read(bytes.NewReader(backup), func(string, int64, time.Time) (io.WriteCloser, error) { return failing{broken}, nil })
	if !errors.Is(err, broken) {
		t.Errorf("a file that cannot be written: got error %v, want its own", err)
	}
	w, err := archive.NewWriter(io.Discard, archive.Head{})
	if err != nil {
		t.Fatalf("new: got error %v, want none", err)
	}
	if err := w.Add("a", 3, changed, strings.NewReader("ab")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file shorter than it said: got error %v, want that", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
func (f failing) Close() error              { return nil }
