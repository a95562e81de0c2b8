package rpc

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

func bodyText(s string) *intervenev1.SendMessageRequest_Text {
	return &intervenev1.SendMessageRequest_Text{Text: &intervenev1.Text{Body: s}}
}

func linked(kind string) *intervenev1.Media {
	return &intervenev1.Media{Source: &intervenev1.Media_Link{Link: "https://files.test/" + kind}}
}

// sendable is a request of each kind; fill in whom it is for.
func sendable() map[string]*intervenev1.SendMessageRequest {
	return map[string]*intervenev1.SendMessageRequest{
		"text":     {Content: bodyText("hi")},
		"image":    {Content: &intervenev1.SendMessageRequest_Image{Image: linked("a.png")}},
		"video":    {Content: &intervenev1.SendMessageRequest_Video{Video: linked("a.mp4")}},
		"audio":    {Content: &intervenev1.SendMessageRequest_Audio{Audio: linked("a.ogg")}},
		"document": {Content: &intervenev1.SendMessageRequest_Document{Document: linked("a.pdf")}},
		"sticker":  {Content: &intervenev1.SendMessageRequest_Sticker{Sticker: linked("a.webp")}},
		"location": {Content: &intervenev1.SendMessageRequest_Location{Location: &intervenev1.Location{Latitude: 37.7, Longitude: -122.4, Name: "HQ"}}},
		"contacts": {Content: &intervenev1.SendMessageRequest_Contacts{Contacts: &intervenev1.Contacts{Contacts: []*intervenev1.ContactCard{
			{Name: &intervenev1.CardName{FormattedName: "John Smith", FirstName: "John"}, Phones: []*intervenev1.CardPhone{{Phone: "+1 555"}}},
		}}}},
		"reaction": {Content: &intervenev1.SendMessageRequest_Reaction{Reaction: &intervenev1.Reaction{Emoji: "👍"}}},
		"buttons": {Content: &intervenev1.SendMessageRequest_Buttons{Buttons: &intervenev1.Buttons{
			Body: "Which?", Buttons: []*intervenev1.Button{{Id: "a", Title: "A"}, {Id: "b", Title: "B"}},
		}}},
		"list": {Content: &intervenev1.SendMessageRequest_List{List: &intervenev1.List{
			Body: "Which?", Label: "Choose", Sections: []*intervenev1.ListSection{{Rows: []*intervenev1.ListRow{{Id: "a", Title: "A"}}}},
		}}},
		"link":     {Content: &intervenev1.SendMessageRequest_Link{Link: &intervenev1.Link{Body: "See", Label: "Open", Url: "https://shop.test"}}},
		"template": {Content: &intervenev1.SendMessageRequest_Template{Template: orderUpdate()}},
	}
}

func orderUpdate() *intervenev1.Template {
	return &intervenev1.Template{Name: "order_update", Language: "en_US", Components: []*intervenev1.TemplateComponent{{
		Type: "body", Parameters: []*intervenev1.TemplateParameter{{Name: "order", Value: &intervenev1.TemplateParameter_Text{Text: "7"}}},
	}}}
}

// TestSendEveryKind: whatever is sent is queued as it was said, and is read so.
func TestSendEveryKind(t *testing.T) {
	e := newEdge(t)
	id := e.held()
	asha := e.client(ashaToken)
	customers := e.customers(id).String()
	kinds := sendable()
	oneof := new(intervenev1.SendMessageRequest).ProtoReflect().Descriptor().Oneofs().ByName("content").Fields()
	for i := range oneof.Len() {
		name := string(oneof.Get(i).Name())
		t.Run(name, func(t *testing.T) {
			request := kinds[name]
			if request == nil {
				t.Fatalf("got no request with %s in this test, want one", name)
			}
			request.ConversationId, request.CommandId, request.ReplyToMessageId = id.String(), newCommandID(), customers
			sent, err := asha.SendMessage(t.Context(), request)
			if err != nil {
				t.Fatalf("SendMessage: %v", err)
			}
			m := sent.GetMessage()
			if m.GetDelivery() != intervenev1.Delivery_DELIVERY_QUEUED || m.GetReplyToMessageId() != customers {
				t.Errorf("got %v answering %q, want QUEUED answering %q", m.GetDelivery(), m.GetReplyToMessageId(), customers)
			}
			if template := m.GetContent().GetTemplate(); template != nil {
				if template.GetCategory() != "UTILITY" {
					t.Errorf("got category %q, want UTILITY", template.GetCategory())
				}
				template.Category = ""
			}
			got := requestOf(t, m.GetContent())
			got.ConversationId, got.CommandId, got.ReplyToMessageId = request.ConversationId, request.CommandId, request.ReplyToMessageId
			if diff := cmp.Diff(request, got, protocmp.Transform()); diff != "" {
				t.Errorf("got a difference (-want +got):\n%s", diff)
			}
		})
	}
}

