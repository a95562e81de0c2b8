package measure

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
)

// Table is rows under a title.
type Table struct {
	Title   string
	Columns []string
	Rows    [][]string
	// Notes say what is to be known beside it.
	Notes []string
}

// Add adds a row of values: floats with as many digits as say anything.
func (t *Table) Add(values ...any) {
	row := make([]string, len(values))
	for i, value := range values {
		switch value := value.(type) {
		case float64:
			row[i] = number(value)
		default:
			row[i] = fmt.Sprint(value)
		}
	}
	t.Rows = append(t.Rows, row)
}

// number has three digits or more: 0.123, 1.23, 12.3, 1,234.
func number(x float64) string {
	switch size := max(x, -x); {
	case size == 0:
		return "0"
	case size < 0.995:
		return fmt.Sprintf("%.3f", x)
	case size < 9.95:
		return fmt.Sprintf("%.2f", x)
	case size < 99.5:
		return fmt.Sprintf("%.1f", x)
	}
	digits := fmt.Sprintf("%.0f", x)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// Print writes tables for a screen.
func Print(w io.Writer, tables []Table) error {
	for _, t := range tables {
		fmt.Fprintf(w, "\n%s\n", t.Title)
		aligned := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		for _, row := range append([][]string{t.Columns}, t.Rows...) {
			fmt.Fprintln(aligned, strings.Join(row, "\t")+"\t")
		}
		if err := aligned.Flush(); err != nil {
			return fmt.Errorf("print a table: %w", err)
		}
		for _, note := range t.Notes {
			fmt.Fprintln(w, note)
		}
	}
	return nil
}

// Markdown writes tables for a document.
func Markdown(tables []Table) string {
	var b strings.Builder
	for _, t := range tables {
		fmt.Fprintf(&b, "**%s**\n\n| %s |\n|%s\n", t.Title, strings.Join(t.Columns, " | "), strings.Repeat(" --- |", len(t.Columns)))
		for _, row := range t.Rows {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		}
		for _, note := range t.Notes {
			fmt.Fprintf(&b, "\n%s\n", note)
		}
		b.WriteByte('\n')
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// ErrNoSection: the document has no place of that name.
var ErrNoSection = errors.New("no such section")

// Insert replaces what stands in a document between the lines
// "<!-- section -->" and "<!-- end of section -->".
func Insert(path, section, text string) error {
	document, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("insert results: %w", err)
	}
	opening, closing := "<!-- "+section+" -->\n", "<!-- end of "+section+" -->"
	before, rest, found := strings.Cut(string(document), opening)
	if !found {
		return fmt.Errorf("insert results: %s: %w: %s", path, ErrNoSection, section)
	}
	_, after, found := strings.Cut(rest, closing)
	if !found {
		return fmt.Errorf("insert results: %s: %w: the end of %s", path, ErrNoSection, section)
	}
	if err := os.WriteFile(path, []byte(before+opening+text+closing+after), 0o644); err != nil {
		return fmt.Errorf("insert results: %w", err)
	}
	return nil
}
