package standin_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

func template(name string, status standin.TemplateStatus, components ...standin.TemplateComponent) standin.Template {
	return standin.Template{
		Name: name, Language: "en_US", Category: standin.CategoryUtility, Status: status, Components: components,
	}
}

func templateConfig() standin.Config {
	config := newConfig()
	offer := template("offer", "", standin.TemplateComponent{Type: "BODY", Text: "Ten percent off"})
	offer.Category = standin.CategoryMarketing
	code := template("code", "", standin.TemplateComponent{Type: "BODY", Text: "{{1}}"})
	code.Category = standin.CategoryAuthentication
	german := template("order", "", standin.TemplateComponent{Type: "BODY", Text: "Hallo {{1}}"})
	german.Language = "de"
	other := template("theirs", "")
	other.Business = "9002"
	config.Templates = []standin.Template{
		offer, code, german, other,
		template("order", "",
			standin.TemplateComponent{Type: "HEADER", Format: "IMAGE"},
			standin.TemplateComponent{Type: "BODY", Text: "Hello {{1}}, {{2}} is on its way."},
			standin.TemplateComponent{Type: "BUTTONS", Buttons: []standin.TemplateButton{
				{Type: "URL", Text: "Track", URL: "https://shop.test/{{1}}"}, {Type: "QUICK_REPLY", Text: "Stop"},
			}}),
		template("titled", "", standin.TemplateComponent{Type: "HEADER", Format: "TEXT", Text: "For {{1}}"}),
		template("login", "",
			standin.TemplateComponent{Type: "HEADER", Format: "VIDEO"},
			standin.TemplateComponent{Type: "BUTTONS", Buttons: []standin.TemplateButton{
				{Type: "OTP", Text: "Copy"}, {Type: "COPY_CODE", Text: "Copy"}, {Type: "URL", URL: "https://shop.test/"},
			}}),
		template("named", "", standin.TemplateComponent{Type: "BODY", Text: "Hello {{first_name}}"}),
		template("held", standin.TemplatePaused),
		template("gone", standin.TemplateDisabled),
		template("new", standin.TemplatePending),
		template("refused", standin.TemplateRejected),
	}
	return config
}

// sent is the template object of a send.
func sent(name, language string, components ...object) object {
	return media("template", object{"name": name, "language": object{"code": language}, "components": components})
}

func part(kind string, parameters ...object) object {
	return object{"type": kind, "parameters": parameters}
}

func words(all ...string) []object {
	var parameters []object
	for _, text := range all {
		parameters = append(parameters, object{"type": "text", "text": text})
	}
	return parameters
}

