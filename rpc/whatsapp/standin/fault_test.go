package standin_test

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

func withFaults(rules ...standin.Rule) standin.Config {
	config := newConfig()
	config.Faults = rules
	return config
}

func TestErrorFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		rule         standin.Rule
		status, code int
		retryAfter   string
	}{
		"rate limit":    {standin.Rule{Fault: standin.FaultError, Code: 130429, Next: 1}, 429, 130429, ""},
		"retry after":   {standin.Rule{Fault: standin.FaultError, Code: 80007, HTTPStatus: 429, RetryAfter: 1500 * time.Millisecond, Next: 1}, 429, 80007, "2"},
		"pair limit":    {standin.Rule{Fault: standin.FaultError, Code: 131056, Next: 1}, 400, 131056, ""},
		"ambiguous":     {standin.Rule{Fault: standin.FaultError, Code: 131000, Next: 1}, 500, 131000, ""},
		"token expired": {standin.Rule{Fault: standin.FaultError, Code: 190, Next: 1}, 401, 190, ""},
		"code zero":     {standin.Rule{Fault: standin.FaultError, Code: 0, Next: 1}, 401, 0, ""},
		"unknown code":  {standin.Rule{Fault: standin.FaultError, Code: 999999, Next: 1}, 400, 999999, ""},
		"bare 5xx":      {standin.Rule{Fault: standin.FaultServerError, Next: 1}, 503, 0, ""},
		"bare 502":      {standin.Rule{Fault: standin.FaultServerError, HTTPStatus: 502, Next: 1}, 502, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := start(t, withFaults(tc.rule), &receiver{})
				got := sendText(t, g, ada, "a")
				if got.status != tc.status || got.Error.Code != tc.code || got.header.Get("Retry-After") != tc.retryAfter {
					t.Errorf("got %d code %d retry after %q, want %d code %d retry after %q",
						got.status, got.Error.Code, got.header.Get("Retry-After"), tc.status, tc.code, tc.retryAfter)
				}
				if isGraph := strings.Contains(got.body, "fbtrace_id"); isGraph != (tc.rule.Fault == standin.FaultError) {
					t.Errorf("body: got %s, want Graph's only from FaultError", got.body)
				}
				if n := len(g.Deliveries()); n != 0 {
					t.Errorf("deliveries: got %d, want none", n)
				}
				if again := sendText(t, g, ada, "b"); again.status != http.StatusOK {
					t.Errorf("next send: got %d, want 200", again.status)
				}
			})
		})
	}
}

func TestWhenARuleStrikes(t *testing.T) {
	for name, tc := range map[string]struct {
		rule standin.Rule
		want string // of eight sends, x: refused
	}{
		"always":              {standin.Rule{Always: true}, "xxxxxxxx"},
		"next":                {standin.Rule{Next: 3}, "xxx....."},
		"every":               {standin.Rule{Every: 3}, "..x..x.."},
		"surely":              {standin.Rule{Probability: 1}, "xxxxxxxx"},
		"other number":        {standin.Rule{Always: true, PhoneNumberID: second}, "........"},
		"other contact":       {standin.Rule{Always: true, Contact: ben}, "........"},
		"this contact":        {standin.Rule{Next: 1, PhoneNumberID: first, Contact: ada, Type: "text"}, "x......."},
		"other type":          {standin.Rule{Always: true, Type: "image"}, "........"},
		"of the seed, by one": {standin.Rule{Name: "one", Probability: 0.5}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tc.rule.Fault, tc.rule.Code = standin.FaultError, 131000
				g := start(t, withFaults(tc.rule), &receiver{})
				got := ""
				for i := range 8 {
					if sendText(t, g, ada, fmt.Sprint(i)).status == http.StatusOK {
						got += "."
					} else {
						got += "x"
					}
				}
				injected := g.Faults()[0].Injected
				if strings.Count(got, "x") != injected {
					t.Errorf("injected: got %d, want %d", injected, strings.Count(got, "x"))
				}
				if tc.want != "" && got != tc.want {
					t.Errorf("strikes: got %s, want %s", got, tc.want)
				}
				if tc.want == "" && (injected == 0 || injected == 8) {
					t.Errorf("strikes: got %s, want some of eight", got)
				}
			})
		})
	}
}

