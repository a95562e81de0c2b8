package rpc

import (
	"encoding/json"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// contentOf is c in the wire's words. What names a file at the platform stays
// here: callers read files by the message.
func contentOf(c engine.Content) *intervenev1.Content {
	switch c.Kind {
	case engine.ContentText:
		return &intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: c.Text, LinkPreview: c.LinkPreview}}}
	case engine.ContentImage:
		return &intervenev1.Content{Kind: &intervenev1.Content_Image{Image: mediaOf(c.Media, c.Text)}}
	case engine.ContentVideo:
		return &intervenev1.Content{Kind: &intervenev1.Content_Video{Video: mediaOf(c.Media, c.Text)}}
	case engine.ContentAudio:
		return &intervenev1.Content{Kind: &intervenev1.Content_Audio{Audio: mediaOf(c.Media, c.Text)}}
	case engine.ContentDocument:
		return &intervenev1.Content{Kind: &intervenev1.Content_Document{Document: mediaOf(c.Media, c.Text)}}
	case engine.ContentSticker:
		return &intervenev1.Content{Kind: &intervenev1.Content_Sticker{Sticker: mediaOf(c.Media, c.Text)}}
	case engine.ContentLocation:
		return &intervenev1.Content{Kind: &intervenev1.Content_Location{Location: locationOf(c.Location)}}
	case engine.ContentContacts:
		return &intervenev1.Content{Kind: &intervenev1.Content_Contacts{Contacts: contactsOf(c.Contacts)}}
	case engine.ContentReaction:
		return &intervenev1.Content{Kind: &intervenev1.Content_Reaction{Reaction: &intervenev1.Reaction{Emoji: c.Text}}}
	case engine.ContentButtons, engine.ContentList, engine.ContentLink:
		return menuContentOf(c)
	case engine.ContentTemplate:
		return &intervenev1.Content{Kind: &intervenev1.Content_Template{Template: templateOf(c.Template)}}
	default:
		return receivedContentOf(c)
	}
}

// receivedContentOf is content that only comes.
func receivedContentOf(c engine.Content) *intervenev1.Content {
	switch c.Kind {
	case engine.ContentButtonReply:
		return &intervenev1.Content{Kind: &intervenev1.Content_ButtonReply{ButtonReply: &intervenev1.ButtonReply{Id: c.Payload, Title: c.Text}}}
	case engine.ContentOrder:
		return &intervenev1.Content{Kind: &intervenev1.Content_Order{Order: orderOf(c.Order, c.Text)}}
	case engine.ContentFlowReply:
		return &intervenev1.Content{Kind: &intervenev1.Content_FlowReply{
			FlowReply: &intervenev1.FlowReply{Name: c.Payload, ResponseJson: c.Raw, Body: c.Text},
		}}
	case engine.ContentCallPermission:
		return &intervenev1.Content{Kind: &intervenev1.Content_CallPermission{
			CallPermission: &intervenev1.CallPermission{Granted: c.Payload == callAccepted},
		}}
	case engine.ContentWelcome:
		return &intervenev1.Content{Kind: &intervenev1.Content_Welcome{Welcome: &intervenev1.Welcome{}}}
	case engine.ContentSystem:
		return &intervenev1.Content{Kind: &intervenev1.Content_System{System: &intervenev1.System{RawJson: c.Raw}}}
	default:
		return &intervenev1.Content{Kind: &intervenev1.Content_Unsupported{
			Unsupported: &intervenev1.Unsupported{Type: c.Text, RawJson: c.Raw, ErrorCode: c.Error},
		}}
	}
}

// callAccepted is the payload of a call permission that was given.
const callAccepted = "accept"

func mediaOf(m *engine.Media, caption string) *intervenev1.Media {
	if m == nil {
		return &intervenev1.Media{Caption: caption}
	}
	wire := &intervenev1.Media{MimeType: m.MIME, Caption: caption, Filename: m.Filename, Voice: m.Voice, Animated: m.Animated}
	switch {
	case m.Blob != "":
		wire.Source = &intervenev1.Media_BlobId{BlobId: string(m.Blob)}
	case m.Link != "":
		wire.Source = &intervenev1.Media_Link{Link: m.Link}
	}
	return wire
}

