package whatsapp

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
)

// mainChannels are those of the app main in tests.
func mainChannels() map[PhoneNumberID]Channel {
	channels := make(map[PhoneNumberID]Channel)
	for _, channel := range testConfig().withDefaults().Channels {
		if channel.App == "main" {
			channels[channel.PhoneNumberID] = channel
		}
	}
	return channels
}

// TestParse runs the scenarios that say what a body becomes.
func TestParse(t *testing.T) {
	datadriven.Walk(t, "testdata/parse", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "parse" {
				t.Fatalf("got command %q, want parse", d.Cmd)
			}
			parsed, err := parse([]byte(d.Input), mainChannels())
			if err != nil {
				return "error: " + err.Error() + "\n"
			}
			return describe(parsed)
		})
	})
}

// textDelivery is a body with one text message for each of bodies, written as
// JSON strings.
func textDelivery(bodies ...string) []byte {
	var messages []string
	for i, body := range bodies {
		messages = append(messages, fmt.Sprintf(
			`{"from":"15550123","id":"wamid.%d","timestamp":"1760000000","type":"text","text":{"body":"%s"}}`, i, body))
	}
	return valueDelivery(`"messages":[` + strings.Join(messages, ",") + `]`)
}

// valueDelivery is a body with one change of channel 1001 that holds members.
func valueDelivery(members string) []byte { return fieldDelivery(fieldMessages, members) }

// fieldDelivery is one of another field.
func fieldDelivery(field, members string) []byte {
	return []byte(`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"` + field + `","value":{"metadata":{"phone_number_id":"1001"},` +
		members + `}}]}]}`)
}

func mustParse(t *testing.T, body []byte) delivery {
	t.Helper()
	d, err := parse(body, mainChannels())
	if err != nil {
		t.Fatalf("parse: got error %v, want none", err)
	}
	return d
}

func TestParseMakesValidUTF8(t *testing.T) {
	d := mustParse(t, textDelivery("caf\xe9", "ok"))
	if got, want := d.items[0].Message.Content.Text, "caf\uFFFD"; got != want {
		t.Errorf("text: got %q, want %q", got, want)
	}
	if got, want := d.items[1].Message.Content.Text, "ok"; got != want {
		t.Errorf("neighbour's text: got %q, want %q", got, want)
	}
	d = mustParse(t, valueDelivery(`"messages":[{"from":"15550123","id":"wamid.A","timestamp":"1760000000","type":"image","x":"`+"\xfe"+`"}]`))
	if got := d.items[0].Message.Content.Raw; !utf8.ValidString(got) || !strings.Contains(got, "\uFFFD") {
		t.Errorf("raw: got %q, want valid UTF-8 with a replacement", got)
	}
}

func TestParseReadsEscapedText(t *testing.T) {
	d := mustParse(t, textDelivery(`caf\u00e9 \ud83d\ude00 a\/b`))
	if got, want := d.items[0].Message.Content.Text, "café 😀 a/b"; got != want {
		t.Errorf("text: got %q, want %q", got, want)
	}
}

