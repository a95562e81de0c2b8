package engine

import "time"

// RetentionStep is how often a conversation is trimmed at most: content may
// outlive its retention by so much.
const RetentionStep = 24 * time.Hour

// armRetention begins to count when the first content comes under a policy.
func (d *decision) armRetention() {
	if d.policy.Retention > 0 && d.c.RetentionTimer == 0 {
		d.emit(TimerArmed{Timer: DueRetention, At: d.now.Add(d.policy.Retention)})
	}
}

// retain lets go of what was kept long enough. A conversation whose newest
// message was so loses everything, and goes whole if it stands in History; but
// that somebody wants no marketing is remembered, for they might be sent some.
func (d *decision) retain(oldestKept uint64) {
	c := d.c
	if d.policy.Retention <= 0 {
		d.emit(TimerArmed{Timer: DueRetention}) // the policy is gone: so is the timer
		return
	}
	stale := c.LastActivity.Add(d.policy.Retention) <= d.now
	switch {
	case stale && c.Column == History && !c.OptedOut:
		d.emit(Erased{})
		return
	case stale:
		oldestKept = c.Version + 1 // the newest message is the measure of all
	}
	keep := min(oldestKept, c.oldestNeeded())
	if keep > max(c.OldestKept, 1) {
		d.emit(Trimmed{OldestKept: keep})
	}
	next := TimerArmed{Timer: DueRetention, At: d.now.Add(RetentionStep)}
	if stale && c.Column == History && keep > c.Version {
		next.At = 0 // nothing is left; the next content arms it anew
	}
	d.emit(next)
}

// oldestNeeded is the version of the oldest event that work still reads, or the
// next one's: whatever waits for an answer, for its sending or for its file.
func (c *Conversation) oldestNeeded() uint64 {
	oldest := c.Version + 1
	if c.Turn.Message != 0 {
		oldest = min(oldest, c.Turn.From)
	}
	if len(c.Sends) > 0 {
		oldest = min(oldest, c.Sends[0].Version)
	}
	if len(c.Media) > 0 {
		oldest = min(oldest, c.Media[0].Message)
	}
	return oldest
}
