package rpc

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const blobA = engine.BlobID("aa00000000000000000000000000000000000000000000000000000000000000")

// received is a file as a customer's message has it.
func received() *engine.Media {
	return &engine.Media{ID: "platform-id", MIME: "image/webp", SHA256: "hash", Filename: "f.webp", Voice: true, Animated: true}
}

var receivedWire = &intervenev1.Media{MimeType: "image/webp", Caption: "look", Filename: "f.webp", Voice: true, Animated: true}

// TestContentsMap has a content of every kind with every field set that the
// wire tells of.
func TestContentsMap(t *testing.T) {
	header := &engine.MenuHeader{Kind: engine.ContentText, Text: "top"}
	wireHeader := &intervenev1.MenuHeader{Kind: &intervenev1.MenuHeader_Text{Text: "top"}}
	action, err := structpb.NewStruct(map[string]any{"a": []any{1.0, "b", nil}})
	if err != nil {
		t.Fatalf("NewStruct: %v", err)
	}
	tests := map[engine.ContentKind]struct {
		content engine.Content
		want    *intervenev1.Content
	}{
		engine.ContentText: {
			engine.Content{Text: "hi", LinkPreview: true},
			&intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: "hi", LinkPreview: true}}},
		},
		engine.ContentButtonReply: {
			engine.Content{Text: "Yes", Payload: "y"},
			&intervenev1.Content{Kind: &intervenev1.Content_ButtonReply{ButtonReply: &intervenev1.ButtonReply{Id: "y", Title: "Yes"}}},
		},
		engine.ContentUnsupported: {
			engine.Content{Text: "hologram", Raw: "{}", Error: 131051},
			&intervenev1.Content{Kind: &intervenev1.Content_Unsupported{
				Unsupported: &intervenev1.Unsupported{Type: "hologram", RawJson: "{}", ErrorCode: 131051},
			}},
		},
		engine.ContentSystem: {
			engine.Content{Raw: "{}"},
			&intervenev1.Content{Kind: &intervenev1.Content_System{System: &intervenev1.System{RawJson: "{}"}}},
		},
		engine.ContentImage: {
			engine.Content{Text: "look", Media: received()},
			&intervenev1.Content{Kind: &intervenev1.Content_Image{Image: receivedWire}},
		},
		engine.ContentVideo: {
			engine.Content{Text: "look", Media: received()},
			&intervenev1.Content{Kind: &intervenev1.Content_Video{Video: receivedWire}},
		},
		engine.ContentAudio: {
			engine.Content{Text: "look", Media: received()},
			&intervenev1.Content{Kind: &intervenev1.Content_Audio{Audio: receivedWire}},
		},
		engine.ContentDocument: {
			engine.Content{Text: "look", Media: received()},
			&intervenev1.Content{Kind: &intervenev1.Content_Document{Document: receivedWire}},
		},
		engine.ContentSticker: {
			engine.Content{Text: "look", Media: received()},
			&intervenev1.Content{Kind: &intervenev1.Content_Sticker{Sticker: receivedWire}},
		},
		engine.ContentLocation: {
			engine.Content{Location: &engine.Location{Latitude: 1.5, Longitude: -2.5, Name: "n", Address: "a", URL: "https://u.test"}},
			&intervenev1.Content{Kind: &intervenev1.Content_Location{Location: &intervenev1.Location{
				Latitude: 1.5, Longitude: -2.5, Name: "n", Address: "a", Url: "https://u.test",
			}}},
		},
		engine.ContentContacts: {
			engine.Content{Contacts: []engine.ContactCard{{
				Name:     engine.CardName{Formatted: "Dr A B C D Jr", First: "A", Last: "D", Middle: "B C", Prefix: "Dr", Suffix: "Jr"},
				Birthday: "2012-08-18", Org: engine.CardOrg{Company: "c", Department: "d", Title: "t"},
				Phones: []engine.CardPhone{{Phone: "p", Type: "HOME", WaID: "1"}}, Emails: []engine.CardEmail{{Email: "e", Type: "WORK"}},
				URLs:      []engine.CardURL{{URL: "u", Type: "WORK"}},
				Addresses: []engine.CardAddress{{Street: "s", City: "c", State: "st", Zip: "z", Country: "co", CountryCode: "cc", Type: "HOME"}},
			}}},
			&intervenev1.Content{Kind: &intervenev1.Content_Contacts{Contacts: &intervenev1.Contacts{Contacts: []*intervenev1.ContactCard{{
				Name:     &intervenev1.CardName{FormattedName: "Dr A B C D Jr", FirstName: "A", LastName: "D", MiddleName: "B C", Prefix: "Dr", Suffix: "Jr"},
				Birthday: "2012-08-18", Org: &intervenev1.CardOrg{Company: "c", Department: "d", Title: "t"},
				Phones: []*intervenev1.CardPhone{{Phone: "p", Type: "HOME", WaId: "1"}}, Emails: []*intervenev1.CardEmail{{Email: "e", Type: "WORK"}},
				Urls:      []*intervenev1.CardUrl{{Url: "u", Type: "WORK"}},
				Addresses: []*intervenev1.CardAddress{{Street: "s", City: "c", State: "st", Zip: "z", Country: "co", CountryCode: "cc", Type: "HOME"}},
			}}}}},
		},
		engine.ContentReaction: {
			engine.Content{Text: "👍"},
			&intervenev1.Content{Kind: &intervenev1.Content_Reaction{Reaction: &intervenev1.Reaction{Emoji: "👍"}}},
		},
		engine.ContentOrder: {
			engine.Content{Text: "please", Order: &engine.Order{Catalog: "c", Items: []engine.OrderItem{
				{Product: engine.Product{Catalog: "c", Retailer: "r"}, Quantity: 2, Price: "9.99", Currency: "EUR"},
			}}},
			&intervenev1.Content{Kind: &intervenev1.Content_Order{Order: &intervenev1.Order{CatalogId: "c", Text: "please", Items: []*intervenev1.OrderItem{
				{Product: &intervenev1.Product{CatalogId: "c", RetailerId: "r"}, Quantity: 2, Price: "9.99", Currency: "EUR"},
			}}}},
		},
		engine.ContentFlowReply: {
			engine.Content{Payload: "flow", Raw: `{"a":1}`, Text: "Sent"},
			&intervenev1.Content{Kind: &intervenev1.Content_FlowReply{
				FlowReply: &intervenev1.FlowReply{Name: "flow", ResponseJson: `{"a":1}`, Body: "Sent"},
			}},
		},
		engine.ContentCallPermission: {
			engine.Content{Payload: "accept"},
			&intervenev1.Content{Kind: &intervenev1.Content_CallPermission{CallPermission: &intervenev1.CallPermission{Granted: true}}},
		},
		engine.ContentWelcome: {
			engine.Content{},
			&intervenev1.Content{Kind: &intervenev1.Content_Welcome{Welcome: &intervenev1.Welcome{}}},
		},
		engine.ContentButtons: {
			engine.Content{Text: "body", Menu: &engine.Menu{Header: header, Footer: "foot", Buttons: []engine.MenuButton{{ID: "y", Title: "Yes"}}}},
			&intervenev1.Content{Kind: &intervenev1.Content_Buttons{Buttons: &intervenev1.Buttons{
				Header: wireHeader, Body: "body", Footer: "foot", Buttons: []*intervenev1.Button{{Id: "y", Title: "Yes"}},
			}}},
		},
		engine.ContentList: {
			engine.Content{Text: "body", Menu: &engine.Menu{Header: header, Footer: "foot", Label: "Open", Sections: []engine.MenuSection{
				{Title: "s", Rows: []engine.MenuRow{{ID: "1", Title: "One", Description: "first"}}},
			}}},
			&intervenev1.Content{Kind: &intervenev1.Content_List{List: &intervenev1.List{
				Header: wireHeader, Body: "body", Footer: "foot", Label: "Open", Sections: []*intervenev1.ListSection{
					{Title: "s", Rows: []*intervenev1.ListRow{{Id: "1", Title: "One", Description: "first"}}},
				},
			}}},
		},
		engine.ContentLink: {
			engine.Content{Text: "body", Menu: &engine.Menu{Header: header, Footer: "foot", Label: "Go", URL: "https://u.test"}},
			&intervenev1.Content{Kind: &intervenev1.Content_Link{Link: &intervenev1.Link{
				Header: wireHeader, Body: "body", Footer: "foot", Label: "Go", Url: "https://u.test",
			}}},
		},
		engine.ContentTemplate: {
			engine.Content{Template: &engine.Template{
				Name: "sale", Language: "en", Category: engine.Marketing, Raw: "[]", Policy: "deterministic",
				Components: []engine.TemplateComponent{{Type: "button", SubType: "flow", Index: 1, Parameters: []engine.TemplateParameter{
					{Type: "action", Name: "n", Action: `{"a":[1,"b",null]}`},
				}}},
			}},
			&intervenev1.Content{Kind: &intervenev1.Content_Template{Template: &intervenev1.Template{
				Name: "sale", Language: "en", Category: "MARKETING", ComponentsJson: "[]", LanguagePolicy: "deterministic",
				Components: []*intervenev1.TemplateComponent{{Type: "button", SubType: "flow", Index: 1, Parameters: []*intervenev1.TemplateParameter{
					{Name: "n", Value: &intervenev1.TemplateParameter_Action{Action: action}},
				}}},
			}}},
		},
	}
	for kind := engine.ContentKind(1); kind.String() != "unknown"; kind++ {
		tt, ok := tests[kind]
		if !ok {
			t.Errorf("got no content of kind %v in this test, want one", kind)
			continue
		}
		tt.content.Kind = kind
		if diff := cmp.Diff(tt.want, contentOf(tt.content), protocmp.Transform()); diff != "" {
			t.Errorf("%v: got a difference (-want +got):\n%s", kind, diff)
		}
		// What a journal lost of a message must not end a reader.
		if got := contentOf(engine.Content{Kind: kind}); got.GetKind() == nil {
			t.Errorf("%v without its fields: got no kind, want one", kind)
		}
	}
}

