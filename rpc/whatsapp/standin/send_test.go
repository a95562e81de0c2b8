package standin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

func TestAcceptedSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, newConfig(), &receiver{})
		body := `{"messaging_product":"whatsapp","to":"+49 (1555) 01-00","text":{"body":"Grüße"},` +
			`"context":{"message_id":"wamid.before"},"biz_opaque_callback_data":"op-1"}`
		got := postSend(t, g, body)
		var answer any
		if err := json.Unmarshal([]byte(got.body), &answer); err != nil {
			t.Fatalf("decode answer: got %v, want no error", err)
		}
		want := object{
			"messaging_product": "whatsapp",
			"contacts":          []any{object{"input": "+49 (1555) 01-00", "wa_id": "4915550100"}},
			"messages":          []any{object{"id": string(got.ID)}},
		}
		if diff := cmp.Diff(want, answer); got.status != http.StatusOK || diff != "" {
			t.Errorf("answer: got %d, want 200; body (-want +got):\n%s", got.status, diff)
		}
		if !strings.HasPrefix(string(got.ID), "wamid.") || strings.Contains(string(got.ID), string(ada)) {
			t.Errorf("wamid: got %q, want one without the phone number", got.ID)
		}
		deliveries := g.Deliveries()
		if len(deliveries) != 1 {
			t.Fatalf("deliveries: got %d, want 1", len(deliveries))
		}
		d := deliveries[0]
		if d.Seq != 1 || d.WAMID != got.ID || d.PhoneNumberID != first || d.To != ada || d.Type != "text" ||
			d.Body != "Grüße" || d.ReplyTo != "wamid.before" || d.CallbackData != "op-1" || d.AcceptedAt.IsZero() {
			t.Errorf("delivery: got %+v, want what was sent", d)
		}
		if string(d.Content) != body {
			t.Errorf("content: got %s, want the body byte for byte", d.Content)
		}
	})
}

func TestSendToUserID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		g := start(t, newConfig(), r)
		got := postSend(t, g, `{"messaging_product":"whatsapp","recipient":"DE.ENT.abc123","text":{"body":"hi"}}`)
		if got.status != http.StatusOK || !strings.Contains(got.body, `"user_id":"DE.ENT.abc123"`) ||
			strings.Contains(got.body, "wa_id") {
			t.Errorf("answer: got %d %s, want 200 with user_id and no wa_id", got.status, got.body)
		}
		settle(t, g)
		for _, s := range r.statuses() {
			if s.RecipientID != "" || s.RecipientUserID != "DE.ENT.abc123" {
				t.Errorf("status recipient: got %q and %q, want none and the user ID", s.RecipientID, s.RecipientUserID)
			}
		}
	})
}

func TestAuthorization(t *testing.T) {
	const body = `{"messaging_product":"whatsapp","to":"4915550100","text":{"body":"hi"}}`
	for name, tc := range map[string]struct {
		method, path, bearer  string
		status, code, subcode int
	}{
		"no token":               {http.MethodPost, "/v25.0/101/messages", "", 401, 104, 0},
		"unknown token":          {http.MethodPost, "/v25.0/101/messages", "stolen", 401, 190, 0},
		"token of other number":  {http.MethodPost, "/v25.0/101/messages", otherToken, 400, 100, 33},
		"unknown number":         {http.MethodPost, "/v25.0/999/messages", token, 400, 100, 33},
		"no version":             {http.MethodPost, "/latest/101/messages", token, 400, 100, 33},
		"get of a number":        {http.MethodGet, "/v25.0/101", token, 400, 100, 33},
		"get of messages":        {http.MethodGet, "/v25.0/101/messages", token, 400, 100, 33},
		"post to something else": {http.MethodPost, "/v25.0/101/flows", token, 400, 100, 33},
		"root":                   {http.MethodGet, "/", token, 400, 100, 33},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, newConfig(), &receiver{})
			got := request(t, g, tc.method, tc.path, tc.bearer, body)
			if got.status != tc.status || got.Error.Code != tc.code || got.Error.Subcode != tc.subcode {
				t.Errorf("got %d code %d subcode %d, want %d code %d subcode %d",
					got.status, got.Error.Code, got.Error.Subcode, tc.status, tc.code, tc.subcode)
			}
			if got.Error.FBTraceID == "" || got.Error.Message == "" || got.Error.Type == "" {
				t.Errorf("error body: got %s, want message, type and fbtrace_id", got.body)
			}
			if tc.subcode == 33 && !strings.HasPrefix(got.Error.Message, "Unsupported "+strings.ToLower(tc.method)+" request.") {
				t.Errorf("message: got %q, want Unsupported %s request", got.Error.Message, strings.ToLower(tc.method))
			}
			if n := len(g.Deliveries()); n != 0 {
				t.Errorf("deliveries: got %d, want none", n)
			}
		})
	}
}

