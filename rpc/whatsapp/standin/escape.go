package standin

import (
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendEscaped copies valid JSON in the form in which Meta sends it: pure
// ASCII, with every slash escaped. A receiver that parses and serialises again
// before it verifies gets other bytes, and so another signature.
func appendEscaped(dst, valid []byte) []byte {
	for i := 0; i < len(valid); {
		c := valid[i]
		switch {
		case c == '\\':
			// An escape of two bytes stays as it is, a \/ included.
			dst = append(dst, c, valid[i+1])
			i += 2
		case c == '/':
			dst = append(dst, '\\', '/')
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, size := utf8.DecodeRune(valid[i:])
			dst = appendRune(dst, r)
			i += size
		}
	}
	return dst
}

// appendString quotes and escapes a string.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\' || r == '/':
			dst = append(dst, '\\', byte(r))
		case r < ' ' || r >= utf8.RuneSelf:
			dst = appendRune(dst, r)
		default:
			dst = append(dst, byte(r))
		}
	}
	return append(dst, '"')
}

// appendField writes a member whose name needs no escaping.
func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return appendString(dst, value)
}

func appendRune(dst []byte, r rune) []byte {
	if r > 0xffff {
		high, low := utf16.EncodeRune(r)
		return appendRune(appendRune(dst, high), low)
	}
	return append(dst, '\\', 'u',
		hexDigits[r>>12&0xf], hexDigits[r>>8&0xf], hexDigits[r>>4&0xf], hexDigits[r&0xf])
}