func TestResets(t *testing.T) {
	for fault, accepted := range map[standin.Fault]int{standin.FaultResetBefore: 0, standin.FaultResetAfter: 1} {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{}
				heard := 0
				config := withFaults(standin.Rule{Fault: fault, Next: 1})
				config.OnMessage = func(standin.Delivery) { heard++ }
				g := start(t, config, r)
				if got := sendText(t, g, ada, "hi"); !errors.Is(got.err, errConnection) {
					t.Errorf("got status %d and error %v, want a broken connection", got.status, got.err)
				}
				settle(t, g)
				deliveries := g.Deliveries()
				if len(deliveries) != accepted || heard != accepted || len(r.statuses()) != 3*accepted {
					t.Fatalf("got %d deliveries, %d heard, %d statuses; want %d, %d, %d",
						len(deliveries), heard, len(r.statuses()), accepted, accepted, 3*accepted)
				}
				if accepted == 1 && (!deliveries[0].ReplyLost || r.statuses()[0].CallbackData != "op-hi") {
					t.Errorf("delivery: got %+v, want its reply lost and its status to tell", deliveries[0])
				}
			})
		})
	}
}

func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		g := start(t, withFaults(standin.Rule{Fault: standin.FaultStall, Delay: time.Minute, Next: 1}), r)
		begun := time.Now()
		if got := sendText(t, g, ada, "hi"); got.status != http.StatusOK || time.Since(begun) != time.Minute {
			t.Errorf("got %d after %v, want 200 after 1m", got.status, time.Since(begun))
		}
		if posts := r.all(); len(posts) == 0 || posts[0].at.Sub(begun) >= time.Minute {
			t.Errorf("statuses: got none before the answer, want them to overtake it")
		}
	})
}

func TestFailAndNoStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		heard := 0
		config := withFaults(
			standin.Rule{Fault: standin.FaultFail, Code: 131026, Contact: ada, Always: true},
			standin.Rule{Fault: standin.FaultNoStatus, Contact: ben, Always: true},
		)
		config.OnMessage = func(standin.Delivery) { heard++ }
		g := start(t, config, r)
		failing := sendText(t, g, ada, "lost")
		sendText(t, g, ben, "quiet")
		settle(t, g)
		statuses := r.statuses()
		if len(statuses) != 1 || statuses[0].ID != failing.ID || statuses[0].Status != standin.StatusFailed ||
			len(statuses[0].Errors) != 1 || statuses[0].Errors[0].Code != 131026 || statuses[0].CallbackData != "op-lost" {
			t.Errorf("statuses: got %+v, want one failed with 131026", statuses)
		}
		if d := g.Deliveries(); len(d) != 2 || d[0].FailCode != 131026 || d[1].FailCode != 0 || heard != 1 {
			t.Errorf("deliveries: got %+v (%d heard), want the first failed and the second heard", d, heard)
		}
	})
}

func TestDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		g := start(t, withFaults(standin.Rule{
			Fault: standin.FaultDuplicate, Copies: 3, Delay: time.Minute, Item: standin.ItemMessage, Always: true,
		}), r)
		begun := time.Now()
		wamid := write(t, g, ada, "hi")
		sendText(t, g, ada, "x")
		settle(t, g)
		messages := r.messages(t)
		if len(messages) != 4 || len(r.statuses()) != 3 {
			t.Fatalf("got %d messages and %d statuses, want 4 and 3", len(messages), len(r.statuses()))
		}
		for _, m := range messages {
			if m.ID != wamid {
				t.Errorf("copy: got %s, want %s", m.ID, wamid)
			}
		}
		offer := g.Offers()[0]
		if offer.Offers != 4 || !offer.AcknowledgedAt.Equal(begun) {
			t.Errorf("offer: got %+v, want 4 offers, acknowledged by the first", offer)
		}
	})
}

func TestReorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		g := start(t, withFaults(standin.Rule{Fault: standin.FaultReorder, Delay: time.Minute, Probability: 0.5}), r)
		var written []standin.WAMID
		for i := range 30 {
			written = append(written, write(t, g, ada, fmt.Sprint(i)))
			time.Sleep(time.Second)
		}
		settle(t, g)
		var came []standin.WAMID
		for _, m := range r.messages(t) {
			came = append(came, m.ID)
		}
		if slices.Equal(came, written) {
			t.Errorf("order: got that of writing, want another")
		}
		slices.Sort(came)
		slices.Sort(written)
		if !slices.Equal(came, written) {
			t.Errorf("messages: got others than written, want the same")
		}
	})
}

func TestBadSignature(t *testing.T) {
	for name, tc := range map[string]struct {
		receiver http.Handler
		accepted uint64
		answer   int
	}{
		"refused":  {&receiver{}, 0, http.StatusUnauthorized},
		"believed": {http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), 2, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				config := withFaults(standin.Rule{Fault: standin.FaultBadSignature, Always: true})
				config.Transport = inMemory{tc.receiver}
				config.Statuses = []standin.StatusStep{{Status: standin.StatusSent}}
				g := start(t, config, nil)
				wamid := write(t, g, ada, "hi")
				sendText(t, g, ben, "x")
				settle(t, g)
				if s := g.Stats(); s.ForgedOffered != 2 || s.ForgedAccepted != tc.accepted || s.Acknowledged != 2 {
					t.Errorf("stats: got %+v, want 2 forged, %d accepted, 2 acknowledged", s, tc.accepted)
				}
				for _, offer := range g.Offers() {
					if !offer.Forged {
						continue
					}
					if offer.WAMID == wamid || offer.Offers != 1 || offer.LastAnswer != tc.answer {
						t.Errorf("forged offer: got %+v, want its own WAMID, once, answered %d", offer, tc.answer)
					}
					if r, ok := tc.receiver.(*receiver); ok && !carries(r, offer.WAMID) {
						t.Errorf("forged %s: never came, want it offered under its own WAMID", offer.WAMID)
					}
				}
			})
		})
	}
}

func carries(r *receiver, wamid standin.WAMID) bool {
	return slices.ContainsFunc(r.all(), func(p post) bool {
		return strings.Contains(strings.ReplaceAll(string(p.body), `\/`, "/"), string(wamid)) && !verifies(p)
	})
}

