package whatsapp

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/intervenehq/intervene/engine"
)

var rewriteSends = flag.Bool("rewrite-sends", false, "write testdata/send anew")

func menu(change func(*engine.Menu)) *engine.Menu {
	m := &engine.Menu{Footer: "Open until 18:00"}
	change(m)
	return m
}

// sends are one of each kind of content, by the name of its fixture.
var sends = map[string]engine.Outbound{
	"text_with_preview": {Content: engine.Content{Kind: engine.ContentText, Text: "see https://example.com/a?b=c&d=é", LinkPreview: true}},
	"reply":             {ReplyTo: "wamid.before", Content: engine.Content{Kind: engine.ContentText, Text: "yes"}},
	"reaction":          {ReplyTo: "wamid.before", Content: engine.Content{Kind: engine.ContentReaction, Text: "👍"}},
	"reaction_removed":  {ReplyTo: "wamid.before", Content: engine.Content{Kind: engine.ContentReaction}},
	"image_by_link": {Content: engine.Content{
		Kind: engine.ContentImage, Text: "the parcel", Media: &engine.Media{Link: "https://example.com/a.jpg"},
	}},
	"video_by_id": {Content: engine.Content{Kind: engine.ContentVideo, Media: &engine.Media{ID: "77"}}},
	"audio_by_id": {Content: engine.Content{Kind: engine.ContentAudio, Media: &engine.Media{ID: "78"}}},
	"document_by_link": {ReplyTo: "wamid.before", Content: engine.Content{
		Kind: engine.ContentDocument, Text: "your invoice", Media: &engine.Media{Link: "https://example.com/i.pdf", Filename: "invoice.pdf"},
	}},
	"sticker_by_id": {Content: engine.Content{Kind: engine.ContentSticker, Media: &engine.Media{ID: "79"}}},
	"location": {Content: engine.Content{Kind: engine.ContentLocation, Location: &engine.Location{
		Latitude: -23.5, Longitude: 0, Name: "Shop", Address: "Street 1",
	}}},
	"contacts": {Content: engine.Content{Kind: engine.ContentContacts, Contacts: []engine.ContactCard{
		{
			Name:     engine.CardName{Formatted: "Dr Ana B. Lima Jr", First: "Ana", Last: "Lima", Middle: "B.", Prefix: "Dr", Suffix: "Jr"},
			Birthday: "1980-02-29", Org: engine.CardOrg{Company: "Acme", Department: "Sales", Title: "Head"},
			Phones:    []engine.CardPhone{{Phone: "+1 555 0123", Type: "WORK", WaID: "15550123"}},
			Emails:    []engine.CardEmail{{Email: "ana@example.com", Type: "WORK"}},
			URLs:      []engine.CardURL{{URL: "https://example.com", Type: "WORK"}},
			Addresses: []engine.CardAddress{{Street: "Street 1", City: "Town", State: "S", Zip: "1", Country: "Brazil", CountryCode: "br", Type: "WORK"}},
		},
		{Name: engine.CardName{Formatted: "Ben", First: "Ben"}},
	}}},
	"buttons": {Content: engine.Content{Kind: engine.ContentButtons, Text: "Shall we?", Menu: menu(func(m *engine.Menu) {
		m.Header = &engine.MenuHeader{Kind: engine.ContentImage, Media: &engine.Media{ID: "80"}}
		m.Buttons = []engine.MenuButton{{ID: "y", Title: "Yes"}, {ID: "n", Title: "No"}}
	})}},
	"list": {Content: engine.Content{Kind: engine.ContentList, Text: "Which one?", Menu: menu(func(m *engine.Menu) {
		m.Header = &engine.MenuHeader{Kind: engine.ContentText, Text: "Slots"}
		m.Label = "Choose"
		m.Sections = []engine.MenuSection{
			{Title: "Morning", Rows: []engine.MenuRow{{ID: "9", Title: "9:00", Description: "quiet"}, {ID: "10", Title: "10:00"}}},
			{Title: "Evening", Rows: []engine.MenuRow{{ID: "18", Title: "18:00"}}},
		}
	})}},
	"link": {Content: engine.Content{Kind: engine.ContentLink, Text: "Pay here", Menu: menu(func(m *engine.Menu) {
		m.Label, m.URL = "Pay", "https://example.com/pay?id=1"
	})}},
	"template_plain": {Content: engine.Content{Kind: engine.ContentTemplate, Template: &engine.Template{Name: "hello_world", Language: "en_US"}}},
	"template": {Content: engine.Content{Kind: engine.ContentTemplate, Template: &engine.Template{
		Name: "receipt", Language: "pt_BR",
		Components: []engine.TemplateComponent{
			{Type: "header", Parameters: []engine.TemplateParameter{
				{Type: "document", Media: &engine.Media{Link: "https://example.com/i.pdf", Filename: "i.pdf"}},
			}},
			{Type: "body", Parameters: []engine.TemplateParameter{
				{Type: "text", Name: "first", Text: ""},
				{Type: "currency", Currency: &engine.Currency{Code: "BRL", Amount: 100990, Fallback: "R$ 100,99"}},
				{Type: "date_time", DateTime: &engine.DateTime{Fallback: "February 25, 1977", Calendar: "GREGORIAN", Year: 1977, Month: 2, DayOfMonth: 25}},
				{Type: "image", Media: &engine.Media{ID: "81"}},
				{Type: "video", Media: &engine.Media{ID: "82"}},
				{Type: "location", Location: &engine.Location{Latitude: 1, Longitude: 2, Name: "Shop"}},
			}},
			{Type: "button", SubType: "quick_reply", Index: 0, Parameters: []engine.TemplateParameter{{Type: "payload", Text: "p"}}},
			{Type: "button", SubType: "url", Index: 1, Parameters: []engine.TemplateParameter{{Type: "text", Text: "path"}}},
			{Type: "button", SubType: "copy_code", Index: 2, Parameters: []engine.TemplateParameter{{Type: "coupon_code", Text: "25OFF"}}},
			{Type: "button", SubType: "CATALOG", Index: 0, Parameters: []engine.TemplateParameter{{Type: "action", Action: `{"thumbnail_product_retailer_id":"x"}`}}},
		},
	}}},
	"template_raw": {Content: engine.Content{Kind: engine.ContentTemplate, Template: &engine.Template{
		Name: "odd", Language: "en", Policy: "deterministic", Raw: `[{"type":"body","parameters":[{"type":"text","text":true}]}]`,
	}}},
}

