package engine_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/intervenehq/intervene/engine"
)

// sent decides a message of the holder and answers the field that is refused.
func sent(t reporter, content engine.Content) (field, problem string) {
	t.Helper()
	w := newWorld(t)
	reachIntervened(w)
	_, err := w.do(engine.Command{By: asha, Body: engine.SendMessage{Content: content, ReplyTo: "wamid.1"}})
	if err == nil {
		return "", ""
	}
	e, ok := errors.AsType[*engine.Error](err)
	if !ok || e.Code != engine.CodeInvalid || e.Problem == "" {
		t.Fatalf("got %v, want an invalid field with its problem", err)
	}
	return e.Field, e.Problem
}

func xs(n int) string { return strings.Repeat("é", n) }

// samples has one of every kind that can be sent, each as it might be.
var samples = map[string]func() engine.Content{
	"text":  func() engine.Content { return textOf("hello") },
	"image": func() engine.Content { return mediaOf(engine.ContentImage) },
	"video": func() engine.Content { return mediaOf(engine.ContentVideo) },
	"audio": func() engine.Content { return mediaOf(engine.ContentAudio) },
	"document": func() engine.Content {
		c := mediaOf(engine.ContentDocument)
		c.Text, c.Media.Filename = "your bill", "bill.pdf"
		return c
	},
	"sticker": func() engine.Content { return mediaOf(engine.ContentSticker) },
	"location": func() engine.Content {
		return engine.Content{Kind: engine.ContentLocation, Location: &engine.Location{Latitude: 12.97, Longitude: 77.59, Name: "shop"}}
	},
	"contacts": func() engine.Content {
		return engine.Content{Kind: engine.ContentContacts, Contacts: []engine.ContactCard{{
			Name: engine.CardName{Formatted: "Ravi K", First: "Ravi"}, Birthday: "1990-02-28", Phones: []engine.CardPhone{{Phone: "+15550101"}},
			Emails: []engine.CardEmail{{Email: "ravi@example.com"}}, URLs: []engine.CardURL{{URL: "https://example.com"}},
			Addresses: []engine.CardAddress{{City: "Pune"}},
		}}}
	},
	"reaction": func() engine.Content { return engine.Content{Kind: engine.ContentReaction, Text: "👍"} },
	"buttons": func() engine.Content {
		return engine.Content{Kind: engine.ContentButtons, Text: "sure?", Menu: &engine.Menu{
			Header: &engine.MenuHeader{Kind: engine.ContentText, Text: "order"}, Footer: "until Friday",
			Buttons: []engine.MenuButton{{ID: "y", Title: "Yes"}, {ID: "n", Title: "No"}},
		}}
	},
	"list": func() engine.Content {
		return engine.Content{Kind: engine.ContentList, Text: "which?", Menu: &engine.Menu{Label: "choose", Sections: []engine.MenuSection{
			{Title: "parcels", Rows: []engine.MenuRow{{ID: "1", Title: "first", Description: "of May"}}},
			{Title: "letters", Rows: []engine.MenuRow{{ID: "2", Title: "second"}}},
		}}}
	},
	"link": func() engine.Content {
		return engine.Content{Kind: engine.ContentLink, Text: "see", Menu: &engine.Menu{Label: "open", URL: "https://example.com/a?b=c"}}
	},
	"template": func() engine.Content {
		c := templateOf("order_shipped", engine.Utility)
		c.Template.Components = []engine.TemplateComponent{
			{Type: "header", Parameters: []engine.TemplateParameter{{Type: "image", Media: &engine.Media{Link: "https://example.com/a.jpg"}}}},
			{Type: "body", Parameters: []engine.TemplateParameter{
				{Type: "text", Name: "order", Text: "17"},
				{Type: "currency", Currency: &engine.Currency{Code: "INR", Amount: 1000, Fallback: "₹1"}},
				{Type: "date_time", DateTime: &engine.DateTime{Fallback: "today"}},
			}},
			{Type: "BUTTON", SubType: "quick_reply", Parameters: []engine.TemplateParameter{{Type: "payload", Text: "yes"}}},
			{Type: "button", SubType: "COPY_CODE", Parameters: []engine.TemplateParameter{{Type: "coupon_code", Text: "SALE"}}},
			{Type: "button", SubType: "flow", Index: 1, Parameters: []engine.TemplateParameter{{Type: "action", Action: `{"flow_token":"x"}`}}},
		}
		return c
	},
}

