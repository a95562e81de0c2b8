package serve_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

var exampleWamid = regexp.MustCompile(`("id": ?"wamid\.)[^"]*"`)

// TestInboundExamples: every body that Meta gives as an example is taken, and
// what it says stands in the conversation. Some of them share a wamid and all of
// them the customer: here each has its own.
func TestInboundExamples(t *testing.T) {
	paths := examples(t, "*.json")
	if len(paths) == 0 {
		return
	}
	w := newWorld(t)
	missing := make(map[string]bool)
	for name := range arrivals {
		missing[name] = true
	}
	for i, path := range paths {
		_, name, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".json"), "__")
		delete(missing, name)
		t.Run(name, func(t *testing.T) {
			w.in(t)
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("read: %v", err)
			}
			phone := fmt.Sprintf("1650555%04d", 3000+i)
			own := exampleWamid.ReplaceAllString(strings.ReplaceAll(string(body), exampleCustomer, phone), fmt.Sprintf(`${1}example.%d"`, i))
			if got := w.deliver([]byte(own)); got != http.StatusOK {
				t.Fatalf("webhook: got %d, want 200", got)
			}
			w.checkArrival(name, phone)
		})
	}
	for name := range missing {
		t.Errorf("%s: got no such example, want one for each row", name)
	}
}

const (
	exampleCustomer = "16505551234"
	examplesNewest  = "12195555358" // what the customer of the system message changes to
)

// checkArrival holds what stands in the conversation of phone against the row.
func (w *world) checkArrival(name, phone string) {
	w.t.Helper()
	if strings.HasPrefix(name, "group-") {
		for _, c := range w.cards() {
			if c.GetContact().GetPhone() == phone {
				w.t.Errorf("a group's event: got conversation %s, want none", c.GetConversationId())
			}
		}
		return
	}
	want, ok := arrivals[name]
	if !ok {
		w.t.Fatal("got no row for the example, want one")
	}
	if want.changed != "" {
		phone = want.changed
	}
	conversation := w.card(phone).GetConversationId()
	var messages, others []string
	for _, e := range w.events(conversation) {
		switch kind := e.GetKind().(type) {
		case *intervenev1.ConversationEvent_Message:
			messages = append(messages, kind.Message.GetMessageId())
		case *intervenev1.ConversationEvent_Amendment:
			others = append(others, kind.Amendment.GetKind().String()+" "+kind.Amendment.GetReaction())
		case *intervenev1.ConversationEvent_ContactChange:
			others = append(others, "changed to "+kind.ContactChange.GetContact().GetPhone())
		}
	}
	if got := strings.Join(others, ", "); got != want.event {
		w.t.Errorf("events: got %q, want %q", got, want.event)
	}
	if (len(messages) == 1) != (want.content != nil) || len(messages) > 1 {
		w.t.Fatalf("messages: got %d, want one: %v", len(messages), want.content != nil)
	}
	if want.content == nil {
		return
	}
	m := w.messages(conversation)[0]
	if m.GetMessageId() != messages[0] || m.GetAuthor().GetKind() != intervenev1.PartyKind_PARTY_KIND_CUSTOMER || m.GetSentAt() == nil {
		w.t.Errorf("message: got %v, want the customer's", m)
	}
	content := proto.Clone(m.GetContent()).(*intervenev1.Content)
	if u := content.GetUnsupported(); u != nil {
		if !strings.Contains(u.GetRawJson(), "131051") {
			w.t.Errorf("raw: got %q, want the message as it came", u.GetRawJson())
		}
		u.RawJson = ""
	}
	if !proto.Equal(content, want.content) {
		w.t.Errorf("content: got %v, want %v", content, want.content)
	}
	if !proto.Equal(m.GetContext(), want.context) {
		w.t.Errorf("context: got %v, want %v", m.GetContext(), want.context)
	}
}