// object is a JSON object as Go writes one.
type object = map[string]any

func buttons(titles ...string) []object {
	var all []object
	for i, title := range titles {
		all = append(all, object{"type": "reply", "reply": object{"id": fmt.Sprint("b", i), "title": title}})
	}
	return all
}

func buttonMessage(body string, action object) object {
	return object{"type": "interactive", "interactive": object{
		"type": "button", "body": object{"text": body}, "action": action,
	}}
}

func rows(section, n int) []object {
	var all []object
	for i := range n {
		all = append(all, object{"id": fmt.Sprint(section, "/", i), "title": "Row", "description": "what it is"})
	}
	return all
}

func list(body string, sections ...object) object {
	return object{"type": "interactive", "interactive": object{
		"type": "list", "body": object{"text": body},
		"action": object{"button": "Choose", "sections": sections},
	}}
}

func row(field, value string) object {
	r := object{"id": "1", "title": "Row", "description": "what it is"}
	r[field] = value
	return list("Pick", object{"rows": []object{r}})
}

func framed(part, text string) object {
	m := buttonMessage("Sure?", object{"buttons": buttons("Yes")})
	frame := object{"text": text}
	if part == "header" {
		frame["type"] = "text"
	}
	m["interactive"].(object)[part] = frame
	return m
}

func replyButton(id, title string) object {
	return buttonMessage("Sure?", object{"buttons": []object{{"type": "reply", "reply": object{"id": id, "title": title}}}})
}

func media(kind string, content object) object { return object{"type": kind, kind: content} }

// long is n characters of two bytes each: Meta counts characters.
func long(n int) string { return strings.Repeat("é", n) }

