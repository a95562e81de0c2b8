package journal

import (
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/intervenehq/intervene/engine"
)

const (
	// dedupeRetention is how long after it first came an item that comes again
	// is known.
	dedupeRetention = 8 * 24 * time.Hour
	// dedupeFresh is how old an item may be by its own clock and still be
	// looked for under that clock alone. Rows are kept this much longer.
	dedupeFresh = 24 * time.Hour
	// dedupeSkew is how far ahead of ours the platform's clock may be.
	dedupeSkew = time.Minute
	// externalGeneration is how long at least the platform's ID of a send is
	// known, and at most half of how long.
	externalGeneration = 30 * 24 * time.Hour
)

// claim is an engine.Claim as rows know it.
type claim struct {
	kind engine.ClaimKind
	id   digest
	// Of an external item: its event, its own time, and when it came.
	version uint64
	sentAt  engine.Instant
	at      engine.Instant
}

// claimsOf are those of e, an event of a conversation on channel.
func claimsOf(claims []claim, channel engine.ChannelID, e *engine.Event) []claim {
	for _, c := range engine.Claims(channel, e) {
		switch c.Kind {
		case engine.ClaimExternal:
			claims = append(claims, claim{
				kind: c.Kind, id: externalDigest(c.Channel, c.External), version: e.Version, sentAt: c.SentAt, at: e.At,
			})
		case engine.ClaimIdentity:
			claims = append(claims, claim{kind: c.Kind, id: identityDigest(c.Channel, c.Identity)})
		}
	}
	return claims
}

func minuteOf(i engine.Instant) int64 {
	return int64(i.Truncate(time.Minute)) / time.Minute.Milliseconds()
}

// dayOf is the minute under which all that came on i's day too early or too
// late to be found under its own stands.
func dayOf(i engine.Instant) int64 { return minuteOf(i.Truncate(24 * time.Hour)) }

// minutes are those that an external item is written under. Its own is where
// it is looked for first, and expires with its neighbours. One that was old
// already when it came, or lies far ahead, is also written under the day when it
// came: only there it is kept for the whole retention.
func (c *claim) minutes() []int64 {
	switch {
	case c.sentAt < c.at.Add(-dedupeRetention), c.sentAt > c.at.Add(dedupeRetention):
		return []int64{dayOf(c.at)}
	case c.sentAt < c.at.Add(-dedupeFresh):
		return []int64{minuteOf(c.sentAt), dayOf(c.at)}
	}
	return []int64{minuteOf(c.sentAt)}
}

// probes are the minutes under which an external item is looked for: every
// one under which it may have been written when it came before.
func (c *claim) probes() []int64 {
	minutes := []int64{minuteOf(c.sentAt)}
	if c.sentAt >= c.at.Add(-dedupeFresh) && c.sentAt <= c.at.Add(dedupeSkew) {
		return minutes
	}
	for day := c.at; day >= c.at.Add(-dedupeRetention); day = day.Add(-24 * time.Hour) {
		minutes = append(minutes, dayOf(day))
	}
	return minutes
}

// holder finds who holds c among what is applied.
func (j *Journal) holder(r pebble.Reader, c *claim) (owner engine.ConversationID, held bool, err error) {
	use := func(value []byte) error {
		ref, err := decodeReference("claim", value)
		owner = ref.Conversation
		return err
	}
	var key [64]byte
	if c.kind == engine.ClaimIdentity {
		held, err = get(r, identityKey(key[:0], j.shard, c.id), use)
		return owner, held, err
	}
	for _, minute := range c.probes() {
		held, err = get(r, dedupeKey(key[:0], j.shard, minute, c.id), use)
		if held || err != nil {
			return owner, held, err
		}
	}
	return engine.ConversationID{}, false, nil
}

// conflict is the error of an append that claims what owner holds, if it is one.
func (c *claim) conflict(by, owner engine.ConversationID) *engine.Error {
	if c.kind == engine.ClaimExternal {
		return engine.ConflictError(owner, true)
	}
	if owner == by {
		return nil // a contact's identities are repeated whenever it changes
	}
	return engine.ConflictError(owner, false)
}

func generationOf(i engine.Instant) int64 {
	return int64(i.Truncate(externalGeneration)) / externalGeneration.Milliseconds()
}