// TestContentComesBack sends whatever can be sent over the wire and back: a
// caller who reads a message can send it.
func TestContentComesBack(t *testing.T) {
	id := engine.NewConversationID(1, [14]byte{7})
	kept := newFiles()
	kept.kept[id] = map[engine.BlobID][]byte{blobA: []byte("x")}
	rapid.Check(t, func(rt *rapid.T) {
		want := drawContent(rt)
		request := requestOf(t, contentOf(want))
		got, err := (outgoing{media: kept, conversation: id}).content(request)
		if err != nil {
			rt.Fatalf("got error %v of %v, want none", err, request)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("got a difference (-want +got):\n%s", diff)
		}
	})
}

// requestOf puts content into a request: their fields have the same names.
func requestOf(t *testing.T, content *intervenev1.Content) *intervenev1.SendMessageRequest {
	t.Helper()
	from := content.ProtoReflect()
	field := from.WhichOneof(from.Descriptor().Oneofs().ByName("kind"))
	request := new(intervenev1.SendMessageRequest)
	to := request.ProtoReflect().Descriptor().Fields().ByName(field.Name())
	if to == nil {
		t.Fatalf("got no %s in SendMessageRequest, want all that can be sent", field.Name())
	}
	request.ProtoReflect().Set(to, from.Get(field))
	return request
}