func TestParseBoundsWhatIsKept(t *testing.T) {
	long := strings.Repeat("ü", MaxTextBytes)
	longID := strings.Repeat("i", MaxExternalBytes+1)
	message := func(format string, args ...any) []byte {
		return valueDelivery(fmt.Sprintf(`"messages":[`+format+`]`, args...))
	}
	tests := []struct {
		name string
		body []byte
		want oddity
		kept bool
	}{
		{"text", textDelivery(long), oddity{oddMessage, oversizedContent}, true},
		{"raw", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"order","x":"%s"}`, long), oddity{oddMessage, oversizedContent}, true},
		{"caption", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"image","image":{"id":"1","caption":"%s"}}`, long), oddity{oddMessage, oversizedContent}, true},
		{"file name", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"document","document":{"id":"1","filename":"%s"}}`, long), oddity{oddMessage, oversizedContent}, true},
		{"address", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"location","location":{"latitude":1,"longitude":1,"address":"%s"}}`, long), oddity{oddMessage, oversizedContent}, true},
		{"flow", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"response_json":{"x":"%s"}}}}`, long), oddity{oddMessage, oversizedContent}, true},
		{"referral", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"text","text":{"body":"x"},"referral":{"source_url":"%s"}}`, long), oddity{oddMessage, oversizedContent}, true},
		{"reply", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"text","text":{"body":"x"},"context":{"id":"%s"}}`, longID), oddity{oddMessage, oversizedContent}, true},
		{"cards", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"contacts","contacts":[{}%s]}`, strings.Repeat(",{}", MaxCards)), oddity{oddMessage, oversizedContent}, true},
		{"numbers of a card", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"contacts","contacts":[{"phones":[{}%s]}]}`, strings.Repeat(",{}", MaxCardEntries)), oddity{oddMessage, oversizedContent}, true},
		{"cards in all", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"contacts","contacts":[{}%s]}`, strings.Repeat(`,{"name":{"first_name":"`+long[:MaxNameBytes]+`","last_name":"`+long[:MaxNameBytes]+`","prefix":"`+long[:MaxNameBytes]+`"}}`, MaxCards-1)), oddity{oddMessage, oversizedContent}, true},
		{"lines of an order", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"order","order":{"product_items":[{"quantity":1}%s]}}`, strings.Repeat(`,{"quantity":1}`, MaxOrderItems)), oddity{oddMessage, oversizedContent}, true},
		{"number, beside a user id", message(`{"from":"%s","from_user_id":"US.a1","id":"w","timestamp":"1760000000","type":"text","text":{"body":"x"}}`, longID), oddity{oddMessage, oversizedID}, true},
		{"type name", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"%s"}`, long[:MaxNameBytes+2]), oddity{oddMessage, oversizedContent}, true},
		{"payload", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"button","button":{"text":"t","payload":"%s"}}`, long), oddity{oddMessage, oversizedContent}, true},
		{"id", message(`{"from":"1","id":"%s","timestamp":"1760000000","type":"order"}`, longID), oddity{oddMessage, oversizedID}, false},
		{"sender", message(`{"from":"%s","id":"w","timestamp":"1760000000","type":"order"}`, longID), oddity{oddMessage, oversizedID}, false},
		{"user id", message(`{"user_id":"%s","id":"w","timestamp":"1760000000","type":"order"}`, longID), oddity{oddMessage, oversizedID}, false},
		{"user id, beside a number", message(`{"from":"1","user_id":"%s","id":"w","timestamp":"1760000000","type":"text","text":{"body":"x"}}`, longID), oddity{oddMessage, badUserID}, true},
		{"target", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"revoke","revoke":{"original_message_id":"%s"}}`, longID), oddity{oddMessage, oversizedContent}, true},
		{"status id", valueDelivery(`"statuses":[{"id":"` + longID + `","status":"sent","timestamp":"1760000000"}]`), oddity{oddStatus, oversizedID}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := mustParse(t, tt.body)
			if got := d.oddities[tt.want]; got != 1 {
				t.Errorf("oddities: got %v, want one %v", d.oddities, tt.want)
			}
			if got := len(d.items) == 1; got != tt.kept {
				t.Fatalf("kept: got %v, want %v", got, tt.kept)
			}
			if !tt.kept {
				return
			}
			checkItems(t, d.items)
		})
	}
}

func TestClipKeepsWholeRunes(t *testing.T) {
	tests := []struct {
		text  string
		limit int
		want  string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "abc"},
		{"aé", 2, "a"},
		{"aé", 3, "aé"},
		{"😀😀", 7, "😀"},
		{"😀", 3, ""},
		{"", 0, ""},
	}
	for _, tt := range tests {
		if got := clip(tt.text, tt.limit); got != tt.want {
			t.Errorf("clip(%q, %d): got %q, want %q", tt.text, tt.limit, got, tt.want)
		}
	}
}

// TestParseNestingIsBounded: what nests too deeply is refused as a whole, by
// the decoder, before anything of it is taken in.
func TestParseNestingIsBounded(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)
	if _, err := parse(valueDelivery(`"x":`+deep), mainChannels()); err == nil {
		t.Error("20,000 levels: got no error, want one")
	}
	nested := strings.Repeat(`[`, 5_000) + strings.Repeat("]", 5_000)
	d := mustParse(t, valueDelivery(`"messages":[{"from":"1","id":"w","timestamp":"1760000000","type":"order","order":`+nested+`}]`))
	if len(d.items) != 1 {
		t.Errorf("5,000 levels: got %d items, want 1", len(d.items))
	}
}

// TestParseThousandWithOneRotten: the batch that Meta may send at most.
func TestParseThousandWithOneRotten(t *testing.T) {
	bodies := make([]string, 1000)
	for i := range bodies {
		bodies[i] = fmt.Sprint("message ", i)
	}
	body := bytes.Replace(textDelivery(bodies...), []byte(`"id":"wamid.500","timestamp":"1760000000"`), []byte(`"id":"wamid.500","timestamp":[]`), 1)
	d := mustParse(t, body)
	if len(d.items) != 999 {
		t.Errorf("items: got %d, want 999", len(d.items))
	}
	if got, want := maps.Collect(maps.All(d.oddities)), (map[oddity]int{{oddMessage, badTimestamp}: 1}); !maps.Equal(got, want) {
		t.Errorf("oddities: got %v, want %v", got, want)
	}
}