func TestLimits(t *testing.T) {
	const accepted = 0
	for name, tc := range map[string]struct {
		fields object
		code   int
	}{
		"text at limit":                {object{"text": object{"body": long(4096)}}, accepted},
		"text over limit":              {object{"text": object{"body": long(4097)}}, 100},
		"text empty":                   {object{"text": object{"body": ""}}, 100},
		"text is no object":            {object{"type": "text", "text": "hi"}, 100},
		"type without its object":      {object{"type": "image", "text": object{"body": "hi"}}, 131008},
		"type left out of a sticker":   {object{"sticker": object{"id": "1"}}, accepted},
		"type left out of two":         {object{"sticker": object{"id": "1"}, "image": object{"id": "1"}}, 131008},
		"unknown type":                 {object{"type": "telegram", "telegram": object{}}, 100},
		"type is no string":            {object{"type": 7}, 100},
		"callback data at limit":       {object{"text": object{"body": "hi"}, "biz_opaque_callback_data": long(512)}, accepted},
		"callback data over limit":     {object{"text": object{"body": "hi"}, "biz_opaque_callback_data": long(513)}, 100},
		"context without message":      {object{"text": object{"body": "hi"}, "context": object{}}, 100},
		"recipient type group":         {object{"text": object{"body": "hi"}, "recipient_type": "group"}, 100},
		"no recipient":                 {object{"text": object{"body": "hi"}, "to": ""}, 100},
		"recipient is a word":          {object{"text": object{"body": "hi"}, "to": "Ada"}, 131009},
		"user ID in to":                {object{"text": object{"body": "hi"}, "to": "DE.abc"}, 131009},
		"phone number in recipient":    {object{"text": object{"body": "hi"}, "to": "", "recipient": "4915550100"}, 131009},
		"product missing":              {object{"text": object{"body": "hi"}, "messaging_product": ""}, 100},
		"product other":                {object{"text": object{"body": "hi"}, "messaging_product": "messenger"}, 100},
		"caption at limit":             {media("image", object{"id": "1", "caption": long(1024)}), accepted},
		"caption over limit":           {media("image", object{"id": "1", "caption": long(1025)}), 100},
		"video caption over limit":     {media("video", object{"id": "1", "caption": long(1025)}), 100},
		"document caption over limit":  {media("document", object{"id": "1", "caption": long(1025)}), 100},
		"caption on audio":             {media("audio", object{"id": "1", "caption": "x"}), 100},
		"sticker by link":              {media("sticker", object{"link": "https://files.test/s.webp"}), accepted},
		"media without id and link":    {media("image", object{}), 100},
		"media with id and link":       {media("image", object{"id": "1", "link": "https://files.test/i"}), 100},
		"media from elsewhere":         {media("image", object{"link": "file:///etc/passwd"}), 100},
		"location":                     {media("location", object{"latitude": 1.5, "longitude": 2}), accepted},
		"location without longitude":   {media("location", object{"latitude": 1.5}), 131008},
		"location off Earth":           {media("location", object{"latitude": 91, "longitude": 2}), 131009},
		"contacts":                     {object{"type": "contacts", "contacts": []object{{"name": object{"formatted_name": "Ada"}}}}, accepted},
		"contacts empty":               {object{"type": "contacts", "contacts": []object{}}, 131008},
		"contact without name":         {object{"type": "contacts", "contacts": []object{{}}}, 131008},
		"reaction taken back":          {media("reaction", object{"message_id": "wamid.x"}), accepted},
		"reaction to nothing":          {media("reaction", object{"emoji": "👍"}), 131008},
		"template":                     {media("template", object{"name": "hi", "language": object{"code": "en"}}), accepted},
		"template without language":    {media("template", object{"name": "hi"}), 100},
		"three buttons":                {buttonMessage(long(1024), object{"buttons": buttons("A", "B", "C")}), accepted},
		"four buttons":                 {buttonMessage("Sure?", object{"buttons": buttons("A", "B", "C", "D")}), 131009},
		"no buttons":                   {buttonMessage("Sure?", object{"buttons": []object{}}), 131009},
		"no action":                    {media("interactive", object{"type": "button", "body": object{"text": "x"}}), 131008},
		"button body over limit":       {buttonMessage(long(1025), object{"buttons": buttons("A")}), 131009},
		"button body empty":            {buttonMessage("", object{"buttons": buttons("A")}), 131008},
		"button of another type":       {buttonMessage("x", object{"buttons": []object{{"type": "url"}}}), 131009},
		"button at limits":             {replyButton(long(256), long(20)), accepted},
		"button title over limit":      {replyButton("1", long(21)), 131009},
		"button title empty":           {replyButton("1", ""), 131009},
		"button id over limit":         {replyButton(long(257), "A"), 131009},
		"button id empty":              {replyButton("", "A"), 131009},
		"button title twice":           {buttonMessage("x", object{"buttons": buttons("A", "A")}), 131009},
		"header at limit":              {framed("header", long(60)), accepted},
		"header over limit":            {framed("header", long(61)), 131009},
		"footer at limit":              {framed("footer", long(60)), accepted},
		"footer over limit":            {framed("footer", long(61)), 131009},
		"ten rows in two sections":     {list(long(4096), object{"title": "A", "rows": rows(1, 4)}, object{"title": "B", "rows": rows(2, 6)}), accepted},
		"eleven rows in two sections":  {list("Pick", object{"title": "A", "rows": rows(1, 5)}, object{"title": "B", "rows": rows(2, 6)}), 131009},
		"no rows":                      {list("Pick", object{"rows": rows(1, 0)}), 131009},
		"row id twice":                 {list("Pick", object{"title": "A", "rows": rows(1, 2)}, object{"title": "B", "rows": rows(1, 2)}), 131009},
		"list body over limit":         {list(long(4097), object{"rows": rows(1, 1)}), 131009},
		"section title over limit":     {list("Pick", object{"title": long(25), "rows": rows(1, 1)}), 131009},
		"two sections without titles":  {list("Pick", object{"rows": rows(1, 1)}, object{"rows": rows(2, 1)}), 131009},
		"row title at limit":           {row("title", long(24)), accepted},
		"row title over limit":         {row("title", long(25)), 131009},
		"row description at limit":     {row("description", long(72)), accepted},
		"row description over limit":   {row("description", long(73)), 131009},
		"row id at limit":              {row("id", long(200)), accepted},
		"row id over limit":            {row("id", long(201)), 131009},
		"flow":                         {action("flow", object{"name": "flow", "parameters": object{"flow_id": "1"}}), accepted},
		"flow without its name":        {action("flow", object{}), 131009},
		"order details not looked at":  {action("order_details", object{}), accepted},
		"unknown interactive":          {media("interactive", object{"type": "dance", "action": object{}}), 100},
		"link button at limit":         {link(long(20), "https://x.test/"), accepted},
		"link button over limit":       {link(long(21), "https://x.test/"), 131009},
		"link button without text":     {link("", "https://x.test/"), 131009},
		"link to a file":               {link("Open", "file:///etc/passwd"), 131009},
		"link without parameters":      {action("cta_url", object{"name": "cta_url"}), 131008},
		"link without its name":        {action("cta_url", object{"parameters": object{}}), 131009},
		"image header":                 {headed("button", object{"type": "image", "image": object{"link": "https://x.test/i.png"}}), accepted},
		"image header by two ways":     {headed("button", object{"type": "image", "image": object{"link": "https://x.test/i.png", "id": "1"}}), 100},
		"image header without image":   {headed("button", object{"type": "image"}), 131009},
		"header of another type":       {headed("button", object{"type": "audio"}), 131009},
		"image header on a list":       {headed("list", object{"type": "image", "image": object{"id": "1"}}), 131009},
		"product":                      {action("product", object{"catalog_id": "c", "product_retailer_id": "p"}), accepted},
		"product of no catalog":        {action("product", object{"product_retailer_id": "p"}), 131008},
		"products at limit":            {products(30), accepted},
		"products over limit":          {products(31), 131009},
		"catalog":                      {action("catalog_message", object{"name": "catalog_message"}), accepted},
		"location request":             {action("location_request_message", object{"name": "send_location"}), accepted},
		"contacts at limit":            {cards(257), accepted},
		"contacts over limit":          {cards(258), 131009},
		"preview url is no boolean":    {object{"text": object{"body": "hi", "preview_url": "yes"}}, 100},
		"filename on an image":         {media("image", object{"id": "1", "filename": "i.png"}), 100},
		"document with filename":       {media("document", object{"id": "1", "filename": "d.pdf"}), accepted},
		"template with parameters":     {component("body", object{"type": "text", "text": "Ada"}), accepted},
		"template with a header image": {component("header", object{"type": "image", "image": object{"id": "1"}}), accepted},
		"template parameter empty":     {component("body", object{"type": "text", "text": ""}), 131008},
		"template parameter untyped":   {component("body", object{"text": "Ada"}), 131008},
		"template parameter with line": {component("body", object{"type": "text", "text": "a\nb"}), 100},
		"template component unknown":   {component("tail", object{"type": "text", "text": "Ada"}), 100},
		"template button untyped":      {component("button", object{"type": "payload", "payload": "p"}), 131008},
		"to the number itself":         {object{"text": object{"body": "hi"}, "to": "+15550001"}, 131021},
		"read receipt":                 {object{"status": "read", "message_id": "wamid.x"}, accepted},
		"read receipt without message": {object{"status": "read"}, 100},
		"read receipt of a number":     {object{"status": "read", "message_id": "17"}, 131009},
		"receipt of another status":    {object{"status": "delivered", "message_id": "wamid.x"}, 100},
		"typing of another kind":       {object{"status": "read", "message_id": "wamid.x", "typing_indicator": object{"type": "voice"}}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, newConfig(), &receiver{})
			body := object{"messaging_product": "whatsapp", "to": ada}
			for field, value := range tc.fields {
				body[field] = value
			}
			encoded, err := json.Marshal(body)
			if err != nil {
				t.Fatalf("encode: got %v, want no error", err)
			}
			got := postSend(t, g, string(encoded))
			wantStatus := http.StatusBadRequest
			if tc.code == accepted {
				wantStatus = http.StatusOK
			}
			if got.status != wantStatus || got.Error.Code != tc.code {
				t.Errorf("got %d %s, want %d with code %d", got.status, got.body, wantStatus, tc.code)
			}
			if tc.code != accepted && len(g.Deliveries()) != 0 {
				t.Errorf("deliveries: got one, want none of a refused send")
			}
		})
	}
}

