package serve_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/serve"
)

func TestHealth(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]string{
		"/livez": "ok\n", "/readyz": "ok\n", "/readyz?verbose": "draining: ok\njournal: ok\ndisk: ok\n",
	} {
		if status, body, err := w.admin(http.MethodGet, path); err != nil || status != http.StatusOK || string(body) != want {
			t.Errorf("%s: got %d %q, error %v, want 200 %q", path, status, body, err, want)
		}
	}
	if got := w.metric("intervene_ready"); got != "1" {
		t.Errorf("intervene_ready: got %s, want 1", got)
	}
}

// TestUnreadyFirst: an engine that is told to stop says so, and goes on serving until load
// balancers had time to notice.
func TestUnreadyFirst(t *testing.T) {
	w := newWorld(t)
	w.reloaded(func(c *config.Config) {
		c.Drain = config.Drain{Delay: 2 * time.Second, Limit: config.DefaultDrainLimit}
	})
	stopped := make(chan error, 1)
	engine := w.engine
	go func() { stopped <- engine.Stop(t.Context()) }()
	w.until("not being ready", func() bool {
		status, body, err := w.admin(http.MethodGet, "/readyz")
		return err == nil && status == http.StatusServiceUnavailable && string(body) == "draining: the engine stops\n"
	})
	if got := w.deliver(webhook()); got != http.StatusOK {
		t.Errorf("webhook before the delay is over: got %d, want 200", got)
	}
	if got := w.metric(`intervene_unready_reasons{reason="draining"}`); got != "1" {
		t.Errorf("reason draining: got %s, want 1", got)
	}
	if status, _, err := w.admin(http.MethodPost, serve.ReloadPath); err != nil || status != http.StatusConflict {
		t.Errorf("reload while it stops: got %d, error %v, want 409", status, err)
	}
	w.client.CloseIdleConnections()
	if err := <-stopped; err != nil {
		t.Errorf("stop: got error %v, want none", err)
	}
	w.engine = nil
}