func mediaOf(kind engine.ContentKind) engine.Content {
	return engine.Content{Kind: kind, Media: &engine.Media{Blob: blob, MIME: "image/jpeg"}}
}

func TestSamplesAreSent(t *testing.T) {
	for name, sample := range samples {
		if field, problem := sent(t, sample()); field != "" {
			t.Errorf("%s: got field %s: %s, want it queued", name, field, problem)
		}
	}
}

// TestLimits has every limit of what is sent one step beyond its edge, with the
// field that is told, and at its edge.
func TestLimits(t *testing.T) {
	tests := []struct {
		field  string
		sample string
		step   func(c *engine.Content, beyond int)
	}{
		{"text.body", "text", func(c *engine.Content, n int) { c.Text = xs(4096 + n) }},
		{"image.caption", "image", func(c *engine.Content, n int) { c.Text = xs(1024 + n) }},
		{"video.caption", "video", func(c *engine.Content, n int) { c.Text = xs(1024 + n) }},
		{"document.caption", "document", func(c *engine.Content, n int) { c.Text = xs(1024 + n) }},
		{"audio.caption", "audio", func(c *engine.Content, n int) { c.Text = xs(n) }},
		{"sticker.caption", "sticker", func(c *engine.Content, n int) { c.Text = xs(n) }},
		{"document.filename", "document", func(c *engine.Content, n int) { c.Media.Filename = xs(engine.MaxFilenameRunes + n) }},
		{"image.filename", "image", func(c *engine.Content, n int) { c.Media.Filename = xs(n) }},
		{"location.latitude", "location", func(c *engine.Content, n int) { c.Location.Latitude = float64(90 + n) }},
		{"location.latitude", "location", func(c *engine.Content, n int) { c.Location.Latitude = float64(-90 - n) }},
		{"location.longitude", "location", func(c *engine.Content, n int) { c.Location.Longitude = float64(180 + n) }},
		{"location.longitude", "location", func(c *engine.Content, n int) { c.Location.Longitude = float64(-180 - n) }},
		{"location.name", "location", func(c *engine.Content, n int) { c.Location.Name = xs(engine.MaxLocationRunes + n) }},
		{"location.address", "location", func(c *engine.Content, n int) { c.Location.Address = xs(engine.MaxLocationRunes + n) }},
		{"contacts.contacts", "contacts", func(c *engine.Content, n int) { c.Contacts = repeat(c.Contacts[0], 257+n) }},
		{"contacts.contacts[0].name.formatted_name", "contacts", func(c *engine.Content, n int) { c.Contacts[0].Name.Formatted = xs(engine.MaxCardRunes + n) }},
		{"contacts.contacts[0].phones[0].phone", "contacts", func(c *engine.Content, n int) { c.Contacts[0].Phones[0].Phone = xs(engine.MaxCardRunes + n) }},
		{"contacts.contacts[0].phones", "contacts", func(c *engine.Content, n int) {
			c.Contacts[0].Phones = repeat(c.Contacts[0].Phones[0], engine.MaxCardEntries+n)
		}},
		{"contacts.contacts[0].addresses[0].city", "contacts", func(c *engine.Content, n int) { c.Contacts[0].Addresses[0].City = xs(engine.MaxCardRunes + n) }},
		{"buttons.body", "buttons", func(c *engine.Content, n int) { c.Text = xs(1024 + n) }},
		{"buttons.header.text", "buttons", func(c *engine.Content, n int) { c.Menu.Header.Text = xs(60 + n) }},
		{"buttons.footer", "buttons", func(c *engine.Content, n int) { c.Menu.Footer = xs(60 + n) }},
		{"buttons.buttons", "buttons", func(c *engine.Content, n int) {
			c.Menu.Buttons = nil
			for i := range 3 + n {
				c.Menu.Buttons = append(c.Menu.Buttons, engine.MenuButton{ID: fmt.Sprint(i), Title: fmt.Sprint(i)})
			}
		}},
		{"buttons.buttons[1].title", "buttons", func(c *engine.Content, n int) { c.Menu.Buttons[1].Title = xs(20 + n) }},
		{"buttons.buttons[1].id", "buttons", func(c *engine.Content, n int) { c.Menu.Buttons[1].ID = xs(256 + n) }},
		{"list.body", "list", func(c *engine.Content, n int) { c.Text = xs(4096 + n) }},
		{"list.label", "list", func(c *engine.Content, n int) { c.Menu.Label = xs(20 + n) }},
		{"list.sections[1].rows", "list", func(c *engine.Content, n int) {
			c.Menu.Sections[1].Rows = nil
			for i := range 9 + n {
				c.Menu.Sections[1].Rows = append(c.Menu.Sections[1].Rows, engine.MenuRow{ID: fmt.Sprint("r", i), Title: "x"})
			}
		}},
		{"list.sections[1].title", "list", func(c *engine.Content, n int) { c.Menu.Sections[1].Title = xs(24 + n) }},
		{"list.sections[1].rows[0].id", "list", func(c *engine.Content, n int) { c.Menu.Sections[1].Rows[0].ID = xs(200 + n) }},
		{"list.sections[1].rows[0].title", "list", func(c *engine.Content, n int) { c.Menu.Sections[1].Rows[0].Title = xs(24 + n) }},
		{"list.sections[1].rows[0].description", "list", func(c *engine.Content, n int) { c.Menu.Sections[1].Rows[0].Description = xs(72 + n) }},
		{"link.body", "link", func(c *engine.Content, n int) { c.Text = xs(1024 + n) }},
		{"link.label", "link", func(c *engine.Content, n int) { c.Menu.Label = xs(20 + n) }},
		{"link.url", "link", func(c *engine.Content, n int) { c.Menu.URL = "https://" + strings.Repeat("x", engine.MaxURLRunes-8+n) }},
		{"template.name", "template", func(c *engine.Content, n int) { c.Template.Name = xs(engine.MaxTemplateRunes + n) }},
		{"template.language", "template", func(c *engine.Content, n int) { c.Template.Language = xs(engine.MaxLanguageRunes + n) }},
		{"template.components", "template", func(c *engine.Content, n int) {
			c.Template.Components = repeat(c.Template.Components[1], engine.MaxTemplateComponents+n)
		}},
		{"template.components[1].parameters", "template", func(c *engine.Content, n int) {
			c.Template.Components[1].Parameters = repeat(c.Template.Components[1].Parameters[0], engine.MaxTemplateParameters+n)
		}},
		{"template.components[1].parameters[0].text", "template", func(c *engine.Content, n int) { c.Template.Components[1].Parameters[0].Text = xs(1024 + n) }},
		{"template.components[0].parameters[0].text", "template", func(c *engine.Content, n int) {
			c.Template.Components[0].Parameters[0] = engine.TemplateParameter{Type: "text", Text: xs(60 + n)}
		}},
		{"template.components[0].parameters[0].text", "template", func(c *engine.Content, n int) {
			c.Template.Components = c.Template.Components[1:2]
			c.Template.Components[0].Parameters[0].Text = xs(32768 + n)
		}},
		{"template.components[4].index", "template", func(c *engine.Content, n int) { c.Template.Components[4].Index = uint32(9 + n) }},
	}
	for _, tt := range tests {
		for beyond, want := range []string{"", tt.field} {
			c := samples[tt.sample]()
			tt.step(&c, beyond)
			if got, problem := sent(t, c); got != want {
				t.Errorf("%s of %s, %d beyond: got field %q (%s), want %q", tt.field, tt.sample, beyond, got, problem, want)
			}
		}
	}
}

