package whatsapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/intervenehq/intervene/engine"
)

// sentMessage is the body of a send, as Meta names its parts
// (developers.facebook.com/docs/whatsapp/cloud-api/reference/messages). Exactly
// one of the objects is there, the one that Type names.
type sentMessage struct {
	Product       string       `json:"messaging_product"`
	RecipientType string       `json:"recipient_type"`
	To            string       `json:"to,omitempty"`
	Recipient     string       `json:"recipient,omitempty"`
	Context       *sentContext `json:"context,omitempty"`
	Type          string       `json:"type"`

	Text        *sentText        `json:"text,omitempty"`
	Image       *sentMedia       `json:"image,omitempty"`
	Video       *sentMedia       `json:"video,omitempty"`
	Audio       *sentMedia       `json:"audio,omitempty"`
	Document    *sentMedia       `json:"document,omitempty"`
	Sticker     *sentMedia       `json:"sticker,omitempty"`
	Location    *sentLocation    `json:"location,omitempty"`
	Contacts    []sentCard       `json:"contacts,omitempty"`
	Reaction    *sentReaction    `json:"reaction,omitempty"`
	Interactive *sentInteractive `json:"interactive,omitempty"`
	Template    *sentTemplate    `json:"template,omitempty"`

	// OpaqueCallbackData comes back in every status of the message.
	OpaqueCallbackData string `json:"biz_opaque_callback_data"`
}

type (
	sentContext struct {
		MessageID string `json:"message_id"`
	}
	sentText struct {
		Body       string `json:"body"`
		PreviewURL bool   `json:"preview_url"`
	}
	sentMedia struct {
		ID       string `json:"id,omitempty"`
		Link     string `json:"link,omitempty"`
		Caption  string `json:"caption,omitempty"`
		Filename string `json:"filename,omitempty"`
	}
	sentLocation struct {
		Latitude  float64 `json:"latitude"`
		Longitude float64 `json:"longitude"`
		Name      string  `json:"name,omitempty"`
		Address   string  `json:"address,omitempty"`
	}
	sentReaction struct {
		MessageID string `json:"message_id"`
		Emoji     string `json:"emoji"`
	}
)

// graphFile is a file that the Graph API knows: by its ID, or by where it lies.
type graphFile struct{ id, link string }

// encodeSend makes the body of a send. Files are what became of the content's
// media, in the order in which mediaOf lists them.
func encodeSend(o engine.Outbound, files []graphFile) ([]byte, error) {
	m := sentMessage{Product: "whatsapp", RecipientType: "individual", OpaqueCallbackData: o.ID.String()}
	switch {
	case o.To.WaID != "":
		m.To = "+" + o.To.WaID
	case o.To.UserID != "":
		m.Recipient = o.To.UserID
	default:
		return nil, errors.New("contact has no identity")
	}
	if o.ReplyTo != "" && o.Content.Kind != engine.ContentReaction {
		m.Context = &sentContext{o.ReplyTo}
	}
	if err := m.fill(&o, files); err != nil {
		return nil, err
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode the send: %w", err)
	}
	return body, nil
}

// fill sets the type and its object.
func (m *sentMessage) fill(o *engine.Outbound, files []graphFile) error {
	c := &o.Content
	m.Type = c.Kind.String()
	switch c.Kind {
	case engine.ContentText:
		m.Text = &sentText{Body: c.Text, PreviewURL: c.LinkPreview}
	case engine.ContentImage:
		m.Image = mediaObject(c, files)
	case engine.ContentVideo:
		m.Video = mediaObject(c, files)
	case engine.ContentAudio:
		m.Audio = mediaObject(c, files)
	case engine.ContentDocument:
		m.Document = mediaObject(c, files)
	case engine.ContentSticker:
		m.Sticker = mediaObject(c, files)
	case engine.ContentLocation:
		m.Location = locationObject(c.Location)
	case engine.ContentContacts:
		m.Contacts = cardObjects(c.Contacts)
	case engine.ContentReaction:
		m.Reaction = &sentReaction{MessageID: o.ReplyTo, Emoji: c.Text}
	case engine.ContentButtons, engine.ContentList, engine.ContentLink:
		m.Type = "interactive"
		m.Interactive = interactiveObject(c, files)
	case engine.ContentTemplate:
		template, err := templateObject(c.Template, files)
		m.Template = template
		return err
	default:
		return fmt.Errorf("content of kind %s cannot be sent", c.Kind)
	}
	return nil
}

