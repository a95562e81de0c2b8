package whatsapp

import (
	"net/http"
	"testing"
)

// TestWebhookSheds: what is not taken for lack of memory comes again.
func TestWebhookSheds(t *testing.T) {
	e := newEdge(t)
	short := true
	e.shed = func() bool { return short }
	response := e.post("main", testSecret, textDelivery("a"))
	wantStatus(t, response, http.StatusServiceUnavailable)
	if response.Header.Get("Retry-After") == "" {
		t.Error("Retry-After: got none, want one")
	}
	if got := e.inbox.externals(); len(got) != 0 {
		t.Errorf("taken while memory is short: got %q, want nothing", got)
	}
	short = false
	wantStatus(t, e.post("main", testSecret, textDelivery("a")), http.StatusOK)
	if got := len(e.inbox.externals()); got != 1 {
		t.Errorf("taken afterwards: got %d, want 1", got)
	}
}
