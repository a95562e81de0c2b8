package standin_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

func TestWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		config := newConfig()
		config.Statuses = []standin.StatusStep{
			{Status: standin.StatusSent, After: time.Second},
			{Status: standin.StatusDelivered, After: 3 * time.Second},
			{Status: standin.StatusRead, After: time.Minute, Jitter: 30 * time.Second},
		}
		config.Billing = true
		g := start(t, config, r)
		begun := time.Now()
		sent := sendText(t, g, ada, "hi")
		settle(t, g)
		statuses, posts := r.statuses(), r.all()
		want := []standin.Status{standin.StatusSent, standin.StatusDelivered, standin.StatusRead}
		if len(statuses) != len(want) {
			t.Fatalf("statuses: got %d, want %d", len(statuses), len(want))
		}
		for i, s := range statuses {
			if s.Status != want[i] || s.ID != sent.ID || s.RecipientID != ada || s.CallbackData != "op-hi" {
				t.Errorf("status %d: got %+v, want %s of %s", i, s, want[i], sent.ID)
			}
			if s.Timestamp != fmt.Sprint(posts[i].at.Unix()) {
				t.Errorf("timestamp of %s: got %s, want %d", s.Status, s.Timestamp, posts[i].at.Unix())
			}
			if billed := s.Status != standin.StatusRead; (s.Pricing != nil) != billed || (s.Conversation != nil) != billed {
				t.Errorf("billing of %s: got pricing %v and conversation %v, want them: %t", s.Status, s.Pricing, s.Conversation, billed)
			}
		}
		for i, after := range []time.Duration{time.Second, 3 * time.Second} {
			if got := posts[i].at.Sub(begun); got != after {
				t.Errorf("%s: came after %v, want %v", want[i], got, after)
			}
		}
		if got := posts[2].at.Sub(begun); got < time.Minute || got >= 90*time.Second {
			t.Errorf("read: came after %v, want 60 s to 90 s", got)
		}
	})
}

func TestWalkThatSkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		config := newConfig()
		config.Statuses = []standin.StatusStep{
			{Status: standin.StatusDelivered, SkipShare: 0.5},
			{Status: standin.StatusRead, After: time.Second},
		}
		g := start(t, config, r)
		for i := range 100 {
			sendText(t, g, ada, fmt.Sprint(i))
		}
		settle(t, g)
		counts := map[standin.Status]int{}
		for _, s := range r.statuses() {
			counts[s.Status]++
		}
		if d := counts[standin.StatusDelivered]; d < 30 || d > 70 || counts[standin.StatusRead] != 100 {
			t.Errorf("statuses: got %v, want about 50 delivered and 100 read", counts)
		}
	})
}

func TestNoWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		config := newConfig()
		config.Statuses = []standin.StatusStep{}
		g := start(t, config, r)
		sendText(t, g, ada, "hi")
		settle(t, g)
		if got := r.statuses(); len(got) != 0 {
			t.Errorf("statuses: got %v, want none", got)
		}
	})
}

func TestWindow(t *testing.T) {
	const template = `{"messaging_product":"whatsapp","to":"4915550100","type":"template",` +
		`"template":{"name":"hi","language":{"code":"en"}}}`
	for name, tc := range map[string]struct {
		policy       standin.WindowPolicy
		status, code int
		failed       []int
		accepted     int
	}{
		"ignored": {standin.WindowIgnored, http.StatusOK, 0, nil, 4},
		"fails":   {standin.WindowFails, http.StatusOK, 0, []int{131047, 131047}, 4},
		"refused": {standin.WindowRefused, http.StatusBadRequest, 131047, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{}
				var heard []string
				config := newConfig()
				config.Window = tc.policy
				config.OnMessage = func(d standin.Delivery) { heard = append(heard, d.Type+d.Body) }
				g := start(t, config, r)
				if got := sendText(t, g, ada, "before"); got.status != tc.status || got.Error.Code != tc.code {
					t.Errorf("before any message: got %d code %d, want %d code %d", got.status, got.Error.Code, tc.status, tc.code)
				}
				write(t, g, ada, "hello")
				time.Sleep(24*time.Hour - time.Second)
				if got := sendText(t, g, ada, "within"); got.status != http.StatusOK {
					t.Errorf("within the window: got %d, want 200", got.status)
				}
				time.Sleep(time.Second)
				if got := sendText(t, g, ada, "after"); got.status != tc.status || got.Error.Code != tc.code {
					t.Errorf("after the window: got %d code %d, want %d code %d", got.status, got.Error.Code, tc.status, tc.code)
				}
				if got := postSend(t, g, template); got.status != http.StatusOK {
					t.Errorf("template: got %d, want 200", got.status)
				}
				settle(t, g)
				var failed []int
				for _, s := range r.statuses() {
					for _, e := range s.Errors {
						failed = append(failed, e.Code)
					}
				}
				if !slices.Equal(failed, tc.failed) || len(g.Deliveries()) != tc.accepted {
					t.Errorf("got failed %v of %d accepted, want %v of %d", failed, len(g.Deliveries()), tc.failed, tc.accepted)
				}
				if want := tc.accepted - len(tc.failed); len(heard) != want {
					t.Errorf("customer got %v, want %d messages", heard, want)
				}
			})
		})
	}
}