// TestEncodeSend compares every kind of content with its fixture.
func TestEncodeSend(t *testing.T) {
	for name, o := range sends {
		t.Run(name, func(t *testing.T) {
			base := outbound()
			o.ID, o.To = base.ID, base.To
			var files []graphFile
			for _, media := range mediaOf(&o.Content) {
				files = append(files, graphFile{id: media.ID, link: media.Link})
			}
			got, err := encodeSend(o, files)
			if err != nil {
				t.Fatalf("encodeSend: got error %v, want none", err)
			}
			path := filepath.Join("testdata", "send", name+".json")
			if *rewriteSends {
				rewriteSend(t, path, got)
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("read the fixture: %v", err)
			}
			if got, want := decoded(t, got), decoded(t, want); !reflect.DeepEqual(got, want) {
				t.Errorf("body: got %v, want %v", got, want)
			}
		})
	}
}

func rewriteSend(t *testing.T, path string, body []byte) {
	t.Helper()
	text, err := json.MarshalIndent(decoded(t, body), "", "  ")
	if err != nil {
		t.Fatalf("indent: %v", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		t.Fatalf("write the fixture: %v", err)
	}
}

// TestEveryKindIsSentOrRefused: no kind is forgotten, and what only comes is
// never sent.
func TestEveryKindIsSentOrRefused(t *testing.T) {
	covered := map[engine.ContentKind]bool{}
	for _, o := range sends {
		covered[o.Content.Kind] = true
	}
	for kind := engine.ContentText; kind.String() != "unknown"; kind++ {
		if covered[kind] {
			continue
		}
		o := outbound()
		o.Content = engine.Content{Kind: kind, Text: "x"}
		if body, err := encodeSend(o, nil); err == nil {
			t.Errorf("%s: got %s, want an error", kind, body)
		}
	}
}
