package whatsapp

import (
	"encoding/json"

	"github.com/intervenehq/intervene/engine"
)

// refersTo is the message that m answers, and what else it refers to. What
// cannot be read of it is no reason to lose a message.
func (m *item) refersTo(r *reader) (replyTo string, context *engine.Context) {
	if m.context == nil && m.referral == nil && m.kind != "interactive" {
		return "", nil
	}
	var wire struct {
		ID             lenientString   `json:"id"`
		Forwarded      lenientBool     `json:"forwarded"`
		ForwardedOften lenientBool     `json:"frequently_forwarded"`
		Product        json.RawMessage `json:"referred_product"`
	}
	if m.context != nil && !object(m.context, &wire) {
		r.lost = true
	}
	found := engine.Context{
		Forwarded: bool(wire.Forwarded || wire.ForwardedOften), ForwardedOften: bool(wire.ForwardedOften),
		Product: r.product(wire.Product), Referral: r.referral(m.referral),
	}
	if found.Product == nil && m.kind == "interactive" {
		found.Product = r.product(memberOf(m.object("interactive"), "product"))
	}
	if found != (engine.Context{}) {
		context = &found
	}
	return r.whole(string(wire.ID), MaxExternalBytes), context
}

// referral is the ad or the post that led the customer here. Its pictures are
// not kept: their URLs expire.
func (r *reader) referral(raw json.RawMessage) *engine.Referral {
	var wire struct {
		SourceURL  lenientString `json:"source_url"`
		SourceID   lenientString `json:"source_id"`
		SourceType lenientString `json:"source_type"`
		Headline   lenientString `json:"headline"`
		Body       lenientString `json:"body"`
		MediaType  lenientString `json:"media_type"`
		ClickID    lenientString `json:"ctwa_clid"`
	}
	if raw == nil || !object(raw, &wire) {
		return nil
	}
	return &engine.Referral{
		SourceURL: r.clip(wire.SourceURL, MaxURLBytes), SourceID: r.clip(wire.SourceID, MaxNameBytes),
		SourceType: r.clip(wire.SourceType, MaxNameBytes), Headline: r.clip(wire.Headline, MaxNameBytes),
		Body: r.clip(wire.Body, MaxNameBytes), MediaType: r.clip(wire.MediaType, MaxNameBytes),
		ClickID: r.clip(wire.ClickID, MaxURLBytes),
	}
}
