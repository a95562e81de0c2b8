package whatsapp

import (
	"encoding/json"

	"github.com/intervenehq/intervene/engine"
)

// sharedCard is one shared contact. Its lists are read entry by entry.
type sharedCard struct {
	Name struct {
		Formatted lenientString `json:"formatted_name"`
		First     lenientString `json:"first_name"`
		Last      lenientString `json:"last_name"`
		Middle    lenientString `json:"middle_name"`
		Prefix    lenientString `json:"prefix"`
		Suffix    lenientString `json:"suffix"`
	} `json:"name"`
	Birthday lenientString `json:"birthday"`
	Org      struct {
		Company    lenientString `json:"company"`
		Department lenientString `json:"department"`
		Title      lenientString `json:"title"`
	} `json:"org"`
	Phones    json.RawMessage `json:"phones"`
	Emails    json.RawMessage `json:"emails"`
	URLs      json.RawMessage `json:"urls"`
	Addresses json.RawMessage `json:"addresses"`
}

// sharedEntry is one entry of any of a card's lists.
type sharedEntry struct {
	Type        lenientString `json:"type"`
	Phone       lenientString `json:"phone"`
	WaID        lenientString `json:"wa_id"`
	Email       lenientString `json:"email"`
	URL         lenientString `json:"url"`
	Street      lenientString `json:"street"`
	City        lenientString `json:"city"`
	State       lenientString `json:"state"`
	Zip         lenientString `json:"zip"`
	Country     lenientString `json:"country"`
	CountryCode lenientString `json:"country_code"`
}

// cards are the contacts that a customer shared. What is no card is left out; if
// nothing is one, the message is kept raw.
func (r *reader) cards(raw json.RawMessage) (engine.Content, bool) {
	shared, ok := list(raw)
	if !ok {
		return engine.Content{}, false
	}
	var cards []engine.ContactCard
	for _, raw := range few(r, shared, MaxCards) {
		var card sharedCard
		if !object(raw, &card) {
			r.lost = true // and what fits of it is kept
		}
		if raw[0] == '{' {
			cards = append(cards, r.card(&card))
		}
	}
	return engine.Content{Kind: engine.ContentContacts, Contacts: cards}, len(cards) > 0
}

func (r *reader) card(wire *sharedCard) engine.ContactCard {
	short := func(s lenientString) string { return r.clip(s, MaxNameBytes) }
	card := engine.ContactCard{
		Name: engine.CardName{
			Formatted: short(wire.Name.Formatted), First: short(wire.Name.First), Last: short(wire.Name.Last),
			Middle: short(wire.Name.Middle), Prefix: short(wire.Name.Prefix), Suffix: short(wire.Name.Suffix),
		},
		Birthday: short(wire.Birthday),
		Org: engine.CardOrg{
			Company: short(wire.Org.Company), Department: short(wire.Org.Department), Title: short(wire.Org.Title),
		},
	}
	for _, e := range r.entries(wire.Phones) {
		card.Phones = append(card.Phones, engine.CardPhone{Phone: short(e.Phone), Type: short(e.Type), WaID: short(e.WaID)})
	}
	for _, e := range r.entries(wire.Emails) {
		card.Emails = append(card.Emails, engine.CardEmail{Email: short(e.Email), Type: short(e.Type)})
	}
	for _, e := range r.entries(wire.URLs) {
		card.URLs = append(card.URLs, engine.CardURL{URL: r.clip(e.URL, MaxURLBytes), Type: short(e.Type)})
	}
	for _, e := range r.entries(wire.Addresses) {
		card.Addresses = append(card.Addresses, engine.CardAddress{
			Street: short(e.Street), City: short(e.City), State: short(e.State), Zip: short(e.Zip),
			Country: short(e.Country), CountryCode: short(e.CountryCode), Type: short(e.Type),
		})
	}
	return card
}

func (r *reader) entries(raw json.RawMessage) []sharedEntry {
	listed, ok := list(raw)
	r.lost = r.lost || !ok
	var entries []sharedEntry
	for _, raw := range few(r, listed, MaxCardEntries) {
		var entry sharedEntry
		if !object(raw, &entry) {
			r.lost = true
			continue
		}
		entries = append(entries, entry)
	}
	return entries
}
