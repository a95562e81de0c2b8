package engine

import "slices"

// Contact is the customer as a channel knows them. Any field may be empty:
// customers with a username may hide their number.
type Contact struct {
	Name   string
	WaID   string // the WhatsApp number, as it came and never rewritten
	UserID string // the business-scoped user id
	// ParentUserID is the user id within the parent business, where there is one.
	ParentUserID string
}

// IdentityKind is what sort of identity it is. The numbers are on disk: never
// reordered, never reused.
type IdentityKind uint8

const (
	IdentityWaID   IdentityKind = 1
	IdentityUserID IdentityKind = 2
	IdentityParent IdentityKind = 3
)

// Identity is one of the names under which a channel knows a contact. It
// belongs to one conversation of the channel.
type Identity struct {
	Kind  IdentityKind
	Value string
}

// Identities are those that c is known under, the steadier ones first.
func (c Contact) Identities() []Identity {
	var ids []Identity
	if c.UserID != "" {
		ids = append(ids, Identity{IdentityUserID, c.UserID})
	}
	if c.ParentUserID != "" {
		ids = append(ids, Identity{IdentityParent, c.ParentUserID})
	}
	if c.WaID != "" {
		ids = append(ids, Identity{IdentityWaID, c.WaID})
	}
	return ids
}

// merge is c with what another item says of the contact; what it leaves out
// stays. Only what is newer replaces identities, and a number is not replaced by
// another way to write it.
func (c Contact) merge(other Contact, newer bool) Contact {
	if other.Name != "" {
		c.Name = other.Name
	}
	if other.WaID != "" && (c.WaID == "" || newer && !slices.Contains(Variants(c.WaID), other.WaID)) {
		c.WaID = other.WaID
	}
	if other.UserID != "" && (c.UserID == "" || newer) {
		c.UserID = other.UserID
	}
	if other.ParentUserID != "" && (c.ParentUserID == "" || newer) {
		c.ParentUserID = other.ParentUserID
	}
	return c
}

// Variants are other ways in which WhatsApp writes the same number: with and
// without the 9 of Brazilian mobiles, the 9 of Argentinian ones and the 1 of
// Mexican ones. They are for looking up, never for storing or sending.
func Variants(waID string) []string {
	for _, digit := range []byte(waID) {
		if !isDigit(digit) {
			return nil
		}
	}
	switch country, rest := waID[:min(2, len(waID))], waID[min(2, len(waID)):]; {
	case country == "55" && len(rest) == 11 && rest[2] == '9' && isBrazilMobile(rest[3:]):
		return []string{"55" + rest[:2] + rest[3:]}
	case country == "55" && len(rest) == 10 && isBrazilMobile(rest[2:]):
		return []string{"55" + rest[:2] + "9" + rest[2:]}
	case country == "54" && len(rest) == 11 && rest[0] == '9':
		return []string{"54" + rest[1:]}
	case country == "54" && len(rest) == 10:
		return []string{"549" + rest}
	case country == "52" && len(rest) == 11 && rest[0] == '1':
		return []string{"52" + rest[1:]}
	case country == "52" && len(rest) == 10:
		return []string{"521" + rest}
	}
	return nil
}

// isBrazilMobile tells the eight digits of a mobile from those of a landline,
// which is somebody else's number.
func isBrazilMobile(digits string) bool { return digits[0] < '2' || digits[0] > '5' }

func isDigit(b byte) bool { return '0' <= b && b <= '9' }
