package measure

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNumber(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0", 0.1234: "0.123", 0.9999: "1.00", 1.234: "1.23", 12.34: "12.3", 99.6: "100", 123.4: "123", 1234567: "1,234,567", -1234: "-1,234",
	} {
		if got := number(x); got != want {
			t.Errorf("%v: got %q, want %q", x, got, want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	table := Table{Title: "T", Columns: []string{"a", "b"}, Notes: []string{"note"}}
	table.Add("x", 1500.0)
	want := "**T**\n\n| a | b |\n| --- | --- |\n| x | 1,500 |\n\nnote\n"
	if got := Markdown([]Table{table}); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var screen strings.Builder
	if err := Print(&screen, []Table{table}); err != nil || !strings.Contains(screen.String(), "1,500") {
		t.Errorf("got %q, %v, want the value", screen.String(), err)
	}
}

func TestInsert(t *testing.T) {
	path := filepath.Join(t.TempDir(), "RESULTS.md")
	const document = "before\n<!-- a -->\nold\n<!-- end of a -->\n<!-- b -->\nkept\n<!-- end of b -->\nafter\n"
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}
	for range 2 { // the second time changes nothing
		if err := Insert(path, "a", "new\n"); err != nil {
			t.Fatalf("got error %v, want none", err)
		}
		got, err := os.ReadFile(path)
		if want := strings.Replace(document, "old", "new", 1); string(got) != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	if err := Insert(path, "c", "new\n"); !errors.Is(err, ErrNoSection) {
		t.Errorf("got error %v, want %v", err, ErrNoSection)
	}
}

func TestDraw(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plots")
	line := func(x ...float64) []Line { return []Line{{Name: "p99", X: x, Y: x}} }
	err := Draw(dir, []Chart{
		{Name: "log", LogX: true, LogY: true, Lines: line(1, 10, 4096)},
		{Name: "flat", Lines: []Line{{Name: "none", X: []float64{1, 2}, Y: []float64{0, 0}}}},
		{Name: "point", Lines: line(3)},
	})
	if err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	for _, name := range []string{"log", "flat"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".svg"))
		if err != nil || !strings.HasPrefix(string(text), "<svg") {
			t.Errorf("%s: got %d bytes, %v, want an SVG", name, len(text), err)
		}
	}
	images, err := Images(filepath.Join(filepath.Dir(dir), "RESULTS.md"), dir, []Chart{{Name: "log", Title: "T", X: "x", Y: "y"}, {Name: "point"}})
	if want := "\n![T: y by x](plots/log.svg)\n"; images != want || err != nil {
		t.Errorf("got images %q, %v, want %q", images, err, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "point.svg")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v of a single point's chart, want that there is none", err)
	}
}