// mediaOf lists the files of c, in the order in which they are sent.
func mediaOf(c *engine.Content) []*engine.Media {
	var all []*engine.Media
	if c.Kind.IsMedia() && c.Media != nil {
		all = append(all, c.Media)
	}
	if c.Menu != nil && c.Menu.Header != nil && c.Menu.Header.Media != nil {
		all = append(all, c.Menu.Header.Media)
	}
	if c.Template != nil {
		for i := range c.Template.Components {
			for j := range c.Template.Components[i].Parameters {
				if media := c.Template.Components[i].Parameters[j].Media; media != nil {
					all = append(all, media)
				}
			}
		}
	}
	return all
}

func mediaObject(c *engine.Content, files []graphFile) *sentMedia {
	object := fileObject(c.Media, files[0])
	object.Caption = c.Text
	return object
}

func fileObject(media *engine.Media, file graphFile) *sentMedia {
	return &sentMedia{ID: file.id, Link: file.link, Filename: media.Filename}
}

func locationObject(l *engine.Location) *sentLocation {
	return &sentLocation{Latitude: l.Latitude, Longitude: l.Longitude, Name: l.Name, Address: l.Address}
}

type (
	sentCard struct {
		Name      sentCardName      `json:"name"`
		Birthday  string            `json:"birthday,omitempty"`
		Org       *sentCardOrg      `json:"org,omitempty"`
		Phones    []sentCardPhone   `json:"phones,omitempty"`
		Emails    []sentCardEmail   `json:"emails,omitempty"`
		URLs      []sentCardURL     `json:"urls,omitempty"`
		Addresses []sentCardAddress `json:"addresses,omitempty"`
	}
	// These have the fields of the engine's types, in their order.
	sentCardName struct {
		Formatted string `json:"formatted_name"`
		First     string `json:"first_name,omitempty"`
		Last      string `json:"last_name,omitempty"`
		Middle    string `json:"middle_name,omitempty"`
		Prefix    string `json:"prefix,omitempty"`
		Suffix    string `json:"suffix,omitempty"`
	}
	sentCardOrg struct {
		Company    string `json:"company,omitempty"`
		Department string `json:"department,omitempty"`
		Title      string `json:"title,omitempty"`
	}
	sentCardPhone struct {
		Phone string `json:"phone,omitempty"`
		Type  string `json:"type,omitempty"`
		WaID  string `json:"wa_id,omitempty"`
	}
	sentCardEmail struct {
		Email string `json:"email,omitempty"`
		Type  string `json:"type,omitempty"`
	}
	sentCardURL struct {
		URL  string `json:"url,omitempty"`
		Type string `json:"type,omitempty"`
	}
	sentCardAddress struct {
		Street      string `json:"street,omitempty"`
		City        string `json:"city,omitempty"`
		State       string `json:"state,omitempty"`
		Zip         string `json:"zip,omitempty"`
		Country     string `json:"country,omitempty"`
		CountryCode string `json:"country_code,omitempty"`
		Type        string `json:"type,omitempty"`
	}
)