func drawContent(t *rapid.T) engine.Content {
	word := rapid.StringMatching(`[a-zé👍 ]{1,12}`)
	kind := rapid.SampledFrom([]engine.ContentKind{
		engine.ContentText, engine.ContentImage, engine.ContentVideo, engine.ContentAudio, engine.ContentDocument, engine.ContentSticker,
		engine.ContentLocation, engine.ContentContacts, engine.ContentReaction, engine.ContentButtons, engine.ContentList,
		engine.ContentLink, engine.ContentTemplate,
	}).Draw(t, "kind")
	c := engine.Content{Kind: kind}
	switch {
	case kind == engine.ContentText:
		c.Text, c.LinkPreview = word.Draw(t, "text"), rapid.Bool().Draw(t, "preview")
	case kind.IsMedia():
		c.Text, c.Media = word.Draw(t, "caption"), drawMedia(t, kind)
	case kind == engine.ContentLocation:
		c.Location = drawLocation(t)
	case kind == engine.ContentContacts:
		c.Contacts = rapid.SliceOfN(rapid.Custom(drawCard), 1, 3).Draw(t, "contacts")
	case kind == engine.ContentReaction:
		c.Text = rapid.SampledFrom([]string{"", "👍"}).Draw(t, "emoji")
	case kind == engine.ContentTemplate:
		c.Template = drawTemplate(t)
	default:
		c.Text, c.Menu = word.Draw(t, "body"), drawMenu(t, kind)
	}
	return c
}

