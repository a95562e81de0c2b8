package serve_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// examplesFolder is where Meta's own examples may lie: they are not part of
// this project. The variable names another place.
const (
	examplesFolder   = "../../../../shared/data/whatsapp"
	examplesVariable = "INTERVENE_WHATSAPP_EXAMPLES"
)

// examples are the files of Meta's that match; none where the folder is not.
func examples(t *testing.T, pattern string) []string {
	t.Helper()
	folder := examplesFolder
	if named := os.Getenv(examplesVariable); named != "" {
		folder = named
	}
	if _, err := os.Stat(folder); os.IsNotExist(err) && os.Getenv(examplesVariable) == "" {
		t.Logf("there is no folder %s: nothing to compare with", folder)
		return nil
	}
	paths, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("examples in %s: got %d and error %v, want some", folder, len(paths), err)
	}
	return paths
}

// elsewhere are the kinds of interactive message that no request of the API asks for.
var elsewhere = map[string]bool{
	"catalog_message": true, "flow": true, "product": true, "product_list": true, "order_details": true, "order_status": true,
}

// perChat keeps a chat below what WhatsApp takes for one contact at once.
const perChat = 20

// TestOutboundExamples: every example of Meta's, of the kinds that the API has,
// goes out of a request of the API as the same JSON, and is accepted.
func TestOutboundExamples(t *testing.T) {
	paths := examples(t, "outbound/send-*.json")
	if len(paths) == 0 {
		return
	}
	w := newWorld(t)
	var c *chat
	compared, missing := 0, namesIn(sends)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		if kind := interactiveKind(t, body); elsewhere[kind] {
			continue
		}
		if compared%perChat == 0 {
			conversation, wamid := w.chat(standin.Identity("1650555020" + string(rune('0'+compared/perChat))))
			c = &chat{world: w, conversation: conversation, wamid: string(wamid)}
		}
		compared++
		delete(missing, name)
		t.Run(name, func(t *testing.T) {
			w.in(t)
			c.compare(name, string(body))
		})
	}
	for name := range missing {
		t.Errorf("%s: got no such example, want one for each row", name)
	}
	t.Logf("%d examples", compared)
}

func namesIn(rows map[string]row) map[string]bool {
	names := make(map[string]bool, len(rows))
	for name := range rows {
		names[name] = true
	}
	return names
}

func interactiveKind(t *testing.T, body []byte) string {
	t.Helper()
	var send struct {
		Interactive struct{ Type string }
	}
	if err := json.Unmarshal(body, &send); err != nil {
		t.Fatalf("example: %v", err)
	}
	return send.Interactive.Type
}

// chat is a conversation that asha holds, with the name of what the customer wrote.
type chat struct {
	*world
	conversation, wamid string
}

var (
	// These are filled in with what the engine and the stand-in made.
	mediaID   = regexp.MustCompile(`<[A-Z]+_OBJECT_ID>`)
	messageID = regexp.MustCompile(`<MSGID_OF_[A-Z_]+>|wamid\.HBgL[^"]*`)
	// Everything else that stands in < and > is valid as it is.
	urls = regexp.MustCompile(`<?http\(s\)://([a-z-]+)>?`)
)

// ofTyping is the one example that is no message.
const ofTyping = "send-typing-indicator-and-read-receipt"

func (c *chat) compare(name, example string) {
	t := c.t
	t.Helper()
	want := messageID.ReplaceAllString(urls.ReplaceAllString(example, "https://example.com/$1"), c.wamid)
	if name == ofTyping {
		c.compareTyping(want)
		return
	}
	row, ok := sends[name]
	if !ok {
		t.Fatal("got no row for the example, want one")
	}
	request := row(c)
	if strings.Contains(example, "MSGID_OF") || strings.Contains(example, `"reaction"`) {
		request.ReplyToMessageId = c.theirs()
	}
	sent := c.says(c.conversation, request)
	got := c.delivery(sent)
	want = mediaID.ReplaceAllString(want, string(got.MediaID))
	wantSameSend(t, got.Content, []byte(want))
	if now := c.becomes(sent, intervenev1.Delivery_DELIVERY_DELIVERED); !proto.Equal(now.GetContent(), sent.GetContent()) {
		t.Errorf("content: got %v, want %v", now.GetContent(), sent.GetContent())
	}
}