// TestContentViolations: what is wrong is named as the schema names it, whoever
// found it.
func TestContentViolations(t *testing.T) {
	e := newEdge(t)
	id := e.held()
	png, large := e.files.put(id, "png"), e.files.put(id, strings.Repeat("x", 5<<20+1))
	elsewhere := e.files.put(e.open("acme"), "other")
	blob := func(b engine.BlobID, mime string) *intervenev1.Media {
		return &intervenev1.Media{Source: &intervenev1.Media_BlobId{BlobId: string(b)}, MimeType: mime}
	}
	image := func(m *intervenev1.Media) *intervenev1.SendMessageRequest {
		return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Image{Image: m}}
	}
	change := func(kind string, f func(*intervenev1.SendMessageRequest)) *intervenev1.SendMessageRequest {
		r := sendable()[kind]
		f(r)
		return r
	}
	long := func(n int) string { return strings.Repeat("é", n+1) }
	rows := make([]*intervenev1.ListRow, 6)
	for i := range rows {
		rows[i] = &intervenev1.ListRow{Id: strings.Repeat("i", i+1), Title: "t"}
	}
	tests := []struct {
		name, field string
		request     *intervenev1.SendMessageRequest
	}{
		{"no source", "image.source", image(&intervenev1.Media{})},
		{"link of a file", "image.link", image(&intervenev1.Media{Source: &intervenev1.Media_Link{Link: "file:///etc/passwd"}})},
		{"malformed blob", "image.blob_id", image(blob("../../x", "image/png"))},
		{"unknown blob", "image.blob_id", image(blob(blobA, "image/png"))},
		{"blob of another conversation", "image.blob_id", image(blob(elsewhere, "image/png"))},
		{"too large a blob", "image.blob_id", image(blob(large, "image/png"))},
		{"no type", "image.mime_type", image(blob(png, ""))},
		{"type of another kind", "image.mime_type", image(blob(png, "video/mp4"))},
		{"unknown type", "image.mime_type", image(blob(png, "image/svg+xml"))},
		{"type of a link", "image.mime_type", image(&intervenev1.Media{Source: &intervenev1.Media_Link{Link: "https://a.test"}, MimeType: "image/png"})},
		{"long caption", "image.caption", change("image", func(r *intervenev1.SendMessageRequest) { r.GetImage().Caption = long(1024) })},
		{"file name of an image", "image.filename", change("image", func(r *intervenev1.SendMessageRequest) { r.GetImage().Filename = "a" })},
		{"caption of a sticker", "sticker.caption", change("sticker", func(r *intervenev1.SendMessageRequest) { r.GetSticker().Caption = "a" })},
		{"voice", "audio.voice", change("audio", func(r *intervenev1.SendMessageRequest) { r.GetAudio().Voice = true })},
		{"beyond the pole", "location.latitude", change("location", func(r *intervenev1.SendMessageRequest) { r.GetLocation().Latitude = 90.1 })},
		{"no contact", "contacts.contacts", &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Contacts{Contacts: &intervenev1.Contacts{}}}},
		{"nameless contact", "contacts.contacts[0].name.formatted_name", change("contacts", func(r *intervenev1.SendMessageRequest) {
			r.GetContacts().GetContacts()[0].GetName().FormattedName = ""
		})},
		{"birthday in words", "contacts.contacts[0].birthday", change("contacts", func(r *intervenev1.SendMessageRequest) {
			r.GetContacts().GetContacts()[0].Birthday = "yesterday"
		})},
		{"reaction to nothing", "reply_to_message_id", change("reaction", func(*intervenev1.SendMessageRequest) {})},
		{"long button body", "buttons.body", change("buttons", func(r *intervenev1.SendMessageRequest) { r.GetButtons().Body = long(1024) })},
		{"long button title", "buttons.buttons[1].title", change("buttons", func(r *intervenev1.SendMessageRequest) { r.GetButtons().GetButtons()[1].Title = long(20) })},
		{"the same button twice", "buttons.buttons[1].id", change("buttons", func(r *intervenev1.SendMessageRequest) { r.GetButtons().GetButtons()[1].Id = "a" })},
		{"four buttons", "buttons.buttons", change("buttons", func(r *intervenev1.SendMessageRequest) {
			r.GetButtons().Buttons = append(r.GetButtons().Buttons, &intervenev1.Button{Id: "c", Title: "C"}, &intervenev1.Button{Id: "d", Title: "D"})
		})},
		{"long footer", "buttons.footer", change("buttons", func(r *intervenev1.SendMessageRequest) { r.GetButtons().Footer = long(60) })},
		{"caption of a header", "buttons.header.image.caption", change("buttons", func(r *intervenev1.SendMessageRequest) {
			m := linked("a.png")
			m.Caption = "a"
			r.GetButtons().Header = &intervenev1.MenuHeader{Kind: &intervenev1.MenuHeader_Image{Image: m}}
		})},
		{"picture over a list", "list.header", change("list", func(r *intervenev1.SendMessageRequest) {
			r.GetList().Header = &intervenev1.MenuHeader{Kind: &intervenev1.MenuHeader_Image{Image: linked("a.png")}}
		})},
		{"twelve rows in two sections", "list.sections[1].rows", change("list", func(r *intervenev1.SendMessageRequest) {
			r.GetList().Sections = []*intervenev1.ListSection{{Title: "a", Rows: rows}, {Title: "b", Rows: rows}}
		})},
		{"long row", "list.sections[0].rows[0].description", change("list", func(r *intervenev1.SendMessageRequest) {
			r.GetList().GetSections()[0].GetRows()[0].Description = long(72)
		})},
		{"script as URL", "link.url", change("link", func(r *intervenev1.SendMessageRequest) { r.GetLink().Url = "javascript:alert(1)" })},
		{"no language", "template.language", change("template", func(r *intervenev1.SendMessageRequest) { r.GetTemplate().Language = "" })},
		{"category of the caller's", "template.category", change("template", func(r *intervenev1.SendMessageRequest) { r.GetTemplate().Category = "UTILITY" })},
		{"components twice", "template.components_json", change("template", func(r *intervenev1.SendMessageRequest) { r.GetTemplate().ComponentsJson = "[]" })},
		{"components of nonsense", "template.components_json", &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Template{
			Template: &intervenev1.Template{Name: "a", Language: "en", ComponentsJson: `{"a":`},
		}}},
		{"parameter without value", "template.components[0].parameters[0].value", change("template", func(r *intervenev1.SendMessageRequest) {
			r.GetTemplate().GetComponents()[0].GetParameters()[0].Value = nil
		})},
		{"header text too long", "template.components[0].parameters[0].text", change("template", func(r *intervenev1.SendMessageRequest) {
			c := r.GetTemplate().GetComponents()[0]
			c.Type, c.Parameters[0].Value = "header", &intervenev1.TemplateParameter_Text{Text: long(60)}
		})},
		{"currency in lower case", "template.components[0].parameters[0].currency.code", change("template", func(r *intervenev1.SendMessageRequest) {
			r.GetTemplate().GetComponents()[0].GetParameters()[0].Value = &intervenev1.TemplateParameter_Currency{Currency: &intervenev1.Currency{Code: "usd", FallbackValue: "1"}}
		})},
		{"unknown file of a parameter", "template.components[0].parameters[0].image.blob_id", change("template", func(r *intervenev1.SendMessageRequest) {
			r.GetTemplate().GetComponents()[0].GetParameters()[0].Value = &intervenev1.TemplateParameter_Image{Image: blob(blobA, "image/png")}
		})},
		{"repeatable, by an agent", "repeatable", change("text", func(r *intervenev1.SendMessageRequest) { r.Repeatable = true })},
		{"reply to nonsense", "reply_to_message_id", change("text", func(r *intervenev1.SendMessageRequest) { r.ReplyToMessageId = "x" })},
		{"reply to another conversation's", "reply_to_message_id", change("text", func(r *intervenev1.SendMessageRequest) {
			r.ReplyToMessageId = e.customers(e.open("acme")).String()
		})},
		{"reply to an event that is no message", "reply_to_message_id", change("text", func(r *intervenev1.SendMessageRequest) {
			r.ReplyToMessageId = engine.MessageID{Conversation: id, Version: 1}.String()
		})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.request.ConversationId, tt.request.CommandId = id.String(), newCommandID()
			_, err := e.client(ashaToken).SendMessage(t.Context(), tt.request)
			wantViolation(t, err, tt.field)
		})
	}
}

