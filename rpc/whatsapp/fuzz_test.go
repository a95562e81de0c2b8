package whatsapp

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/intervenehq/intervene/engine"
)

// FuzzWebhook puts any JSON between two well-formed messages, as an item and as
// a status, and any bytes alone: nothing panics, and neither neighbour is lost.
func FuzzWebhook(f *testing.F) {
	for _, seed := range []string{
		`{"from":"15550123","id":"wamid.A","timestamp":"1760000000","type":"text","text":{"body":"x"}}`,
		`{"from":"15550123","id":"wamid.A","timestamp":"1760000000","type":"button","button":{"payload":"p","text":"t"}}`,
		`{"user_id":"US.a1","id":"wamid.A","timestamp":1760000000,"type":"interactive","interactive":{"type":"list_reply","list_reply":{"id":"r","title":"t"}}}`,
		`{"id":"wamid.A","status":"failed","timestamp":"1760000000","errors":[{"code":131026}],"biz_opaque_callback_data":"00000000000000000000000004.7"}`,
		`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{}}]}]}`,
		`{"id":"\ud800\u0000","timestamp":"1e9","from":1e400}`,
		`[[[[{}]]]]`, `null`, `"x"`, `-0.1`, `{"id":null,"id":"a","ID":"b"}`, "\xff", "",
	} {
		f.Add([]byte(seed))
	}
	first := []byte(`{"from":"15550123","id":"wamid.first","timestamp":"1760000000","type":"text","text":{"body":"first"}}`)
	last := []byte(`{"from":"15550123","id":"wamid.last","timestamp":"1760000001","type":"text","text":{"body":"last"}}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, err := parse(data, mainChannels()); err == nil {
			checkItems(t, d.items)
		}
		if !json.Valid(data) {
			return // then it is no item of a JSON body
		}
		items := bytes.Join([][]byte{first, data, last}, []byte(","))
		body := valueDelivery(`"messages":[` + string(items) + `],"statuses":[` + string(data) + `]`)
		if !json.Valid(body) {
			return // it nests too deeply for where it stands
		}
		d, err := parse(body, mainChannels())
		if err != nil {
			t.Fatalf("parse: got error %v, want none", err)
		}
		checkItems(t, d.items)
		var externals []string
		for _, item := range d.items {
			if item.Message != nil {
				externals = append(externals, item.Message.External)
			}
		}
		if n := len(externals); n < 2 || externals[0] != "wamid.first" || externals[n-1] != "wamid.last" {
			t.Errorf("messages: got %q, want wamid.first and wamid.last around what lies between", externals)
		}
		if n := len(externals); n > 3 {
			t.Errorf("messages: got %d, want at most 3", n)
		}
	})
}

// checkItems holds what an Inbox may rely on.
func checkItems(t *testing.T, items []engine.Inbound) {
	t.Helper()
	for _, item := range items {
		if (item.Message == nil) == (item.Status == nil) {
			t.Fatalf("item: got %+v, want a message or a status", item)
		}
		if item.Workspace == "" || item.Channel == "" {
			t.Errorf("item: got workspace %q and channel %q, want both", item.Workspace, item.Channel)
		}
		if s := item.Status; s != nil {
			if s.External == "" || s.At <= 0 || s.State < engine.Sent || s.State > engine.Failed || !utf8.ValidString(s.External) {
				t.Errorf("status: got %+v, want a name, a time and a state", s)
			}
			continue
		}
		m := item.Message
		if m.External == "" || m.SentAt <= 0 || len(m.Contact.Identities()) == 0 {
			t.Errorf("message: got %+v, want a name, a time and an identity", m)
		}
		for _, text := range []string{m.External, m.ReplyTo, m.Contact.Name, m.Contact.WaID, m.Contact.UserID, m.Content.Text, m.Content.Payload, m.Content.Raw} {
			if !utf8.ValidString(text) {
				t.Errorf("message: got %q, want valid UTF-8", text)
			}
		}
	}
}