func TestTemplateSends(t *testing.T) {
	header := part("header", object{"type": "image", "image": object{"link": "https://shop.test/i.png"}})
	video := part("header", object{"type": "video", "video": object{"link": "https://shop.test/v.mp4"}})
	button := func(kind string, index int) object {
		return object{"type": "button", "sub_type": kind, "index": index, "parameters": words("1")}
	}
	track := object{"type": "button", "sub_type": "url", "index": "0", "parameters": words("17")}
	for name, tc := range map[string]struct {
		message       object
		code          int
		text, details string
	}{
		"all parts": {
			message: sent("order", "en_US", header, part("body", words("Ada", "17")...), track),
			text:    "Hello Ada, 17 is on its way.",
		},
		"quick reply with payload": {
			message: sent("order", "en_US", header, part("body", words("Ada", "17")...), track,
				object{"type": "button", "sub_type": "quick_reply", "index": 1, "parameters": []object{{"type": "payload", "payload": "p"}}}),
			text: "Hello Ada, 17 is on its way.",
		},
		"currency": {
			message: sent("order", "de", part("body", object{"type": "currency", "currency": object{"fallback_value": "$1"}})),
			text:    "Hallo $1",
		},
		"named": {
			message: sent("named", "en_US", part("body", object{"type": "text", "parameter_name": "first_name", "text": "Ada"})),
			text:    "Hello Ada",
		},
		"named without names": {message: sent("named", "en_US", part("body", words("Ada")...)), code: 100, details: "Parameter name is missing or empty"},
		"named by another name": {
			message: sent("named", "en_US", part("body", object{"type": "text", "parameter_name": "last_name", "text": "Ada"})),
			code:    132012, details: "body: parameter first_name is not given",
		},
		"text header":       {message: sent("titled", "en_US", part("header", words("you")...))},
		"text header empty": {message: sent("titled", "en_US"), code: 132000, details: "header: number of localizable_params (0) does not match the expected number of params (1)"},
		"too few":           {message: sent("order", "en_US", header, part("body", words("Ada")...), track), code: 132000, details: "body: number of localizable_params (1) does not match the expected number of params (2)"},
		"too many":          {message: sent("offer", "en_US", part("body", words("Ada")...)), code: 132000, details: "body: number of localizable_params (1) does not match the expected number of params (0)"},
		"no header":         {message: sent("order", "en_US", part("body", words("Ada", "17")...), track), code: 132012, details: "header: Format mismatch, expected IMAGE, received UNKNOWN"},
		"header of text":    {message: sent("order", "en_US", part("header", words("x")...), part("body", words("Ada", "17")...), track), code: 132012, details: "header: Format mismatch, expected IMAGE, received TEXT"},
		"codes":             {message: sent("login", "en_US", video, button("url", 0), button("copy_code", 1))},
		"no coupon": {
			message: sent("login", "en_US", video, button("url", 0)),
			code:    131008, details: "buttons: Button at index 1 of type CopyCode requires a parameter",
		},
		"parameter of a fixed URL": {
			message: sent("login", "en_US", video, button("url", 0), button("copy_code", 1), button("url", 2)),
			code:    132000, details: "button at index 2: number of localizable_params (1) does not match the expected number of params (0)",
		},
		"button beyond the last": {
			message: sent("login", "en_US", video, button("url", 3)),
			code:    132012, details: "buttons: Button at index 3 is not of type url",
		},
		"button of no index": {
			message: sent("login", "en_US", video, object{"type": "button", "sub_type": "url", "index": "x"}),
			code:    131008, details: "Button component needs sub_type and index",
		},
		"no button": {
			message: sent("order", "en_US", header, part("body", words("Ada", "17")...)),
			code:    131008, details: "buttons: Button at index 0 of type Url requires a parameter",
		},
		"button of another kind": {
			message: sent("order", "en_US", header, part("body", words("Ada", "17")...),
				object{"type": "button", "sub_type": "quick_reply", "index": 0, "parameters": words("17")}),
			code: 132012, details: "buttons: Button at index 0 is not of type quick_reply",
		},
		"too long":             {message: sent("order", "de", part("body", words(long(1024))...)), code: 132005, details: "Translated text too long"},
		"unknown name":         {message: sent("nobody", "en_US"), code: 132001, details: "template name (nobody) does not exist in en_US"},
		"unknown language":     {message: sent("offer", "fr"), code: 132001, details: "template name (offer) does not exist in fr"},
		"of another business":  {message: sent("theirs", "en_US"), code: 132001, details: "template name (theirs) does not exist in en_US"},
		"not reviewed yet":     {message: sent("new", "en_US"), code: 132001, details: "template name (new) does not exist in en_US"},
		"rejected":             {message: sent("refused", "en_US"), code: 132001, details: "template name (refused) does not exist in en_US"},
		"paused":               {message: sent("held", "en_US"), code: 132015, details: "Template is paused."},
		"disabled":             {message: sent("gone", "en_US"), code: 132016, details: "Template is disabled."},
		"policy of old":        {message: media("template", object{"name": "offer", "language": object{"code": "en_US", "policy": "fallback"}}), code: 100},
		"code to a phone":      {message: sent("code", "en_US", part("body", words("123")...)), text: "123"},
		"five spaces in a row": {message: sent("order", "de", part("body", words("a     b")...)), code: 100, details: "Param text cannot have new-line/tab characters or more than 4 consecutive spaces"},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, templateConfig(), &receiver{})
			got := postSend(t, g, body(t, tc.message))
			if got.Error.Code != tc.code || got.Error.ErrorData.Details != tc.details {
				t.Fatalf("got %s, want code %d and details %q", got.body, tc.code, tc.details)
			}
			if tc.code != 0 {
				return
			}
			d := g.Deliveries()[0]
			name := tc.message["template"].(object)["name"]
			if d.Body != tc.text || d.Template != name || d.Language == "" || d.Category == "" {
				t.Errorf("delivery: got %+v, want template %s with text %q", d, name, tc.text)
			}
		})
	}
}