func locationOf(l *engine.Location) *intervenev1.Location {
	if l == nil {
		return &intervenev1.Location{}
	}
	return &intervenev1.Location{Latitude: l.Latitude, Longitude: l.Longitude, Name: l.Name, Address: l.Address, Url: l.URL}
}

func contactsOf(cards []engine.ContactCard) *intervenev1.Contacts {
	wire := &intervenev1.Contacts{Contacts: make([]*intervenev1.ContactCard, len(cards))}
	for i := range cards {
		wire.Contacts[i] = contactCardOf(&cards[i])
	}
	return wire
}

func contactCardOf(c *engine.ContactCard) *intervenev1.ContactCard {
	wire := &intervenev1.ContactCard{
		Name: &intervenev1.CardName{
			FormattedName: c.Name.Formatted, FirstName: c.Name.First, LastName: c.Name.Last,
			MiddleName: c.Name.Middle, Prefix: c.Name.Prefix, Suffix: c.Name.Suffix,
		},
		Birthday: c.Birthday,
	}
	if c.Org != (engine.CardOrg{}) {
		wire.Org = &intervenev1.CardOrg{Company: c.Org.Company, Department: c.Org.Department, Title: c.Org.Title}
	}
	for _, p := range c.Phones {
		wire.Phones = append(wire.Phones, &intervenev1.CardPhone{Phone: p.Phone, Type: p.Type, WaId: p.WaID})
	}
	for _, e := range c.Emails {
		wire.Emails = append(wire.Emails, &intervenev1.CardEmail{Email: e.Email, Type: e.Type})
	}
	for _, u := range c.URLs {
		wire.Urls = append(wire.Urls, &intervenev1.CardUrl{Url: u.URL, Type: u.Type})
	}
	for _, a := range c.Addresses {
		wire.Addresses = append(wire.Addresses, &intervenev1.CardAddress{
			Street: a.Street, City: a.City, State: a.State, Zip: a.Zip, Country: a.Country, CountryCode: a.CountryCode, Type: a.Type,
		})
	}
	return wire
}

func orderOf(o *engine.Order, text string) *intervenev1.Order {
	wire := &intervenev1.Order{Text: text}
	if o == nil {
		return wire
	}
	wire.CatalogId = o.Catalog
	for i := range o.Items {
		item := &o.Items[i]
		wire.Items = append(wire.Items, &intervenev1.OrderItem{
			Product: productOf(&item.Product), Quantity: item.Quantity, Price: item.Price, Currency: item.Currency,
		})
	}
	return wire
}

func productOf(p *engine.Product) *intervenev1.Product {
	if p == nil {
		return nil
	}
	return &intervenev1.Product{CatalogId: p.Catalog, RetailerId: p.Retailer}
}

func menuContentOf(c engine.Content) *intervenev1.Content {
	menu := c.Menu
	if menu == nil {
		menu = new(engine.Menu)
	}
	header := menuHeaderOf(menu.Header)
	switch c.Kind {
	case engine.ContentButtons:
		wire := &intervenev1.Buttons{Header: header, Body: c.Text, Footer: menu.Footer}
		for _, b := range menu.Buttons {
			wire.Buttons = append(wire.Buttons, &intervenev1.Button{Id: b.ID, Title: b.Title})
		}
		return &intervenev1.Content{Kind: &intervenev1.Content_Buttons{Buttons: wire}}
	case engine.ContentList:
		wire := &intervenev1.List{Header: header, Body: c.Text, Footer: menu.Footer, Label: menu.Label}
		for _, s := range menu.Sections {
			section := &intervenev1.ListSection{Title: s.Title}
			for _, r := range s.Rows {
				section.Rows = append(section.Rows, &intervenev1.ListRow{Id: r.ID, Title: r.Title, Description: r.Description})
			}
			wire.Sections = append(wire.Sections, section)
		}
		return &intervenev1.Content{Kind: &intervenev1.Content_List{List: wire}}
	default:
		wire := &intervenev1.Link{Header: header, Body: c.Text, Footer: menu.Footer, Label: menu.Label, Url: menu.URL}
		return &intervenev1.Content{Kind: &intervenev1.Content_Link{Link: wire}}
	}
}

