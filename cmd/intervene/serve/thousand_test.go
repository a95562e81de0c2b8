package serve_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	thousand    = 1000 // what Meta puts into one POST at most
	redelivered = 10

	thousandWriters  = 40
	thousandHeld     = 3 // of them, with what asha sent to each
	thousandSends    = 20
	thousandReacted  = 100
	thousandEdited   = 60
	thousandRevoked  = 30
	thousandEchoes   = 40
	thousandConsents = 20
	thousandChanges  = 10
	thousandMessages = thousand - 1 - thousandHeld*thousandSends - thousandReacted - thousandEdited - thousandRevoked -
		thousandEchoes - thousandConsents - thousandChanges
)

// kindsOfMessage is all that a customer can write, behind who wrote it when.
var kindsOfMessage = []string{
	`"type":"text","text":{"body":"hello"}`,
	`"type":"image","image":{"id":"1","mime_type":"image/png","sha256":"c2XQKYYeMsUh+AibAKb7MtrwYVAltptZnRzlNQG4RcI="}`,
	`"type":"text","text":{"body":"this one"},"context":{"forwarded":true,"referred_product":{"catalog_id":"1","product_retailer_id":"2"}}`,
	`"type":"video","video":{"id":"2"}`,
	`"type":"location","location":{"latitude":1.5,"longitude":-2}`,
	`"type":"contacts","contacts":[{"name":{"formatted_name":"Bo"},"phones":[{"phone":"1"}]}]`,
	`"type":"button","button":{"payload":"p","text":"Yes"}`,
	`"type":"interactive","interactive":{"type":"button_reply","button_reply":{"id":"a","title":"A"}}`,
	`"type":"interactive","interactive":{"type":"list_reply","list_reply":{"id":"b","title":"B"}}`,
	`"type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"name":"flow","body":"Sent","response_json":"{\"a\":1}"}}`,
	`"type":"interactive","interactive":{"type":"call_permission_reply","call_permission_reply":{"response":"accept"}}`,
	`"type":"order","order":{"catalog_id":"1","product_items":[{"product_retailer_id":"2","quantity":1,"item_price":3,"currency":"USD"}]}`,
	`"type":"document","document":{"id":"3","filename":"a.pdf"}`,
	`"type":"request_welcome"`,
	`"type":"system","system":{"type":"customer_identity_changed","body":"new key"}`,
	`"type":"unsupported","errors":[{"code":131051,"title":"Message type unknown"}]`,
	`"type":"from_next_year","from_next_year":{"a":1}`,
}

// batch is a POST in the making, and what it is to leave: each effect, once.
type batch struct {
	at      int64 // of all of it, when every window had closed: no bot is asked
	changes []string
	effects map[string]int
}

func (b *batch) add(field, effect, rest string) {
	b.changes = append(b.changes, change(field, rest))
	b.effects[effect]++
}

func (b *batch) message(phone, id, rest string) {
	b.add("messages", id, fmt.Sprintf(`"messages":[{"from":%q,"id":%q,"timestamp":"%d",%s}]`, phone, id, b.at, rest))
}

func writerPhone(n int) string { return strconv.Itoa(16505560000 + n) }

