package engine

// Contact is the customer as a channel knows them. Any field may be empty:
// customers with a username may hide their number.
type Contact struct {
	Name   string
	WaID   string // the WhatsApp number, as it came and never rewritten
	UserID string // the business-scoped user id
}

// IdentityKind is what sort of identity it is. The numbers are on disk: never
// reordered, never reused.
type IdentityKind uint8

const (
	IdentityWaID   IdentityKind = 1
	IdentityUserID IdentityKind = 2
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
	if c.WaID != "" {
		ids = append(ids, Identity{IdentityWaID, c.WaID})
	}
	return ids
}

// merge is c with what newer says; what newer leaves out stays.
func (c Contact) merge(newer Contact) Contact {
	if newer.Name != "" {
		c.Name = newer.Name
	}
	if newer.WaID != "" && c.WaID == "" {
		c.WaID = newer.WaID
	}
	if newer.UserID != "" && c.UserID == "" {
		c.UserID = newer.UserID
	}
	return c
}