func cardObjects(cards []engine.ContactCard) []sentCard {
	objects := make([]sentCard, len(cards))
	for i, card := range cards {
		object := sentCard{Name: sentCardName(card.Name), Birthday: card.Birthday}
		if card.Org != (engine.CardOrg{}) {
			org := sentCardOrg(card.Org)
			object.Org = &org
		}
		for _, phone := range card.Phones {
			object.Phones = append(object.Phones, sentCardPhone(phone))
		}
		for _, email := range card.Emails {
			object.Emails = append(object.Emails, sentCardEmail(email))
		}
		for _, address := range card.URLs {
			object.URLs = append(object.URLs, sentCardURL(address))
		}
		for _, address := range card.Addresses {
			object.Addresses = append(object.Addresses, sentCardAddress(address))
		}
		objects[i] = object
	}
	return objects
}

type (
	sentInteractive struct {
		Type   string               `json:"type"`
		Header *sentHeader          `json:"header,omitempty"`
		Body   sentInteractiveText  `json:"body"`
		Footer *sentInteractiveText `json:"footer,omitempty"`
		Action sentAction           `json:"action"`
	}
	sentInteractiveText struct {
		Text string `json:"text"`
	}
	sentHeader struct {
		Type     string     `json:"type"`
		Text     string     `json:"text,omitempty"`
		Image    *sentMedia `json:"image,omitempty"`
		Video    *sentMedia `json:"video,omitempty"`
		Document *sentMedia `json:"document,omitempty"`
	}
	sentAction struct {
		Buttons    []sentButton    `json:"buttons,omitempty"`
		Button     string          `json:"button,omitempty"`
		Sections   []sentSection   `json:"sections,omitempty"`
		Name       string          `json:"name,omitempty"`
		Parameters *sentLinkButton `json:"parameters,omitempty"`
	}
	sentButton struct {
		Type  string    `json:"type"`
		Reply sentReply `json:"reply"`
	}
	sentReply struct {
		ID    string `json:"id"`
		Title string `json:"title"`
	}
	sentSection struct {
		Title string    `json:"title,omitempty"`
		Rows  []sentRow `json:"rows"`
	}
	sentRow struct {
		ID          string `json:"id"`
		Title       string `json:"title"`
		Description string `json:"description,omitempty"`
	}
	sentLinkButton struct {
		DisplayText string `json:"display_text"`
		URL         string `json:"url"`
	}
)

func interactiveObject(c *engine.Content, files []graphFile) *sentInteractive {
	menu := c.Menu
	object := &sentInteractive{Body: sentInteractiveText{c.Text}, Header: headerObject(menu.Header, files)}
	if menu.Footer != "" {
		object.Footer = &sentInteractiveText{menu.Footer}
	}
	switch c.Kind {
	case engine.ContentButtons:
		object.Type = "button"
		for _, button := range menu.Buttons {
			object.Action.Buttons = append(object.Action.Buttons, sentButton{"reply", sentReply(button)})
		}
	case engine.ContentList:
		object.Type, object.Action.Button = "list", menu.Label
		for _, section := range menu.Sections {
			rows := make([]sentRow, len(section.Rows))
			for i, row := range section.Rows {
				rows[i] = sentRow(row)
			}
			object.Action.Sections = append(object.Action.Sections, sentSection{section.Title, rows})
		}
	default:
		object.Type, object.Action.Name = "cta_url", "cta_url"
		object.Action.Parameters = &sentLinkButton{menu.Label, menu.URL}
	}
	return object
}

func headerObject(header *engine.MenuHeader, files []graphFile) *sentHeader {
	switch {
	case header == nil:
		return nil
	case header.Media == nil:
		return &sentHeader{Type: "text", Text: header.Text}
	}
	object := &sentHeader{Type: header.Kind.String()}
	file := fileObject(header.Media, files[0])
	switch header.Kind {
	case engine.ContentVideo:
		object.Video = file
	case engine.ContentDocument:
		object.Document = file
	default:
		object.Image = file
	}
	return object
}

