package engine

import (
	"fmt"
	"time"
)

func (l *limits) contacts(cards []ContactCard) {
	l.count("contacts.contacts", len(cards), 1, MaxContactCards)
	for i := range cards {
		if l.first != nil {
			return
		}
		l.card(fmt.Sprintf("contacts.contacts[%d]", i), &cards[i])
	}
}

// card holds one contact card. The platform wants one part of the name besides
// the formatted one (developers.facebook.com/docs/whatsapp/cloud-api/messages/contacts-messages).
func (l *limits) card(name string, card *ContactCard) {
	n := card.Name
	l.text(name+".name.formatted_name", n.Formatted, 1, MaxCardRunes)
	l.that(n.First+n.Last+n.Middle+n.Prefix+n.Suffix != "", name+".name", "must have one part besides the formatted name")
	l.fields(name+".name", field{"first_name", n.First}, field{"last_name", n.Last}, field{"middle_name", n.Middle},
		field{"prefix", n.Prefix}, field{"suffix", n.Suffix})
	if card.Birthday != "" {
		_, err := time.Parse(time.DateOnly, card.Birthday)
		l.that(err == nil, name+".birthday", "must be a date as YYYY-MM-DD")
	}
	o := card.Org
	l.fields(name+".org", field{"company", o.Company}, field{"department", o.Department}, field{"title", o.Title})

	l.count(name+".phones", len(card.Phones), 0, MaxCardEntries)
	l.count(name+".emails", len(card.Emails), 0, MaxCardEntries)
	l.count(name+".urls", len(card.URLs), 0, MaxCardEntries)
	l.count(name+".addresses", len(card.Addresses), 0, MaxCardEntries)
	if l.first == nil {
		l.cardEntries(name, card)
	}
}

func (l *limits) cardEntries(name string, card *ContactCard) {
	for i, p := range card.Phones {
		l.fields(fmt.Sprintf("%s.phones[%d]", name, i), field{"phone", p.Phone}, field{"type", p.Type}, field{"wa_id", p.WaID})
	}
	for i, e := range card.Emails {
		l.fields(fmt.Sprintf("%s.emails[%d]", name, i), field{"email", e.Email}, field{"type", e.Type})
	}
	for i, u := range card.URLs {
		l.fields(fmt.Sprintf("%s.urls[%d]", name, i), field{"url", u.URL}, field{"type", u.Type})
	}
	for i, a := range card.Addresses {
		l.fields(fmt.Sprintf("%s.addresses[%d]", name, i), field{"street", a.Street}, field{"city", a.City}, field{"state", a.State},
			field{"zip", a.Zip}, field{"country", a.Country}, field{"country_code", a.CountryCode}, field{"type", a.Type})
	}
}

// field is one text of a contact card.
type field struct{ name, value string }

func (l *limits) fields(name string, fields ...field) {
	for _, f := range fields {
		l.text(name+"."+f.name, f.value, 0, MaxCardRunes)
	}
}