func repeat[T any](item T, n int) []T {
	var list []T
	for range n {
		list = append(list, item)
	}
	return list
}

// TestMalformed has what is wrong in kind.
func TestMalformed(t *testing.T) {
	tests := []struct {
		field  string
		sample string
		change func(c *engine.Content)
	}{
		{"image", "image", func(c *engine.Content) { c.Media = nil }},
		{"image", "image", func(c *engine.Content) { c.Media.Blob = "" }},
		{"image", "image", func(c *engine.Content) { c.Media.Link = "https://example.com/a.jpg" }},
		{"image.blob_id", "image", func(c *engine.Content) { c.Media.Blob = "../../etc/passwd" }},
		{"image.blob_id", "image", func(c *engine.Content) { c.Media.Blob = engine.BlobID(strings.ToUpper(string(blob))) }},
		{"image.link", "image", func(c *engine.Content) { *c.Media = engine.Media{Link: "ftp://example.com/a.jpg"} }},
		{"image.link", "image", func(c *engine.Content) { *c.Media = engine.Media{Link: "https:///a.jpg"} }},
		{"image.link", "image", func(c *engine.Content) { *c.Media = engine.Media{Link: "https://example.com/a b"} }},
		{"image.caption", "image", func(c *engine.Content) { c.Text = "\xff" }},
		{"location", "location", func(c *engine.Content) { c.Location = nil }},
		{"location.latitude", "location", func(c *engine.Content) { c.Location.Latitude = math.NaN() }},
		{"location.longitude", "location", func(c *engine.Content) { c.Location.Longitude = math.Inf(1) }},
		{"contacts.contacts", "contacts", func(c *engine.Content) { c.Contacts = nil }},
		{"contacts.contacts[0].name.formatted_name", "contacts", func(c *engine.Content) { c.Contacts[0].Name.Formatted = "" }},
		{"contacts.contacts[0].name", "contacts", func(c *engine.Content) { c.Contacts[0].Name.First = "" }},
		{"contacts.contacts[0].birthday", "contacts", func(c *engine.Content) { c.Contacts[0].Birthday = "1990-02-30" }},
		{"contacts.contacts[0].emails[0].email", "contacts", func(c *engine.Content) { c.Contacts[0].Emails[0].Email = "\xff" }},
		{"contacts.contacts[0].urls[0].url", "contacts", func(c *engine.Content) { c.Contacts[0].URLs[0].URL = "\xff" }},
		{"reaction.emoji", "reaction", func(c *engine.Content) { c.Text = "👍👍" }},
		{"reaction.emoji", "reaction", func(c *engine.Content) { c.Text = "ok" }},
		{"buttons", "buttons", func(c *engine.Content) { c.Menu = nil }},
		{"buttons.body", "buttons", func(c *engine.Content) { c.Text = "" }},
		{"buttons.header", "buttons", func(c *engine.Content) { c.Menu.Header.Kind = engine.ContentAudio }},
		{"buttons.header.image", "buttons", func(c *engine.Content) { c.Menu.Header.Kind = engine.ContentImage }},
		{"buttons.buttons", "buttons", func(c *engine.Content) { c.Menu.Buttons = nil }},
		{"buttons.buttons[1].title", "buttons", func(c *engine.Content) { c.Menu.Buttons[1].Title = "Yes" }},
		{"buttons.buttons[1].title", "buttons", func(c *engine.Content) { c.Menu.Buttons[1].Title = "" }},
		{"buttons.buttons[1].id", "buttons", func(c *engine.Content) { c.Menu.Buttons[1].ID = "y" }},
		{"list.header", "list", func(c *engine.Content) {
			c.Menu.Header = &engine.MenuHeader{Kind: engine.ContentImage, Media: &engine.Media{Blob: blob}}
		}},
		{"list.label", "list", func(c *engine.Content) { c.Menu.Label = "" }},
		{"list.sections", "list", func(c *engine.Content) { c.Menu.Sections = nil }},
		{"list.sections[0].title", "list", func(c *engine.Content) { c.Menu.Sections[0].Title = "" }},
		{"list.sections[0].rows", "list", func(c *engine.Content) { c.Menu.Sections[0].Rows = nil }},
		{"list.sections[1].rows[0].id", "list", func(c *engine.Content) { c.Menu.Sections[1].Rows[0].ID = "1" }},
		{"link.url", "link", func(c *engine.Content) { c.Menu.URL = "javascript:alert(1)" }},
		{"link.url", "link", func(c *engine.Content) { c.Menu.URL = "" }},
		{"template", "template", func(c *engine.Content) { c.Template = nil }},
		{"template.name", "template", func(c *engine.Content) { c.Template.Name = "" }},
		{"template.language", "template", func(c *engine.Content) { c.Template.Language = "" }},
		{"template.components[0].type", "template", func(c *engine.Content) { c.Template.Components[0].Type = "" }},
		{"template.components[4].sub_type", "template", func(c *engine.Content) { c.Template.Components[4].SubType = "" }},
		{"template.components[1].parameters[0].type", "template", func(c *engine.Content) { c.Template.Components[1].Parameters[0].Type = "poem" }},
		{"template.components[1].parameters[1].currency", "template", func(c *engine.Content) { c.Template.Components[1].Parameters[1].Currency = nil }},
		{"template.components[1].parameters[1].currency.code", "template", func(c *engine.Content) { c.Template.Components[1].Parameters[1].Currency.Code = "R" }},
		{"template.components[1].parameters[2].date_time", "template", func(c *engine.Content) { c.Template.Components[1].Parameters[2].DateTime = nil }},
		{"template.components[4].parameters[0].action", "template", func(c *engine.Content) { c.Template.Components[4].Parameters[0].Action = "[]" }},
		{"template.components[4].parameters[0].action", "template", func(c *engine.Content) { c.Template.Components[4].Parameters[0].Action = "{" }},
		{"template.components[0].parameters[0].image.link", "template", func(c *engine.Content) { c.Template.Components[0].Parameters[0].Media.Link = "x" }},
	}
	for _, tt := range tests {
		c := samples[tt.sample]()
		tt.change(&c)
		if got, problem := sent(t, c); got != tt.field {
			t.Errorf("%s: got field %q (%s), want %q", tt.sample, got, problem, tt.field)
		}
	}
	for kind := engine.ContentKind(0); kind < 30; kind++ {
		_, can := samples[kind.String()]
		if field, _ := sent(t, engine.Content{Kind: kind}); !can && field != "content" {
			t.Errorf("%s: got field %q, want content: it cannot be sent", kind, field)
		}
	}
}

