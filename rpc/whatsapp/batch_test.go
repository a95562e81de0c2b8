package whatsapp

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/intervenehq/intervene/engine"
)

// batch is one POST of n items of all types, in changes of all fields, shuffled
// by seed. The item that stands at rotten cannot be read.
func batch(n, rotten int, seed uint64) []byte {
	all := append(samples[:len(samples):len(samples)], moreSamples...)
	lists := make(map[string][]string)
	for i := range n {
		sample := all[i%len(all)]
		item := sample.named(fmt.Sprintf("wamid%d", i))
		if i == rotten {
			item = `{"id":{"rotten":true},"timestamp":[]}`
		}
		lists[sample.field] = append(lists[sample.field], item)
	}
	shuffle := rand.New(rand.NewPCG(seed, 0))
	var changes []string
	for field, items := range lists {
		shuffle.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		list := field
		switch field {
		case "smb_message_echoes":
			list = "message_echoes"
		case "statuses":
			field = "messages"
		}
		changes = append(changes, fmt.Sprintf(`{"field":"%s","value":{"metadata":{"phone_number_id":"1001"},"%s":[%s]}}`,
			field, list, strings.Join(items, ",")))
	}
	shuffle.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
	return []byte(`{"object":"whatsapp_business_account","entry":[{"changes":[` + strings.Join(changes, ",") + `]}]}`)
}

// TestWebhookThousandMixedItems: the batch that Meta may send at most, with one
// item that cannot be read. Every time it comes, in whatever order, the same 999
// items reach the Inbox.
func TestWebhookThousandMixedItems(t *testing.T) {
	const items, rotten, times = 1000, 500, 10
	e := newEdge(t)
	var posts sync.WaitGroup
	for seed := range uint64(times) {
		posts.Go(func() { wantStatus(t, e.post("main", testSecret, batch(items, rotten, seed)), http.StatusOK) })
	}
	posts.Wait()
	checkItems(t, e.inbox.items)
	effects := make(map[string]int)
	for i := range e.inbox.items {
		name := externalOf(&e.inbox.items[i])
		if consent := e.inbox.items[i].Consent; consent != nil {
			name = consent.Contact.UserID
		}
		effects[name]++
	}
	if got, want := len(effects), items-1; got != want {
		t.Errorf("items: got %d different ones, want %d", got, want)
	}
	for name, n := range effects {
		if n != times {
			t.Errorf("item %s: got it %d times, want %d", name, n, times)
		}
	}
	d := mustParse(t, batch(items, rotten, 0))
	unreadable := maps.Clone(d.oddities)
	delete(unreadable, oddity{oddMessage, reportedError}) // of those that are unsupported
	if want := map[oddity]int{{oddMessage, missingID}: 1}; !maps.Equal(unreadable, want) {
		t.Errorf("oddities: got %v, want %v", unreadable, want)
	}
}

// TestSamplesAreOfEveryKind: none that is received is forgotten above.
func TestSamplesAreOfEveryKind(t *testing.T) {
	kinds := make(map[string]bool)
	d := mustParse(t, batch(len(samples)+len(moreSamples), -1, 0))
	for _, item := range d.items {
		switch {
		case item.Message != nil:
			kinds[item.Message.Content.Kind.String()] = true
		case item.Amend != nil:
			kinds[item.Amend.What.String()] = true
		case item.Status != nil:
			kinds[item.Status.State.String()] = true
		}
	}
	for kind := engine.ContentText; kind <= engine.ContentWelcome; kind++ {
		if kind != engine.ContentReaction && !kinds[kind.String()] {
			t.Errorf("samples: got none of %s, want one", kind)
		}
	}
	for _, what := range []fmt.Stringer{
		engine.Reacted, engine.Edited, engine.Revoked, engine.Sent, engine.Delivered, engine.Read, engine.Played, engine.Failed,
	} {
		if !kinds[what.String()] {
			t.Errorf("samples: got none of %s, want one", what)
		}
	}
	for _, sample := range samples {
		if !json.Valid([]byte(sample.named("x"))) {
			t.Errorf("sample: got %s, want JSON", sample.item)
		}
	}
}