func menuHeaderOf(h *engine.MenuHeader) *intervenev1.MenuHeader {
	if h == nil {
		return nil
	}
	switch h.Kind {
	case engine.ContentImage:
		return &intervenev1.MenuHeader{Kind: &intervenev1.MenuHeader_Image{Image: mediaOf(h.Media, "")}}
	case engine.ContentVideo:
		return &intervenev1.MenuHeader{Kind: &intervenev1.MenuHeader_Video{Video: mediaOf(h.Media, "")}}
	case engine.ContentDocument:
		return &intervenev1.MenuHeader{Kind: &intervenev1.MenuHeader_Document{Document: mediaOf(h.Media, "")}}
	default:
		return &intervenev1.MenuHeader{Kind: &intervenev1.MenuHeader_Text{Text: h.Text}}
	}
}

func templateOf(t *engine.Template) *intervenev1.Template {
	if t == nil {
		return &intervenev1.Template{}
	}
	wire := &intervenev1.Template{
		Name: t.Name, Language: t.Language, Category: string(t.Category), ComponentsJson: t.Raw, LanguagePolicy: t.Policy,
	}
	for i := range t.Components {
		c := &t.Components[i]
		component := &intervenev1.TemplateComponent{Type: c.Type, SubType: c.SubType, Index: c.Index}
		for j := range c.Parameters {
			component.Parameters = append(component.Parameters, parameterOf(&c.Parameters[j]))
		}
		wire.Components = append(wire.Components, component)
	}
	return wire
}

// The types of template parameters, as Meta writes them.
const (
	parameterText     = "text"
	parameterPayload  = "payload"
	parameterCoupon   = "coupon_code"
	parameterCurrency = "currency"
	parameterDateTime = "date_time"
	parameterImage    = "image"
	parameterVideo    = "video"
	parameterDocument = "document"
	parameterLocation = "location"
	parameterAction   = "action"
)

func parameterOf(p *engine.TemplateParameter) *intervenev1.TemplateParameter {
	wire := &intervenev1.TemplateParameter{Name: p.Name}
	switch p.Type {
	case parameterText:
		wire.Value = &intervenev1.TemplateParameter_Text{Text: p.Text}
	case parameterPayload:
		wire.Value = &intervenev1.TemplateParameter_Payload{Payload: p.Text}
	case parameterCoupon:
		wire.Value = &intervenev1.TemplateParameter_CouponCode{CouponCode: p.Text}
	case parameterCurrency:
		wire.Value = &intervenev1.TemplateParameter_Currency{Currency: currencyOf(p.Currency)}
	case parameterDateTime:
		wire.Value = &intervenev1.TemplateParameter_DateTime{DateTime: dateTimeOf(p.DateTime)}
	case parameterImage:
		wire.Value = &intervenev1.TemplateParameter_Image{Image: mediaOf(p.Media, "")}
	case parameterVideo:
		wire.Value = &intervenev1.TemplateParameter_Video{Video: mediaOf(p.Media, "")}
	case parameterDocument:
		wire.Value = &intervenev1.TemplateParameter_Document{Document: mediaOf(p.Media, "")}
	case parameterLocation:
		wire.Value = &intervenev1.TemplateParameter_Location{Location: locationOf(p.Location)}
	case parameterAction:
		wire.Value = &intervenev1.TemplateParameter_Action{Action: structOf(p.Action)}
	}
	return wire
}

func currencyOf(c *engine.Currency) *intervenev1.Currency {
	if c == nil {
		return &intervenev1.Currency{}
	}
	return &intervenev1.Currency{Code: c.Code, Thousandths: c.Amount, FallbackValue: c.Fallback}
}

func dateTimeOf(d *engine.DateTime) *intervenev1.DateTime {
	if d == nil {
		return &intervenev1.DateTime{}
	}
	return &intervenev1.DateTime{
		FallbackValue: d.Fallback, Calendar: d.Calendar, Year: d.Year, Month: d.Month, DayOfMonth: d.DayOfMonth,
		DayOfWeek: d.DayOfWeek, Hour: d.Hour, Minute: d.Minute,
	}
}

// structOf is a JSON object that this edge wrote; one that is none is empty.
func structOf(text string) *structpb.Struct {
	var object map[string]any
	if json.Unmarshal([]byte(text), &object) != nil {
		return &structpb.Struct{}
	}
	wire, err := structpb.NewStruct(object)
	if err != nil {
		return &structpb.Struct{}
	}
	return wire
}
