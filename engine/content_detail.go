package engine

// Media is the file of a message.
type Media struct {
	// ID is the platform's name of a file that came.
	ID string
	// MIME and SHA256 (32 bytes, or empty) are what the platform says of it, or
	// what was uploaded here.
	MIME   string
	SHA256 string
	// Blob names what was uploaded here, to be sent; Link is what is fetched by
	// the platform instead. Of a file to be sent exactly one is set.
	Blob BlobID
	Link string
	// Filename is a document's.
	Filename string
	// Voice tells a voice message from other audio, Animated a moving sticker.
	Voice    bool
	Animated bool
}

// BlobID names a stored file by its content, within one conversation: the
// SHA-256 in lower-case hexadecimal digits. Empty: none.
type BlobID string

// Location is a place.
type Location struct {
	Latitude, Longitude float64
	Name, Address, URL  string
}

// ContactCard is one shared contact. It is somebody else than the [Contact].
type ContactCard struct {
	Name      CardName
	Birthday  string // YYYY-MM-DD
	Org       CardOrg
	Phones    []CardPhone
	Emails    []CardEmail
	URLs      []CardURL
	Addresses []CardAddress
}

type (
	CardName    struct{ Formatted, First, Last, Middle, Prefix, Suffix string }
	CardOrg     struct{ Company, Department, Title string }
	CardPhone   struct{ Phone, Type, WaID string }
	CardEmail   struct{ Email, Type string }
	CardURL     struct{ URL, Type string }
	CardAddress struct{ Street, City, State, Zip, Country, CountryCode, Type string }
)

// Order is what a customer put into the cart of a catalogue.
type Order struct {
	Catalog string
	Items   []OrderItem
}

// OrderItem is one line of an order. Price is as it came, in Currency, of one.
type OrderItem struct {
	Product  Product
	Quantity int64
	Price    string
	Currency string
}

// Product is one thing of a catalogue.
type Product struct{ Catalog, Retailer string }

// Menu is what a message offers to press: reply buttons, the rows of a list, or
// a link. The message's text is its body.
type Menu struct {
	// Header is a short text or a picture, video or document; nil: none.
	Header *MenuHeader
	Footer string

	Buttons []MenuButton // of buttons

	Label    string // on the button that opens a list or a link
	Sections []MenuSection
	URL      string // of a link
}

// MenuHeader is text, or media of the given kind.
type MenuHeader struct {
	Kind  ContentKind
	Text  string
	Media *Media
}

type (
	MenuButton  struct{ ID, Title string }
	MenuSection struct {
		Title string
		Rows  []MenuRow
	}
	MenuRow struct{ ID, Title, Description string }
)

// Template is a message that the platform approved before, with what fills it.
type Template struct {
	Name     string
	Language string
	// Category is what the platform counts it as; empty when nobody knows.
	Category   TemplateCategory
	Components []TemplateComponent
	// Raw is a JSON array of components as Meta writes them, which goes out as it
	// is: for what Components cannot say, and in their place.
	Raw string
	// Policy of the language, as Meta writes it; empty: none.
	Policy string
}

// TemplateCategory is as Meta writes it.
type TemplateCategory string

const (
	Marketing      TemplateCategory = "MARKETING"
	Utility        TemplateCategory = "UTILITY"
	Authentication TemplateCategory = "AUTHENTICATION"
)

// TemplateComponent fills one part of a template: its header, its body, or one
// of its buttons, which SubType and Index name.
type TemplateComponent struct {
	Type       string
	SubType    string
	Index      uint32
	Parameters []TemplateParameter
}

// TemplateParameter is one value. Type is as Meta writes it and tells which
// fields mean anything.
type TemplateParameter struct {
	Type     string
	Name     string // of a named parameter
	Text     string // of text, and the coupon_code and payload of buttons
	Media    *Media
	Location *Location
	Currency *Currency
	DateTime *DateTime
	// Action is a JSON object: what a flow or catalogue button takes.
	Action string
}

// Currency is an amount in thousandths.
type Currency struct {
	Code     string
	Amount   int64
	Fallback string
}

// DateTime is shown as Fallback; the other fields are passed on when set.
type DateTime struct {
	Fallback                           string
	Calendar                           string
	Year, Month, DayOfMonth, DayOfWeek int32
	Hour, Minute                       int32
}

// Context is what a message of the customer refers to, besides another message.
type Context struct {
	Forwarded      bool
	ForwardedOften bool
	Product        *Product  // asked about
	Referral       *Referral // the ad or post that led here
}

// Referral is where a customer came from: a click-to-WhatsApp ad or a post.
type Referral struct {
	SourceURL, SourceID, SourceType string
	Headline, Body, MediaType       string
	ClickID                         string
}
