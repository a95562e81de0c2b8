package rasa

import (
	"encoding/json"
	"testing"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/fuzztest"
)

// FuzzReplies reads any JSON as what Rasa answers: a turn has an answer or an
// error, never silence, and every link goes over HTTP.
//
//	go test -run '^$' -fuzz FuzzReplies -fuzztime 10m ./rpc/bot/rasa
func FuzzReplies(f *testing.F) {
	for _, seed := range []string{
		`[]`, `[{"recipient_id":"x","text":"hi"},{"image":"https://example.com/a.png"}]`,
		`[{"text":"pick","buttons":[{"title":"Yes","payload":"/yes"},{"title":"No"}],"quick_replies":[{"title":"Maybe"}]}]`,
		`[{"attachment":{"type":"video","payload":{"src":"https://example.com/v.mp4"}}},{"attachment":"http://example.com/x"}]`,
		`[{"custom":{"intervene":{"request_agent":{"reason":"r","summary":"s"}}}},{"custom":{"handoff_host":"h","title":"t"}}]`,
		`[{"custom":{"intervene":{"withdraw":{}}}}]`, `[null,{}]`, `[{"text":"` + fuzztest.Canary + `","attachment":7}]`, `[{"image":"javascript:x"}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var replies []reply
		if json.Unmarshal(text, &replies) != nil {
			return
		}
		var answer engine.TurnAnswer
		var err error
		fuzztest.Bounded(t, len(text), func() { err = add(&answer, replies) })
		fuzztest.Silent(t, err)
		does := len(answer.Say) > 0 || answer.Request || answer.Withdraw
		if (err == nil) != (does || len(replies) == 0) {
			t.Errorf("got answer %+v, error %v, want something to do or an error", answer, err)
		}
		for i := range answer.Say {
			if m := answer.Say[i].Media; m != nil && !isLink(m.Link) {
				t.Errorf("got link %q, want one over HTTP", m.Link)
			}
			if c := answer.Say[i]; c.Kind == engine.ContentText && len([]rune(c.Text)) > engine.MaxTextRunes {
				t.Errorf("got a text of %d runes, want at most %d", len([]rune(c.Text)), engine.MaxTextRunes)
			}
		}
	})
}
