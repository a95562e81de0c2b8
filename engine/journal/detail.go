package journal

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/record"
)

// Most messages are texts, which [packed] encodes. What else a message can
// hold goes through the generated code.

// message appends a field that holds m. What can fail in encoding one, a string
// that is no UTF-8, is switched off in record.proto.
func (f packed) message(field protowire.Number, m proto.Message) packed {
	f, at := f.open(field)
	inner, err := marshal.MarshalAppend(f, m)
	if err != nil {
		panic("journal: a record cannot be encoded: " + err.Error())
	}
	return packed(inner).close(at)
}

// details appends what a content has besides the fields of a text.
func (f packed) details(c *engine.Content) packed {
	f = f.signed(5, int64(c.Error))
	if c.Media != nil {
		f = f.message(6, media(c.Media))
	}
	if c.Location != nil {
		f = f.message(7, location(c.Location))
	}
	for i := range c.Contacts {
		f = f.message(8, contactCard(&c.Contacts[i]))
	}
	if c.Order != nil {
		f = f.message(9, order(c.Order))
	}
	if c.Menu != nil {
		f = f.message(10, menu(c.Menu))
	}
	if c.Template != nil {
		f = f.message(11, template(c.Template))
	}
	return f.boolean(12, c.LinkPreview)
}

func content(c engine.Content) *record.Content {
	return &record.Content{
		Kind: uint32(c.Kind), Text: c.Text, Payload: c.Payload, Raw: c.Raw, Error: c.Error,
		Media: media(c.Media), Location: location(c.Location), Contacts: each(c.Contacts, contactCard),
		Order: order(c.Order), Menu: menu(c.Menu), Template: template(c.Template), LinkPreview: c.LinkPreview,
	}
}

func contentOf(m *record.Content) engine.Content {
	return engine.Content{
		Kind: engine.ContentKind(m.GetKind()), Text: m.GetText(), Payload: m.GetPayload(), Raw: m.GetRaw(), Error: m.GetError(),
		Media: mediaOf(m.GetMedia()), Location: locationOf(m.GetLocation()), Contacts: eachOf(m.GetContacts(), contactCardOf),
		Order: orderOf(m.GetOrder()), Menu: menuOf(m.GetMenu()), Template: templateOf(m.GetTemplate()),
		LinkPreview: m.GetLinkPreview(),
	}
}

// each encodes the elements of a list, eachOf decodes them. No element is no list.
func each[T, M any](list []T, encode func(*T) *M) []*M {
	var records []*M
	for i := range list {
		records = append(records, encode(&list[i]))
	}
	return records
}

func eachOf[T, M any](records []*M, decode func(*M) *T) []T {
	var list []T
	for _, m := range records {
		list = append(list, *decode(m))
	}
	return list
}

func media(m *engine.Media) *record.Media {
	if m == nil {
		return nil
	}
	return &record.Media{
		Id: m.ID, Mime: m.MIME, Sha256: m.SHA256, Blob: string(m.Blob), Link: m.Link, Filename: m.Filename,
		Voice: m.Voice, Animated: m.Animated,
	}
}

func mediaOf(m *record.Media) *engine.Media {
	if m == nil {
		return nil
	}
	return &engine.Media{
		ID: m.GetId(), MIME: m.GetMime(), SHA256: m.GetSha256(), Blob: engine.BlobID(m.GetBlob()), Link: m.GetLink(),
		Filename: m.GetFilename(), Voice: m.GetVoice(), Animated: m.GetAnimated(),
	}
}

func location(l *engine.Location) *record.Location {
	if l == nil {
		return nil
	}
	return &record.Location{Latitude: l.Latitude, Longitude: l.Longitude, Name: l.Name, Address: l.Address, Url: l.URL}
}

func locationOf(m *record.Location) *engine.Location {
	if m == nil {
		return nil
	}
	return &engine.Location{
		Latitude: m.GetLatitude(), Longitude: m.GetLongitude(), Name: m.GetName(), Address: m.GetAddress(), URL: m.GetUrl(),
	}
}

func contactCard(c *engine.ContactCard) *record.ContactCard {
	return &record.ContactCard{
		Name: &record.ContactCard_Name{
			Formatted: c.Name.Formatted, First: c.Name.First, Last: c.Name.Last, Middle: c.Name.Middle,
			Prefix: c.Name.Prefix, Suffix: c.Name.Suffix,
		},
		Birthday: c.Birthday,
		Org:      &record.ContactCard_Org{Company: c.Org.Company, Department: c.Org.Department, Title: c.Org.Title},
		Phones: each(c.Phones, func(p *engine.CardPhone) *record.ContactCard_Phone {
			return &record.ContactCard_Phone{Phone: p.Phone, Type: p.Type, WaId: p.WaID}
		}),
		Emails: each(c.Emails, func(e *engine.CardEmail) *record.ContactCard_Email {
			return &record.ContactCard_Email{Email: e.Email, Type: e.Type}
		}),
		Urls: each(c.URLs, func(u *engine.CardURL) *record.ContactCard_Url {
			return &record.ContactCard_Url{Url: u.URL, Type: u.Type}
		}),
		Addresses: each(c.Addresses, func(a *engine.CardAddress) *record.ContactCard_Address {
			return &record.ContactCard_Address{
				Street: a.Street, City: a.City, State: a.State, Zip: a.Zip, Country: a.Country, CountryCode: a.CountryCode, Type: a.Type,
			}
		}),
	}
}

