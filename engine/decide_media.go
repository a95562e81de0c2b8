package engine

// HasFile reports whether c came with a file that the platform keeps for a
// while: it is to be downloaded.
func (c Content) HasFile() bool { return c.Kind.IsMedia() && c.Media != nil && c.Media.ID != "" }

// refuseFile gives the file up that the newest event brought, when too many wait
// already.
func (d *decision) refuseFile(content Content) {
	if !content.HasFile() || len(d.c.Media) < MaxPendingMedia {
		return
	}
	message := d.events[len(d.events)-1].Version
	d.emit(MediaChanged{Message: message, State: MediaFailed})
}

func (d *decision) recordMedia(b RecordMedia) error {
	switch {
	case b.State == 0 || b.State >= mediaStateCount:
		return &Error{Code: CodeInvalid, Field: "state", Problem: "is not how a download ends"}
	case b.State == MediaStored && !b.Blob.valid():
		return &Error{Code: CodeInvalid, Field: "blob", Problem: "must be a SHA-256 in lower-case hexadecimal digits"}
	}
	i := d.c.pendingMedia(b.Message)
	if i < 0 {
		return nil // settled before
	}
	change := MediaChanged{Message: b.Message, State: b.State, Attempt: max(b.Attempt, d.c.Media[i].Attempt)}
	switch {
	case b.State == MediaStored:
		change.Blob, change.Bytes = b.Blob, b.Bytes
	case b.State == MediaPending && change.Attempt >= MaxMediaAttempts:
		change.State = MediaFailed
	case b.State == MediaPending:
		change.NotBefore = max(b.RetryAt, d.now)
	}
	d.emit(change)
	return nil
}

// pendingMedia is where the file of message stands among those that wait, or -1.
func (c *Conversation) pendingMedia(message uint64) int {
	for i := range c.Media {
		if c.Media[i].Message == message {
			return i
		}
	}
	return -1
}

// MediaDue is when a file is to be downloaded next; zero: none waits.
func (c *Conversation) MediaDue() Instant {
	var due Instant
	for _, m := range c.Media {
		if due == 0 || m.NotBefore < due {
			due = m.NotBefore
		}
	}
	return due
}

// valid reports whether b names a file.
func (b BlobID) valid() bool {
	if len(b) != 64 {
		return false
	}
	for _, digit := range []byte(b) {
		if !isDigit(digit) && (digit < 'a' || digit > 'f') {
			return false
		}
	}
	return true
}
