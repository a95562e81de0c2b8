package rpc

import (
	"testing"

	"github.com/intervenehq/intervene/engine"
)

func TestFindQueryMatches(t *testing.T) {
	tests := []struct {
		name, query string
		card        engine.Contact
		tags        []string
		want        bool
	}{
		{name: "whole name", query: "Nia Okoye", card: engine.Contact{Name: "Nia Okoye"}, want: true},
		{name: "beginnings in any order", query: "oko ni", card: engine.Contact{Name: "Nia Okoye"}, want: true},
		{name: "one word does not match", query: "nia smith", card: engine.Contact{Name: "Nia Okoye"}},
		{name: "not from the middle", query: "koye", card: engine.Contact{Name: "Nia Okoye"}},
		{name: "case", query: "NIA", card: engine.Contact{Name: "nia"}, want: true},
		{name: "accents of the name", query: "jose", card: engine.Contact{Name: "José Ñandú"}, want: true},
		{name: "accents of the query", query: "nandú", card: engine.Contact{Name: "Jose Nandu"}, want: true},
		{name: "full width", query: "nia", card: engine.Contact{Name: "Ｎｉａ"}, want: true},
		{name: "sharp s", query: "STRASSE", card: engine.Contact{Name: "Straße"}, want: true},
		{name: "Hindi", query: "कुल", card: engine.Contact{Name: "राम कुलकर्णी"}, want: true},
		{name: "Hindi vowels differ", query: "कल", card: engine.Contact{Name: "राम कुलकर्णी"}},
		{name: "Arabic without vowels", query: "محمد", card: engine.Contact{Name: "مُحَمَّد"}, want: true},
		{name: "Arabic with another alif", query: "احمد", card: engine.Contact{Name: "أحمد"}, want: true},
		{name: "Japanese voicing differs", query: "か", card: engine.Contact{Name: "が"}},
		{name: "apostrophes part words", query: "brien", card: engine.Contact{Name: "O'Brien"}, want: true},
		{name: "emoji part words", query: "nia", card: engine.Contact{Name: "🌸Nia🌸"}, want: true},
		{name: "no name", query: "nia", card: engine.Contact{WaID: "15550100"}},

		{name: "number", query: "15550100", card: engine.Contact{WaID: "15550100"}, want: true},
		{name: "number as written", query: "+1 (555) 01-00", card: engine.Contact{WaID: "15550100"}, want: true},
		{name: "number as dialled from abroad", query: "0015550100", card: engine.Contact{WaID: "15550100"}, want: true},
		{name: "number as dialled within", query: "098765 43210", card: engine.Contact{WaID: "919876543210"}, want: true},
		{name: "three digits of it", query: "501", card: engine.Contact{WaID: "15550100"}, want: true},
		{name: "two digits", query: "50", card: engine.Contact{WaID: "15550100"}},
		{name: "other digits", query: "502", card: engine.Contact{WaID: "15550100"}},
		{name: "digits among letters are a name", query: "nia 501", card: engine.Contact{Name: "Nia", WaID: "15550100"}},
		{name: "digits of a name", query: "50", card: engine.Contact{Name: "50 Cent"}, want: true},
		{name: "digits that are not Latin", query: "१२३", card: engine.Contact{Name: "nia", WaID: "123"}},

		{name: "tag", query: "vip", tags: []string{"new", "VIP-gold"}, want: true},
		{name: "beginning of a tag with a space", query: "late pay", tags: []string{"late payment"}, want: true},
		{name: "not the middle of a tag", query: "gold", tags: []string{"vip-gold"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q, ok := parseFindQuery(tt.query)
			if !ok {
				t.Fatal("got no query, want one")
			}
			if got := q.matches(&engine.Card{Contact: tt.card, Tags: tt.tags}); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestFindQueryThatAsksNothing(t *testing.T) {
	for _, query := range []string{" ", "+-", "🌸", "…", "\u0301"} {
		if _, ok := parseFindQuery(query); ok {
			t.Errorf("%q: got a query, want none", query)
		}
	}
}

func TestFindQueryNumbers(t *testing.T) {
	tests := []struct {
		query string
		want  int
	}{
		{"5511998765432", 2}, // a Brazilian mobile is written in two ways
		{"+1 555 0100", 1},
		{"555010", 0},
		{"1234567890123456", 0},
		{"nia", 0},
	}
	for _, tt := range tests {
		q, ok := parseFindQuery(tt.query)
		if !ok {
			t.Fatalf("%q: got no query, want one", tt.query)
		}
		if got := q.numbers(); len(got) != tt.want {
			t.Errorf("%q: got numbers %v, want %d", tt.query, got, tt.want)
		}
	}
}
