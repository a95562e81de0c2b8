package engine

import "slices"

// revokedPreview is what a card shows of a message that was taken back.
const revokedPreview = "[revoked]"

// show makes the message that external names, empty for one of ours, the newest
// that the card shows, as what came ahead of it made it.
func (c *Conversation) show(external string, content Content, at Instant) {
	c.Preview, c.PreviewOf, c.LastActivity = content.Preview(), external, at
	if i := c.amendedAhead(external); i >= 0 {
		c.Preview = c.Ahead[i].shown()
	}
}

// shown is the preview of the message that a is about.
func (a AmendedAhead) shown() string {
	if a.Preview == "" {
		return revokedPreview
	}
	return a.Preview
}

// amendedAhead is where what was made of target stands in Ahead, or -1.
func (c *Conversation) amendedAhead(target string) int {
	if target == "" {
		return -1
	}
	for i := range c.Ahead {
		if c.Ahead[i].Target == target {
			return i
		}
	}
	return -1
}

// applyAmended keeps what an edit or a revocation makes of a preview. The newest
// edit by the platform's clock counts, and nothing after a revocation.
func (c *Conversation) applyAmended(b Amended) {
	ahead := AmendedAhead{Target: b.Target, SentAt: b.SentAt}
	switch b.What {
	case Edited:
		ahead.Preview = b.Content.Preview()
	case Revoked:
	default:
		return
	}
	others := c.Ahead
	if i := c.amendedAhead(b.Target); i >= 0 {
		before := c.Ahead[i]
		if before.Preview == "" || (b.What == Edited && b.SentAt < before.SentAt) {
			return
		}
		others = slices.Delete(slices.Clone(c.Ahead), i, i+1)
	}
	c.Ahead = appendBounded(others, ahead, MaxAmendedAhead)
	if b.Target != "" && b.Target == c.PreviewOf {
		c.Preview = ahead.shown()
	}
}

// appendBounded is a new slice of list and item, without the oldest past limit.
func appendBounded[T any](list []T, item T, limit int) []T {
	list = append(slices.Clone(list), item)
	return list[max(0, len(list)-limit):]
}
