package engine

import (
	"iter"
	"time"
)

// DeliveryState is how far a send has come. The numbers are on disk and on the
// wire: never reordered, never reused.
type DeliveryState uint8

const (
	Queued     DeliveryState = 1
	Attempted  DeliveryState = 2
	Unknown    DeliveryState = 3 // attempted, and nobody knows whether it was sent
	Accepted   DeliveryState = 4 // the platform took it and named it
	Sent       DeliveryState = 5
	Delivered  DeliveryState = 6
	Read       DeliveryState = 7
	Played     DeliveryState = 8
	Failed     DeliveryState = 9  // accepted and then failed
	Rejected   DeliveryState = 10 // the platform, or the closed window, refused it
	Discarded  DeliveryState = 11 // a hand-over took the word from the bot before it was sent
	stateCount               = 12
)

var stateNames = [stateCount]string{
	"none", "queued", "attempted", "unknown", "accepted", "sent", "delivered", "read", "played", "failed", "rejected", "discarded",
}

func (s DeliveryState) String() string { return nameOf(stateNames[:], int(s)) }

// final reports that no status changes s any more.
func (s DeliveryState) final() bool { return s == Failed || s == Rejected || s == Discarded }

// Before reports whether a report of next moves a send in state s forward.
// Reports come repeated and out of order; those that do not are dropped.
func (s DeliveryState) Before(next DeliveryState) bool {
	switch {
	case s.final():
		return false
	case next == Failed:
		return s < Delivered
	default:
		return s < next
	}
}

// Delivery is what is known of one send.
type Delivery struct {
	State    DeliveryState
	Attempt  uint32
	External string
	Error    int32
	Detail   string
	At       Instant
	// Repeated says that the customer may have got it twice.
	Repeated bool
	// ResentAs is the version of the message that repeats it, 0: none.
	ResentAs uint64
}

// Fold is d after change, which happened at.
func (d Delivery) Fold(change DeliveryChanged, at Instant) Delivery {
	d.State, d.At, d.Error, d.Detail = change.State, at, change.Error, change.Detail
	d.Repeated = d.Repeated || change.Repeated
	d.Attempt = max(d.Attempt, change.Attempt)
	if change.External != "" {
		d.External = change.External
	}
	return d
}

// KnownDelivery is how far the message that the event Send queued has come.
type KnownDelivery struct {
	Send     uint64
	Delivery Delivery
}

// Send is one queued message that may still reach the platform. The oldest of
// a conversation is the only one that may be Attempted.
type Send struct {
	Version uint64 // of the MessageQueued
	By      PartyKind
	// State is Queued or Attempted; Unknown while a Repeatable one waits for its
	// repetition.
	State   DeliveryState
	Attempt uint32
	// Held is how many of the attempts do not count.
	Held uint32
	// Template may go outside the window; Marketing not to those who opted out.
	Template  bool
	Marketing bool
	// Repeatable may be repeated once, which it has not been yet.
	Repeatable bool
	// NotBefore is when a Queued send may be attempted, and when an Attempted
	// one, of which nothing was heard, counts as Unknown.
	NotBefore Instant
}

const (
	// AttemptTimeout is how long after Attempted an outcome may come; then, as
	// after a crash, the outcome is Unknown.
	AttemptTimeout = 30 * time.Second
	// MaxAttempts bounds the retries of what is known not to have been sent.
	MaxAttempts = 8
	// SentWait is how long the next send waits for the `sent` status of the
	// one before it: the platform itself keeps no order.
	SentWait = 5 * time.Second
	// UnknownWait is how long the next send waits for a status that settles an
	// Unknown one.
	UnknownWait = 45 * time.Second
	// MaxMediaAttempts bounds the downloads of one file that came, MediaExpiry how
	// long the platform keeps it.
	MaxMediaAttempts = 48
	MediaExpiry      = 7 * 24 * time.Hour
	// MaxPendingMedia bounds the files of one conversation that wait to be
	// downloaded: more than these are Failed at once.
	MaxPendingMedia = 100
	// MaxLinked and MaxAmendedAhead bound what a conversation remembers of other
	// conversations, and of amendments whose message may still come.
	MaxLinked       = 8
	MaxAmendedAhead = 16
	// MaxQueuedSends bounds what waits to be sent in one conversation.
	MaxQueuedSends = 100
)

// MediaState is how far the file of a message that came has got. The numbers
// are on disk and on the wire: never reordered, never reused.
type MediaState uint8

const (
	MediaPending    MediaState = 1
	MediaStored     MediaState = 2
	MediaFailed     MediaState = 3 // it is too large, or not what was announced, or could not be had
	MediaExpired    MediaState = 4 // the platform has it no more
	mediaStateCount            = 5
)

var mediaStateNames = [mediaStateCount]string{"none", "pending", "stored", "failed", "expired"}

func (s MediaState) String() string { return nameOf(mediaStateNames[:], int(s)) }

// MediaStates are all of them.
func MediaStates() iter.Seq[MediaState] { return numbered[MediaState](mediaStateCount) }

// MediaStatus is what is known of one file that came.
type MediaStatus struct {
	State MediaState
	Blob  BlobID
	Bytes int64
}

// PendingMedia is one file that waits to be downloaded.
type PendingMedia struct {
	Message   uint64 // version of the message that brought it
	Attempt   uint32
	NotBefore Instant
}
