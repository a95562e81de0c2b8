package standin_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// examplesFolder holds Meta's own examples of sends, which are not part of
// this repository.
const examplesFolder = "../../../../shared/data/whatsapp/outbound"

// placeholders are what the examples leave to be filled in.
var placeholders = strings.NewReplacer(
	"{{Recipient-Phone-Number}}", "+16505551234",
	"{{Recipient-WA-Phone-Number}}", "16505551234",
	"<HEADER_TYPE>", "text",
	"<http(s)://", "https://x.test/",
	"http(s)://", "https://",
)

// TestMetasExamplesAreAccepted: every example of a send is, and every example
// of an answer has the shape of ours.
func TestMetasExamplesAreAccepted(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(examplesFolder, "*.json"))
	if err != nil {
		t.Fatalf("list examples: got %v, want no error", err)
	}
	if len(files) == 0 {
		if _, err := os.Stat(examplesFolder); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("examples: got an empty folder and %v, want files, or no folder", err)
		}
		t.Log("the examples are not here: nothing to compare with")
		return
	}
	g := start(t, newConfig(), &receiver{})
	for _, file := range files {
		name := filepath.Base(file)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("read example: got %v, want no error", err)
		}
		if strings.HasPrefix(name, "_response-") {
			checkExampleAnswer(t, name, text)
			continue
		}
		before := len(g.Deliveries())
		got := postSend(t, g, placeholders.Replace(string(text)))
		if got.status != http.StatusOK {
			t.Errorf("%s: got %d %s, want 200", name, got.status, got.body)
			continue
		}
		if deliveries := g.Deliveries(); strings.Contains(string(text), `"to"`) &&
			(len(deliveries) != before+1 || deliveries[before].To != standin.Identity("16505551234") &&
				!strings.Contains(string(text), string(deliveries[before].To))) {
			t.Errorf("%s: got %+v, want a delivery to its recipient", name, deliveries[before:])
		}
	}
	t.Logf("%d examples", len(files))
}

func checkExampleAnswer(t *testing.T, name string, text []byte) {
	t.Helper()
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Errorf("%s: got %v, want JSON", name, err)
		return
	}
	for field := range answer {
		switch field {
		case "messaging_product", "contacts", "messages", "success":
		default:
			t.Errorf("%s: got the field %s, which no answer of ours has", name, field)
		}
	}
}