// arrival is what a webhook leaves: a message or another event.
type arrival struct {
	content *intervenev1.Content
	context *intervenev1.Context
	event   string
	changed string // the phone from then on
}

// arrivals are what Meta's examples leave.
var arrivals = map[string]arrival{
	"text-message":                     {content: said("Does it come in another color?")},
	"button-message":                   {content: pressed("Unsubscribe", "Unsubscribe")},
	"interactive-button-reply-message": {content: pressed("cancel-button", "Cancel")},
	"interactive-list-reply-message":   {content: pressed("priority_express", "Priority Mail Express")},
	"contact-sharing-message": {content: &intervenev1.Content{Kind: &intervenev1.Content_Contacts{Contacts: &intervenev1.Contacts{
		Contacts: []*intervenev1.ContactCard{{
			Name:   &intervenev1.CardName{FormattedName: "Lucía Gómez", FirstName: "Lucía", LastName: "Gómez"},
			Org:    &intervenev1.CardOrg{Company: "Google"},
			Phones: []*intervenev1.CardPhone{{Phone: "+1 (983) 555-2319", WaId: "19835552319", Type: "MOBILE"}},
		}},
	}}}},
	"image-message": {content: &intervenev1.Content{Kind: &intervenev1.Content_Image{Image: &intervenev1.Media{
		MimeType: "image/jpeg", Caption: "Taj Mahal",
	}}}},
	"location-message": {content: &intervenev1.Content{Kind: &intervenev1.Content_Location{Location: &intervenev1.Location{
		Latitude: 37.44221496582, Longitude: -122.16165924072, Name: "Philz Coffee",
		Address: "101 Forest Ave, Palo Alto, CA 94301", Url: "https://philzcoffee.com/",
	}}}},
	"order-message": {content: &intervenev1.Content{Kind: &intervenev1.Content_Order{Order: &intervenev1.Order{
		CatalogId: "194836987003835", Items: []*intervenev1.OrderItem{
			{Product: product("di9ozbzfi4"), Quantity: 2, Price: "30", Currency: "USD"},
			{Product: product("nqryix03ez"), Quantity: 1, Price: "25", Currency: "USD"},
		},
	}}}},
	"reaction-message": {event: "AMENDMENT_KIND_REACTED 👍"},
	"system-message":   {event: "changed to " + examplesNewest, changed: examplesNewest},
	"text-message-from-click-to-whatsapp-ad": {
		content: said("Hello! Can I get more info on this?"),
		context: &intervenev1.Context{Referral: &intervenev1.Referral{
			SourceUrl: "https://fb.me/3cr4Wqqkv", SourceId: "120226305854810726", SourceType: "ad",
			Headline: "Chat with us", Body: "Summer Succulents are here!", MediaType: "image",
			ClickId: "Aff-n8ZTODiE79d22KtAwQKj9e_mIEOOj27vDVwFjN80dp4_0NiNhEgpGo0AHemvuSoifXaytfTzcchptiErTKCqTrJ5nW1h7IHYeYymGb5K5J5iTROpBhWAGaIAeUzHL50",
		}},
	},
	"text-message-with-context-product-inquiry": {
		content: said("Is this still available?"),
		context: &intervenev1.Context{Product: &intervenev1.Product{CatalogId: "194836987003835", RetailerId: "di9ozbzfi4"}},
	},
	"unsupported-message": {content: &intervenev1.Content{Kind: &intervenev1.Content_Unsupported{Unsupported: &intervenev1.Unsupported{
		Type: "unsupported", ErrorCode: 131051,
	}}}},
}

func said(body string) *intervenev1.Content {
	return &intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: body}}}
}

func pressed(id, title string) *intervenev1.Content {
	return &intervenev1.Content{Kind: &intervenev1.Content_ButtonReply{ButtonReply: &intervenev1.ButtonReply{Id: id, Title: title}}}
}

func product(id string) *intervenev1.Product {
	return &intervenev1.Product{CatalogId: "194836987003835", RetailerId: id}
}
