package bot

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/intervenehq/intervene/engine"
)

// MaxHeardRunes bounds how much of one message is searched for phrases.
const MaxHeardRunes = engine.MaxTextRunes

// phrase is words in a row that the customer may say.
type phrase struct {
	text   string // as normalize makes it
	answer string
	person bool // it asks for a person, and has no answer of its own
	alone  bool // it counts only where nothing else is said
}

// in reports whether said, as normalize makes it, says p.
func (p *phrase) in(said string) bool {
	if p.alone {
		return said == p.text
	}
	return strings.Contains(said, p.text)
}

// heard is what the messages of a turn say to the bot.
type heard struct {
	person bool
	answer string // of the newest message that has one
}

// hear looks for phrases in all messages: who asks for a person in any of them
// is heard, whatever follows it.
func (b *Bot) hear(messages []engine.TurnMessage) heard {
	var h heard
	for i := range slices.Backward(messages) {
		p := b.find(messages[i].Content)
		switch {
		case p == nil:
		case p.person:
			return heard{person: true}
		case h.answer == "":
			h.answer = p.answer
		}
	}
	return h
}

// find is the phrase that content says, nil if none. Phrases stand in order of
// precedence.
func (b *Bot) find(content engine.Content) *phrase {
	var said [2]string
	switch content.Kind {
	case engine.ContentText:
		said[0] = normalize(content.Text)
	case engine.ContentButtonReply:
		said[0], said[1] = normalize(content.Text), normalize(content.Payload)
	default:
		return nil // its text is a name of the platform's, not the customer's words
	}
	for i := range b.phrases {
		if p := &b.phrases[i]; p.in(said[0]) || p.in(said[1]) {
			return p
		}
	}
	return nil
}

// rank puts phrases in order of precedence: those that ask for a person, then
// the longer before the shorter, so that "opening hours" is not taken for
// "opening"; equals stay as the file has them.
func rank(a, b phrase) int {
	switch {
	case a.person != b.person && a.person:
		return -1
	case a.person != b.person:
		return 1
	}
	return strings.Count(b.text, " ") - strings.Count(a.text, " ")
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