func action(kind string, content object) object {
	return media("interactive", object{"type": kind, "body": object{"text": "x"}, "action": content})
}

func link(display, address string) object {
	return action("cta_url", object{
		"name": "cta_url", "parameters": object{"display_text": display, "url": address},
	})
}

func headed(kind string, header object) object {
	m := buttonMessage("Sure?", object{"buttons": buttons("Yes")})
	if kind == "list" {
		m = list("Pick", object{"rows": rows(1, 1)})
	}
	m["interactive"].(object)["header"] = header
	return m
}

func products(n int) object {
	var items []object
	for i := range n {
		items = append(items, object{"product_retailer_id": fmt.Sprint(i)})
	}
	m := action("product_list", object{"catalog_id": "c", "sections": []object{{"title": "A", "product_items": items}}})
	m["interactive"].(object)["header"] = object{"type": "text", "text": "Ours"}
	return m
}

func cards(n int) object {
	var all []object
	for range n {
		all = append(all, object{"name": object{"formatted_name": "Ada"}})
	}
	return object{"type": "contacts", "contacts": all}
}

func component(kind string, parameters ...object) object {
	return media("template", object{
		"name": "hi", "language": object{"code": "en"},
		"components": []object{{"type": kind, "parameters": parameters}},
	})
}

func TestBodyThatIsNoJSON(t *testing.T) {
	g := start(t, newConfig(), &receiver{})
	for _, body := range []string{"", "null", "[]", "to=1", `{"messaging_product":`} {
		if got := postSend(t, g, body); got.status != 400 || got.Error.Code != 100 {
			t.Errorf("body %q: got %d code %d, want 400 code 100", body, got.status, got.Error.Code)
		}
	}
	if got := postSend(t, g, `"`+strings.Repeat("x", 1<<20)+`"`); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("body over 1 MB: got %d, want 413", got.status)
	}
}