// TestTemplateHeaders has every file and place that fills a template's header.
func TestTemplateHeaders(t *testing.T) {
	file := &engine.Media{Link: "https://example.com/a"}
	for _, p := range []engine.TemplateParameter{
		{Type: "image", Media: file},
		{Type: "video", Media: file},
		{Type: "DOCUMENT", Media: file},
		{Type: "location", Location: &engine.Location{Latitude: 1, Longitude: 2}},
	} {
		filled, empty := samples["template"](), samples["template"]()
		filled.Template.Components[0].Parameters[0] = p
		if field, problem := sent(t, filled); field != "" {
			t.Errorf("%s: got field %s: %s, want it queued", p.Type, field, problem)
		}
		empty.Template.Components[0].Parameters[0].Type, empty.Template.Components[0].Parameters[0].Media = p.Type, nil
		want := "template.components[0].parameters[0]." + strings.ToLower(p.Type)
		if field, _ := sent(t, empty); field != want {
			t.Errorf("%s of nothing: got field %s, want %s", p.Type, field, want)
		}
	}
}

// TestOneSectionNeedsNoTitle, for nothing is to be told apart.
func TestOneSectionNeedsNoTitle(t *testing.T) {
	c := samples["list"]()
	c.Menu.Sections = c.Menu.Sections[:1]
	c.Menu.Sections[0].Title = ""
	if field, problem := sent(t, c); field != "" {
		t.Errorf("got field %s: %s, want it queued", field, problem)
	}
}