func drawMedia(t *rapid.T, kind engine.ContentKind) *engine.Media {
	m := &engine.Media{Filename: rapid.SampledFrom([]string{"", "a.pdf"}).Draw(t, "filename")}
	if rapid.Bool().Draw(t, "link") {
		m.Link = "https://files.test/" + rapid.StringMatching(`[a-z]{0,9}`).Draw(t, "path")
		return m
	}
	types := map[engine.ContentKind]string{
		engine.ContentImage: "image/png", engine.ContentVideo: "video/mp4", engine.ContentAudio: "audio/ogg; codecs=opus",
		engine.ContentDocument: "application/pdf", engine.ContentSticker: "image/webp",
	}
	m.Blob, m.MIME = blobA, types[kind]
	return m
}

func drawLocation(t *rapid.T) *engine.Location {
	return &engine.Location{
		Latitude: rapid.Float64Range(-90, 90).Draw(t, "latitude"), Longitude: rapid.Float64Range(-180, 180).Draw(t, "longitude"),
		Name: rapid.StringMatching(`[a-z]{0,5}`).Draw(t, "name"), Address: rapid.StringMatching(`[a-z]{0,5}`).Draw(t, "address"),
	}
}

func drawCard(t *rapid.T) engine.ContactCard {
	word := rapid.StringMatching(`[a-z]{0,4}`)
	card := engine.ContactCard{
		Name: engine.CardName{Formatted: word.Draw(t, "formatted"), First: word.Draw(t, "first"), Suffix: word.Draw(t, "suffix")},
		Org:  engine.CardOrg{Title: word.Draw(t, "title")},
	}
	for range rapid.IntRange(0, 2).Draw(t, "entries") {
		card.Phones = append(card.Phones, engine.CardPhone{Phone: word.Draw(t, "phone"), WaID: word.Draw(t, "wa_id")})
		card.Emails = append(card.Emails, engine.CardEmail{Email: word.Draw(t, "email"), Type: word.Draw(t, "type")})
		card.URLs = append(card.URLs, engine.CardURL{URL: word.Draw(t, "url")})
		card.Addresses = append(card.Addresses, engine.CardAddress{City: word.Draw(t, "city"), Zip: word.Draw(t, "zip")})
	}
	return card
}

func drawMenu(t *rapid.T, kind engine.ContentKind) *engine.Menu {
	word := rapid.StringMatching(`[a-z]{1,6}`)
	m := &engine.Menu{Footer: rapid.StringMatching(`[a-z]{0,6}`).Draw(t, "footer")}
	switch header := rapid.SampledFrom([]engine.ContentKind{
		0, engine.ContentText, engine.ContentImage, engine.ContentVideo, engine.ContentDocument,
	}).Draw(t, "header"); header {
	case 0:
	case engine.ContentText:
		m.Header = &engine.MenuHeader{Kind: header, Text: word.Draw(t, "header")}
	default:
		m.Header = &engine.MenuHeader{Kind: header, Media: drawMedia(t, header)}
	}
	n := rapid.IntRange(1, 3).Draw(t, "n")
	switch kind {
	case engine.ContentButtons:
		for range n {
			m.Buttons = append(m.Buttons, engine.MenuButton{ID: word.Draw(t, "id"), Title: word.Draw(t, "title")})
		}
	case engine.ContentList:
		m.Label = word.Draw(t, "label")
		for range n {
			m.Sections = append(m.Sections, engine.MenuSection{
				Title: word.Draw(t, "title"), Rows: []engine.MenuRow{{ID: word.Draw(t, "id"), Title: word.Draw(t, "row"), Description: "d"}},
			})
		}
	default:
		m.Label, m.URL = word.Draw(t, "label"), "https://"+word.Draw(t, "host")+".test"
	}
	return m
}

