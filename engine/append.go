package engine

// Append is one conversation's next events with all that must become durable
// together with them. Whoever makes one leaves everything that it points to
// unchanged until the append is answered.
type Append struct {
	Conversation ConversationID
	// Expected is the version that the conversation stands at: the first event
	// is the one after it.
	Expected uint64
	Events   []Event
	// Before is the index at Expected, After the conversation with Events applied.
	Before Index
	After  *Conversation
	// Known are how far sends had come at Expected, as the caller knows it: a
	// journal need not look these up to fold what Events say of them.
	Known []KnownDelivery
}

// Change is what the log says of one append: no content, only what boards,
// counters and workers need. Offsets are ordered within one shard, and opaque
// to everybody but the journal.
type Change struct {
	Offset       uint64
	Conversation ConversationID
	Version      uint64
	Before       Index
	After        Index
	// At is the newest event's; zero in rows from before it was kept.
	At Instant
	// Cause is why it moved or changed hands; none if it did neither.
	Cause Cause
}

// Change is what the log says of a, without its offset; after is a.After's index.
func (a *Append) Change(after Index) Change {
	c := Change{Conversation: a.Conversation, Version: a.After.Version, At: a.After.Updated, Before: a.Before, After: after}
	if c.Before.Column != c.After.Column || c.Before.Holder != c.After.Holder {
		c.Cause = a.After.Cause
	}
	return c
}

// ClaimKind is what sort of uniqueness a claim asks for.
type ClaimKind uint8

const (
	// ClaimExternal: an item of the platform makes one event.
	ClaimExternal ClaimKind = 1
	// ClaimIdentity: an identity of a channel belongs to one conversation.
	ClaimIdentity ClaimKind = 2
)

// Claim is what an event may only become durable with if nobody else holds it.
// Claims follow from events alone, so that a journal can be checked against them.
type Claim struct {
	Kind    ClaimKind
	Channel ChannelID
	// External and SentAt are of a ClaimExternal, Identity of a ClaimIdentity.
	External string
	SentAt   Instant
	Identity Identity
}

// Claims are those of e, an event of a conversation on channel.
func Claims(channel ChannelID, e *Event) []Claim {
	switch b := e.Body.(type) {
	case Opened:
		return identityClaims(b.Channel, b.Contact)
	case ContactChanged:
		claims := identityClaims(channel, b.Contact)
		if b.External != "" {
			claims = append(claims, externalClaim(channel, b.External, b.SentAt))
		}
		return claims
	case MessageReceived:
		return []Claim{externalClaim(channel, b.External, b.SentAt)}
	case EchoReceived:
		return []Claim{externalClaim(channel, b.External, b.SentAt)}
	case Amended:
		return []Claim{externalClaim(channel, b.External, b.SentAt)}
	}
	return nil
}

func externalClaim(channel ChannelID, external string, sentAt Instant) Claim {
	return Claim{Kind: ClaimExternal, Channel: channel, External: external, SentAt: sentAt}
}

func identityClaims(channel ChannelID, contact Contact) []Claim {
	var claims []Claim
	for _, id := range contact.Identities() {
		claims = append(claims, Claim{Kind: ClaimIdentity, Channel: channel, Identity: id})
	}
	return claims
}

// ConflictError says who holds what an append claimed; duplicate tells an
// external item that is durable already.
func ConflictError(owner ConversationID, duplicate bool) *Error {
	return &Error{Code: CodeConflict, Owner: owner, Duplicate: duplicate}
}
