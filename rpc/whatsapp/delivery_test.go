package whatsapp

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"

	"github.com/intervenehq/intervene/engine"
)

// mainChannels are those of the app main in tests.
func mainChannels() map[PhoneNumberID]Channel {
	channels := make(map[PhoneNumberID]Channel)
	for _, channel := range testConfig().Channels {
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

// describe writes a delivery in lines that a person can compare.
func describe(d delivery) string {
	var out strings.Builder
	for _, item := range d.items {
		fmt.Fprintf(&out, "%s/%s ", item.Workspace, item.Channel)
		if m := item.Message; m != nil {
			fmt.Fprintf(&out, "message %s at %d from name=%q wa_id=%q user_id=%q", m.External, m.SentAt, m.Contact.Name, m.Contact.WaID, m.Contact.UserID)
			if m.ReplyTo != "" {
				fmt.Fprintf(&out, " reply_to=%s", m.ReplyTo)
			}
			fmt.Fprintf(&out, "\n  %s %q", m.Content.Kind, m.Content.Text)
			if m.Content.Payload != "" {
				fmt.Fprintf(&out, " payload=%q", m.Content.Payload)
			}
			if m.Content.Raw != "" {
				fmt.Fprintf(&out, "\n  raw %s", m.Content.Raw)
			}
			out.WriteByte('\n')
		}
		if s := item.Status; s != nil {
			fmt.Fprintf(&out, "status %s %s at %d", s.External, s.State, s.At)
			if s.Op != (engine.MessageID{}) {
				fmt.Fprintf(&out, " op=%s", s.Op)
			}
			if s.Error != 0 {
				fmt.Fprintf(&out, " error=%d", s.Error)
			}
			out.WriteByte('\n')
		}
	}
	var counts []string
	for kind, n := range d.events {
		counts = append(counts, fmt.Sprintf("event %s: %d", kind, n))
	}
	for what, n := range d.oddities {
		counts = append(counts, fmt.Sprintf("odd %s %s: %d", what.kind, what.reason, n))
	}
	for field, n := range d.fields {
		counts = append(counts, fmt.Sprintf("field %s: %d", field, n))
	}
	slices.Sort(counts)
	for _, line := range counts {
		out.WriteString(line + "\n")
	}
	if out.Len() == 0 {
		return "nothing\n"
	}
	return out.String()
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
func valueDelivery(members string) []byte {
	return []byte(`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"1001"},` +
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
		{"type name", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"%s"}`, long[:MaxNameBytes+2]), oddity{oddMessage, oversizedContent}, true},
		{"payload", message(`{"from":"1","id":"w","timestamp":"1760000000","type":"button","button":{"text":"t","payload":"%s"}}`, long), oddity{oddMessage, oversizedContent}, true},
		{"id", message(`{"from":"1","id":"%s","timestamp":"1760000000","type":"order"}`, longID), oddity{oddMessage, oversizedID}, false},
		{"sender", message(`{"from":"%s","id":"w","timestamp":"1760000000","type":"order"}`, longID), oddity{oddMessage, oversizedID}, false},
		{"user id", message(`{"from":"1","user_id":"%s","id":"w","timestamp":"1760000000","type":"order"}`, longID), oddity{oddMessage, oversizedID}, false},
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
			content := d.items[0].Message.Content
			if len(content.Text) > MaxTextBytes || len(content.Payload) > MaxNameBytes || len(content.Raw) > MaxRawBytes || !utf8.ValidString(content.Text+content.Payload) {
				t.Errorf("content: got %d bytes of text, %d of payload, %d of raw, want them bounded and valid", len(content.Text), len(content.Payload), len(content.Raw))
			}
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
