package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/client"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// TestPresence: colleagues see a session for as long as it is there, whatever
// happens to servers and connections on the way.
func TestPresence(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		id := w.says(0).String()
		board := w.follow(ashaToken, client.BoardQuery{Presence: true})
		sam := func() *intervenev1.AgentPresence {
			time.Sleep(time.Second)
			synctest.Wait()
			return board.Snapshot().Agents["sam"]
		}
		session := w.client(samToken).BePresent(t.Context())
		if got := sam(); !got.GetOnline() || len(got.GetViewing()) != 0 {
			t.Errorf("got %v, want Sam online", got)
		}
		session.Show(id, true)
		if got := sam().GetViewing(); len(got) != 1 || got[0].GetConversationId() != id || !got[0].GetTyping() {
			t.Errorf("got %v, want Sam writing", got)
		}
		time.Sleep(time.Minute) // two renewals
		if got := sam().GetViewing(); len(got) != 1 || got[0].GetTyping() {
			t.Errorf("got %v, want Sam there and not writing any more", got)
		}
		w.restart(true, time.Second)
		time.Sleep(time.Minute)
		if got := sam().GetViewing(); len(got) != 1 {
			t.Errorf("after a restart: got %v, want Sam where he was", got)
		}
		gone := engine.NewConversationID(9, [14]byte{9}).String()
		session.Show(gone, false)
		time.Sleep(time.Minute)
		if got := sam(); !got.GetOnline() || len(got.GetViewing()) != 0 {
			t.Errorf("with what does not exist: got %v, want Sam online without it", got)
		}
		w.wire.cut(true)
		time.Sleep(2 * time.Minute)
		w.wire.heal()
		time.Sleep(time.Minute)
		if got := sam(); !got.GetOnline() {
			t.Errorf("after an interruption: got %v, want Sam back", got)
		}
		session.Close()
		if got := sam(); got.GetOnline() {
			t.Errorf("got %v, want Sam gone at once", got)
		}
	})
}
