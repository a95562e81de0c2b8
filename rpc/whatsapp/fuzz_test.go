package whatsapp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/intervenehq/intervene/engine"
)

// FuzzWebhook puts any JSON between two well-formed messages, as an item of
// every kind, and any bytes alone: nothing panics, and neither neighbour is lost.
//
//	go test -run '^$' -fuzz FuzzWebhook -fuzztime 10m ./rpc/whatsapp
func FuzzWebhook(f *testing.F) {
	for _, sample := range append(samples, moreSamples...) {
		f.Add([]byte(sample.named("wamid.A")))
	}
	for _, seed := range []string{
		`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{}}]}]}`,
		`{"id":"\ud800\u0000","timestamp":"1e9","from":1e400}`, `[[[[{}]]]]`, `null`, `"x"`, `-0.1`, `{"id":null,"id":"a","ID":"b"}`, "\xff", "",
	} {
		f.Add([]byte(seed))
	}
	first := `{"from":"15550123","to":"15550123","id":"wamid.first","timestamp":"1760000000","type":"text","text":{"body":"first"}}`
	last := `{"from":"15550123","to":"15550123","id":"wamid.last","timestamp":"1760000001","type":"text","text":{"body":"last"}}`
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, err := parse(data, mainChannels()); err == nil {
			checkItems(t, d.items)
		}
		if !json.Valid(data) {
			return // then it is no item of a JSON body
		}
		for _, field := range []string{fieldMessages, fieldPhoneEchoes} {
			list := map[string]string{fieldMessages: "messages", fieldPhoneEchoes: "message_echoes"}[field]
			body := fieldDelivery(field, `"`+list+`":[`+first+","+string(data)+","+last+`],"statuses":[`+string(data)+`],"contacts":[`+string(data)+`]`)
			if !json.Valid(body) {
				return // it nests too deeply for where it stands
			}
			checkNeighbours(t, mustParse(t, body).items)
		}
		body := fieldDelivery(fieldPreferences, `"user_preferences":[`+string(data)+`],"errors":[`+string(data)+`]`)
		checkItems(t, mustParse(t, body).items)
	})
}

// checkNeighbours holds that the items of one list begin and end as they did,
// with at most one between them, and one status after them.
func checkNeighbours(t *testing.T, items []engine.Inbound) {
	t.Helper()
	checkItems(t, items)
	var externals []string
	for i := range items {
		if items[i].Status == nil {
			externals = append(externals, externalOf(&items[i]))
		}
	}
	if n := len(externals); n < 2 || externals[0] != "wamid.first" || externals[n-1] != "wamid.last" || n > 3 {
		t.Errorf("items: got %q, want wamid.first and wamid.last around at most one", externals)
	}
	if len(items)-len(externals) > 1 {
		t.Errorf("statuses: got %d, want at most 1", len(items)-len(externals))
	}
}