// TestReplyToUnsent: WhatsApp has no name yet for what it has not accepted.
func TestReplyToUnsent(t *testing.T) {
	e := newEdge(t)
	id := e.held().String()
	asha := e.client(ashaToken)
	first, err := asha.SendMessage(t.Context(), &intervenev1.SendMessageRequest{ConversationId: id, CommandId: newCommandID(), Content: bodyText("one")})
	if err != nil {
		t.Fatalf("SendMessage: %v", err)
	}
	reply := &intervenev1.SendMessageRequest{
		ConversationId: id, CommandId: newCommandID(), Content: bodyText("two"), ReplyToMessageId: first.GetMessage().GetMessageId(),
	}
	_, err = asha.SendMessage(t.Context(), reply)
	wantViolation(t, err, "reply_to_message_id")

	e.attempt(first.GetMessage(), engine.AttemptResult{State: engine.Accepted, External: "wamid.1"})
	second, err := asha.SendMessage(t.Context(), reply)
	if err != nil || second.GetMessage().GetReplyToMessageId() != reply.ReplyToMessageId {
		t.Errorf("got %v, %v, want a message that answers %s", second.GetMessage(), err, reply.ReplyToMessageId)
	}
}

// TestFilesOfOtherWorkspaces: what is refused over a conversation's files and
// messages must not tell that there is such a conversation.
func TestFilesOfOtherWorkspaces(t *testing.T) {
	e := newEdge(t)
	id := e.held()
	png := e.files.put(id, "png")
	for name, r := range map[string]*intervenev1.SendMessageRequest{
		"file": {Content: &intervenev1.SendMessageRequest_Image{Image: &intervenev1.Media{
			Source: &intervenev1.Media_BlobId{BlobId: string(png)}, MimeType: "image/png",
		}}},
		"no file":  {Content: &intervenev1.SendMessageRequest_Image{Image: &intervenev1.Media{Source: &intervenev1.Media_BlobId{BlobId: string(blobA)}, MimeType: "image/png"}}},
		"reply":    {Content: bodyText("hi"), ReplyToMessageId: e.customers(id).String()},
		"template": {Content: &intervenev1.SendMessageRequest_Template{Template: orderUpdate()}},
	} {
		r.ConversationId, r.CommandId = id.String(), newCommandID()
		_, err := e.client(oliToken).SendMessage(t.Context(), r)
		t.Run(name, func(t *testing.T) { wantRefusal(t, err, connect.CodeNotFound, "NOT_FOUND") })
	}
}

