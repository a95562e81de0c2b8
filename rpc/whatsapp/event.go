package whatsapp

import "github.com/intervenehq/intervene/engine"

// eventKind is what came, as metrics count it. A message counts as the kind of
// its content.
type eventKind string

const (
	eventReaction       eventKind = "reaction" // or its removal
	eventEdit           eventKind = "edit"
	eventRevoke         eventKind = "revoke"
	eventEcho           eventKind = "echo"
	eventContactChanged eventKind = "contact_changed"
	eventConsentStop    eventKind = "consent_stop"
	eventConsentResume  eventKind = "consent_resume"

	eventStatusSent      eventKind = "status_sent"
	eventStatusDelivered eventKind = "status_delivered"
	eventStatusRead      eventKind = "status_read"
	eventStatusPlayed    eventKind = "status_played"
	eventStatusFailed    eventKind = "status_failed"
	eventStatusDeleted   eventKind = "status_deleted" // counted, and nothing more
)

var eventKinds = [...]eventKind{
	eventReaction, eventEdit, eventRevoke, eventEcho, eventContactChanged, eventConsentStop, eventConsentResume,
	eventStatusSent, eventStatusDelivered, eventStatusRead, eventStatusPlayed, eventStatusFailed,
	eventStatusDeleted,
}

// eventOf is the kind of a message; there are as many as kinds of content.
func eventOf(kind engine.ContentKind) eventKind { return eventKind(kind.String()) }
