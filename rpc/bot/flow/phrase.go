package flow

import (
	"cmp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/intervenehq/intervene/engine"
)

// phrase is words in a row that the customer may say, and where they lead.
type phrase struct {
	text   string // as normalize makes it
	alone  bool   // it counts only where nothing else is said
	person bool   // it asks for a person
	resume bool
	next   *node
	option int // of a menu
}

// in reports whether said, as normalize makes it, says p.
func (p *phrase) in(said string) bool {
	if p.alone {
		return said == p.text
	}
	return strings.Contains(said, p.text)
}

// said is one message as it is searched for phrases.
type said struct {
	// text is what was written or pressed; empty of other kinds, whose text is a
	// name of the platform's.
	text, payload             string
	normalText, normalPayload string

	// searched for keywords: the one that s says, and the one that it says alone.
	searched             bool
	keyword, loneKeyword *phrase
}

func listen(c engine.Content) said {
	var s said
	switch c.Kind {
	case engine.ContentText:
		s.text = c.Text
	case engine.ContentButtonReply:
		s.text, s.payload = c.Text, c.Payload
		s.normalPayload = normalize(s.payload)
	default:
		return s
	}
	s.normalText = normalize(s.text)
	return s
}

// says reports whether s says p: with its words, or with the payload of a button.
func (s *said) says(p *phrase) bool { return p.in(s.normalText) || p.in(s.normalPayload) }

// exactly reports whether s says p and nothing else.
func (s *said) exactly(p *phrase) bool { return s.normalText == p.text || s.normalPayload == p.text }

// find is the first of phrases that s says; they stand in order of precedence.
// Exactly looks only for those that s says alone.
func (s *said) find(phrases []phrase, exactly bool) *phrase {
	for i := range phrases {
		p := &phrases[i]
		if exactly && s.exactly(p) || !exactly && s.says(p) {
			return p
		}
	}
	return nil
}

// keywordOf is the keyword that s says, or says alone. Each message is searched
// once.
func (f *Flow) keywordOf(s *said, alone bool) *phrase {
	if !s.searched {
		s.searched = true
		for i := range f.keywords {
			p := &f.keywords[i]
			if s.keyword == nil && s.says(p) {
				s.keyword = p
			}
			if s.loneKeyword == nil && s.exactly(p) {
				s.loneKeyword = p
			}
		}
	}
	if alone {
		return s.loneKeyword
	}
	return s.keyword
}

// rank puts phrases in order of precedence: those that ask for a person, then
// the longer before the shorter, so that "opening hours" is not taken for
// "opening"; equals stay as the file has them.
func rank(a, b phrase) int {
	if a.person != b.person {
		if a.person {
			return -1
		}
		return 1
	}
	return cmp.Compare(strings.Count(b.text, " "), strings.Count(a.text, " "))
}

// phrases compiles words that all mean the same.
func (c *compiler) phrases(at place, words []string, like phrase, seen map[string]string) []phrase {
	var phrases []phrase
	for i, word := range words {
		phrases = append(phrases, c.phrase(at.item(i), word, like, seen)...)
	}
	return phrases
}

// phrase compiles a word, or words in a row, whose normal form must be new to
// seen; it is none if something is wrong with it.
func (c *compiler) phrase(at place, word string, like phrase, seen map[string]string) []phrase {
	normal := normalize(word)
	first, known := seen[normal]
	switch {
	case utf8.RuneCountInString(word) > MaxPhraseRunes:
		c.report(at, "must have at most %d characters", MaxPhraseRunes)
	case normal == " ":
		c.report(at, "%q has no word in it", word)
	case known:
		c.report(at, "%q means the same as %s", word, first)
	default:
		seen[normal] = at.path
		like.text = normal
		return []phrase{like}
	}
	return nil
}

// unspaced are scripts that put no spaces between words: each of their
// characters stands as a word, so that a phrase is found amid others.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

// normalize is s's words in folded case with one space around each, and
// nothing of its punctuation: what contains a phrase so, contains it as whole
// words. It is " " if s has no words.
func normalize(s string) string {
	var words strings.Builder
	words.WriteByte(' ')
	within := false // a word that has not ended
	for _, r := range fold(norm.NFKC.String(head(s))) {
		switch {
		case 'a' <= r && r <= 'z': // in no need of tables, as most of what is written
			words.WriteRune(r)
			within = true
		case r == '\'', r == '’', unicode.In(r, unicode.Cf, unicode.Variation_Selector):
			continue // they part no word: what's, and an emoji's presentation
		case unicode.Is(unicode.So, r), unicode.In(r, unspaced...):
			if within {
				words.WriteByte(' ')
			}
			words.WriteRune(r)
			words.WriteByte(' ')
			within = false
		case unicode.In(r, unicode.L, unicode.M, unicode.N):
			words.WriteRune(r)
			within = true
		case within:
			words.WriteByte(' ')
			within = false
		}
	}
	if within {
		words.WriteByte(' ')
	}
	return norm.NFKC.String(words.String())
}

// fold is s without case. Fold alone turns Cherokee's cases about.
func fold(s string) string { return strings.ToLower(cases.Fold().String(s)) }

// head is s's first MaxHeardRunes characters.
func head(s string) string {
	if len(s) <= MaxHeardRunes {
		return s
	}
	runes := 0
	for i := range s {
		if runes == MaxHeardRunes {
			return s[:i]
		}
		runes++
	}
	return s
}
