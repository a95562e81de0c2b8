package standin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

func TestSignatureIsOverTheBytesSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		g := start(t, newConfig(), r)
		text := "Grüße / 👍 \\ \"ok\" <b>&\n\u2028"
		write(t, g, ada, text)
		settle(t, g)
		posts := r.all()
		if len(posts) != 1 {
			t.Fatalf("posts: got %d, want 1", len(posts))
		}
		p := posts[0]
		if !verifies(p) {
			t.Errorf("signature: got %q, want the HMAC of the body", p.signature)
		}
		if !isASCII(p.body) {
			t.Errorf("body: got %q, want pure ASCII", p.body)
		}
		for _, want := range []string{`Gr\u00fc\u00dfe \/ \ud83d\udc4d \\ \"ok\" <b>&\n\u2028`} {
			if !bytes.Contains(p.body, []byte(want)) {
				t.Errorf("body: got %s, want %s in it", p.body, want)
			}
		}
		if got := r.messages(t)[0].Text.Body; got != text {
			t.Errorf("text: got %q, want %q", got, text)
		}
		var again any
		if err := json.Unmarshal(p.body, &again); err != nil {
			t.Fatalf("decode: got %v, want no error", err)
		}
		serialised, err := json.Marshal(again)
		if err != nil {
			t.Fatalf("encode: got %v, want no error", err)
		}
		if p.body = serialised; verifies(p) {
			t.Errorf("signature: verifies over a body that was serialised again, want it broken")
		}
	})
}

// TestBatches gathers many items into few POSTs and looks for every shape
// that a receiver must walk.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		config := newConfig()
		config.Webhook.Gather = time.Second
		config.Webhook.MaxBatch = 40
		config.Statuses = []standin.StatusStep{{Status: standin.StatusSent}}
		g := start(t, config, r)
		want := map[standin.WAMID]bool{}
		for i := range 60 {
			want[write(t, g, ada, fmt.Sprint(i))] = true
			sendText(t, g, ben, fmt.Sprint(i))
			other := standin.Customer{PhoneNumberID: second, WAID: ada}
			wamid, err := g.WriteText(t.Context(), other, "x", time.Time{})
			if err != nil {
				t.Fatalf("WriteText: got %v, want no error", err)
			}
			want[wamid] = true
		}
		settle(t, g)
		var entries, changes, messages, mixed, items int
		for _, p := range r.all() {
			entries = max(entries, len(p.envelope.Entry))
			inPost := 0
			for _, entry := range p.envelope.Entry {
				changes = max(changes, len(entry.Changes))
				for _, change := range entry.Changes {
					v := change.Value
					messages = max(messages, len(v.Messages))
					if len(v.Messages) != len(v.Contacts) {
						t.Errorf("change: got %d contacts, want one for each of %d messages", len(v.Contacts), len(v.Messages))
					}
					if len(v.Messages) > 0 && len(v.Statuses) > 0 {
						mixed++
					}
					if wantID := map[standin.PhoneNumberID]string{first: "9001", second: "9002"}[v.Metadata.PhoneNumberID]; entry.ID != wantID {
						t.Errorf("entry of number %s: got business %s, want %s", v.Metadata.PhoneNumberID, entry.ID, wantID)
					}
					inPost += len(v.Messages) + len(v.Statuses)
				}
			}
			if inPost > 40 {
				t.Errorf("items in one POST: got %d, want at most 40", inPost)
			}
			items += inPost
		}
		if entries < 2 || changes < 2 || messages < 2 || mixed == 0 {
			t.Errorf("shapes: got at most %d entries, %d changes, %d messages, %d mixed changes; want several of each",
				entries, changes, messages, mixed)
		}
		if items != 180 || len(r.all()) != 5 {
			t.Errorf("got %d items in %d POSTs, want 180 in 5", items, len(r.all()))
		}
		for _, m := range r.messages(t) {
			delete(want, m.ID)
		}
		if len(want) != 0 {
			t.Errorf("messages never offered: got %d, want none", len(want))
		}
	})
}

func TestShuffle(t *testing.T) {
	order := func(t *testing.T, shuffle bool) (ids []standin.WAMID) {
		synctest.Test(t, func(t *testing.T) {
			r := &receiver{}
			config := newConfig()
			config.Webhook.Gather = time.Second
			config.Webhook.Shuffle = shuffle
			g := start(t, config, r)
			for i := range 20 {
				write(t, g, ada, fmt.Sprint(i))
			}
			settle(t, g)
			for _, m := range r.messages(t) {
				ids = append(ids, m.ID)
			}
		})
		return ids
	}
	kept, shuffled, again := order(t, false), order(t, true), order(t, true)
	if slices.Equal(kept, shuffled) {
		t.Errorf("shuffled: got the order of writing, want another")
	}
	if !slices.Equal(shuffled, again) {
		t.Errorf("shuffled again: got another order, want the seed's")
	}
	slices.Sort(kept)
	slices.Sort(shuffled)
	if !slices.Equal(kept, shuffled) {
		t.Errorf("shuffled: got other messages, want the same")
	}
}

