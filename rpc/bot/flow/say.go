package flow

import (
	"strings"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/bot/flow/schema"
)

// message compiles one message that needs no answer.
func (c *compiler) message(at place, m *schema.Message) content {
	switch {
	case m.GetText() != nil:
		body := c.text(at.field("text"), m.GetText(), rule{most: engine.MaxTextRunes})
		return func(r *run) engine.Content { return engine.Content{Kind: engine.ContentText, Text: body.in(r)} }
	case m.GetImage() != nil:
		return c.media(at.field("image"), engine.ContentImage, m.GetImage())
	case m.GetVideo() != nil:
		return c.media(at.field("video"), engine.ContentVideo, m.GetVideo())
	case m.GetAudio() != nil:
		return c.media(at.field("audio"), engine.ContentAudio, m.GetAudio())
	case m.GetDocument() != nil:
		return c.media(at.field("document"), engine.ContentDocument, m.GetDocument())
	case m.GetSticker() != nil:
		return c.media(at.field("sticker"), engine.ContentSticker, m.GetSticker())
	case m.GetLocation() != nil:
		return c.location(at.field("location"), m.GetLocation())
	case m.GetContact() != nil:
		return contactOf(m.GetContact())
	case m.GetLink() != nil:
		return c.link(at.field("link"), m.GetLink())
	case m.GetTemplate() != nil:
		return c.filled(at.field("template"), m.GetTemplate())
	}
	return func(*run) engine.Content { return engine.Content{} } // the rules have refused it
}

func (c *compiler) media(at place, kind engine.ContentKind, m *schema.Media) content {
	link := c.text(at.field("link"), m.GetLink(), rule{most: engine.MaxURLRunes, url: true})
	caption := c.text(at.field("caption"), m.GetCaption(), rule{most: engine.MaxCaptionRunes})
	if caption.given() && (kind == engine.ContentAudio || kind == engine.ContentSticker) {
		c.report(at.field("caption"), "means nothing with %s: it carries none", kind)
	}
	if m.GetFilename() != "" && kind != engine.ContentDocument {
		c.report(at.field("filename"), "means nothing with %s: only documents carry one", kind)
	}
	return func(r *run) engine.Content {
		file := &engine.Media{Link: link.url(r), Filename: m.GetFilename()}
		return engine.Content{Kind: kind, Text: caption.in(r), Media: file}
	}
}

func (c *compiler) location(at place, m *schema.Location) content {
	name := c.text(at.field("name"), m.GetName(), rule{most: engine.MaxLocationRunes})
	address := c.text(at.field("address"), m.GetAddress(), rule{most: engine.MaxLocationRunes})
	return func(r *run) engine.Content {
		return engine.Content{Kind: engine.ContentLocation, Location: &engine.Location{
			Latitude: m.GetLatitude(), Longitude: m.GetLongitude(), Name: name.in(r), Address: address.in(r),
		}}
	}
}

func contactOf(m *schema.ContactCard) content {
	first, last, _ := strings.Cut(m.GetName(), " ")
	card := engine.ContactCard{Name: engine.CardName{Formatted: m.GetName(), First: first, Last: last}}
	card.Org.Company = m.GetOrganization()
	if m.GetPhone() != "" {
		card.Phones = []engine.CardPhone{{Phone: m.GetPhone(), Type: "WORK"}}
	}
	if m.GetEmail() != "" {
		card.Emails = []engine.CardEmail{{Email: m.GetEmail(), Type: "WORK"}}
	}
	if m.GetUrl() != "" {
		card.URLs = []engine.CardURL{{URL: m.GetUrl(), Type: "WORK"}}
	}
	said := engine.Content{Kind: engine.ContentContacts, Contacts: []engine.ContactCard{card}}
	return func(*run) engine.Content { return said }
}

func (c *compiler) link(at place, m *schema.Link) content {
	header := c.header(at.field("header"), m.GetHeader(), false)
	body := c.text(at.field("text"), m.GetText(), rule{most: engine.MaxMenuBodyRunes})
	footer := c.text(at.field("footer"), m.GetFooter(), rule{most: engine.MaxFooterRunes})
	label := c.text(at.field("label"), m.GetLabel(), rule{most: engine.MaxLabelRunes, fixed: true})
	url := c.text(at.field("url"), m.GetUrl(), rule{most: engine.MaxURLRunes, url: true})
	return func(r *run) engine.Content {
		return engine.Content{Kind: engine.ContentLink, Text: body.in(r), Menu: &engine.Menu{
			Header: header(r), Footer: footer.in(r), Label: label.in(r), URL: url.url(r),
		}}
	}
}

// header compiles what stands above a text; textOnly, where no file may.
func (c *compiler) header(at place, m *schema.Header, textOnly bool) func(r *run) *engine.MenuHeader {
	if m == nil {
		return func(*run) *engine.MenuHeader { return nil }
	}
	if m.GetText() != nil {
		words := c.text(at.field("text"), m.GetText(), rule{most: engine.MaxHeaderRunes})
		return func(r *run) *engine.MenuHeader {
			return &engine.MenuHeader{Kind: engine.ContentText, Text: words.in(r)}
		}
	}
	kind, name, source := engine.ContentDocument, "document", m.GetDocument()
	switch {
	case m.GetImage() != nil:
		kind, name, source = engine.ContentImage, "image", m.GetImage()
	case m.GetVideo() != nil:
		kind, name, source = engine.ContentVideo, "video", m.GetVideo()
	}
	if textOnly {
		c.report(at.field(name), "must be a text above a list")
	}
	link := c.text(at.field(name), source, rule{most: engine.MaxURLRunes, url: true})
	return func(r *run) *engine.MenuHeader {
		return &engine.MenuHeader{Kind: kind, Media: &engine.Media{Link: link.url(r)}}
	}
}

// filled compiles a template of WhatsApp's with what fills it.
func (c *compiler) filled(at place, m *schema.Template) content {
	language := c.text(at.field("language"), m.GetLanguage(), rule{most: engine.MaxLanguageRunes, fixed: true})
	parameters := make([]text, len(m.GetParameters()))
	for i, p := range m.GetParameters() {
		parameters[i] = c.text(at.field("parameters").item(i), p, rule{most: engine.MaxParameterRunes})
	}
	return func(r *run) engine.Content {
		t := &engine.Template{Name: m.GetName(), Language: language.in(r), Category: engine.TemplateCategory(m.GetCategory())}
		if len(parameters) > 0 {
			body := engine.TemplateComponent{Type: "body"}
			for _, p := range parameters {
				body.Parameters = append(body.Parameters, engine.TemplateParameter{Type: "text", Text: p.in(r)})
			}
			t.Components = []engine.TemplateComponent{body}
		}
		return engine.Content{Kind: engine.ContentTemplate, Template: t}
	}
}