func TestErrorBody(t *testing.T) {
	g := start(t, newConfig(), &receiver{})
	got := postSend(t, g, `{"messaging_product":"whatsapp","to":"Ada","text":{"body":"hi"}}`)
	if got.Error.Message != "(#131009) Parameter value is not valid" || got.Error.Type != "OAuthException" ||
		got.Error.ErrorData.MessagingProduct != "whatsapp" || got.Error.ErrorData.Details == "" || got.Error.FBTraceID == "" {
		t.Errorf("got %s, want Graph's error body", got.body)
	}
	if !isASCII([]byte(got.body)) {
		t.Errorf("got %s, want pure ASCII", got.body)
	}
}

func TestReadReceipt(t *testing.T) {
	g := start(t, newConfig(), &receiver{})
	got := postSend(t, g, `{"messaging_product":"whatsapp","status":"read","message_id":"wamid.x","typing_indicator":{"type":"text"}}`)
	if got.body != `{"success":true}` {
		t.Errorf("answer: got %s, want success", got.body)
	}
	receipts := g.Receipts()
	if len(receipts) != 1 || receipts[0].MessageID != "wamid.x" || !receipts[0].Typing || receipts[0].PhoneNumberID != first {
		t.Errorf("receipts: got %+v, want one of wamid.x with typing", receipts)
	}
	if n := len(g.Deliveries()); n != 0 {
		t.Errorf("deliveries: got %d, want none", n)
	}
}

func TestOrderOfAcceptance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, newConfig(), &receiver{})
		var want []standin.WAMID
		for i := range 10 {
			want = append(want, sendText(t, g, ada, fmt.Sprint(i)).ID)
			sendText(t, g, ben, fmt.Sprint(i))
		}
		got := g.DeliveriesTo(ada)
		if len(got) != len(want) {
			t.Fatalf("deliveries: got %d, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i].WAMID != want[i] || got[i].Seq != uint64(2*i+1) {
				t.Errorf("delivery %d: got %s seq %d, want %s seq %d", i, got[i].WAMID, got[i].Seq, want[i], 2*i+1)
			}
		}
	})
}

func TestObserverHearsOfMessageBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []standin.Delivery
		config := newConfig()
		config.OnMessage = func(d standin.Delivery) { heard = append(heard, d) }
		g := start(t, config, &receiver{})
		got := sendText(t, g, ada, "hi")
		if len(heard) != 1 || heard[0].WAMID != got.ID || heard[0].Body != "hi" {
			t.Errorf("OnMessage: got %+v, want one of %s", heard, got.ID)
		}
	})
}

func TestSendToAVariantOfTheNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		config := newConfig()
		config.WAIDs = map[standin.Identity]standin.Identity{"5511987654321": "551187654321"}
		g := start(t, config, r)
		got := sendText(t, g, "5511987654321", "hi")
		if !strings.Contains(got.body, `"input":"5511987654321","wa_id":"551187654321"`) {
			t.Errorf("answer: got %s, want the number sent to and the wa_id", got.body)
		}
		settle(t, g)
		if s := r.statuses(); len(s) != 3 || s[0].RecipientID != "551187654321" {
			t.Errorf("statuses: got %+v, want three of the wa_id", s)
		}
	})
}