type (
	sentTemplate struct {
		Name       string          `json:"name"`
		Language   sentLanguage    `json:"language"`
		Components json.RawMessage `json:"components,omitempty"`
	}
	sentLanguage struct {
		Code   string `json:"code"`
		Policy string `json:"policy,omitempty"`
	}
	sentComponent struct {
		Type       string          `json:"type"`
		SubType    string          `json:"sub_type,omitempty"`
		Index      any             `json:"index,omitempty"`
		Parameters []sentParameter `json:"parameters,omitempty"`
	}
	sentParameter struct {
		Type     string          `json:"type"`
		Name     string          `json:"parameter_name,omitempty"`
		Text     *string         `json:"text,omitempty"`
		Payload  string          `json:"payload,omitempty"`
		Coupon   string          `json:"coupon_code,omitempty"`
		Currency *sentCurrency   `json:"currency,omitempty"`
		DateTime *sentDateTime   `json:"date_time,omitempty"`
		Image    *sentMedia      `json:"image,omitempty"`
		Video    *sentMedia      `json:"video,omitempty"`
		Document *sentMedia      `json:"document,omitempty"`
		Location *sentLocation   `json:"location,omitempty"`
		Action   json.RawMessage `json:"action,omitempty"`
	}
	sentCurrency struct {
		Code     string `json:"code"`
		Amount   int64  `json:"amount_1000"`
		Fallback string `json:"fallback_value"`
	}
	sentDateTime struct {
		Fallback   string `json:"fallback_value"`
		Calendar   string `json:"calendar,omitempty"`
		Year       int32  `json:"year,omitempty"`
		Month      int32  `json:"month,omitempty"`
		DayOfMonth int32  `json:"day_of_month,omitempty"`
		DayOfWeek  int32  `json:"day_of_week,omitempty"`
		Hour       int32  `json:"hour,omitempty"`
		Minute     int32  `json:"minute,omitempty"`
	}
)

func templateObject(t *engine.Template, files []graphFile) (*sentTemplate, error) {
	object := &sentTemplate{Name: t.Name, Language: sentLanguage{t.Language, t.Policy}}
	if t.Raw != "" {
		object.Components = json.RawMessage(t.Raw)
		return object, nil
	}
	if len(t.Components) == 0 {
		return object, nil
	}
	components := make([]sentComponent, len(t.Components))
	for i, component := range t.Components {
		components[i] = sentComponent{Type: component.Type, SubType: component.SubType}
		if component.Type == "button" {
			components[i].Index = buttonIndex(component)
		}
		for _, parameter := range component.Parameters {
			var file graphFile
			if parameter.Media != nil {
				file, files = files[0], files[1:]
			}
			components[i].Parameters = append(components[i].Parameters, parameterObject(parameter, file))
		}
	}
	raw, err := json.Marshal(components)
	if err != nil {
		return nil, fmt.Errorf("encode the template's components: %w", err)
	}
	object.Components = raw
	return object, nil
}

// buttonIndex is a string in Meta's examples, and a number for the buttons of
// catalogues.
func buttonIndex(c engine.TemplateComponent) any {
	if strings.EqualFold(c.SubType, "catalog") {
		return c.Index
	}
	return fmt.Sprint(c.Index)
}

func parameterObject(p engine.TemplateParameter, file graphFile) sentParameter {
	object := sentParameter{Type: p.Type, Name: p.Name}
	switch p.Type {
	case "text":
		object.Text = &p.Text
	case "payload":
		object.Payload = p.Text
	case "coupon_code":
		object.Coupon = p.Text
	case "image":
		object.Image = fileObject(p.Media, file)
	case "video":
		object.Video = fileObject(p.Media, file)
	case "document":
		object.Document = fileObject(p.Media, file)
	case "action":
		object.Action = json.RawMessage(p.Action)
	}
	if p.Location != nil {
		object.Location = locationObject(p.Location)
	}
	if p.Currency != nil {
		currency := sentCurrency(*p.Currency)
		object.Currency = &currency
	}
	if p.DateTime != nil {
		at := sentDateTime(*p.DateTime)
		object.DateTime = &at
	}
	return object
}
