package flow

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/intervenehq/intervene/rpc/bot/flow/schema"
)

const manual = "../../../docs/FLOWS.md"

// TestManualNamesEveryField that a flow file may have, and what each may be.
func TestManualNamesEveryField(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatalf("read the manual: %v", err)
	}
	words := make(map[string]bool)
	prose := regexp.MustCompile("(?ms)^```.*?^```").ReplaceAllString(string(text), "")
	for _, code := range regexp.MustCompile("`[^`\n]+`").FindAllString(prose, -1) {
		for _, word := range regexp.MustCompile(`[a-z_]+`).FindAllString(code, -1) {
			words[word] = true
		}
	}
	messages := schema.File_flow_proto.Messages()
	for i := range messages.Len() {
		m := messages.Get(i)
		if m.Name() == "Text" {
			continue // it is written as a text or as a mapping, and not by its fields
		}
		for j := range m.Fields().Len() {
			f := m.Fields().Get(j)
			if !words[string(f.Name())] && !isSpelled(f, string(text)) {
				t.Errorf("the manual does not name field %s", f.FullName())
			}
		}
	}
}

// isSpelled reports whether a field is named in an example.
func isSpelled(f protoreflect.FieldDescriptor, text string) bool {
	return strings.Contains(text, string(f.Name())+":")
}

// TestManualsFlowsAreFlows: what the manual shows can be copied.
func TestManualsFlowsAreFlows(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatalf("read the manual: %v", err)
	}
	whole := 0
	for _, block := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		if !strings.HasPrefix(block[1], "id:") {
			block[1] = "id: part\nnodes: [{id: end, end: {}}]\nfallback: {text: x, next: end}\n" + block[1]
		} else {
			whole++
		}
		if _, err := Parse("FLOWS.md", []byte(block[1])); err != nil {
			t.Errorf("got error\n%v\nwant none", err)
		}
	}
	if whole == 0 {
		t.Error("got no whole flow in the manual, want one")
	}
}
