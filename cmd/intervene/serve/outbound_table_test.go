package serve_test

import (
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// sends are the requests of which Meta's examples come out.
var sends = map[string]row{
	"send-text-message":          fixed(text("text-message-content")),
	"send-reply-to-text-message": fixed(text("<TEXT_MSG_CONTENT>")),
	"send-text-message-with-preview-url": fixed(&intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Text{
		Text: &intervenev1.Text{Body: "Please visit https://youtu.be/hpltvTEiRrY.", LinkPreview: true},
	}}),

	"send-image-message-by-id":              byID("image", "image/png", plain),
	"send-reply-to-image-message-by-id":     byID("image", "image/jpeg", plain),
	"send-image-message-by-url":             byURL("image", "https://example.com/image-url", plain),
	"send-reply-to-image-message-by-url":    byURL("image", "https://example.com/image-url", plain),
	"send-video-message-by-id":              byID("video", "video/mp4", film),
	"send-reply-to-video-message-by-id":     byID("video", "video/3gpp", film),
	"send-video-message-by-url":             byURL("video", "https://example.com/video-url", film),
	"send-reply-to-video-message-by-url":    byURL("video", "https://example.com/video-url", film),
	"send-audio-message-by-id":              byID("audio", "audio/ogg", plain),
	"send-reply-to-audio-message-by-id":     byID("audio", "audio/mpeg", plain),
	"send-audio-message-by-url":             byURL("audio", "https://example.com/audio-url", plain),
	"send-reply-to-audio-message-by-url":    byURL("audio", "https://example.com/audio-url", plain),
	"send-document-message-by-id":           byID("document", "application/pdf", paper),
	"send-reply-to-document-message-by-id":  byID("document", "text/plain", paper),
	"send-document-message-by-url":          byURL("document", "https://example.com/document-url", &intervenev1.Media{Caption: "<DOCUMENT-CAPTION-TEXT>"}),
	"send-reply-to-document-message-by-url": byURL("document", "https://example.com/document-url", &intervenev1.Media{Caption: "<DOCUMENT_CAPTION_TEXT>"}),
	"send-sticker-message-by-id":            byID("sticker", "image/webp", plain),
	"send-reply-to-sticker-message-by-id":   byID("sticker", "image/webp", plain),
	"send-sticker-message-by-url":           byURL("sticker", "https://example.com/sticker-url", plain),
	"send-reply-to-sticker-message-by-url":  byURL("sticker", "https://example.com/sticker-url", plain),

	"send-location-message":          fixed(headquarters),
	"send-reply-to-location-message": fixed(headquarters),
	"send-contact-message":           fixed(johnSmith),
	"send-reply-to-contact-message":  fixed(johnSmith),
	"send-reply-with-reaction-message": fixed(&intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Reaction{
		Reaction: &intervenev1.Reaction{Emoji: "😀"},
	}}),
	"send-reply-button": fixed(&intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Buttons{Buttons: &intervenev1.Buttons{
		Body: "<BUTTON_TEXT>",
		Buttons: []*intervenev1.Button{
			{Id: "<UNIQUE_BUTTON_ID_1>", Title: "<BUTTON_TITLE_1>"}, {Id: "<UNIQUE_BUTTON_ID_2>", Title: "<BUTTON_TITLE_2>"},
		},
	}}}),
	"send-list-message":          fixed(twoSections),
	"send-reply-to-list-message": fixed(twoSections),

	"send-test-message": fixed(template(&intervenev1.Template{Name: "hello_world", Language: "en_US"})),
	"send-message-template-text": fixed(template(&intervenev1.Template{
		Name: "template-name", Language: "language-and-locale-code", Components: []*intervenev1.TemplateComponent{billed},
	})),
	"send-sample-text-message": fixed(template(&intervenev1.Template{
		Name: "template-name", Language: "language-and-locale-code", Components: []*intervenev1.TemplateComponent{billed},
	})),
	"send-sample-shipping-confirmation-template": fixed(template(&intervenev1.Template{
		Name: "template-name", Language: "language-and-locale-code", Components: []*intervenev1.TemplateComponent{billed},
	})),
	"send-message-template-media": fixed(template(&intervenev1.Template{
		Name: "template-name", Language: "language-and-locale-code", Components: []*intervenev1.TemplateComponent{pictured, billed},
	})),
	"send-message-template-interactive": fixed(template(&intervenev1.Template{
		Name: "template-name", Language: "language-and-locale-code", Components: []*intervenev1.TemplateComponent{
			pictured, billed, quickReply(0, "aGlzIHRoaXMgaXMgY29v"), quickReply(1, "9rwnB8RbYmPF5t2Mn09x4h"),
		},
	})),
	// Its parameters are booleans, which nothing of Meta's own reference has.
	"send-sample-issue-resolution-template": fixed(template(&intervenev1.Template{
		Name: "sample_issue_resolution", Language: "en_US", LanguagePolicy: "deterministic",
		ComponentsJson: `[{"type":"body","parameters":[{"type":"text","text":"*Mr. Jones*"}]},` +
			`{"type":"button","sub_type":"quick_reply","index":0,"parameters":[{"type":"text","text":true}]},` +
			`{"type":"button","sub_type":"quick_reply","index":1,"parameters":[{"type":"text","text":false}]}]`,
	})),
	"send-flow-template-message": fixed(template(&intervenev1.Template{
		Name: "<TEMPLATE_NAME>", Language: "en_US", Components: []*intervenev1.TemplateComponent{{
			Type: "button", SubType: "flow", Parameters: []*intervenev1.TemplateParameter{action(map[string]any{
				"flow_token": "<FLOW_TOKEN>", "flow_action_data": map[string]any{"<CUSTOM_KEY>": "<CUSTOM_VALUE>"},
			})},
		}},
	})),
	"send-catalog-template-message": fixed(template(&intervenev1.Template{
		Name: "intro_catalog_offer", Language: "en_US", Components: []*intervenev1.TemplateComponent{
			{Type: "body", Parameters: []*intervenev1.TemplateParameter{textParameter("100"), textParameter("400"), textParameter("3")}},
			{Type: "button", SubType: "CATALOG", Parameters: []*intervenev1.TemplateParameter{action(map[string]any{
				"thumbnail_product_retailer_id": "2lc20305pt",
			})}},
		},
	})),
}

