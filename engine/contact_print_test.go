package engine_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/intervenehq/intervene/engine"
)

// TestContactsAreNotPrinted: no verb, log or encoder shows who a customer is, alone or
// within what the engine hands around.
func TestContactsAreNotPrinted(t *testing.T) {
	who := engine.Contact{Name: "Nora Quill", WaID: "16505550170", UserID: "US.7391", ParentUserID: "US.ENT.7391"}
	identity := engine.Identity{Kind: engine.IdentityWaID, Value: who.WaID}
	values := []any{
		who, &who,
		[]engine.Contact{who},
		map[string]engine.Contact{"of": who},
		identity, who.Identities(),
		engine.Conversation{Contact: who},
		engine.Card{Contact: who},
		&engine.Card{Contact: who},
		engine.Receive{Contact: who},
		engine.Amend{Contact: who},
		engine.ChangeContact{Contact: who, Changed: who},
		engine.StartConversation{Contact: who},
		engine.Command{Body: engine.Receive{Contact: who}},
		engine.Event{Body: engine.Opened{Contact: who}},
		engine.Event{Body: engine.ContactChanged{Contact: who}},
		engine.Outbound{To: who},
		engine.TurnRequest{Contact: who},
		engine.Claim{Identity: identity},
		[]engine.Claim{{Identity: identity}},
	}
	for _, v := range values {
		var texts []string
		for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%s", "%d", "%x", "%X"} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
		texts = append(texts, fmt.Sprint(v), fmt.Errorf("send: %v: %w", v, errors.ErrUnsupported).Error())
		encoded, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%T: JSON: got error %v, want none", v, err)
		}
		var log bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(handler).Info("it", slog.Any("value", v), slog.Group("group", slog.Any("value", v)))
		}
		for _, text := range append(texts, string(encoded), log.String()) {
			for _, secret := range []string{who.Name, who.WaID, "US.", "7391", fmt.Sprintf("%x", who.WaID), fmt.Sprintf("%X", who.WaID)} {
				if strings.Contains(text, secret) {
					t.Errorf("%T: got %q with %q, want it not told", v, text, secret)
				}
			}
		}
	}
	if card := fmt.Sprintf("%+v", engine.Card{Contact: who, Preview: "hello"}); !strings.Contains(card, "(contact)") || !strings.Contains(card, "hello") {
		t.Errorf("card: got %s, want all of it but the contact", card)
	}
}
