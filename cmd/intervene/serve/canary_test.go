package serve_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// What must never be told, besides what canaries makes up: secrets, and a customer.
const (
	canaryPhone    = standin.Identity("16505550991")
	canaryStranger = "16505550993"
	canaryUser     = standin.Identity("US.canaryuserid7391")
	canaryName     = "Canaria Quillfeather"
	canaryUsername = "canaria_handle"
	canaryWamid    = "wamid.CANARYWAMIDinbound"
)

// transcript is all that an engine says.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// handler keeps everything, as lines of text and as JSON: they print values in
// different ways.
func (l *transcript) handler() slog.Handler {
	all := &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}
	return slog.NewMultiHandler(slog.NewTextHandler(l, all), slog.NewJSONHandler(l, all))
}

// told are the canaries that stand in text, as they are or in some coat.
func told(text string, canaries []string) (found []string) {
	lower := strings.ToLower(text)
	for _, c := range canaries {
		for _, coat := range coats(c) {
			if strings.Contains(text, coat) || strings.Contains(lower, strings.ToLower(coat)) && coat == c {
				found = append(found, fmt.Sprintf("%q as %q", c, coat))
			}
		}
	}
	return found
}

// coats are ways to write s. Of base64 it is what does not depend on its neighbours,
// at each of the three places where it may begin.
func coats(s string) []string {
	all := []string{s, url.QueryEscape(s), url.PathEscape(s), hex.EncodeToString([]byte(s)), strings.Trim(fmt.Sprintf("%q", s), `"`)}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for lead := range 3 {
			coat := encoding.EncodeToString([]byte(strings.Repeat("x", lead) + s))
			all = append(all, coat[[]int{0, 2, 3}[lead]:len(coat)-2])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestCanaries: whatever people write, whoever they are and whatever the secrets
// are, neither the log, at its most talkative, nor the metrics tell of it; also when
// bots, Meta and callers say all of it back as an error.
func TestCanaries(t *testing.T) {
	w := newWorld(t, withTemplates)
	var log transcript
	w.log = log.handler()
	bot := httptest.NewServer(parrot{})
	t.Cleanup(bot.Close)
	w.config.Apps[0].VerifyToken = config.NewSecret("canary-verify-token")
	w.withBot(config.Bot{Webhook: &config.BotWebhook{URL: bot.URL}})

	var canaries canaries
	canaries.know(accessToken, appSecret, "canary-verify-token", tokenOf("asha"), tokenOf("sue"), tokenOf("robot"), tokenOf("a stranger"),
		canaryPhone.String(), canaryStranger, canaryUser.String(), canaryName, canaryUsername, canaryWamid)
	customer := standin.Customer{PhoneNumberID: phoneNumber, WAID: canaryPhone, UserID: canaryUser, Name: canaryName, Username: canaryUsername}
	conversation := w.customersCanaries(&canaries, customer)
	w.agentsCanaries(&canaries, conversation)
	w.refusedCanaries(&canaries)
	w.strangersCanaries(&canaries)
	for _, d := range w.meta.Deliveries() {
		canaries.know(string(d.WAMID))
	}
	exposed := w.scrape(exposures["text"]) + w.scrape(exposures["OpenMetrics"])
	w.stop()

	t.Logf("%d canaries, %d bytes of log, %d bytes of metrics", len(canaries.all), len(log.String()), len(exposed))
	if len(canaries.all) < 80 || !strings.Contains(log.String(), "bot failed") || !strings.Contains(exposed, `code="131026"`) {
		t.Errorf("got %d canaries and log\n%s\nwant many of them, the bot's failures, and Meta's among the metrics", len(canaries.all), log.String())
	}
	for _, found := range told(log.String(), canaries.all) {
		t.Errorf("the log tells %s", found)
	}
	for _, found := range told(exposed, canaries.all) {
		t.Errorf("the metrics tell %s", found)
	}
	canaries.control(t)
}

// control plants every canary in a log, in every coat: a search that finds nothing
// there would prove nothing.
func (c *canaries) control(t *testing.T) {
	t.Helper()
	for _, canary := range c.all {
		for _, coat := range coats(canary) {
			var log transcript
			slog.New(log.handler()).Debug("planted", slog.Any("error", fmt.Errorf("send it: %w", fmt.Errorf("near<%s>", coat))))
			if len(told(log.String(), []string{canary})) == 0 {
				t.Errorf("%q planted as %q: got it not found, want it found", canary, coat)
			}
		}
	}
}

// canaries are what must not be told.
type canaries struct{ all []string }

func (c *canaries) know(all ...string) {
	for _, s := range all {
		if len(s) < 8 {
			panic("a canary so short is found anywhere: " + s)
		}
		c.all = append(c.all, s)
	}
}

// word is a new one.
func (c *canaries) word(of string) string {
	w := fmt.Sprintf("canary %s no. %d, says Zyx", of, len(c.all))
	c.know(w)
	return w
}

// words knows all of m's own words. What the schema or a format gives is none.
func (c *canaries) words(t *testing.T, m proto.Message) {
	t.Helper()
	err := protorange.Range(m.ProtoReflect(), func(values protopath.Values) error {
		s, ok := values.Index(-1).Value.Interface().(string)
		if !ok || len(s) < 10 || strings.ContainsAny(s, "/_") || s == "GREGORIAN" || strings.HasPrefix(s, "template") || strings.HasPrefix(s, "language") {
			return nil
		}
		c.know(s)
		return nil
	})
	if err != nil {
		t.Fatalf("read a message: %v", err)
	}
}

// customersCanaries lets a customer write everything that can be written.
func (w *world) customersCanaries(c *canaries, customer standin.Customer) (conversation string) {
	w.t.Helper()
	says := func(m standin.Message) standin.WAMID {
		w.t.Helper()
		wamid, err := w.meta.Write(w.t.Context(), customer, m, time.Time{})
		if err != nil {
			w.t.Fatalf("write: %v", err)
		}
		c.know(string(wamid))
		return wamid
	}
	first := says(standin.Message{Text: c.word("text")})
	conversation = w.card(customer.WAID.String()).GetConversationId()
	for _, kind := range []string{"image", "video", "audio", "document", "sticker"} {
		mime := map[string]string{"image": "image/png", "video": "video/mp4", "audio": "audio/ogg", "document": "application/pdf", "sticker": "image/webp"}[kind]
		m := &standin.Media{Kind: kind, MIMEType: mime, Data: []byte(c.word("file"))}
		if kind == "document" {
			m.Filename = c.word("filename") + ".pdf"
		}
		if kind == "image" || kind == "video" || kind == "document" {
			m.Caption = c.word("caption")
		}
		says(standin.Message{Media: m})
	}
	says(standin.Message{Location: &standin.Location{Latitude: 12.5, Longitude: 77.5, Name: c.word("place"), Address: c.word("address")}})
	says(standin.Message{Contacts: []byte(fmt.Sprintf(`[{"name":{"formatted_name":%q,"first_name":%q},"phones":[{"phone":"+1 650 555 0994","wa_id":"16505550994"}]}]`,
		c.word("contact"), c.word("first name")))})
	c.know("16505550994", "650 555 0994")
	says(standin.Message{Order: &standin.Order{CatalogID: "catalog", Text: c.word("order"), Items: []standin.OrderItem{{ProductRetailerID: c.word("product"), Quantity: 1, ItemPrice: 1, Currency: "USD"}}}})
	says(standin.Message{QuickReply: &standin.QuickReply{Payload: c.word("payload"), Text: c.word("quick reply")}})
	says(standin.Message{Form: &standin.Form{Response: []byte(fmt.Sprintf(`{"answer":%q}`, c.word("form")))}})
	says(standin.Message{Text: c.word("reply"), ReplyTo: first})
	says(standin.Message{Edit: &standin.Edit{To: first, Text: c.word("edit")}})
	says(standin.Message{Revoke: first})
	w.deliver(webhook(change("messages", fmt.Sprintf(`"contacts":[{"wa_id":%q,"profile":{"name":%q}}],"messages":[{"from":%q,"id":%q,"timestamp":"%d","type":%q,"text":{"body":7}}]`,
		customer.WAID, canaryName, customer.WAID, canaryWamid, time.Now().Unix(), c.word("type")))))
	w.until("all of it", func() bool { return len(w.messages(conversation)) >= 12 })
	return conversation
}

// agentsCanaries lets agents write everything that they can.
func (w *world) agentsCanaries(c *canaries, conversation string) {
	w.t.Helper()
	w.stands(canaryPhone.String(), intervenev1.Column_COLUMN_REQUESTING) // the bot failed
	w.intervene(conversation)
	asha := w.as("asha")
	if _, err := asha.AddNote(w.t.Context(), &intervenev1.AddNoteRequest{ConversationId: conversation, CommandId: uuid.NewString(), Body: c.word("note")}); err != nil {
		w.t.Fatalf("AddNote: %v", err)
	}
	if _, err := asha.SetTags(w.t.Context(), &intervenev1.SetTagsRequest{ConversationId: conversation, CommandId: uuid.NewString(), Tags: []string{c.word("tag")}}); err != nil {
		w.t.Fatalf("SetTags: %v", err)
	}
	if _, err := asha.FindConversations(w.t.Context(), &intervenev1.FindConversationsRequest{Query: c.word("query")}); err != nil {
		w.t.Fatalf("FindConversations: %v", err)
	}
	theirs := &chat{world: w, conversation: conversation}
	for name, row := range sends {
		if strings.Contains(name, "-by-id") { // they differ from those by URL in nothing that is written
			continue
		}
		r := row(theirs)
		c.words(w.t, r)
		r.ConversationId, r.CommandId = conversation, uuid.NewString()
		if r.GetReaction() != nil {
			continue
		}
		if _, err := asha.SendMessage(w.t.Context(), r); err != nil {
			w.t.Logf("%s: %v", name, err) // templates that nobody knows are refused, which tells things too
		}
	}
}

// refusedCanaries lets Meta refuse, fail and break off sends, saying their words back.
func (w *world) refusedCanaries(c *canaries) {
	w.t.Helper()
	for n, rule := range []standin.Rule{
		{Fault: standin.FaultError, Code: 131026},
		{Fault: standin.FaultError, Code: 131009, HTTPStatus: 400},
		{Fault: standin.FaultServerError, HTTPStatus: 502},
		{Fault: standin.FaultResetBefore},
		{Fault: standin.FaultFail, Code: 131053},
	} {
		phone := standin.Identity(fmt.Sprintf("1650555098%d", n))
		c.know(phone.String())
		if rule.Fault == standin.FaultError || rule.Fault == standin.FaultFail {
			rule.Details = fmt.Sprintf("%s to %s, %s", c.word("detail"), phone, canaryPhone)
		}
		rule.Contact, rule.Next = phone, 1
		w.writes(phone, standin.Message{Text: c.word("greeting")})
		other := w.card(phone.String()).GetConversationId()
		w.stands(phone.String(), intervenev1.Column_COLUMN_REQUESTING)
		w.intervene(other)
		w.meets(rule)
		w.says(other, text(c.word("answer")))
	}
	w.until("Meta's refusals", func() bool {
		page, err := w.as("sue").ListDeadLetters(w.t.Context(), &intervenev1.ListDeadLettersRequest{})
		return err == nil && len(page.GetMessages()) >= 3
	})
}

// strangersCanaries come from those who are not let in, and from callers who err.
func (w *world) strangersCanaries(c *canaries) {
	w.t.Helper()
	body := fmt.Sprintf(`"contacts":[{"wa_id":%q}],"messages":[{"from":%q,"id":"wamid.CANARYWAMIDforged","timestamp":"1","type":"text","text":{"body":%q}}]`,
		canaryStranger, canaryStranger, c.word("forged"))
	c.know("wamid.CANARYWAMIDforged")
	w.do("a stranger", http.MethodPost, "/webhooks/whatsapp/main", "application/json", webhook(change("messages", body)))
	w.deliver([]byte(`{"object":` + c.word("malformed")))
	w.deliver(webhook(change(c.word("field"), body)))
	w.deliver(webhook(change("messages", `"messages":[7,{"from":"`+canaryStranger+`"},{"id":"`+c.word("id")+`"}],"statuses":[{"id":"`+canaryWamid+`","status":"`+c.word("status")+`"}]`)))
	w.deliver(webhook(change("messages", `"errors":[{"code":130429,"title":"`+c.word("title")+`","message":"`+canaryStranger+`"}]`)))
	for _, token := range []string{"canary-verify-token", c.word("verify token")} {
		w.do("a stranger", http.MethodGet, "/webhooks/whatsapp/main?hub.mode=subscribe&hub.challenge=7&hub.verify_token="+url.QueryEscape(token), "", nil)
	}
	for _, procedure := range []string{
		intervenev1connect.LiveChatServiceSendMessageProcedure, intervenev1connect.LiveChatServiceStartConversationProcedure,
		intervenev1connect.LiveChatServiceFindConversationsProcedure, intervenev1connect.BotGatewayServiceSubmitProcedure, "/v1/media/" + url.PathEscape(c.word("path")),
	} {
		for _, member := range []string{"a stranger", "asha", "robot"} {
			w.do(member, http.MethodPost, procedure, "application/json", []byte(`{"text":{"body":"`+c.word("unread")))
			w.do(member, http.MethodPost, procedure, "application/json", []byte(`{"`+c.word("unknown field")+`":1,"to":"`+canaryStranger+`"}`))
			w.do(member, http.MethodPost, procedure+"?q="+url.QueryEscape(c.word("query")), "application/proto", []byte(c.word("no message")))
			w.do(member, http.MethodPost, procedure, "application/json", []byte(`{"conversationId":"`+c.word("conversation id")+`","commandId":"`+c.word("command id")+`"}`))
		}
	}
}

// parrot is a bot that fails in every way, and says back what it was told.
type parrot struct{}

func (parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	switch len(body) % 4 {
	case 0:
		http.Error(w, string(body), http.StatusInternalServerError)
	case 1:
		http.Error(w, string(body), http.StatusBadRequest)
	case 2:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append([]byte(`{"actions":[{"`), body...)) // no JSON
	default:
		w.Header().Set("Location", "http://127.0.0.1:1/?"+url.QueryEscape(string(body)))
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}
