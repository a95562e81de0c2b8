package rpc

import (
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// outgoing makes of what is to be sent what the engine says of it. The lengths
// of everything were checked against the schema before; what the engine can say
// against it, it says itself.
type outgoing struct {
	media Media
	// conversation is the one whose uploads may be sent; zero: none's.
	conversation engine.ConversationID
}

// content is the content that r asks to be sent.
func (o outgoing) content(r *intervenev1.SendMessageRequest) (engine.Content, error) {
	switch c := r.GetContent().(type) {
	case *intervenev1.SendMessageRequest_Text:
		return engine.Content{Kind: engine.ContentText, Text: c.Text.GetBody(), LinkPreview: c.Text.GetLinkPreview()}, nil
	case *intervenev1.SendMessageRequest_Image:
		return o.mediaContent("image", engine.ContentImage, c.Image)
	case *intervenev1.SendMessageRequest_Video:
		return o.mediaContent("video", engine.ContentVideo, c.Video)
	case *intervenev1.SendMessageRequest_Audio:
		return o.mediaContent("audio", engine.ContentAudio, c.Audio)
	case *intervenev1.SendMessageRequest_Document:
		return o.mediaContent("document", engine.ContentDocument, c.Document)
	case *intervenev1.SendMessageRequest_Sticker:
		return o.mediaContent("sticker", engine.ContentSticker, c.Sticker)
	case *intervenev1.SendMessageRequest_Location:
		return engine.Content{Kind: engine.ContentLocation, Location: sentLocation(c.Location)}, nil
	case *intervenev1.SendMessageRequest_Contacts:
		return engine.Content{Kind: engine.ContentContacts, Contacts: sentContacts(c.Contacts)}, nil
	case *intervenev1.SendMessageRequest_Reaction:
		return engine.Content{Kind: engine.ContentReaction, Text: c.Reaction.GetEmoji()}, nil
	case *intervenev1.SendMessageRequest_Buttons:
		return o.buttons(c.Buttons)
	case *intervenev1.SendMessageRequest_List:
		return o.list(c.List)
	case *intervenev1.SendMessageRequest_Link:
		return o.link(c.Link)
	case *intervenev1.SendMessageRequest_Template:
		return o.template(c.Template)
	}
	return engine.Content{}, invalid("content", "must be of a kind that can be sent")
}

func (o outgoing) mediaContent(field string, kind engine.ContentKind, m *intervenev1.Media) (engine.Content, error) {
	media, err := o.file(field, kind, m)
	return engine.Content{Kind: kind, Text: m.GetCaption(), Media: media}, err
}

// file is m, to be sent as kind: what lies elsewhere, or what was uploaded for
// this conversation.
func (o outgoing) file(field string, kind engine.ContentKind, m *intervenev1.Media) (*engine.Media, error) {
	media := &engine.Media{Filename: m.GetFilename()}
	if link := m.GetLink(); link != "" {
		if m.GetMimeType() != "" {
			return nil, invalid(field+".mime_type", "must be empty with a link")
		}
		media.Link = link
		return media, nil
	}
	if o.conversation.IsZero() {
		return nil, invalid(field+".link", "is required: there is no conversation yet to which a file was uploaded")
	}
	mimeType, accepted, ok := mediaTypeOf(m.GetMimeType())
	if !ok || accepted != kind {
		return nil, invalid(field+".mime_type", "must be a type that WhatsApp takes for this kind of message")
	}
	media.Blob, media.MIME = engine.BlobID(m.GetBlobId()), mimeType
	bytes, err := o.size(media.Blob)
	switch {
	case engine.CodeOf(err) == engine.CodeNotFound:
		return nil, invalid(field+".blob_id", "must be of a file that was uploaded to this conversation")
	case err != nil:
		return nil, err
	case bytes > kind.MaxFileBytes():
		return nil, invalid(field+".blob_id", fmt.Sprintf("must be of a file of at most %d bytes", kind.MaxFileBytes()))
	}
	return media, nil
}

func (o outgoing) size(blob engine.BlobID) (int64, error) {
	file, bytes, err := o.media.Open(o.conversation, blob)
	if err != nil {
		return 0, fmt.Errorf("open uploaded file: %w", err)
	}
	if err := file.Close(); err != nil {
		return 0, fmt.Errorf("close uploaded file: %w", err)
	}
	return bytes, nil
}

func sentLocation(l *intervenev1.Location) *engine.Location {
	return &engine.Location{Latitude: l.GetLatitude(), Longitude: l.GetLongitude(), Name: l.GetName(), Address: l.GetAddress()}
}

func sentContacts(c *intervenev1.Contacts) []engine.ContactCard {
	cards := make([]engine.ContactCard, len(c.GetContacts()))
	for i, card := range c.GetContacts() {
		cards[i] = sentContact(card)
	}
	return cards
}

func sentContact(c *intervenev1.ContactCard) engine.ContactCard {
	name, org := c.GetName(), c.GetOrg()
	card := engine.ContactCard{
		Name: engine.CardName{
			Formatted: name.GetFormattedName(), First: name.GetFirstName(), Last: name.GetLastName(),
			Middle: name.GetMiddleName(), Prefix: name.GetPrefix(), Suffix: name.GetSuffix(),
		},
		Birthday: c.GetBirthday(),
		Org:      engine.CardOrg{Company: org.GetCompany(), Department: org.GetDepartment(), Title: org.GetTitle()},
	}
	for _, p := range c.GetPhones() {
		card.Phones = append(card.Phones, engine.CardPhone{Phone: p.GetPhone(), Type: p.GetType(), WaID: p.GetWaId()})
	}
	for _, e := range c.GetEmails() {
		card.Emails = append(card.Emails, engine.CardEmail{Email: e.GetEmail(), Type: e.GetType()})
	}
	for _, u := range c.GetUrls() {
		card.URLs = append(card.URLs, engine.CardURL{URL: u.GetUrl(), Type: u.GetType()})
	}
	for _, a := range c.GetAddresses() {
		card.Addresses = append(card.Addresses, engine.CardAddress{
			Street: a.GetStreet(), City: a.GetCity(), State: a.GetState(), Zip: a.GetZip(),
			Country: a.GetCountry(), CountryCode: a.GetCountryCode(), Type: a.GetType(),
		})
	}
	return card
}

func (o outgoing) buttons(b *intervenev1.Buttons) (engine.Content, error) {
	header, err := o.header("buttons.header", b.GetHeader())
	menu := &engine.Menu{Header: header, Footer: b.GetFooter()}
	for _, button := range b.GetButtons() {
		menu.Buttons = append(menu.Buttons, engine.MenuButton{ID: button.GetId(), Title: button.GetTitle()})
	}
	return engine.Content{Kind: engine.ContentButtons, Text: b.GetBody(), Menu: menu}, err
}

func (o outgoing) list(l *intervenev1.List) (engine.Content, error) {
	header, err := o.header("list.header", l.GetHeader())
	menu := &engine.Menu{Header: header, Footer: l.GetFooter(), Label: l.GetLabel()}
	for _, s := range l.GetSections() {
		section := engine.MenuSection{Title: s.GetTitle()}
		for _, r := range s.GetRows() {
			section.Rows = append(section.Rows, engine.MenuRow{ID: r.GetId(), Title: r.GetTitle(), Description: r.GetDescription()})
		}
		menu.Sections = append(menu.Sections, section)
	}
	return engine.Content{Kind: engine.ContentList, Text: l.GetBody(), Menu: menu}, err
}

func (o outgoing) link(l *intervenev1.Link) (engine.Content, error) {
	header, err := o.header("link.header", l.GetHeader())
	menu := &engine.Menu{Header: header, Footer: l.GetFooter(), Label: l.GetLabel(), URL: l.GetUrl()}
	return engine.Content{Kind: engine.ContentLink, Text: l.GetBody(), Menu: menu}, err
}

func (o outgoing) header(field string, h *intervenev1.MenuHeader) (*engine.MenuHeader, error) {
	var header engine.MenuHeader
	var err error
	switch kind := h.GetKind().(type) {
	case *intervenev1.MenuHeader_Text:
		header.Kind, header.Text = engine.ContentText, kind.Text
	case *intervenev1.MenuHeader_Image:
		header.Kind = engine.ContentImage
		header.Media, err = o.plainFile(field+".image", header.Kind, kind.Image)
	case *intervenev1.MenuHeader_Video:
		header.Kind = engine.ContentVideo
		header.Media, err = o.plainFile(field+".video", header.Kind, kind.Video)
	case *intervenev1.MenuHeader_Document:
		header.Kind = engine.ContentDocument
		header.Media, err = o.plainFile(field+".document", header.Kind, kind.Document)
	default:
		return nil, nil
	}
	return &header, err
}

// plainFile is a file that stands where no caption can.
func (o outgoing) plainFile(field string, kind engine.ContentKind, m *intervenev1.Media) (*engine.Media, error) {
	if m.GetCaption() != "" {
		return nil, invalid(field+".caption", "must be empty here")
	}
	return o.file(field, kind, m)
}

func (o outgoing) template(t *intervenev1.Template) (engine.Content, error) {
	template := &engine.Template{
		Name: t.GetName(), Language: t.GetLanguage(), Raw: t.GetComponentsJson(), Policy: t.GetLanguagePolicy(),
	}
	content := engine.Content{Kind: engine.ContentTemplate, Template: template}
	if template.Raw != "" {
		var components []map[string]any
		switch {
		case len(t.GetComponents()) > 0:
			return content, invalid("template.components_json", "must be empty beside components")
		case json.Unmarshal([]byte(template.Raw), &components) != nil:
			return content, invalid("template.components_json", "must be a JSON array of objects")
		}
	}
	for i, c := range t.GetComponents() {
		component := engine.TemplateComponent{Type: c.GetType(), SubType: c.GetSubType(), Index: c.GetIndex()}
		for j, p := range c.GetParameters() {
			parameter, err := o.parameter(fmt.Sprintf("template.components[%d].parameters[%d]", i, j), p)
			if err != nil {
				return content, err
			}
			component.Parameters = append(component.Parameters, parameter)
		}
		template.Components = append(template.Components, component)
	}
	return content, nil
}

func (o outgoing) parameter(field string, p *intervenev1.TemplateParameter) (engine.TemplateParameter, error) {
	parameter := engine.TemplateParameter{Name: p.GetName()}
	var err error
	switch value := p.GetValue().(type) {
	case *intervenev1.TemplateParameter_Text:
		parameter.Type, parameter.Text = parameterText, value.Text
	case *intervenev1.TemplateParameter_Payload:
		parameter.Type, parameter.Text = parameterPayload, value.Payload
	case *intervenev1.TemplateParameter_CouponCode:
		parameter.Type, parameter.Text = parameterCoupon, value.CouponCode
	case *intervenev1.TemplateParameter_Currency:
		c := value.Currency
		parameter.Type = parameterCurrency
		parameter.Currency = &engine.Currency{Code: c.GetCode(), Amount: c.GetThousandths(), Fallback: c.GetFallbackValue()}
	case *intervenev1.TemplateParameter_DateTime:
		parameter.Type, parameter.DateTime = parameterDateTime, sentDateTime(value.DateTime)
	case *intervenev1.TemplateParameter_Image:
		parameter.Type = parameterImage
		parameter.Media, err = o.plainFile(field+".image", engine.ContentImage, value.Image)
	case *intervenev1.TemplateParameter_Video:
		parameter.Type = parameterVideo
		parameter.Media, err = o.plainFile(field+".video", engine.ContentVideo, value.Video)
	case *intervenev1.TemplateParameter_Document:
		parameter.Type = parameterDocument
		parameter.Media, err = o.plainFile(field+".document", engine.ContentDocument, value.Document)
	case *intervenev1.TemplateParameter_Location:
		parameter.Type, parameter.Location = parameterLocation, sentLocation(value.Location)
	case *intervenev1.TemplateParameter_Action:
		parameter.Type = parameterAction
		parameter.Action, err = sentObject(field+".action", value.Action)
	}
	return parameter, err
}

func sentDateTime(d *intervenev1.DateTime) *engine.DateTime {
	return &engine.DateTime{
		Fallback: d.GetFallbackValue(), Calendar: d.GetCalendar(), Year: d.GetYear(), Month: d.GetMonth(),
		DayOfMonth: d.GetDayOfMonth(), DayOfWeek: d.GetDayOfWeek(), Hour: d.GetHour(), Minute: d.GetMinute(),
	}
}

// sentObject is one JSON text for one object: a retry must be the same.
func sentObject(field string, object *structpb.Struct) (string, error) {
	text, err := json.Marshal(object.AsMap())
	if err != nil {
		// JSON has no word for some numbers.
		return "", invalid(field, "must be what JSON can say")
	}
	return string(text), nil
}