func TestStartConversation(t *testing.T) {
	e := newEdge(t)
	e.policy.WriteFirst = true
	asha := e.client(ashaToken)
	request := &intervenev1.StartConversationRequest{ChannelId: "main", CommandId: newCommandID(), To: "15550199", Template: orderUpdate()}
	begun, err := asha.StartConversation(t.Context(), request)
	if err != nil {
		t.Fatalf("StartConversation: %v", err)
	}
	card, m := begun.GetCard(), begun.GetMessage()
	if card.GetColumn() != intervenev1.Column_COLUMN_HISTORY || card.GetContact().GetPhone() != "15550199" || card.GetChannelId() != "main" {
		t.Errorf("got card %v, want one in HISTORY of 15550199 on main", card)
	}
	if m.GetDelivery() != intervenev1.Delivery_DELIVERY_QUEUED || m.GetContent().GetTemplate().GetCategory() != "UTILITY" {
		t.Errorf("got message %v, want the template, QUEUED, of category UTILITY", m)
	}
	again, err := asha.StartConversation(t.Context(), request)
	if err != nil || again.GetMessage().GetMessageId() != m.GetMessageId() {
		t.Errorf("repeated: got message %s, error %v, want %s", again.GetMessage().GetMessageId(), err, m.GetMessageId())
	}

	requests := map[string]func(*intervenev1.StartConversationRequest){
		"channel_id": func(r *intervenev1.StartConversationRequest) { r.ChannelId = "others" }, // another workspace's
		"to":         func(r *intervenev1.StartConversationRequest) { r.To = "+15550199" },
		"template":   func(r *intervenev1.StartConversationRequest) { r.Template = nil },
		"template.components[0].parameters[0].image.link": func(r *intervenev1.StartConversationRequest) {
			r.Template.Components[0].Parameters[0].Value = &intervenev1.TemplateParameter_Image{
				Image: &intervenev1.Media{Source: &intervenev1.Media_BlobId{BlobId: string(blobA)}, MimeType: "image/png"},
			}
		},
	}
	for field, change := range requests {
		r := &intervenev1.StartConversationRequest{ChannelId: "main", CommandId: newCommandID(), To: "15550199", Template: orderUpdate()}
		change(r)
		_, err := asha.StartConversation(t.Context(), r)
		t.Run(field, func(t *testing.T) { wantViolation(t, err, field) })
	}

	e.policy.WriteFirst = false
	_, err = asha.StartConversation(t.Context(), &intervenev1.StartConversationRequest{ChannelId: "main", CommandId: newCommandID(), To: "15550198", Template: orderUpdate()})
	wantRefusal(t, err, connect.CodePermissionDenied, "FORBIDDEN")
}

