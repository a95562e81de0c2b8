package whatsapp

import "unicode/utf8"

const (
	// MaxExternalBytes bounds the IDs that are taken from Meta: wamids and the
	// identities of contacts. Real ones have at most 150.
	MaxExternalBytes = 512
	// MaxContentBytes bounds all strings of one message together.
	MaxContentBytes = 512 << 10
	// MaxTextBytes bounds what is kept of a customer's text. WhatsApp's own
	// limit is 65,536 characters.
	MaxTextBytes = 256 << 10
	// MaxRawBytes bounds the JSON kept of a message of an unsupported type, and of
	// a flow's answers: what is larger is not kept, for half an object is none.
	MaxRawBytes = 256 << 10
	// MaxNameBytes bounds every short string: names, titles, payloads, MIME types,
	// addresses, phone numbers, currencies.
	MaxNameBytes = 1 << 10
	// MaxURLBytes bounds a URL, and the click id of an ad.
	MaxURLBytes = 4 << 10
	// MaxDetailBytes bounds what is kept of Meta's words about an error.
	MaxDetailBytes = 1 << 10
	// MaxCards bounds the shared contacts of one message, MaxCardEntries the
	// numbers, mails, URLs and addresses of one of them, each.
	MaxCards       = 256
	MaxCardEntries = 32
	// MaxOrderItems bounds the lines of one order.
	MaxOrderItems = 512
)

// reader reads what one item says, within the limits above. What goes beyond
// them is cut or dropped, and the item stays.
type reader struct {
	left int  // bytes that the item may still take
	cut  bool // something of it was too large to be kept
	lost bool // something of it could not be read
}

func newReader() reader { return reader{left: MaxContentBytes} }

// clip is s, or as much of it as may be kept.
func (r *reader) clip(s lenientString, limit int) string {
	kept := clip(string(s), min(limit, r.left))
	r.left -= len(kept)
	r.cut = r.cut || len(kept) < len(s)
	return kept
}

// whole is s, or nothing: part of an ID or of an object would be another one.
func (r *reader) whole(s string, limit int) string {
	if len(s) > min(limit, r.left) {
		r.cut = true
		return ""
	}
	r.left -= len(s)
	return s
}

// few are the first of list that may be kept.
func few[T any](r *reader, list []T, limit int) []T {
	if len(list) <= limit {
		return list
	}
	r.cut = true
	return list[:limit]
}

// clip is s, or as many of its whole runes as limit bytes hold.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