// FuzzStatus puts any JSON between two well-formed statuses.
//
//	go test -run '^$' -fuzz FuzzStatus -fuzztime 10m ./rpc/whatsapp
func FuzzStatus(f *testing.F) {
	for _, sample := range moreSamples {
		f.Add([]byte(sample.named("wamid.A")))
	}
	for _, seed := range []string{
		`{"id":"wamid.A","status":"failed","timestamp":"1760000000","errors":[{"code":"131026","error_data":7}]}`,
		`{"id":"wamid.A","status":"failed","timestamp":1760000000,"errors":[[],null,{"code":1e9}]}`,
		`{"id":"wamid.A","status":"deleted"}`, `{"type":"payment","id":"a","status":"failed","timestamp":"1"}`, `{"errors":{}}`, `0`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	first := `{"id":"wamid.first","status":"sent","timestamp":"1760000000"}`
	last := `{"id":"wamid.last","status":"read","timestamp":"1760000001"}`
	f.Fuzz(func(t *testing.T, data []byte) {
		body := valueDelivery(`"statuses":[` + first + "," + string(data) + "," + last + `]`)
		if !json.Valid(data) || !json.Valid(body) {
			return
		}
		items := mustParse(t, body).items
		checkItems(t, items)
		if n := len(items); n < 2 || n > 3 || items[0].Status.External != "wamid.first" || items[n-1].Status.External != "wamid.last" {
			t.Errorf("statuses: got %d, want wamid.first and wamid.last around at most one", n)
		}
	})
}

// FuzzSignature compares what verifies with what was signed.
//
//	go test -run '^$' -fuzz FuzzSignature -fuzztime 10m ./rpc/whatsapp
func FuzzSignature(f *testing.F) {
	f.Add([]byte(`{"object":"x"}`), sign(testSecret, []byte(`{"object":"x"}`)), testSecret, nextSecret)
	f.Add([]byte(`{"object":"x"}`), strings.ToUpper(sign(nextSecret, []byte(`{"object":"x"}`))), testSecret, nextSecret)
	f.Add([]byte(``), signaturePrefix, "a", "b")
	f.Add([]byte("\xff\x00"), "sha1=00", "a", "a")
	f.Add([]byte(`caf\u00e9`), signaturePrefix+strings.Repeat("0", 64), "a", "\x00")
	f.Fuzz(func(t *testing.T, body []byte, header, secret, next string) {
		secrets := []Secret{Secret(secret), Secret(next)}
		want := false
		for _, secret := range secrets {
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write(body)
			right := hex.EncodeToString(mac.Sum(nil))
			want = want || strings.HasPrefix(header, "sha256=") && strings.EqualFold(header[len("sha256="):], right)
			if !signedBy(secrets, "sha256="+right, body) {
				t.Errorf("signed with %q: got refused, want accepted", string(secret))
			}
			if signedBy(secrets, "sha256="+right, append(bytes.Clone(body), 0)) && secret != "" {
				t.Errorf("one byte more than was signed with %q: got accepted, want refused", string(secret))
			}
		}
		if got := signedBy(secrets, header, body); got != want {
			t.Errorf("header %q: got %v, want %v", header, got, want)
		}
	})
}

// checkItems holds what an Inbox may rely on: each item is one thing, has a
// place, a name, a customer and a time, and all of its strings are valid and
// within their limits.
func checkItems(t *testing.T, items []engine.Inbound) {
	t.Helper()
	for i := range items {
		item := &items[i]
		if item.Workspace == "" || item.Channel == "" {
			t.Errorf("item: got workspace %q and channel %q, want both", item.Workspace, item.Channel)
		}
		things := 0
		for _, is := range []bool{
			item.Message != nil, item.Amend != nil, item.Echo != nil, item.Change != nil, item.Consent != nil, item.Status != nil,
		} {
			if is {
				things++
			}
		}
		if things != 1 {
			t.Fatalf("item: got %+v, want one thing", item)
		}
		checkItem(t, item)
		if size := checkStrings(t, reflect.ValueOf(item)); size > MaxContentBytes+20*MaxExternalBytes {
			t.Errorf("item: got %d bytes, want at most what one may have", size)
		}
	}
}

func checkItem(t *testing.T, item *engine.Inbound) {
	t.Helper()
	var contact engine.Contact
	var at engine.Instant
	sound := item.Consent != nil || externalOf(item) != ""
	switch {
	case item.Message != nil:
		contact, at = item.Message.Contact, item.Message.SentAt
		sound = sound && item.Message.Content.Kind != 0
	case item.Amend != nil:
		contact, at = item.Amend.Contact, item.Amend.SentAt
		sound = sound && item.Amend.Target != "" && item.Amend.What != 0 && (item.Amend.Content.Kind != 0) == (item.Amend.What != engine.Revoked)
	case item.Echo != nil:
		contact, at = item.Echo.Contact, item.Echo.SentAt
		sound = sound && item.Echo.Content.Kind != 0
	case item.Change != nil:
		contact, at = item.Change.Contact, item.Change.SentAt
		sound = sound && len(item.Change.Changed.Identities()) > 0
	case item.Consent != nil:
		contact, at = item.Consent.Contact, item.Consent.At
		sound = sound && item.Consent.Consent != 0
	case item.Status != nil:
		at = item.Status.At
		sound = sound && item.Status.State >= engine.Sent && item.Status.State <= engine.Failed && len(item.Status.Detail) <= MaxDetailBytes
	}
	if !sound || at <= 0 || item.Status == nil && len(contact.Identities()) == 0 {
		t.Errorf("item: got %s, want all that it needs", describe(delivery{items: []engine.Inbound{*item}}))
	}
}

// checkStrings holds that all strings of v are valid UTF-8 but a digest, which
// is a whole one or none, and answers how many bytes they have.
func checkStrings(t *testing.T, v reflect.Value) (size int) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			size = checkStrings(t, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			size += checkStrings(t, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name == "SHA256" {
				if n := v.Field(i).Len(); n != 0 && n != sha256.Size {
					t.Errorf("digest: got %d bytes, want none or %d", n, sha256.Size)
				}
				continue
			}
			size += checkStrings(t, v.Field(i))
		}
	case reflect.String:
		size = v.Len()
		if !utf8.ValidString(v.String()) {
			t.Errorf("string: got %q, want valid UTF-8", v.String())
		}
	}
	return size
}