var (
	plain = &intervenev1.Media{}
	film  = &intervenev1.Media{Caption: "<VIDEO_CAPTION_TEXT>"}
	paper = &intervenev1.Media{Caption: "<DOCUMENT_CAPTION_TO_SEND>", Filename: "<DOCUMENT_FILENAME>"}

	headquarters = &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Location{Location: &intervenev1.Location{
		Latitude: 37.758056, Longitude: -122.425332, Name: "META HQ", Address: "1 Hacker Way, Menlo Park, CA 94025",
	}}}
	johnSmith = &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Contacts{Contacts: &intervenev1.Contacts{
		Contacts: []*intervenev1.ContactCard{{
			Name: &intervenev1.CardName{
				FormattedName: "John Smith", FirstName: "John", LastName: "Smith", MiddleName: "D.", Prefix: "Dr", Suffix: "Jr",
			},
			Birthday: "2012-08-18",
			Org:      &intervenev1.CardOrg{Company: "WhatsApp", Department: "Design", Title: "Manager"},
			Phones: []*intervenev1.CardPhone{
				{Phone: "+1 (940) 555-1234", Type: "HOME"}, {Phone: "+1 (650) 555-1234", Type: "WORK", WaId: "16505551234"},
			},
			Emails: []*intervenev1.CardEmail{{Email: "test@fb.com", Type: "WORK"}, {Email: "test@whatsapp.com", Type: "HOME"}},
			Urls:   []*intervenev1.CardUrl{{Url: "https://www.facebook.com", Type: "WORK"}, {Url: "https://www.whatsapp.com", Type: "HOME"}},
			Addresses: []*intervenev1.CardAddress{
				{Street: "1 Hacker Way", City: "Menlo Park", State: "CA", Zip: "94025", Country: "United States", CountryCode: "us", Type: "HOME"},
				{Street: "200 Jefferson Dr", City: "Menlo Park", State: "CA", Zip: "94025", Country: "United States", CountryCode: "us", Type: "WORK"},
			},
		}},
	}}}
	twoSections = &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_List{List: &intervenev1.List{
		Header: &intervenev1.MenuHeader{Kind: &intervenev1.MenuHeader_Text{Text: "<HEADER_TEXT>"}},
		Body:   "<BODY_TEXT>", Footer: "<FOOTER_TEXT>", Label: "<BUTTON_TEXT>",
		Sections: []*intervenev1.ListSection{
			{Title: "<LIST_SECTION_1_TITLE>", Rows: []*intervenev1.ListRow{
				{Id: "<LIST_SECTION_1_ROW_1_ID>", Title: "<SECTION_1_ROW_1_TITLE>", Description: "<SECTION_1_ROW_1_DESC>"},
				{Id: "<LIST_SECTION_1_ROW_2_ID>", Title: "<SECTION_1_ROW_2_TITLE>", Description: "<SECTION_1_ROW_2_DESC>"},
			}},
			{Title: "<LIST_SECTION_2_TITLE>", Rows: []*intervenev1.ListRow{
				{Id: "<LIST_SECTION_2_ROW_1_ID>", Title: "<SECTION_2_ROW_1_TITLE>", Description: "<SECTION_2_ROW_1_DESC>"},
				{Id: "<LIST_SECTION_2_ROW_2_ID>", Title: "<SECTION_2_ROW_2_TITLE>", Description: "<SECTION_2_ROW_2_DESC>"},
			}},
		},
	}}}

	pictured = &intervenev1.TemplateComponent{Type: "header", Parameters: []*intervenev1.TemplateParameter{
		{Value: &intervenev1.TemplateParameter_Image{Image: &intervenev1.Media{Source: link("https://example.com/the-image-url")}}},
	}}
	billed = &intervenev1.TemplateComponent{Type: "body", Parameters: []*intervenev1.TemplateParameter{
		textParameter("text-string"),
		{Value: &intervenev1.TemplateParameter_Currency{Currency: &intervenev1.Currency{Code: "USD", Thousandths: 100990, FallbackValue: "$100.99"}}},
		{Value: &intervenev1.TemplateParameter_DateTime{DateTime: &intervenev1.DateTime{
			FallbackValue: "February 25, 1977", Calendar: "GREGORIAN", Year: 1977, Month: 2, DayOfMonth: 25, DayOfWeek: 5, Hour: 15, Minute: 33,
		}}},
	}}
)

func quickReply(index uint32, payload string) *intervenev1.TemplateComponent {
	return &intervenev1.TemplateComponent{Type: "button", SubType: "quick_reply", Index: index, Parameters: []*intervenev1.TemplateParameter{
		{Value: &intervenev1.TemplateParameter_Payload{Payload: payload}},
	}}
}