func contactCardOf(m *record.ContactCard) *engine.ContactCard {
	name, org := m.GetName(), m.GetOrg()
	return &engine.ContactCard{
		Name: engine.CardName{
			Formatted: name.GetFormatted(), First: name.GetFirst(), Last: name.GetLast(), Middle: name.GetMiddle(),
			Prefix: name.GetPrefix(), Suffix: name.GetSuffix(),
		},
		Birthday: m.GetBirthday(),
		Org:      engine.CardOrg{Company: org.GetCompany(), Department: org.GetDepartment(), Title: org.GetTitle()},
		Phones: eachOf(m.GetPhones(), func(p *record.ContactCard_Phone) *engine.CardPhone {
			return &engine.CardPhone{Phone: p.GetPhone(), Type: p.GetType(), WaID: p.GetWaId()}
		}),
		Emails: eachOf(m.GetEmails(), func(e *record.ContactCard_Email) *engine.CardEmail {
			return &engine.CardEmail{Email: e.GetEmail(), Type: e.GetType()}
		}),
		URLs: eachOf(m.GetUrls(), func(u *record.ContactCard_Url) *engine.CardURL {
			return &engine.CardURL{URL: u.GetUrl(), Type: u.GetType()}
		}),
		Addresses: eachOf(m.GetAddresses(), func(a *record.ContactCard_Address) *engine.CardAddress {
			return &engine.CardAddress{
				Street: a.GetStreet(), City: a.GetCity(), State: a.GetState(), Zip: a.GetZip(),
				Country: a.GetCountry(), CountryCode: a.GetCountryCode(), Type: a.GetType(),
			}
		}),
	}
}

func product(p *engine.Product) *record.Product {
	if p == nil {
		return nil
	}
	return &record.Product{Catalog: p.Catalog, Retailer: p.Retailer}
}

func productOf(m *record.Product) *engine.Product {
	if m == nil {
		return nil
	}
	return &engine.Product{Catalog: m.GetCatalog(), Retailer: m.GetRetailer()}
}

func order(o *engine.Order) *record.Order {
	if o == nil {
		return nil
	}
	return &record.Order{Catalog: o.Catalog, Items: each(o.Items, func(i *engine.OrderItem) *record.Order_Item {
		return &record.Order_Item{Product: product(&i.Product), Quantity: i.Quantity, Price: i.Price, Currency: i.Currency}
	})}
}

func orderOf(m *record.Order) *engine.Order {
	if m == nil {
		return nil
	}
	return &engine.Order{Catalog: m.GetCatalog(), Items: eachOf(m.GetItems(), func(i *record.Order_Item) *engine.OrderItem {
		return &engine.OrderItem{
			Product:  engine.Product{Catalog: i.GetProduct().GetCatalog(), Retailer: i.GetProduct().GetRetailer()},
			Quantity: i.GetQuantity(), Price: i.GetPrice(), Currency: i.GetCurrency(),
		}
	})}
}

func menu(m *engine.Menu) *record.Menu {
	if m == nil {
		return nil
	}
	r := &record.Menu{
		Footer: m.Footer, Label: m.Label, Url: m.URL,
		Buttons: each(m.Buttons, func(b *engine.MenuButton) *record.Menu_Button {
			return &record.Menu_Button{Id: b.ID, Title: b.Title}
		}),
		Sections: each(m.Sections, func(s *engine.MenuSection) *record.Menu_Section {
			return &record.Menu_Section{Title: s.Title, Rows: each(s.Rows, func(r *engine.MenuRow) *record.Menu_Row {
				return &record.Menu_Row{Id: r.ID, Title: r.Title, Description: r.Description}
			})}
		}),
	}
	if h := m.Header; h != nil {
		r.Header = &record.Menu_Header{Kind: uint32(h.Kind), Text: h.Text, Media: media(h.Media)}
	}
	return r
}