func TestRulesThatAreRefused(t *testing.T) {
	g := start(t, newConfig(), &receiver{})
	for name, rule := range map[string]standin.Rule{
		"no fault":            {Always: true},
		"unknown fault":       {Fault: "explode", Always: true},
		"no when":             {Fault: standin.FaultError},
		"two whens":           {Fault: standin.FaultError, Always: true, Next: 1},
		"negative next":       {Fault: standin.FaultError, Next: -1},
		"over certain":        {Fault: standin.FaultError, Probability: 1.1},
		"stall without delay": {Fault: standin.FaultStall, Always: true},
		"reorder by nothing":  {Fault: standin.FaultReorder, Always: true},
		"delay of a week":     {Fault: standin.FaultStall, Delay: 7 * 24 * time.Hour, Always: true},
		"too many copies":     {Fault: standin.FaultDuplicate, Copies: 1000, Always: true},
		"status 200":          {Fault: standin.FaultError, HTTPStatus: 200, Always: true},
		"negative code":       {Fault: standin.FaultError, Code: -1, Always: true},
		"send with item":      {Fault: standin.FaultError, Item: standin.ItemStatus, Always: true},
		"item with type":      {Fault: standin.FaultDuplicate, Type: "text", Always: true},
	} {
		if _, err := g.AddFault(rule); !errors.Is(err, standin.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	if _, err := g.AddFault(standin.Rule{Name: "a", Fault: standin.FaultError, Always: true}); err != nil {
		t.Errorf("first a: got %v, want no error", err)
	}
	if _, err := g.AddFault(standin.Rule{Name: "a", Fault: standin.FaultError, Always: true}); !errors.Is(err, standin.ErrInvalid) {
		t.Errorf("second a: got %v, want ErrInvalid", err)
	}
	g.ClearFaults()
	if got := len(g.Faults()); got != 0 {
		t.Errorf("rules after ClearFaults: got %d, want none", got)
	}
}

// outcome is everything that the seed decides about a run.
type outcome struct {
	sends  map[standin.Identity][]string
	offers []standin.Offer
}

// hostile runs many customers and senders at once. Which goroutine comes first
// is the scheduler's choice.
func hostile(t *testing.T, seed uint64, parallelism int) (got outcome) {
	got.sends = map[standin.Identity][]string{}
	synctest.Test(t, func(t *testing.T) {
		config := withFaults(
			standin.Rule{Name: "rate", Fault: standin.FaultError, Code: 130429, Probability: 0.2},
			standin.Rule{Name: "lost", Fault: standin.FaultResetAfter, Probability: 0.2},
			standin.Rule{Name: "fail", Fault: standin.FaultFail, Code: 131026, Probability: 0.2},
			standin.Rule{Name: "twice", Fault: standin.FaultDuplicate, Copies: 2, Delay: time.Minute, Probability: 0.2},
			standin.Rule{Name: "late", Fault: standin.FaultReorder, Delay: time.Minute, Probability: 0.2},
			standin.Rule{Name: "forged", Fault: standin.FaultBadSignature, Probability: 0.2},
		)
		config.Seed = seed
		config.Webhook.Parallelism = parallelism
		config.Webhook.Shuffle = true
		config.Statuses = standin.DefaultStatuses()
		config.Statuses[0].SkipShare = 0.3
		g := start(t, config, &receiver{})
		var mu sync.Mutex
		var workers sync.WaitGroup
		for i := range 20 {
			contact := standin.Identity(fmt.Sprint(4915550200 + i))
			workers.Go(func() {
				var sends []string
				for j := range 10 {
					write(t, g, contact, fmt.Sprint(j))
					c := sendText(t, g, contact, fmt.Sprint(j))
					sends = append(sends, fmt.Sprint(c.status, c.Error.Code, c.err != nil, c.ID))
				}
				mu.Lock()
				defer mu.Unlock()
				got.sends[contact] = sends
			})
		}
		workers.Wait()
		settle(t, g)
		for _, offer := range g.Offers() {
			offer.FirstOfferedAt, offer.AcknowledgedAt = time.Time{}, time.Time{}
			got.offers = append(got.offers, offer)
		}
		slices.SortFunc(got.offers, func(a, b standin.Offer) int {
			return cmp.Or(cmp.Compare(a.WAMID, b.WAMID), cmp.Compare(a.Status, b.Status))
		})
	})
	return got
}

func TestSeedDecides(t *testing.T) {
	one, same, other := hostile(t, 7, 8), hostile(t, 7, 1), hostile(t, 8, 8)
	for contact, sends := range one.sends {
		if !slices.Equal(sends, same.sends[contact]) {
			t.Errorf("sends of one contact: got\n%v\nwant\n%v", same.sends[contact], sends)
		}
	}
	if !slices.Equal(one.offers, same.offers) {
		t.Errorf("offers: got others with the same seed, want the same %d", len(one.offers))
	}
	if slices.Equal(one.offers, other.offers) {
		t.Errorf("offers: got the same with another seed, want others")
	}
}

func TestSeedIsDrawnWhenNotGiven(t *testing.T) {
	config := newConfig()
	config.Seed = 0
	a, b := start(t, config, &receiver{}), start(t, config, &receiver{})
	if a.Seed() == 0 || a.Seed() == b.Seed() {
		t.Errorf("seeds: got %d and %d, want two that differ", a.Seed(), b.Seed())
	}
}