// TestThousandItems: one rotten item costs a POST of a thousand nothing but
// itself, and no repetition in whatever order makes anything happen twice.
func TestThousandItems(t *testing.T) {
	w := newWorld(t, func(c *standin.Config) { c.Statuses = []standin.StatusStep{{Status: standin.StatusSent}} })
	b := &batch{at: time.Now().Add(-48 * time.Hour).Unix(), effects: make(map[string]int)}
	w.addStatuses(b)
	b.addMessages()
	b.addOthers()
	b.changes = append(b.changes, change("messages", `"messages":["rotten"]`))
	if len(b.changes) != thousand || len(b.effects) != thousand-1 {
		t.Fatalf("batch: got %d items and %d effects, want %d and one less", len(b.changes), len(b.effects), thousand)
	}

	if got := w.deliver(webhook(b.changes...)); got != http.StatusOK {
		t.Fatalf("first POST: got %d, want 200", got)
	}
	if got := w.effects(); got != thousand-1 {
		t.Errorf("first POST: got %d effects in the API, want %d", got, thousand-1)
	}
	w.checkAmended()
	w.redeliver(b)
	if got := w.effects(); got != thousand-1 {
		t.Errorf("after %d more: got %d effects in the API, want %d", redelivered, got, thousand-1)
	}
	cards := w.cards()
	w.stop()
	got := effectsOf(t, w.config.DataDir, cards)
	for effect, n := range b.effects {
		if got[effect] != n {
			t.Errorf("%s: got it %d times in the journal, want once", effect, got[effect])
		}
		delete(got, effect)
	}
	if len(got) > 0 {
		t.Errorf("journal: got %v besides, want nothing", got)
	}
}

// addStatuses lets asha send what the batch then says to be delivered.
func (w *world) addStatuses(b *batch) {
	w.t.Helper()
	for n := range thousandHeld {
		phone := writerPhone(n)
		conversation, _ := w.chat(standin.Identity(phone))
		var sent []*intervenev1.Message
		for i := range thousandSends {
			sent = append(sent, w.says(conversation, text(fmt.Sprintf("send %d", i))))
		}
		w.becomes(sent[thousandSends-1], intervenev1.Delivery_DELIVERY_SENT) // and all before it
		for i, m := range sent {
			op := ""
			if i%2 == 0 {
				op = fmt.Sprintf(`"biz_opaque_callback_data":%q,`, m.GetMessageId())
			}
			id := w.delivery(m).WAMID.String()
			b.add("messages", id, fmt.Sprintf(`"statuses":[{"id":%q,"status":"delivered","timestamp":"%d",%s"recipient_id":%q}]`, id, b.at, op, phone))
		}
	}
}

// addMessages adds messages, and what their writers did to some of them.
func (b *batch) addMessages() {
	amend := func(n int, what, rest string) {
		b.message(writerPhone(n%thousandWriters), fmt.Sprintf("wamid.%s.%d", what, n), strings.ReplaceAll(rest, "TARGET", fmt.Sprintf("wamid.message.%d", n)))
	}
	for n := range thousandMessages {
		b.message(writerPhone(n%thousandWriters), fmt.Sprintf("wamid.message.%d", n), kindsOfMessage[n%len(kindsOfMessage)])
	}
	for n := range thousandReacted {
		amend(n, "reaction", `"type":"reaction","reaction":{"message_id":"TARGET","emoji":"👍"}`)
	}
	for n := range thousandEdited {
		amend(thousandReacted+n, "edit",
			`"type":"edit","edit":{"original_message_id":"TARGET","message":{"type":"text","text":{"body":"better"}}}`)
	}
	for n := range thousandRevoked {
		amend(thousandReacted+thousandEdited+n, "revoke", `"type":"revoke","revoke":{"original_message_id":"TARGET"}`)
	}
}

func (b *batch) addOthers() {
	for n := range thousandEchoes {
		id := fmt.Sprintf("wamid.echo.%d", n)
		b.add("smb_message_echoes", id, fmt.Sprintf(
			`"message_echoes":[{"from":"15550199","to":%q,"id":%q,"timestamp":"%d","type":"text","text":{"body":"from the phone"}}]`,
			writerPhone(n%thousandWriters), id, b.at))
	}
	for n := range thousandConsents {
		phone := writerPhone(n)
		b.add("user_preferences", "consent of "+phone, fmt.Sprintf(
			`"user_preferences":[{"wa_id":%q,"category":"marketing_messages","value":"stop","timestamp":%d}]`, phone, b.at))
	}
	for n := range thousandChanges {
		b.message(writerPhone(100+n), fmt.Sprintf("wamid.change.%d", n),
			fmt.Sprintf(`"type":"system","system":{"type":"user_changed_number","wa_id":%q}`, writerPhone(200+n)))
	}
}