// body completes a message and encodes it.
func body(t *testing.T, message object) string {
	t.Helper()
	whole := object{"messaging_product": "whatsapp", "to": ada}
	for field, value := range message {
		whole[field] = value
	}
	encoded, err := json.Marshal(whole)
	if err != nil {
		t.Fatalf("encode: got %v, want no error", err)
	}
	return string(encoded)
}

func TestAuthenticationTemplateNeedsAPhoneNumber(t *testing.T) {
	g := start(t, templateConfig(), &receiver{})
	message := sent("code", "en_US", part("body", words("123")...))
	message["to"], message["recipient"] = "", "DE.abc"
	if got := postSend(t, g, body(t, message)); got.Error.Code != 131062 {
		t.Errorf("got %s, want code 131062", got.body)
	}
}

func TestMarketingAfterOptOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		g := start(t, templateConfig(), r)
		customer := standin.Customer{PhoneNumberID: first, WAID: ada, UserID: "DE.abc"}
		marketing := func(wanted bool) {
			if err := g.SetMarketing(t.Context(), customer, wanted, time.Time{}); err != nil {
				t.Fatalf("SetMarketing: got %v, want no error", err)
			}
		}
		offer := sent("offer", "en_US")
		postSend(t, g, body(t, offer))
		marketing(false)
		postSend(t, g, body(t, offer))
		postSend(t, g, body(t, sent("order", "de", part("body", words("Ada")...))))
		offer["to"], offer["recipient"] = "", "DE.abc"
		postSend(t, g, body(t, offer))
		marketing(true)
		postSend(t, g, body(t, offer))
		var got []int
		for _, d := range g.Deliveries() {
			got = append(got, d.FailCode)
		}
		if diff := cmp.Diff([]int{0, 131050, 0, 131050, 0}, got); diff != "" {
			t.Errorf("fail codes (-want +got):\n%s", diff)
		}
		settle(t, g)
		failed := 0
		for _, s := range r.statuses() {
			if s.Status == standin.StatusFailed && s.Errors[0].Code == 131050 {
				failed++
			}
		}
		if failed != 2 {
			t.Errorf("failed statuses with 131050: got %d, want 2", failed)
		}
	})
}

func TestMarketingRefused(t *testing.T) {
	config := templateConfig()
	config.RefuseOptedOut = true
	g := start(t, config, &receiver{})
	customer := standin.Customer{PhoneNumberID: first, WAID: ada}
	if err := g.SetMarketing(t.Context(), customer, false, time.Time{}); err != nil {
		t.Fatalf("SetMarketing: got %v, want no error", err)
	}
	if got := postSend(t, g, body(t, sent("offer", "en_US"))); got.Error.Code != 131050 || len(g.Deliveries()) != 0 {
		t.Errorf("got %s, want code 131050 and no delivery", got.body)
	}
}

type templatePage struct {
	Data   []map[string]any
	Paging struct {
		Cursors        struct{ Before, After string }
		Next, Previous string
	}
}

func listTemplates(t *testing.T, g *standin.Graph, path string) templatePage {
	t.Helper()
	got := request(t, g, http.MethodGet, path, token, "")
	var page templatePage
	if err := json.Unmarshal([]byte(got.body), &page); err != nil || got.status != http.StatusOK {
		t.Fatalf("GET %s: got %d %s, want a page", path, got.status, got.body)
	}
	return page
}

func TestTemplateListPages(t *testing.T) {
	g := start(t, templateConfig(), &receiver{})
	var got []string
	for path := "/v25.0/9001/message_templates?limit=4&fields=name,language"; path != ""; {
		page := listTemplates(t, g, path)
		for _, template := range page.Data {
			got = append(got, template["name"].(string)+"/"+template["language"].(string))
			if len(template) != 3 || template["id"] == "" {
				t.Errorf("fields: got %v, want name, language and id", template)
			}
		}
		next, err := url.Parse(page.Paging.Next)
		if err != nil {
			t.Fatalf("next: got %v, want a URL", err)
		}
		path = next.RequestURI()
		if page.Paging.Next == "" {
			path = ""
		}
	}
	want := []string{
		"code/en_US", "gone/en_US", "held/en_US", "login/en_US", "named/en_US", "new/en_US", "offer/en_US",
		"order/de", "order/en_US", "refused/en_US", "titled/en_US",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("templates over all pages (-want +got):\n%s", diff)
	}
}