func (c *chat) compareTyping(want string) {
	c.t.Helper()
	if _, err := c.as("asha").SendTyping(c.t.Context(), &intervenev1.SendTypingRequest{ConversationId: c.conversation}); err != nil {
		c.t.Fatalf("SendTyping: %v", err)
	}
	var got graphRequest
	c.until("a receipt", func() (ok bool) {
		got, ok = c.posted(func(r graphRequest) bool { return strings.Contains(r.body, `"typing_indicator"`) })
		return ok
	})
	wantSameSend(c.t, []byte(got.body), []byte(want))
	c.until("the receipt", func() bool { return len(c.meta.Receipts()) > 0 })
	if r := c.meta.Receipts()[0]; r.MessageID.String() != c.wamid || !r.Typing {
		c.t.Errorf("receipt: got %+v, want one of %s, typing", r, c.wamid)
	}
}

// theirs is the message of the customer.
func (c *chat) theirs() string {
	c.t.Helper()
	return c.message(c.conversation, "what the customer wrote", func(m *intervenev1.Message) bool {
		return m.GetAuthor().GetKind() == intervenev1.PartyKind_PARTY_KIND_CUSTOMER
	}).GetMessageId()
}

// wantSameSend compares all but who it goes to and our own name of it. Two
// examples leave out the type, which Meta's reference asks for with every kind
// but text, and which we always send.
func wantSameSend(t *testing.T, got, want []byte) {
	t.Helper()
	g, w := sendOf(t, got), sendOf(t, want)
	if w["type"] == nil && w["status"] == nil {
		kind, _ := g["type"].(string)
		if g[kind] == nil {
			t.Errorf("type: got %q, want what there is", kind)
		}
		delete(g, "type")
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("send: got\n%s\nwant, but for the recipient,\n%s", got, want)
	}
}

func sendOf(t *testing.T, body []byte) (send map[string]any) {
	t.Helper()
	if err := json.Unmarshal(body, &send); err != nil {
		t.Fatalf("send: %v", err)
	}
	for _, name := range []string{"to", "recipient_type", "biz_opaque_callback_data"} {
		delete(send, name)
	}
	return send
}

// upload keeps a file for a conversation, as a person's browser does.
func (w *world) upload(conversation, contentType string, file []byte) (blob string) {
	w.t.Helper()
	response, body := w.do("asha", http.MethodPost, "/v1/conversations/"+conversation+"/media", contentType, file)
	var answer struct {
		BlobID string `json:"blob_id"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || response.StatusCode != http.StatusOK {
		w.t.Fatalf("upload: got %d %s (error %v), want 200", response.StatusCode, body, err)
	}
	return answer.BlobID
}

// row makes the request of which an example comes out. What it answers is
// filled in for the examples that answer something.
type row func(*chat) *intervenev1.SendMessageRequest

func fixed(r *intervenev1.SendMessageRequest) row {
	return func(*chat) *intervenev1.SendMessageRequest {
		own, _ := proto.Clone(r).(*intervenev1.SendMessageRequest)
		return own
	}
}

// byID is a file that was uploaded.
func byID(kind, mime string, m *intervenev1.Media) row {
	return func(c *chat) *intervenev1.SendMessageRequest {
		own, _ := proto.Clone(m).(*intervenev1.Media)
		own.MimeType = mime
		own.Source = &intervenev1.Media_BlobId{BlobId: c.upload(c.conversation, mime, []byte("a file of "+kind))}
		return file(kind, own)
	}
}

// byURL is a file that WhatsApp gets by itself.
func byURL(kind, url string, m *intervenev1.Media) row {
	own, _ := proto.Clone(m).(*intervenev1.Media)
	own.Source = link(url)
	return fixed(file(kind, own))
}

func file(kind string, m *intervenev1.Media) *intervenev1.SendMessageRequest {
	r := &intervenev1.SendMessageRequest{}
	switch kind {
	case "image":
		return picture(m)
	case "video":
		r.Content = &intervenev1.SendMessageRequest_Video{Video: m}
	case "audio":
		r.Content = &intervenev1.SendMessageRequest_Audio{Audio: m}
	case "document":
		r.Content = &intervenev1.SendMessageRequest_Document{Document: m}
	case "sticker":
		r.Content = &intervenev1.SendMessageRequest_Sticker{Sticker: m}
	}
	return r
}

func action(fields map[string]any) *intervenev1.TemplateParameter {
	object, err := structpb.NewStruct(fields)
	if err != nil {
		panic(err) // the table below is wrong
	}
	return &intervenev1.TemplateParameter{Value: &intervenev1.TemplateParameter_Action{Action: object}}
}
