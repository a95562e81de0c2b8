package serve

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestWatchdog: what hangs is told once it has hung for too long, and no sooner; what
// answers again is well again.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		beats := 0
		d := &watchdog{
			alive: func() { beats++ }, stop: make(chan struct{}), done: make(chan struct{}),
			looks: []look{{"the journal", func() {}}, {"the router", func() {
				if beats == 3 {
					<-hang
				}
			}}},
		}
		go d.run(LookInterval)
		wants := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got, _ := d.wedged(); got != want {
				t.Errorf("after %s more: got %q wedged, want %q", after, got, want)
			}
		}
		wants(3*LookInterval, "")
		wants(WedgedAfter-time.Second, "")
		wants(time.Second, "the router")
		if beats != 3 {
			t.Errorf("while it hangs: got %d beats, want 3", beats)
		}
		close(hang)
		wants(LookInterval, "")
		d.halt(context.Background())
	})
}