func TestRedeliveryFallsInFrequency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// 201 and 302 are no 200 either.
		answers := []int{500, 503, 401, 201, 302, 404, 200}
		r := &receiver{answer: func(nth int) int { return answers[nth-1] }}
		config := newConfig()
		config.Webhook.RedeliveryLongest = 10 * time.Second
		g := start(t, config, r)
		wamid := write(t, g, ada, "hi")
		settle(t, g)
		posts := r.all()
		if len(posts) != len(answers) {
			t.Fatalf("offers: got %d, want %d", len(posts), len(answers))
		}
		longest := []time.Duration{1, 2, 4, 8, 10, 10} // seconds, before jitter
		for i, seconds := range longest {
			got, most := posts[i+1].at.Sub(posts[i].at), seconds*time.Second
			if got > most || got < most*8/10 {
				t.Errorf("wait %d: got %v, want %v less at most a fifth", i, got, most)
			}
		}
		for _, p := range posts[1:] {
			if !bytes.Equal(p.body, posts[0].body) {
				t.Errorf("redelivered body: got %s, want the first", p.body)
			}
		}
		offer := g.Offers()[0]
		if offer.WAMID != wamid || offer.Offers != len(answers) || offer.LastAnswer != 200 || offer.GivenUp ||
			!offer.FirstOfferedAt.Equal(posts[0].at) || !offer.AcknowledgedAt.Equal(posts[len(posts)-1].at) {
			t.Errorf("offer: got %+v, want %d offers, acknowledged by the last", offer, len(answers))
		}
	})
}

func TestGivenUpAfterMaxOffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(int) int { return http.StatusInternalServerError }}
		config := newConfig()
		config.Webhook.MaxOffers = 4
		g := start(t, config, r)
		write(t, g, ada, "hi")
		settle(t, g)
		offer, stats := g.Offers()[0], g.Stats()
		if !offer.GivenUp || offer.Offers != 4 || !offer.AcknowledgedAt.IsZero() || len(r.all()) != 4 {
			t.Errorf("offer: got %+v, want it given up after 4", offer)
		}
		if stats.GivenUp != 1 || stats.Offered != 4 || stats.Acknowledged != 0 || stats.Pending != 0 {
			t.Errorf("stats: got %+v, want 1 given up of 4 offered", stats)
		}
	})
}

// unreachable breaks the first connections.
type unreachable struct {
	inMemory
	mu    sync.Mutex
	fails int
}

func (u *unreachable) RoundTrip(r *http.Request) (*http.Response, error) {
	u.mu.Lock()
	u.fails--
	fail := u.fails >= 0
	u.mu.Unlock()
	if fail {
		return nil, errConnection
	}
	return u.inMemory.RoundTrip(r)
}

func TestRedeliveryAfterNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		config := newConfig()
		config.Transport = &unreachable{inMemory: inMemory{r}, fails: 3}
		g := start(t, config, r)
		write(t, g, ada, "hi")
		settle(t, g)
		if got := len(r.messages(t)); got != 1 {
			t.Errorf("messages: got %d, want 1", got)
		}
		if s := g.Stats(); s.Unanswered != 3 || s.Acknowledged != 1 {
			t.Errorf("stats: got %+v, want 3 unanswered and 1 acknowledged", s)
		}
	})
}

func TestWebhookURLMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		config := newConfig()
		config.Apps[0].WebhookURL = ""
		g := start(t, config, r)
		write(t, g, ada, "hi")
		synctest.Wait()
		if got := len(r.all()); got != 0 {
			t.Errorf("posts without a URL: got %d, want none", got)
		}
		if err := g.SetWebhookURL("main", "http://back.test/"); err != nil {
			t.Fatalf("SetWebhookURL: got %v, want no error", err)
		}
		settle(t, g)
		if got := len(r.messages(t)); got != 1 {
			t.Errorf("messages: got %d, want 1", got)
		}
		if err := g.SetWebhookURL("main", "ftp://back.test/"); !errors.Is(err, standin.ErrInvalid) {
			t.Errorf("SetWebhookURL to FTP: got %v, want ErrInvalid", err)
		}
		if err := g.SetWebhookURL("other", ""); !errors.Is(err, standin.ErrUnknownApp) {
			t.Errorf("SetWebhookURL of another app: got %v, want ErrUnknownApp", err)
		}
	})
}

// slow answers each POST after a second, and counts those at once in flight.
type slow struct {
	inMemory
	mu            sync.Mutex
	inFlight, top int
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.inFlight++
	s.top = max(s.top, s.inFlight)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.inFlight--
		s.mu.Unlock()
	}()
	select {
	case <-time.After(time.Second):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return s.inMemory.RoundTrip(r)
}

func TestParallelismAndQueueAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		transport := &slow{inMemory: inMemory{r}}
		config := newConfig()
		config.Transport = transport
		config.Webhook.Parallelism = 3
		config.Webhook.MaxBatch = 1
		config.Webhook.QueueLimit = 8
		g := start(t, config, r)
		begun := time.Now()
		for i := range 20 {
			write(t, g, ada, fmt.Sprint(i))
			if got := g.Stats().Pending; got > 8 {
				t.Errorf("pending: got %d, want at most 8", got)
			}
		}
		if time.Since(begun) == 0 {
			t.Errorf("writers never waited, want them held while the queue is full")
		}
		synctest.Wait() // the POSTs that end at this instant have ended
		for g.Stats().Pending < 8 {
			write(t, g, ada, "more")
		}
		if got := sendText(t, g, ada, "full"); got.Error.Code != 130429 || got.status != http.StatusTooManyRequests {
			t.Errorf("send into a full queue: got %d code %d, want 429 code 130429", got.status, got.Error.Code)
		}
		settle(t, g)
		if transport.top != 3 {
			t.Errorf("POSTs in flight: got %d at most, want 3", transport.top)
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := newConfig()
		r := &receiver{}
		config.Transport = &slow{inMemory: inMemory{r}}
		config.Webhook.QueueLimit = 1
		config.Faults = []standin.Rule{{Fault: standin.FaultStall, Delay: time.Hour, Contact: ben, Always: true}}
		g := start(t, config, r)
		stalled := make(chan error, 1)
		go func() { stalled <- sendText(t, g, ben, "held").err }()
		synctest.Wait()
		waiting := make(chan error, 2)
		customer := standin.Customer{PhoneNumberID: first, WAID: ada}
		go func() {
			_, err := g.WriteText(t.Context(), customer, "no room", time.Time{})
			waiting <- err
		}()
		go func() { waiting <- g.Settle(t.Context()) }()
		synctest.Wait()
		begun := time.Now()
		g.Close()
		g.Close()
		for range 2 {
			if err := <-waiting; !errors.Is(err, standin.ErrClosed) {
				t.Errorf("wait during Close: got %v, want ErrClosed", err)
			}
		}
		if err := <-stalled; !errors.Is(err, errConnection) {
			t.Errorf("stalled send during Close: got %v, want a broken connection", err)
		}
		if took := time.Since(begun); took > 0 {
			t.Errorf("Close: took %v, want no wait for stalls or POSTs", took)
		}
		if got := sendText(t, g, ada, "late"); got.Error.Code != 131016 {
			t.Errorf("send after Close: got code %d, want 131016", got.Error.Code)
		}
		if got := len(g.Deliveries()); got != 1 {
			t.Errorf("deliveries after Close: got %d, want the 1 accepted", got)
		}
	})
}

func TestOnAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(nth int) int { return []int{500, 200}[nth-1] }}
		var acks []standin.Ack
		config := newConfig()
		config.Transport = &slow{inMemory: inMemory{r}}
		config.Webhook.Parallelism = 1
		config.OnAck = func(a standin.Ack) { acks = append(acks, a) }
		g := start(t, config, r)
		write(t, g, ada, "hi")
		settle(t, g)
		want := []standin.Ack{
			{App: "main", Messages: 1, Offer: 1, Status: 500, Duration: time.Second},
			{App: "main", Messages: 1, Offer: 2, Status: 200, Duration: time.Second},
		}
		if !slices.Equal(acks, want) {
			t.Errorf("acks: got %+v, want %+v", acks, want)
		}
	})
}

// TestFullBatch: Meta puts up to 1,000 updates into one POST.
func TestFullBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		config := newConfig()
		config.Statuses = []standin.StatusStep{{Status: standin.StatusSent}}
		config.Webhook.MaxBatch, config.Webhook.Gather, config.Webhook.Shuffle = 1000, time.Second, true
		g := start(t, config, r)
		customer := standin.Customer{PhoneNumberID: first, WAID: ada}
		for i := range 250 {
			write(t, g, ada, "hi")
			sendText(t, g, ben, fmt.Sprint(i))
			_, err := g.Echo(t.Context(), customer, standin.Message{Text: "hi"}, time.Time{})
			if err := errors.Join(err, g.SetMarketing(t.Context(), customer, i%2 == 0, time.Time{})); err != nil {
				t.Fatalf("change: got %v, want no error", err)
			}
		}
		settle(t, g)
		posts := r.all()
		if len(posts) != 1 || !verifies(posts[0]) || !isASCII(posts[0].body) {
			t.Fatalf("posts: got %d, want 1 that is signed and ASCII", len(posts))
		}
		if got := len(r.messages(t)) + len(r.statuses()); got != 500 {
			t.Errorf("messages and statuses: got %d, want 500", got)
		}
		if got := bytes.Count(posts[0].body, []byte(`"field":"smb_message_echoes"`)); got != 250 {
			t.Errorf("echoes: got %d, want 250", got)
		}
	})
}