// TestOptedOut: no marketing, and nothing that may be marketing, to who wants none.
func TestOptedOut(t *testing.T) {
	e := newEdge(t)
	id := e.held()
	e.must(id, engine.Command{
		Workspace: "acme", By: engine.Party{Kind: engine.Customer},
		Body: engine.SetConsent{Channel: "main", Contact: engine.Contact{WaID: "15550100"}, Consent: engine.Stop, At: 1},
	})
	send := func(name string) error {
		_, err := e.client(ashaToken).SendMessage(t.Context(), &intervenev1.SendMessageRequest{
			ConversationId: id.String(), CommandId: newCommandID(),
			Content: &intervenev1.SendMessageRequest_Template{Template: &intervenev1.Template{Name: name, Language: "en_US"}},
		})
		return err
	}
	wantRefusal(t, send("sale"), connect.CodeFailedPrecondition, "OPTED_OUT")
	wantRefusal(t, send("nobody_knows_it"), connect.CodeFailedPrecondition, "OPTED_OUT")
	if err := send("order_update"); err != nil {
		t.Errorf("got error %v of a template that is no marketing, want none", err)
	}
	got, err := e.client(ashaToken).GetConversation(t.Context(), &intervenev1.GetConversationRequest{ConversationId: id.String()})
	if err != nil || !got.GetCard().GetOptedOut() {
		t.Errorf("got card %v, error %v, want it to say that the customer opted out", got.GetCard(), err)
	}
}

