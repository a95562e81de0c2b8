package whatsapp

import (
	"encoding/json"
	"unicode/utf8"
)

// Every level of a webhook is taken apart by itself, so that one rotten item
// takes nobody with it. encoding/json would look through what is below each level
// twice more, in all some fifteen times. What is here looks once a level, and
// rests on the body having been found valid as a whole: of what is no JSON it
// answers anything, but never reads beyond its end.

// members calls use for each member of raw, in order, and reports whether raw is
// an object. Of a name that stands twice the last one counts, as in encoding/json.
func members(raw json.RawMessage, use func(name string, value json.RawMessage)) bool {
	if len(raw) == 0 || raw[0] != '{' {
		return false
	}
	for i := 1; ; {
		i = space(raw, i)
		if i >= len(raw) || raw[i] != '"' {
			return true // the end
		}
		end := value(raw, i)
		name := raw[i:end]
		i = space(raw, end)
		i = space(raw, i+1) // the colon
		end = value(raw, i)
		if i >= end {
			return true
		}
		text, _ := unquote(name)
		use(text, raw[i:end:end])
		i = space(raw, end) + 1 // the comma
	}
}

// elements are those of raw, if it is an array.
func elements(raw json.RawMessage) ([]json.RawMessage, bool) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil, false
	}
	list := make([]json.RawMessage, 0, 1)
	for i := 1; ; {
		i = space(raw, i)
		if i >= len(raw) || raw[i] == ']' {
			return list, true
		}
		end := value(raw, i)
		if end <= i {
			return list, true
		}
		list = append(list, raw[i:end:end])
		i = space(raw, end) + 1 // the comma
	}
}

// unquote is the text of a string. encoding/json does what takes more than
// copying.
func unquote(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	inner := raw[1 : len(raw)-1]
	for _, c := range inner {
		if c == '\\' || c >= utf8.RuneSelf {
			var text string
			err := json.Unmarshal(raw, &text)
			return text, err == nil
		}
	}
	return string(inner), true
}

// space is where the white space at i ends.
func space(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r') {
		i++
	}
	return i
}

// value is where the value at i ends.
func value(raw []byte, i int) int {
	for depth := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i = closing(raw, i)
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		case ',', ':', ' ', '\n', '\t', '\r':
			continue
		default:
			i = literal(raw, i)
		}
		if depth <= 0 {
			return min(i+1, len(raw))
		}
	}
	return len(raw)
}

// closing is where the string that begins at i has its closing quote.
func closing(raw []byte, i int) int {
	for i++; i < len(raw) && raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			i++
		}
	}
	return i
}

// literal is where the number, or the word, at i has its last byte.
func literal(raw []byte, i int) int {
	for i+1 < len(raw) {
		switch raw[i+1] {
		case ',', ':', ']', '}', ' ', '\n', '\t', '\r':
			return i
		}
		i++
	}
	return i
}
