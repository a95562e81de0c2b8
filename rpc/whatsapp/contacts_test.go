package whatsapp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/intervenehq/intervene/engine"
)

func TestIsUserID(t *testing.T) {
	tests := []struct {
		id   string
		want bool
	}{
		{"US.13491208655302741918", true},
		{"IN.a", true},
		{"US.ENT.11815799212886844830", true},
		{"US.ENT", true}, // its last part, without a dot
		{"US." + strings.Repeat("a", maxUserIDBytes), true},
		{"US." + strings.Repeat("a", maxUserIDBytes+1), false},
		{"US.ENT." + strings.Repeat("a", maxUserIDBytes), true},
		{"US.ENT." + strings.Repeat("a", maxUserIDBytes+1), false},
		{"US.ENT.", false},
		{"US.ENT.a.b", false},
		{"US.", false},
		{"US", false},
		{"", false},
		{"us.a", false},
		{"USA.a", false},
		{"US-a", false},
		{"US.a b", false},
		{"US.é", false},
		{"15550123", false},
	}
	for _, tt := range tests {
		if got := isUserID(tt.id); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.id, got, tt.want)
		}
	}
}

// TestContactsOfMany: each message finds its own contact, however many there are
// and by whichever identity.
func TestContactsOfMany(t *testing.T) {
	for _, many := range []int{1, 2, fewContacts, fewContacts + 1, 500} {
		var contacts, messages []string
		for i := range many {
			contacts = append(contacts, fmt.Sprintf(`{"profile":{"name":"name %d"},"wa_id":"1555%d","user_id":"US.u%d","parent_user_id":"US.ENT.p%d"}`, i, i, i, i))
			who := []string{`"from":"1555%d"`, `"from_user_id":"US.u%d"`, `"from_parent_user_id":"US.ENT.p%d"`}[i%3]
			messages = append(messages, fmt.Sprintf(`{`+who+`,"id":"w%d","timestamp":"1760000000","type":"text","text":{"body":"x"}}`, i, i))
		}
		d := mustParse(t, valueDelivery(`"contacts":[`+strings.Join(contacts, ",")+`],"messages":[`+strings.Join(messages, ",")+`]`))
		if len(d.items) != many {
			t.Fatalf("of %d: got %d items, want all", many, len(d.items))
		}
		for i := range d.items {
			want := engine.Contact{
				Name: fmt.Sprint("name ", i), WaID: fmt.Sprint("1555", i), UserID: fmt.Sprint("US.u", i), ParentUserID: fmt.Sprint("US.ENT.p", i),
			}
			if got := d.items[i].Message.Contact; got != want {
				t.Errorf("of %d: got %+v, want %+v", many, got, want)
			}
		}
	}
}

// TestEveryKindHasAShare: all that comes of a contact waits behind one another.
func TestEveryKindHasAShare(t *testing.T) {
	d := mustParse(t, batch(len(samples)+len(moreSamples), -1, 0))
	for i := range d.items {
		who, counts := sharerOf(&d.items[i])
		if want := d.items[i].Status == nil; counts != want || counts && (who.identity == "" || who.channel == "") {
			t.Errorf("item: got %+v, %v for %s, want a sharer: %v", who, counts, describe(delivery{items: d.items[i : i+1]}), want)
		}
	}
}