// customers is the newest message of id's customer.
func (e *edge) customers(id engine.ConversationID) engine.MessageID {
	e.t.Helper()
	messages, err := e.Messages(id, 0, 100)
	if err != nil {
		e.t.Fatalf("Messages: %v", err)
	}
	for _, m := range messages {
		if m.Event.Body.Kind() == engine.KindMessageReceived {
			return m.ID
		}
	}
	e.t.Fatalf("got no message of the customer's in %v, want one", id)
	return engine.MessageID{}
}

// attempt is how the courier's attempt at m ended.
func (e *edge) attempt(m *intervenev1.Message, result engine.AttemptResult) {
	e.t.Helper()
	id, err := engine.ParseMessageID(m.GetMessageId())
	if err != nil {
		e.t.Fatalf("ParseMessageID: %v", err)
	}
	courier := engine.Party{Kind: engine.Engine}
	e.must(id.Conversation, engine.Command{Workspace: "acme", By: courier, Body: engine.AttemptSend{}})
	e.must(id.Conversation, engine.Command{Workspace: "acme", By: courier, Body: engine.RecordAttempt{
		Send: id.Version, Attempt: 1, Result: result, Known: engine.Delivery{State: engine.Attempted, Attempt: 1},
	}})
}

func TestResendDeadLetters(t *testing.T) {
	e := newEdge(t)
	sam := e.client(samToken)
	failed := make(map[string]*intervenev1.Message)
	for range 3 {
		id := e.held().String()
		sent, err := e.client(ashaToken).SendMessage(t.Context(), &intervenev1.SendMessageRequest{ConversationId: id, CommandId: newCommandID(), Content: bodyText("hi")})
		if err != nil {
			t.Fatalf("SendMessage: %v", err)
		}
		resend := &intervenev1.ResendMessageRequest{ConversationId: id, CommandId: newCommandID(), MessageId: sent.GetMessage().GetMessageId()}
		_, err = sam.ResendMessage(t.Context(), resend)
		wantRefusal(t, err, connect.CodeFailedPrecondition, "NOT_RESENDABLE")
		e.attempt(sent.GetMessage(), engine.AttemptResult{State: engine.Rejected, Error: 131026, Detail: "not on WhatsApp"})
		failed[sent.GetMessage().GetMessageId()] = sent.GetMessage()
	}
	list := func() []*intervenev1.Message {
		t.Helper()
		var all []*intervenev1.Message
		request := &intervenev1.ListDeadLettersRequest{PageSize: 2}
		for {
			page, err := sam.ListDeadLetters(t.Context(), request)
			if err != nil {
				t.Fatalf("ListDeadLetters: %v", err)
			}
			all = append(all, page.GetMessages()...)
			if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
				return all
			}
		}
	}
	letters := list()
	if len(letters) != len(failed) {
		t.Fatalf("got %d dead letters, want %d", len(letters), len(failed))
	}
	for _, m := range letters {
		if failed[m.GetMessageId()] == nil || m.GetErrorCode() != 131026 || m.GetErrorDetail() != "not on WhatsApp" {
			t.Errorf("got %v, want each rejected message with its error", m)
		}
	}
	one := letters[0]
	resent, err := sam.ResendMessage(t.Context(), &intervenev1.ResendMessageRequest{
		ConversationId: one.GetConversationId(), CommandId: newCommandID(), MessageId: one.GetMessageId(),
	})
	if err != nil {
		t.Fatalf("ResendMessage: %v", err)
	}
	if m := resent.GetMessage(); m.GetResendOfMessageId() != one.GetMessageId() || m.GetAuthor().GetId() != "sam" {
		t.Errorf("got %v, want Sam's, a repetition of %s", m, one.GetMessageId())
	}
	if left := list(); len(left) != len(failed)-1 {
		t.Errorf("got %d dead letters, want one less", len(left))
	}
	other, err := e.client(oliToken).ListDeadLetters(t.Context(), &intervenev1.ListDeadLettersRequest{})
	if err != nil || len(other.GetMessages()) != 0 {
		t.Errorf("another workspace: got %v, %v, want nothing", other.GetMessages(), err)
	}
	_, err = e.client(oliToken).ListDeadLetters(t.Context(), &intervenev1.ListDeadLettersRequest{PageToken: "AQ"})
	wantViolation(t, err, "page_token")
	_, err = sam.ResendMessage(t.Context(), &intervenev1.ResendMessageRequest{
		ConversationId: one.GetConversationId(), CommandId: newCommandID(), MessageId: letters[1].GetMessageId(),
	})
	wantViolation(t, err, "message_id")
}