// redeliver posts the batch again and again, shuffled, all at once; what is not
// answered 200 comes once more, as Meta does it.
func (w *world) redeliver(b *batch) {
	var posts sync.WaitGroup
	for n := range redelivered {
		posts.Go(func() {
			shuffled := slices.Clone(b.changes)
			rand.New(rand.NewPCG(7, uint64(n))).Shuffle(len(shuffled), func(i, j int) {
				shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
			})
			body := webhook(shuffled...)
			for status := 0; status != http.StatusOK && w.t.Context().Err() == nil; {
				status = w.deliver(body)
				if status != http.StatusOK && status != http.StatusServiceUnavailable {
					w.t.Errorf("POST %d: got %d, want 200, or 503 when there is too much", n, status)
					return
				}
			}
		})
	}
	posts.Wait()
}

// effects counts what customers did, as the API tells it, in all conversations.
func (w *world) effects() (n int) {
	w.t.Helper()
	for _, card := range w.cards() {
		for _, e := range w.events(card.GetConversationId()) {
			old := e.GetMessage().GetSentAt().AsTime().Before(time.Now().Add(-24 * time.Hour)) // not the setting
			switch {
			case e.GetMessage() != nil:
				if e.GetMessage().GetSentAt() != nil && old {
					n++
				}
			case e.GetAmendment() != nil, e.GetConsentChange() != nil, e.GetContactChange() != nil,
				e.GetDeliveryChange().GetDelivery() == intervenev1.Delivery_DELIVERY_DELIVERED:
				n++
			}
		}
	}
	return n
}

// checkAmended holds what messages look like against what was done to them.
func (w *world) checkAmended() {
	w.t.Helper()
	var reacted, edited, revoked int
	for _, card := range w.cards() {
		for _, m := range w.messages(card.GetConversationId()) {
			switch {
			case m.GetReaction() != "":
				reacted++
			case m.GetEdit().GetContent().GetText().GetBody() == "better":
				edited++
			case m.GetRevokedAt() != nil && m.GetContent() == nil:
				revoked++
			}
		}
	}
	if reacted != thousandReacted || edited != thousandEdited || revoked != thousandRevoked {
		w.t.Errorf("amended: got %d reactions, %d edits and %d revoked, want %d, %d and %d",
			reacted, edited, revoked, thousandReacted, thousandEdited, thousandRevoked)
	}
}

// effectsOf reads the same out of the journal of a stopped engine, each by name.
func effectsOf(t *testing.T, dir string, cards []*intervenev1.Card) map[string]int {
	t.Helper()
	effects := make(map[string]int)
	onJournal(t, dir, func(j *journal.Journal) {
		for _, card := range cards {
			id, err := engine.ParseConversationID(card.GetConversationId())
			if err != nil {
				t.Fatalf("conversation: %v", err)
			}
			events, err := j.Events(id, 0, thousand)
			if err != nil {
				t.Fatalf("read events: %v", err)
			}
			for _, e := range events {
				if name := effectOf(e.Body, card.GetContact().GetPhone()); name != "" {
					effects[name]++
				}
			}
		}
	})
	return effects
}

// effectOf names what an item of the batch left; empty: it is not one's.
func effectOf(body engine.Body, phone string) string {
	switch b := body.(type) {
	case engine.MessageReceived:
		if strings.HasPrefix(b.External, "wamid.message.") { // else it was written before
			return b.External
		}
	case engine.Amended:
		return b.External
	case engine.EchoReceived:
		return b.External
	case engine.ContactChanged:
		return b.External
	case engine.ConsentChanged:
		return "consent of " + phone
	case engine.DeliveryChanged:
		if b.State == engine.Delivered {
			return b.External
		}
	}
	return ""
}
