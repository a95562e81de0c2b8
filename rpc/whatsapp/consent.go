package whatsapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/intervenehq/intervene/engine"
)

const (
	// MaxKeywords bounds each of a channel's lists of keywords, MaxKeywordBytes
	// one of them.
	MaxKeywords     = 64
	MaxKeywordBytes = 64
)

// DefaultStopKeyword and DefaultStartKeyword serve a channel whose lists are both
// nil. One that wants no keywords has lists that are empty.
const (
	DefaultStopKeyword  = "STOP"
	DefaultStartKeyword = "START"
)

var consents = map[string]engine.Consent{"stop": engine.Stop, "resume": engine.Resume}

var consentEvents = map[engine.Consent]eventKind{
	engine.Stop:   eventConsentStop,
	engine.Resume: eventConsentResume,
}

// preference takes in what a customer chose about marketing in the app
// (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/user_preferences).
func (d *delivery) preference(raw json.RawMessage, channel Channel, contacts *contacts) {
	var wire struct {
		WaID         lenientString `json:"wa_id"`
		UserID       lenientString `json:"user_id"`
		ParentUserID lenientString `json:"parent_user_id"`
		Category     lenientString `json:"category"`
		Value        lenientString `json:"value"`
		Timestamp    lenientString `json:"timestamp"`
	}
	if !object(raw, &wire) {
		d.odd(oddConsent, notAnObject, 1)
		return
	}
	contact := d.identify(oddConsent, contacts.complete(engine.Contact{
		WaID: string(wire.WaID), UserID: string(wire.UserID), ParentUserID: string(wire.ParentUserID),
	}))
	consent := consents[string(wire.Value)]
	at, timed := instant(wire.Timestamp)
	switch {
	case wire.Category != "marketing_messages" || consent == 0:
		d.odd(oddConsent, unknownConsent, 1)
	case nobody(contact):
		d.odd(oddConsent, missingIdentity, 1)
	case oversized(contact):
		d.odd(oddConsent, oversizedID, 1)
	case !timed:
		d.odd(oddConsent, badTimestamp, 1)
	default:
		d.events[consentEvents[consent]]++
		d.items = append(d.items, engine.Inbound{
			Workspace: channel.Workspace, Channel: channel.ID,
			Consent: &engine.SetConsent{Channel: channel.ID, Contact: contact, Consent: consent, At: at},
		})
	}
}

// consent is what a message says of marketing by the channel's keywords: one of
// them has to be all that was written, or what stands on the button.
func (c *Channel) consent(content engine.Content) engine.Consent {
	if content.Kind != engine.ContentText && content.Kind != engine.ContentButtonReply {
		return 0
	}
	word := strings.TrimSpace(content.Text)
	if len(word) == 0 || len(word) > 2*MaxKeywordBytes { // letters of another case may be longer
		return 0
	}
	for _, keyword := range c.StopKeywords {
		if strings.EqualFold(word, keyword) {
			return engine.Stop
		}
	}
	for _, keyword := range c.StartKeywords {
		if strings.EqualFold(word, keyword) {
			return engine.Resume
		}
	}
	return 0
}

// withKeywords is c with the default keywords, if it says nothing of them.
func (c Channel) withKeywords() Channel {
	if c.StopKeywords == nil && c.StartKeywords == nil {
		c.StopKeywords, c.StartKeywords = []string{DefaultStopKeyword}, []string{DefaultStartKeyword}
	}
	return c
}

func (c Channel) validateKeywords() error {
	var errs []error
	for name, keywords := range map[string][]string{"stop_keywords": c.StopKeywords, "start_keywords": c.StartKeywords} {
		if len(keywords) > MaxKeywords {
			errs = append(errs, fmt.Errorf("%s has %d, want at most %d", name, len(keywords), MaxKeywords))
		}
		for _, keyword := range keywords {
			if keyword == "" || keyword != strings.TrimSpace(keyword) || len(keyword) > MaxKeywordBytes || !utf8.ValidString(keyword) {
				errs = append(errs, fmt.Errorf("%s must be of 1 to %d bytes without space around them", name, MaxKeywordBytes))
			}
		}
	}
	for _, stop := range c.StopKeywords {
		for _, start := range c.StartKeywords {
			if strings.EqualFold(stop, start) {
				errs = append(errs, errors.New("stop_keywords and start_keywords must have no word in common"))
			}
		}
	}
	return errors.Join(errs...)
}