// foreignLetter is a journal that lists what is not the workspace's.
type foreignLetter struct{ letter engine.DeadLetter }

func (f foreignLetter) DeadLetters(engine.WorkspaceID, engine.DeadLetter, int) ([]engine.DeadLetter, error) {
	return []engine.DeadLetter{f.letter}, nil
}

func TestForeignDeadLetter(t *testing.T) {
	foreign := new(foreignLetter)
	e := newEdge(t, func(o *Options) { o.DeadLetters = foreign })
	foreign.letter.Message = engine.MessageID{Conversation: e.open("acme"), Version: 2}
	_, err := e.client(oliToken).ListDeadLetters(t.Context(), &intervenev1.ListDeadLettersRequest{})
	wantRefusal(t, err, connect.CodeInternal, "INTERNAL")
	foreign.letter.Message = engine.MessageID{Conversation: engine.NewConversationID(1, [14]byte{99}), Version: 2}
	list, err := e.client(oliToken).ListDeadLetters(t.Context(), &intervenev1.ListDeadLettersRequest{})
	if err != nil || len(list.GetMessages()) != 0 {
		t.Errorf("erased since: got %v, %v, want nothing", list.GetMessages(), err)
	}
}

func TestEraseContact(t *testing.T) {
	e := newEdge(t)
	held := e.held()
	id := held.String()
	stored := e.receiveFile(held, &engine.Media{ID: "m1"}, engine.RecordMedia{State: engine.MediaStored, Blob: e.files.put(held, "x"), Bytes: 1})
	if _, err := e.client(adaToken).EraseContact(t.Context(), &intervenev1.EraseContactRequest{ConversationId: id, CommandId: newCommandID()}); err != nil {
		t.Fatalf("EraseContact: %v", err)
	}
	_, err := e.client(adaToken).AddNote(t.Context(), &intervenev1.AddNoteRequest{ConversationId: id, CommandId: newCommandID(), Body: "x"})
	wantRefusal(t, err, connect.CodeNotFound, "NOT_FOUND")
	_, err = e.client(adaToken).GetConversation(t.Context(), &intervenev1.GetConversationRequest{ConversationId: id})
	wantRefusal(t, err, connect.CodeNotFound, "NOT_FOUND")
	_, err = e.client(adaToken).ListMessages(t.Context(), &intervenev1.ListMessagesRequest{ConversationId: id})
	wantRefusal(t, err, connect.CodeNotFound, "NOT_FOUND")
	if got := e.fetch(adaToken, http.MethodGet, mediaPath(stored), nil); got.status != http.StatusNotFound {
		t.Errorf("got %d of a file, want 404", got.status)
	}
}

// TestUploadIntoErased: a file that comes while its conversation is erased goes, too.
func TestUploadIntoErased(t *testing.T) {
	e := newEdge(t)
	id := e.held()
	erasing := readerFunc(func([]byte) (int, error) {
		_, err := e.client(adaToken).EraseContact(t.Context(), &intervenev1.EraseContactRequest{ConversationId: id.String(), CommandId: newCommandID()})
		if err != nil {
			return 0, err
		}
		return 0, io.EOF
	})
	body := io.MultiReader(strings.NewReader("x"), erasing)
	got := e.fetch(ashaToken, http.MethodPost, uploadPath(id), body, "Content-Type", "image/png")
	if reason := got.reason(t); got.status != http.StatusNotFound || reason != "NOT_FOUND" || len(e.files.kept) != 0 {
		t.Errorf("got %d, %s and %d files kept, want 404, NOT_FOUND and none", got.status, reason, len(e.files.kept))
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