func drawTemplate(t *rapid.T) *engine.Template {
	word := rapid.StringMatching(`[a-z]{1,6}`)
	template := &engine.Template{Name: word.Draw(t, "name"), Language: "en_US", Policy: rapid.SampledFrom([]string{"", "deterministic"}).Draw(t, "policy")}
	if rapid.IntRange(0, 4).Draw(t, "raw") == 0 {
		template.Raw = `[{"type": "carousel"}]`
		return template
	}
	for range rapid.IntRange(0, 3).Draw(t, "components") {
		component := engine.TemplateComponent{Type: word.Draw(t, "type"), SubType: word.Draw(t, "sub_type"), Index: rapid.Uint32Range(0, 9).Draw(t, "index")}
		component.Parameters = rapid.SliceOfN(rapid.Custom(drawParameter), 1, 3).Draw(t, "parameters")
		template.Components = append(template.Components, component)
	}
	return template
}

func drawParameter(t *rapid.T) engine.TemplateParameter {
	word := rapid.StringMatching(`[a-z]{1,6}`)
	p := engine.TemplateParameter{
		Name: rapid.StringMatching(`[a-z]{0,3}`).Draw(t, "name"),
		Type: rapid.SampledFrom([]string{
			"text", "payload", "coupon_code", "currency", "date_time", "image", "video", "document", "location", "action",
		}).Draw(t, "type"),
	}
	switch p.Type {
	case "currency":
		p.Currency = &engine.Currency{Code: "USD", Amount: rapid.Int64().Draw(t, "amount"), Fallback: word.Draw(t, "fallback")}
	case "date_time":
		p.DateTime = &engine.DateTime{
			Fallback: word.Draw(t, "fallback"), Calendar: "GREGORIAN", Year: 1977, Month: 2, DayOfMonth: 25, DayOfWeek: 5, Hour: 15, Minute: 33,
		}
	case "image":
		p.Media = drawMedia(t, engine.ContentImage)
	case "video":
		p.Media = drawMedia(t, engine.ContentVideo)
	case "document":
		p.Media = drawMedia(t, engine.ContentDocument)
	case "location":
		p.Location = drawLocation(t)
	case "action":
		object, err := json.Marshal(map[string]any{word.Draw(t, "key"): rapid.Float64().Draw(t, "value"), "list": []any{word.Draw(t, "item"), true}})
		if err != nil {
			t.Fatalf("marshal: %v", err)
		}
		p.Action = string(object)
	default:
		p.Text = word.Draw(t, "text")
	}
	return p
}

// TestDigestOfTemplates: maps in a request must not make a retry another command.
func TestDigestOfTemplates(t *testing.T) {
	request := func() *intervenev1.SendMessageRequest {
		fields := make(map[string]any)
		for _, key := range strings.Split("abcdefghijklmnop", "") {
			fields[key] = key
		}
		action, err := structpb.NewStruct(fields)
		if err != nil {
			t.Fatalf("NewStruct: %v", err)
		}
		return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Template{Template: &intervenev1.Template{
			Components: []*intervenev1.TemplateComponent{{Parameters: []*intervenev1.TemplateParameter{{Value: &intervenev1.TemplateParameter_Action{Action: action}}}}},
		}}}
	}
	want, err := digest("asha", request())
	if err != nil {
		t.Fatalf("digest: %v", err)
	}
	for range 20 {
		if got, err := digest("asha", request()); err != nil || got != want {
			t.Fatalf("got %x, %v, want %x", got, err, want)
		}
	}
}