// TestWindowOfABackdatedMessage: the window counts from the message's own
// timestamp, and a timestamp in the future opens it no longer.
func TestWindowOfABackdatedMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := newConfig()
		config.Window = standin.WindowRefused
		g := start(t, config, &receiver{})
		customer := standin.Customer{PhoneNumberID: first, WAID: ada}
		for _, tc := range []struct {
			written, wait time.Duration
			code          int
		}{
			{-25 * time.Hour, 0, 131047},
			{-23 * time.Hour, 0, 0},
			{-23 * time.Hour, 2 * time.Hour, 131047},
			{48 * time.Hour, 0, 0},
			{0, 25 * time.Hour, 131047},
		} {
			if _, err := g.WriteText(t.Context(), customer, "hi", time.Now().Add(tc.written)); err != nil {
				t.Fatalf("WriteText: got %v, want no error", err)
			}
			time.Sleep(tc.wait)
			if got := sendText(t, g, ada, "x"); got.Error.Code != tc.code {
				t.Errorf("written %v, sent %v later: got code %d, want %d", tc.written, tc.wait, got.Error.Code, tc.code)
			}
		}
	})
}

func TestPairRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := newConfig()
		config.PairInterval, config.PairBurst = 6*time.Second, 3
		g := start(t, config, &receiver{})
		codes := func(n int) (codes []int) {
			for range n {
				codes = append(codes, sendText(t, g, ada, "x").Error.Code)
			}
			return codes
		}
		if got, want := codes(5), []int{0, 0, 0, 131056, 131056}; !slices.Equal(got, want) {
			t.Errorf("burst: got %v, want %v", got, want)
		}
		if got := sendText(t, g, ben, "x"); got.Error.Code != 0 {
			t.Errorf("another contact: got %d, want it accepted", got.Error.Code)
		}
		time.Sleep(6 * time.Second)
		if got, want := codes(2), []int{0, 131056}; !slices.Equal(got, want) {
			t.Errorf("6 s later: got %v, want %v", got, want)
		}
	})
}

func TestNumberRateCountsBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := newConfig()
		config.NumberRate = 10
		g := start(t, config, &receiver{})
		for range 8 {
			write(t, g, ada, "hi")
		}
		var codes []int
		for range 3 {
			codes = append(codes, sendText(t, g, ben, "x").Error.Code)
		}
		if want := []int{0, 0, 130429}; !slices.Equal(codes, want) {
			t.Errorf("after 8 in: got %v, want %v", codes, want)
		}
		time.Sleep(100 * time.Millisecond)
		if got := sendText(t, g, ben, "x"); got.status != http.StatusOK {
			t.Errorf("100 ms later: got %d, want 200", got.status)
		}
	})
}

// TestStatusesTellAllThatIsKnownOfTheRecipient: a send by number comes back
// with the user ID that the customer wrote under.
func TestStatusesTellAllThatIsKnownOfTheRecipient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		g := start(t, newConfig(), r)
		customer := standin.Customer{PhoneNumberID: first, WAID: ada, UserID: "DE.abc", ParentUserID: "DE.ENT.abc"}
		if _, err := g.WriteText(t.Context(), customer, "hi", time.Time{}); err != nil {
			t.Fatalf("WriteText: got %v, want no error", err)
		}
		sendText(t, g, ada, "hi")
		settle(t, g)
		statuses := r.statuses()
		if len(statuses) != 3 {
			t.Fatalf("statuses: got %d, want 3", len(statuses))
		}
		for _, s := range statuses {
			if s.RecipientID != ada || s.RecipientUserID != "DE.abc" {
				t.Errorf("status %s: got recipient %q and %q, want both identities", s.Status, s.RecipientID, s.RecipientUserID)
			}
		}
	})
}

func TestPricingOfTemplates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		config := templateConfig()
		config.Billing = true
		config.Statuses = []standin.StatusStep{{Status: standin.StatusSent}}
		g := start(t, config, r)
		postSend(t, g, body(t, sent("offer", "en_US")))
		settle(t, g)
		pricing := r.statuses()[0].Pricing
		if pricing["category"] != "marketing" || pricing["billable"] != true {
			t.Errorf("pricing: got %v, want billable marketing", pricing)
		}
	})
}
