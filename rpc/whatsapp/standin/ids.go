package standin

import (
	"encoding/base64"
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"
)

// AppID names an app of Meta's: one app secret and one webhook.
type AppID string

// PhoneNumberID is Meta's ID of one WhatsApp number. It is not the number.
type PhoneNumberID string

// BusinessID is a WhatsApp Business Account ID, which webhook entries carry.
type BusinessID string

// WAMID is the ID of one message, given by WhatsApp.
type WAMID string

// MediaID names media that was uploaded or that a customer sent.
type MediaID string

// Identity is what a contact is known by: a wa_id (digits), a business-scoped
// user ID, or a parent user ID.
type Identity string

func (id AppID) String() string         { return string(id) }
func (id PhoneNumberID) String() string { return string(id) }
func (id BusinessID) String() string    { return string(id) }
func (id WAMID) String() string         { return string(id) }
func (id MediaID) String() string       { return string(id) }
func (id Identity) String() string      { return string(id) }

var (
	userIDPattern  = regexp.MustCompile(`^[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}$`)
	digitsPattern  = regexp.MustCompile(`^[0-9]{5,15}$`)
	versionPattern = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]{1,2}$`)
)

// IsParentID tells a parent user ID, which is shared by several businesses.
func (id Identity) IsParentID() bool {
	return id.IsUserID() && strings.HasPrefix(string(id)[len("XX."):], "ENT.")
}

// IsUserID tells a business-scoped user ID from a wa_id.
func (id Identity) IsUserID() bool { return userIDPattern.MatchString(string(id)) }

// ParseIdentity reads a user ID, or a phone number in any of the ways that
// senders write it: with a plus, spaces, dashes, dots or parentheses.
func ParseIdentity(s string) (Identity, bool) {
	if userIDPattern.MatchString(s) {
		return Identity(s), true
	}
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune("+-. ()", r) {
			return -1
		}
		return r
	}, s)
	if !digitsPattern.MatchString(digits) {
		return "", false
	}
	return Identity(digits), true
}

// newWAMID looks like Meta's, padding and '+' included, but unlike Meta's it
// holds no phone number: a WAMID may then stand where a number may not.
func (s seed) newWAMID(direction string, number PhoneNumberID, contact Identity, ordinal int) WAMID {
	raw := []byte{0x1c, 0x18, 0x0b, 0x15, 0x02, 0x00, 0x11, 0x18}
	for _, half := range []string{"a", "b"} {
		lot := s.draw("wamid", half, direction, string(number), string(contact), itoa(ordinal))
		raw = binary.BigEndian.AppendUint64(raw, lot)
	}
	return WAMID("wamid." + base64.StdEncoding.EncodeToString(append(raw, 0)))
}

// objectID looks like Graph's IDs: 15 digits.
func (s seed) objectID(parts ...string) string {
	const lowest, span = 100_000_000_000_000, 900_000_000_000_000
	return strconv.FormatUint(lowest+s.draw(append([]string{"object"}, parts...)...)%span, 10)
}
