package whatsapp

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/intervenehq/intervene/engine"
)

// examplesFolder is where Meta's own examples of webhooks may lie: they are not
// part of this project. The variable names another place.
const (
	examplesFolder   = "../../../shared/data/whatsapp"
	examplesVariable = "INTERVENE_WHATSAPP_EXAMPLES"
)

var exampleWamid = regexp.MustCompile(`("id": ?"wamid\.)[^"]*"`)

// TestMetaExamples: every body that Meta gives as an example is taken in whole,
// as what its name says. Some share a wamid: here each has its own.
func TestMetaExamples(t *testing.T) {
	folder := examplesFolder
	if named := os.Getenv(examplesVariable); named != "" {
		folder = named
	}
	if _, err := os.Stat(folder); err != nil && os.IsNotExist(err) && os.Getenv(examplesVariable) == "" {
		t.Logf("there is no folder %s: nothing to compare with", folder)
		return
	}
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("examples in %s: got %d and error %v, want some", folder, len(paths), err)
	}
	for i, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("read: %v", err)
			}
			checkExample(t, name, exampleWamid.ReplaceAll(body, []byte(`${1}example.`+strconv.Itoa(i)+`"`)))
		})
	}
}

func checkExample(t *testing.T, name string, body []byte) {
	t.Helper()
	channels := map[PhoneNumberID]Channel{"106540352242922": testConfig().Channels[0]}
	e := newEdge(t)
	(*e.apps.Load())["main"].channels = channels
	wantStatus(t, e.post("main", testSecret, body), http.StatusOK)
	d, err := parse(body, channels)
	if err != nil {
		t.Fatalf("parse: got error %v, want none", err)
	}
	checkItems(t, d.items)
	delete(d.oddities, oddity{oddMessage, reportedError})
	if len(d.oddities) != 0 {
		t.Errorf("oddities: got %v, want none", d.oddities)
	}
	_, kind, _ := strings.Cut(name, "__")
	if strings.HasPrefix(kind, "group-") {
		if len(d.items) != 0 || len(d.fields) != 1 || d.fields[otherField] != 0 {
			t.Errorf("a group's event: got items %v, fields %v, want one known field", d.items, d.fields)
		}
		return
	}
	if len(d.items) != 1 {
		t.Fatalf("items: got %d, want the one message", len(d.items))
	}
	if len(e.inbox.items) != len(d.items) {
		t.Errorf("inbox: got %d items, want %d", len(e.inbox.items), len(d.items))
	}
	if got, want := exampleKind(&d.items[0]), exampleKinds[kind]; want != "" && got != want {
		t.Errorf("kind: got %s, want %s", got, want)
	}
}

var exampleKinds = map[string]string{
	"button-message":                            "button_reply",
	"contact-sharing-message":                   "contacts",
	"image-message":                             "image",
	"interactive-button-reply-message":          "button_reply",
	"interactive-list-reply-message":            "button_reply",
	"location-message":                          "location",
	"order-message":                             "order",
	"reaction-message":                          "reacted",
	"system-message":                            "change",
	"text-message":                              "text",
	"text-message-from-click-to-whatsapp-ad":    "text from a referral",
	"text-message-with-context-product-inquiry": "text about a product",
	"unsupported-message":                       "unsupported",
}

func exampleKind(item *engine.Inbound) string {
	switch {
	case item.Amend != nil:
		return item.Amend.What.String()
	case item.Change != nil:
		return "change"
	case item.Message == nil:
		return "another"
	}
	kind := item.Message.Content.Kind.String()
	switch context := item.Message.Context; {
	case context != nil && context.Referral != nil:
		return kind + " from a referral"
	case context != nil && context.Product != nil:
		return kind + " about a product"
	}
	return kind
}
