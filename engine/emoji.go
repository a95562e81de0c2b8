package engine

import (
	"unicode"
	"unicode/utf8"
)

// MaxEmojiRunes bounds one emoji: the longest are families joined of several.
const MaxEmojiRunes = 16

const (
	joiner       = '\u200d'
	emojiStyle   = '\ufe0f'
	keycap       = '\u20e3'
	firstFlag    = 0x1f1e6 // regional indicators
	lastFlag     = 0x1f1ff
	firstTone    = 0x1f3fb
	lastTone     = 0x1f3ff
	firstTag     = 0xe0020 // of a region's flag
	lastTag      = 0xe007f
	firstPicture = 0x1f000
	lastPicture  = 0x1faff
)

// isEmoji reports whether s is one emoji: pictures joined by joiners, a flag, or
// a keycap (unicode.org/reports/tr51). It knows the shape, not every picture, so
// that those of next year pass too.
func isEmoji(s string) bool {
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > MaxEmojiRunes {
		return false
	}
	rest := []rune(s)
	switch n := len(rest); {
	case n == 2 && isFlag(rest[0]) && isFlag(rest[1]):
		return true
	case n >= 2 && isKeycapBase(rest[0]) && rest[n-1] == keycap:
		return n == 2 || (n == 3 && rest[1] == emojiStyle)
	}
	for {
		n := picture(rest)
		switch {
		case n == 0:
			return false
		case n == len(rest):
			return true
		case rest[n] != joiner:
			return false
		}
		rest = rest[n+1:]
	}
}

// picture is how many runes the picture takes that r begins with; 0: none.
func picture(r []rune) int {
	if len(r) == 0 || !isPicture(r[0]) {
		return 0
	}
	n := 1
	for n < len(r) && (r[n] == emojiStyle || within(r[n], firstTone, lastTone) || within(r[n], firstTag, lastTag)) {
		n++
	}
	return n
}

func isPicture(r rune) bool {
	switch r {
	case '\u203c', '\u2049', '\u2139', '\u3030': // signs that are emoji too
		return true
	}
	return !isFlag(r) && (within(r, firstPicture, lastPicture) || r > unicode.MaxASCII && unicode.In(r, unicode.So, unicode.Sm))
}

func isFlag(r rune) bool { return within(r, firstFlag, lastFlag) }

func isKeycapBase(r rune) bool { return within(r, '0', '9') || r == '#' || r == '*' }

func within(r, first, last rune) bool { return first <= r && r <= last }
