package engine_test

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/intervenehq/intervene/engine"
)

// step is one line taken apart: a verb, words and named values.
type step struct {
	t     reporter
	line  string
	verb  string
	words []string
	named map[string]string
}

// directive is the line that datadriven took apart, put together again.
func directive(d *datadriven.TestData) string {
	parts := []string{d.Cmd}
	for _, arg := range d.CmdArgs {
		part := arg.Key
		if len(arg.Vals) > 0 {
			part += "=" + strings.Join(arg.Vals, ",")
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ")
}

func parseStep(t reporter, line string) *step {
	t.Helper()
	l := &step{t: t, line: line, named: make(map[string]string)}
	rest := strings.TrimSpace(line)
	for rest != "" {
		name := ""
		if cut := strings.IndexAny(rest, `= "`); cut > 0 && rest[cut] == '=' {
			name, rest = rest[:cut], rest[cut+1:]
		}
		var value string
		if quoted, err := strconv.QuotedPrefix(rest); err == nil {
			value, err = strconv.Unquote(quoted)
			if err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			rest = rest[len(quoted):]
		} else {
			value, rest, _ = strings.Cut(rest, " ")
		}
		if rest = strings.TrimSpace(rest); name != "" {
			l.named[name] = value
		} else {
			l.words = append(l.words, value)
		}
	}
	l.verb, l.words = l.words[0], l.words[1:]
	return l
}

// done refuses what nobody asked for: a misspelt name would test nothing.
func (l *step) done() {
	l.t.Helper()
	if len(l.words) > 0 || len(l.named) > 0 {
		l.t.Fatalf("line %q: got %v and %v left over, want nothing", l.line, l.words, l.named)
	}
}

func (l *step) word() string {
	l.t.Helper()
	if len(l.words) == 0 {
		l.t.Fatalf("line %q: want a word", l.line)
	}
	word := l.words[0]
	l.words = l.words[1:]
	return word
}

func (l *step) rest() []string {
	words := l.words
	l.words = nil
	return words
}

func (l *step) flag(word string) bool {
	at := slices.Index(l.words, word)
	if at < 0 {
		return false
	}
	l.words = slices.Delete(l.words, at, at+1)
	return true
}

func (l *step) take(name string) (string, bool) {
	value, ok := l.named[name]
	delete(l.named, name)
	return value, ok
}

func (l *step) text(name, otherwise string) string {
	if value, ok := l.take(name); ok {
		return value
	}
	return otherwise
}

func (l *step) number(name string, otherwise uint64) uint64 {
	l.t.Helper()
	value, ok := l.take(name)
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		l.t.Fatalf("line %q: %v", l.line, err)
	}
	return n
}

func (l *step) duration(name string, otherwise time.Duration) time.Duration {
	l.t.Helper()
	value, ok := l.take(name)
	if !ok {
		return otherwise
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		l.t.Fatalf("line %q: %v", l.line, err)
	}
	return d
}

func (l *step) wordDuration() time.Duration {
	l.t.Helper()
	l.named["word"] = l.word()
	return l.duration("word", 0)
}

func (l *step) party(otherwise engine.Party) engine.Party {
	l.t.Helper()
	name, ok := l.take("by")
	if !ok {
		return otherwise
	}
	p, ok := parties[name]
	if !ok {
		l.t.Fatalf("line %q: got party %q, want one of %v", l.line, name, parties)
	}
	return p
}

func (l *step) state() engine.DeliveryState {
	l.t.Helper()
	word := l.word()
	for s := engine.DeliveryState(0); s <= engine.Discarded; s++ {
		if s.String() == word {
			return s
		}
	}
	l.t.Fatalf("line %q: got state %q, want one of a delivery's", l.line, word)
	return 0
}

func (l *step) dueKind() engine.DueKind {
	l.t.Helper()
	word := l.word()
	for _, kind := range engine.DueKinds {
		if kind.String() == word {
			return kind
		}
	}
	l.t.Fatalf("line %q: got timer %q, want a sort of work", l.line, word)
	return 0
}

func (l *step) mediaState() engine.MediaState {
	l.t.Helper()
	word := l.word()
	for s := engine.MediaPending; s <= engine.MediaExpired; s++ {
		if s.String() == word {
			return s
		}
	}
	l.t.Fatalf("line %q: got state %q, want one of a file's", l.line, word)
	return 0
}

func (l *step) consent(word string) engine.Consent {
	l.t.Helper()
	for c := engine.Consent(0); c <= engine.Resume; c++ {
		if c.String() == word {
			return c
		}
	}
	l.t.Fatalf("line %q: got consent %q, want stop or resume", l.line, word)
	return 0
}