func TestEmoji(t *testing.T) {
	for emoji, want := range map[string]bool{
		"👍": true, "👍🏽": true, "❤️": true, "❤": true, "🇮🇳": true, "1️⃣": true, "👨‍👩‍👧‍👦": true, "🏴󠁧󠁢󠁥󠁮󠁧󠁿": true, "👩🏾‍💻": true, "‼️": true, "©": true,
		"🏳️‍🌈": true, "🫨": true, "☺️": true,
		"👍👍": false, "a": false, "1": false, "👍a": false, "🇮": false, "🇮🇳🇮🇳": false, "\u200d": false, "👍\u200d": false, "\ufe0f": false, "ok": false,
		"\xff": false, " ": false, "é": false, "👍" + strings.Repeat("\u200d👍", 8): false,
	} {
		field, _ := sent(t, engine.Content{Kind: engine.ContentReaction, Text: emoji})
		if got := field == ""; got != want {
			t.Errorf("%q: got taken %t, want %t", emoji, got, want)
		}
	}
}

// TestAnythingIsRefusedOrSendable takes contents of any shape: Decide answers a
// field of this content's kind, or what the wire can carry.
func TestAnythingIsRefusedOrSendable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.Make[engine.Content]().Draw(t, "content")
		c.Kind = engine.ContentKind(evenly(22).Draw(t, "kind"))
		field, _ := sent(t, c)
		if field != "" && field != "content" && !strings.HasPrefix(field, c.Kind.String()) {
			t.Fatalf("got field %s of a %s, want one of its own", field, c.Kind)
		}
	})
}

func FuzzEmojiAndLink(f *testing.F) {
	for _, seed := range []string{"👍", "🇮🇳", "1️⃣", "https://example.com", "http://", "\u200d", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sent(t, engine.Content{Kind: engine.ContentReaction, Text: text})
		field, _ := sent(t, engine.Content{Kind: engine.ContentImage, Media: &engine.Media{Link: text}})
		if field == "" && !strings.HasPrefix(strings.ToLower(text), "http") {
			t.Errorf("got %q taken as a link, want http or https alone", text)
		}
	})
}
