package rpc

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/intervenehq/intervene/engine"
)

const (
	// minFindDigits is how much of a number must be known to find it.
	minFindDigits = 3
	// minNumberDigits and maxNumberDigits are those of a whole number, E.164.
	minNumberDigits = 7
	maxNumberDigits = 15
)

// findQuery is what somebody looks for, folded.
type findQuery struct {
	text  string // all of it
	words []string
	// digits are those of a number, if it may be one; local is what follows the
	// zeros that are dialled only within a country.
	digits, local string
	folding       folding
}

// parseFindQuery is false for what holds neither a letter nor a digit.
func parseFindQuery(query string) (*findQuery, bool) {
	var q findQuery
	q.text = string(q.folding.fold(strings.TrimSpace(query)))
	for word := range wordsOf(q.text) {
		q.words = append(q.words, word)
	}
	if len(q.words) == 0 {
		return nil, false
	}
	if digits, ok := digitsOf(q.text); ok && len(digits) >= minFindDigits {
		q.digits = strings.TrimPrefix(digits, "00")
		if local := strings.TrimLeft(digits, "0"); local != digits && len(local) >= minNumberDigits {
			q.local = local
		}
	}
	return &q, true
}

// digitsOf are the digits of what is written as numbers are.
func digitsOf(text string) (string, bool) {
	var digits []byte
	for _, r := range text {
		switch {
		case '0' <= r && r <= '9':
			digits = append(digits, byte(r))
		case !strings.ContainsRune(" +-‐‑–().", r):
			return "", false
		}
	}
	return string(digits), true
}

// numbers are the ways in which WhatsApp may write the whole number that is
// wanted; none if that is none.
func (q *findQuery) numbers() []string {
	if len(q.digits) < minNumberDigits || len(q.digits) > maxNumberDigits {
		return nil
	}
	return append([]string{q.digits}, engine.Variants(q.digits)...)
}

// matches reports whether c is what is looked for.
func (q *findQuery) matches(c *engine.Card) bool {
	return q.matchesNumber(c.Contact.WaID) || q.matchesName(c.Contact.Name) || slices.ContainsFunc(c.Tags, q.matchesTag)
}

func (q *findQuery) matchesNumber(number string) bool {
	if q.digits == "" || number == "" {
		return false
	}
	return strings.Contains(number, q.digits) || q.local != "" && strings.HasSuffix(number, q.local)
}

// matchesName reports whether each word begins one of the name's.
func (q *findQuery) matchesName(name string) bool {
	if name == "" {
		return false
	}
	folded := string(q.folding.fold(name))
	for _, wanted := range q.words {
		found := false
		for word := range wordsOf(folded) {
			if found = strings.HasPrefix(word, wanted); found {
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

func (q *findQuery) matchesTag(tag string) bool {
	return strings.HasPrefix(string(q.folding.fold(tag)), q.text)
}

// wordsOf are the words of folded text. A mark belongs to the letter before it.
func wordsOf(text string) func(yield func(string) bool) {
	return strings.FieldsFuncSeq(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r)
	})
}

// folding makes text of it in which case, accents and width make no difference.
// Its result is good until the next.
type folding struct {
	folded, decomposed []byte
	caser              *cases.Caser
}

func (f *folding) fold(s string) []byte {
	f.folded = f.folded[:0]
	for i := range len(s) {
		b := s[i]
		if b >= utf8.RuneSelf {
			return f.foldUnicode(s)
		}
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		f.folded = append(f.folded, b)
	}
	return f.folded
}

func (f *folding) foldUnicode(s string) []byte {
	if f.caser == nil {
		caser := cases.Fold()
		f.caser = &caser
	}
	f.decomposed = norm.NFKD.AppendString(f.decomposed[:0], s)
	f.folded = f.folded[:0]
	for rest := f.decomposed; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if !unicode.Is(accents, r) {
			f.folded = append(f.folded, rest[:size]...)
		}
		rest = rest[size:]
	}
	// Together again, so that a letter does not begin one that has a mark more.
	f.decomposed = norm.NFC.Append(f.decomposed[:0], f.folded...)
	f.folded = f.caser.Bytes(f.decomposed)
	return f.folded
}

// accents are the marks without which a word is still the same to whoever looks
// for it: those of Latin, Greek and Cyrillic letters, and the vowels of Arabic and
// Hebrew. Elsewhere marks are letters in their own right, as the vowel signs of
// Indian scripts are.
var accents = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x0300, Hi: 0x036f, Stride: 1},
	{Lo: 0x0591, Hi: 0x05bd, Stride: 1},
	{Lo: 0x05bf, Hi: 0x05bf, Stride: 1},
	{Lo: 0x05c1, Hi: 0x05c2, Stride: 1},
	{Lo: 0x05c4, Hi: 0x05c5, Stride: 1},
	{Lo: 0x05c7, Hi: 0x05c7, Stride: 1},
	{Lo: 0x0610, Hi: 0x061a, Stride: 1},
	{Lo: 0x0640, Hi: 0x0640, Stride: 1}, // the stroke that only stretches a word
	{Lo: 0x064b, Hi: 0x065f, Stride: 1},
	{Lo: 0x0670, Hi: 0x0670, Stride: 1},
}}