func TestTemplateListBackwards(t *testing.T) {
	g := start(t, templateConfig(), &receiver{})
	firstPage := listTemplates(t, g, "/v25.0/9001/message_templates?limit=3")
	second := listTemplates(t, g, "/v25.0/9001/message_templates?limit=3&after="+firstPage.Paging.Cursors.After)
	back := listTemplates(t, g, "/v25.0/9001/message_templates?limit=3&before="+second.Paging.Cursors.Before)
	if diff := cmp.Diff(firstPage.Data, back.Data); diff != "" {
		t.Errorf("page before the second (-first +got):\n%s", diff)
	}
	if firstPage.Paging.Previous != "" || second.Paging.Previous == "" {
		t.Errorf("previous: got %q and %q, want none and one", firstPage.Paging.Previous, second.Paging.Previous)
	}
}

func TestTemplateListShowsWhatWasConfigured(t *testing.T) {
	g := start(t, templateConfig(), &receiver{})
	page := listTemplates(t, g, "/v25.0/9001/message_templates?name=order&language=de&status=APPROVED&category=UTILITY")
	if len(page.Data) != 1 || page.Paging.Next != "" {
		t.Fatalf("got %+v, want one template", page)
	}
	got := page.Data[0]
	delete(got, "id")
	want := map[string]any{
		"name": "order", "language": "de", "status": "APPROVED", "category": "UTILITY", "parameter_format": "POSITIONAL",
		"components": []any{object{"type": "BODY", "text": "Hallo {{1}}"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("template (-want +got):\n%s", diff)
	}
}

func TestTemplateListRefusals(t *testing.T) {
	g := start(t, templateConfig(), &receiver{})
	for path, want := range map[string]int{
		"/v25.0/9002/message_templates":               100, // not the token's business
		"/v25.0/9001/message_templates?limit=all":     100,
		"/v25.0/9001/message_templates?fields=secret": 100,
		"/v25.0/9001/message_templates?after=%21":     100,
	} {
		if got := request(t, g, http.MethodGet, path, token, ""); got.Error.Code != want || got.status != http.StatusBadRequest {
			t.Errorf("%s: got %d %s, want 400 with code %d", path, got.status, got.body, want)
		}
	}
	if got := request(t, g, http.MethodGet, "/v25.0/9001/message_templates", "", ""); got.status != http.StatusUnauthorized {
		t.Errorf("without a token: got %d, want 401", got.status)
	}
}

func TestTemplatesWithoutAListAreNotChecked(t *testing.T) {
	g := start(t, newConfig(), &receiver{})
	if got := postSend(t, g, body(t, sent("anything", "fr"))); got.status != http.StatusOK {
		t.Errorf("got %s, want it accepted", got.body)
	}
	if err := g.SetTemplate(template("order", "")); err != nil {
		t.Fatalf("SetTemplate: got %v, want no error", err)
	}
	if got := postSend(t, g, body(t, sent("anything", "fr"))); got.Error.Code != 132001 {
		t.Errorf("once there is a list: got %s, want code 132001", got.body)
	}
	if n := g.RemoveTemplate("order"); n != 1 || len(g.Templates()) != 0 {
		t.Errorf("RemoveTemplate: got %d with %d left, want 1 and none", n, len(g.Templates()))
	}
}

func TestSetTemplateRefusesNonsense(t *testing.T) {
	g := start(t, newConfig(), &receiver{})
	good := template("order", "")
	for name, change := range map[string]func(*standin.Template){
		"name":      func(t *standin.Template) { t.Name = "Order Update" },
		"language":  func(t *standin.Template) { t.Language = "english" },
		"category":  func(t *standin.Template) { t.Category = "SPAM" },
		"status":    func(t *standin.Template) { t.Status = "LATER" },
		"component": func(t *standin.Template) { t.Components = []standin.TemplateComponent{{Type: "TAIL"}} },
	} {
		bad := good
		change(&bad)
		if err := g.SetTemplate(bad); err == nil || !strings.Contains(err.Error(), "invalid") {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
}
