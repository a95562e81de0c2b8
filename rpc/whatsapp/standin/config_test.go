package standin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

func TestConfigThatIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*standin.Config){
		"no apps":             func(c *standin.Config) { c.Apps = nil },
		"no numbers":          func(c *standin.Config) { c.Numbers = nil },
		"app without secret":  func(c *standin.Config) { c.Apps[0].Secret = "" },
		"app twice":           func(c *standin.Config) { c.Apps = append(c.Apps, c.Apps[0]) },
		"webhook by FTP":      func(c *standin.Config) { c.Apps[0].WebhookURL = "ftp://x.test/" },
		"webhook unreadable":  func(c *standin.Config) { c.Apps[0].WebhookURL = "http://[" },
		"number twice":        func(c *standin.Config) { c.Numbers[1].ID = first },
		"number of no app":    func(c *standin.Config) { c.Numbers[0].App = "other" },
		"number, no token":    func(c *standin.Config) { c.Numbers[0].AccessToken = "" },
		"unknown status":      func(c *standin.Config) { c.Statuses = []standin.StatusStep{{Status: "eaten"}} },
		"status before send":  func(c *standin.Config) { c.Statuses = []standin.StatusStep{{Status: "sent", After: -1}} },
		"share is no number":  func(c *standin.Config) { c.Statuses = []standin.StatusStep{{Status: "sent", SkipShare: math.NaN()}} },
		"too many statuses":   func(c *standin.Config) { c.Statuses = make([]standin.StatusStep, 9) },
		"unknown window":      func(c *standin.Config) { c.Window = 7 },
		"burst alone":         func(c *standin.Config) { c.PairBurst = 1 },
		"negative rate":       func(c *standin.Config) { c.NumberRate = -1 },
		"batch over Meta's":   func(c *standin.Config) { c.Webhook.MaxBatch = 1001 },
		"negative queue":      func(c *standin.Config) { c.Webhook.QueueLimit = -1 },
		"too parallel":        func(c *standin.Config) { c.Webhook.Parallelism = 10_000 },
		"negative gather":     func(c *standin.Config) { c.Webhook.Gather = -1 },
		"rising redelivery":   func(c *standin.Config) { c.Webhook.RedeliveryFactor = 0.5 },
		"longest below first": func(c *standin.Config) { c.Webhook.RedeliveryFirst, c.Webhook.RedeliveryLongest = 2, 1 },
		"negative log":        func(c *standin.Config) { c.LogLimit = -1 },
		"impossible fault":    func(c *standin.Config) { c.Faults = []standin.Rule{{Fault: "explode", Always: true}} },
	} {
		config := newConfig()
		spoil(&config)
		g, err := standin.New(config)
		if !errors.Is(err, standin.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
		if err == nil {
			g.Close()
		}
	}
}

func TestCustomerThatIsRefused(t *testing.T) {
	g := start(t, newConfig(), &receiver{})
	for name, tc := range map[string]struct {
		customer standin.Customer
		want     error
	}{
		"unknown number":   {standin.Customer{PhoneNumberID: "9", WAID: ada}, standin.ErrUnknownNumber},
		"nobody":           {standin.Customer{PhoneNumberID: first}, standin.ErrInvalid},
		"wa_id with plus":  {standin.Customer{PhoneNumberID: first, WAID: "+4915550100"}, standin.ErrInvalid},
		"wa_id as user ID": {standin.Customer{PhoneNumberID: first, UserID: ada}, standin.ErrInvalid},
		"endless name":     {standin.Customer{PhoneNumberID: first, WAID: ada, Name: long(513)}, standin.ErrInvalid},
	} {
		if _, err := g.WriteText(t.Context(), tc.customer, "hi", time.Time{}); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
	customer := standin.Customer{PhoneNumberID: first, WAID: ada}
	if _, err := g.WriteText(t.Context(), customer, strings.Repeat("x", 1<<19), time.Time{}); !errors.Is(err, standin.ErrInvalid) {
		t.Errorf("half a megabyte: got %v, want ErrInvalid", err)
	}
}

func TestContactLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := newConfig()
		config.ContactLimit = 1
		g := start(t, config, &receiver{})
		write(t, g, ada, "hi")
		customer := standin.Customer{PhoneNumberID: first, WAID: ben}
		if _, err := g.WriteText(t.Context(), customer, "hi", time.Time{}); !errors.Is(err, standin.ErrFull) {
			t.Errorf("second contact: got %v, want ErrFull", err)
		}
		if got := sendText(t, g, ben, "hi"); got.Error.Code != 130429 {
			t.Errorf("send to a second contact: got code %d, want 130429", got.Error.Code)
		}
		if got := sendText(t, g, ada, "hi"); got.status != http.StatusOK {
			t.Errorf("send to the first: got %d, want 200", got.status)
		}
	})
}

func TestLogLimitKeepsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := newConfig()
		config.LogLimit = 8
		config.Statuses = []standin.StatusStep{}
		g := start(t, config, &receiver{})
		for i := range 100 {
			sendText(t, g, ada, fmt.Sprint(i))
		}
		deliveries := g.Deliveries()
		last := deliveries[len(deliveries)-1]
		if n := len(deliveries); n < 8 || n > 10 || last.Body != "99" || last.Seq != 100 {
			t.Errorf("log: got %d entries up to %s, want 8 to 10 up to 99", n, last.Body)
		}
		if got := g.Stats().LogDropped; got != 100-uint64(len(deliveries)) {
			t.Errorf("dropped: got %d, want %d", got, 100-len(deliveries))
		}
	})
}

// TestLogsNameNobody looks at everything the stand-in logs in a run with
// refusals, broken connections and items given up.
func TestLogsNameNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		config := withFaults(standin.Rule{Fault: standin.FaultResetAfter, Next: 1})
		config.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
		config.Webhook.MaxOffers = 2
		g := start(t, config, &receiver{answer: func(int) int { return http.StatusInternalServerError }})
		write(t, g, ada, "confidential")
		sendText(t, g, ada, "confidential")
		sendText(t, g, ada, "confidential")
		settle(t, g)
		g.Close()
		if logged.Len() == 0 {
			t.Errorf("log: got nothing, want the items given up")
		}
		for _, private := range []string{"confidential", string(ada), "Ada", secret, token} {
			if strings.Contains(logged.String(), private) {
				t.Errorf("log: got %s, want no %q in it", logged.String(), private)
			}
		}
	})
}

func TestSettleEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, newConfig(), &receiver{answer: func(int) int { return http.StatusInternalServerError }})
		write(t, g, ada, "hi")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Settle(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Settle: got %v, want its deadline", err)
		}
	})
}