func menuOf(m *record.Menu) *engine.Menu {
	if m == nil {
		return nil
	}
	result := &engine.Menu{
		Footer: m.GetFooter(), Label: m.GetLabel(), URL: m.GetUrl(),
		Buttons: eachOf(m.GetButtons(), func(b *record.Menu_Button) *engine.MenuButton {
			return &engine.MenuButton{ID: b.GetId(), Title: b.GetTitle()}
		}),
		Sections: eachOf(m.GetSections(), func(s *record.Menu_Section) *engine.MenuSection {
			return &engine.MenuSection{Title: s.GetTitle(), Rows: eachOf(s.GetRows(), func(r *record.Menu_Row) *engine.MenuRow {
				return &engine.MenuRow{ID: r.GetId(), Title: r.GetTitle(), Description: r.GetDescription()}
			})}
		}),
	}
	if h := m.GetHeader(); h != nil {
		result.Header = &engine.MenuHeader{Kind: engine.ContentKind(h.GetKind()), Text: h.GetText(), Media: mediaOf(h.GetMedia())}
	}
	return result
}

func template(t *engine.Template) *record.Template {
	if t == nil {
		return nil
	}
	return &record.Template{
		Name: t.Name, Language: t.Language, Category: string(t.Category), Raw: t.Raw, Policy: t.Policy,
		Components: each(t.Components, func(c *engine.TemplateComponent) *record.Template_Component {
			return &record.Template_Component{
				Type: c.Type, SubType: c.SubType, Index: c.Index, Parameters: each(c.Parameters, templateParameter),
			}
		}),
	}
}

func templateOf(m *record.Template) *engine.Template {
	if m == nil {
		return nil
	}
	return &engine.Template{
		Name: m.GetName(), Language: m.GetLanguage(), Category: engine.TemplateCategory(m.GetCategory()),
		Raw: m.GetRaw(), Policy: m.GetPolicy(),
		Components: eachOf(m.GetComponents(), func(c *record.Template_Component) *engine.TemplateComponent {
			return &engine.TemplateComponent{
				Type: c.GetType(), SubType: c.GetSubType(), Index: c.GetIndex(), Parameters: eachOf(c.GetParameters(), templateParameterOf),
			}
		}),
	}
}

func templateParameter(p *engine.TemplateParameter) *record.Template_Parameter {
	r := &record.Template_Parameter{
		Type: p.Type, Name: p.Name, Text: p.Text, Media: media(p.Media), Location: location(p.Location), Action: p.Action,
	}
	if c := p.Currency; c != nil {
		r.Currency = &record.Template_Currency{Code: c.Code, Amount: c.Amount, Fallback: c.Fallback}
	}
	if d := p.DateTime; d != nil {
		r.DateTime = &record.Template_DateTime{
			Fallback: d.Fallback, Calendar: d.Calendar, Year: d.Year, Month: d.Month, DayOfMonth: d.DayOfMonth,
			DayOfWeek: d.DayOfWeek, Hour: d.Hour, Minute: d.Minute,
		}
	}
	return r
}

func templateParameterOf(m *record.Template_Parameter) *engine.TemplateParameter {
	p := &engine.TemplateParameter{
		Type: m.GetType(), Name: m.GetName(), Text: m.GetText(), Media: mediaOf(m.GetMedia()),
		Location: locationOf(m.GetLocation()), Action: m.GetAction(),
	}
	if c := m.GetCurrency(); c != nil {
		p.Currency = &engine.Currency{Code: c.GetCode(), Amount: c.GetAmount(), Fallback: c.GetFallback()}
	}
	if d := m.GetDateTime(); d != nil {
		p.DateTime = &engine.DateTime{
			Fallback: d.GetFallback(), Calendar: d.GetCalendar(), Year: d.GetYear(), Month: d.GetMonth(),
			DayOfMonth: d.GetDayOfMonth(), DayOfWeek: d.GetDayOfWeek(), Hour: d.GetHour(), Minute: d.GetMinute(),
		}
	}
	return p
}

// messageContext is the record of what a message refers to.
func messageContext(c *engine.Context) *record.Context {
	if c == nil {
		return nil
	}
	m := &record.Context{Forwarded: c.Forwarded, ForwardedOften: c.ForwardedOften, Product: product(c.Product)}
	if r := c.Referral; r != nil {
		m.Referral = &record.Referral{
			SourceUrl: r.SourceURL, SourceId: r.SourceID, SourceType: r.SourceType,
			Headline: r.Headline, Body: r.Body, MediaType: r.MediaType, ClickId: r.ClickID,
		}
	}
	return m
}

func messageContextOf(m *record.Context) *engine.Context {
	if m == nil {
		return nil
	}
	c := &engine.Context{Forwarded: m.GetForwarded(), ForwardedOften: m.GetForwardedOften(), Product: productOf(m.GetProduct())}
	if r := m.GetReferral(); r != nil {
		c.Referral = &engine.Referral{
			SourceURL: r.GetSourceUrl(), SourceID: r.GetSourceId(), SourceType: r.GetSourceType(),
			Headline: r.GetHeadline(), Body: r.GetBody(), MediaType: r.GetMediaType(), ClickID: r.GetClickId(),
		}
	}
	return c
}
