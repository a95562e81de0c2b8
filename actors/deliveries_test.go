package actors

import (
	"testing"

	"github.com/intervenehq/intervene/engine"
)

func TestDeliveriesForgetTheLongestUnheardOf(t *testing.T) {
	var d deliveries
	for send := uint64(1); send <= KnownDeliveries; send++ {
		d = d.learn(send, engine.Delivery{State: engine.Accepted, Attempt: uint32(send)})
	}
	d = d.learn(1, engine.Delivery{State: engine.Sent})
	d = d.learn(KnownDeliveries+1, engine.Delivery{})
	if got, ok := d.of(2); ok {
		t.Errorf("send 2: got %+v, want it forgotten", got)
	}
	for _, send := range []uint64{1, 3, KnownDeliveries + 1} {
		if _, ok := d.of(send); !ok {
			t.Errorf("send %d: got it forgotten, want it known", send)
		}
	}
	if got, _ := d.of(1); got.State != engine.Sent {
		t.Errorf("send 1: got state %v, want the newest, %v", got.State, engine.Sent)
	}
}

// TestDeliveriesOfQueuedSends: only of a send that was never attempted is it
// known without a look into the journal that nothing was heard of it.
func TestDeliveriesOfQueuedSends(t *testing.T) {
	state := &engine.Conversation{Sends: []engine.Send{
		{Version: 5, State: engine.Queued},
		{Version: 6, State: engine.Queued, Attempt: 1},
		{Version: 7, State: engine.Attempted, Attempt: 1},
	}}
	var events []engine.Event
	for send := uint64(5); send <= 8; send++ {
		events = append(events, engine.Event{At: 9, Body: engine.DeliveryChanged{Send: send, State: engine.Attempted, Attempt: 1}})
	}
	d := deliveries(nil).expect(state, events)
	if got, ok := d.of(5); !ok || got != (engine.Delivery{}) || len(d) != 1 {
		t.Errorf("got %+v, want send 5 alone, of which nothing was heard", d)
	}
	d = d.fold(events)
	if got, want := d[0].Delivery, (engine.Delivery{State: engine.Attempted, Attempt: 1, At: 9}); got != want || len(d) != 1 {
		t.Errorf("got %+v, want send 5 alone with %+v", d, want)
	}
}

// TestDeliveriesOfWhatIsResent: a status that comes late must not forget it.
func TestDeliveriesOfWhatIsResent(t *testing.T) {
	d := deliveries(nil).learn(5, engine.Delivery{State: engine.Unknown, Attempt: 1})
	d = d.fold([]engine.Event{{Version: 9, Body: engine.MessageQueued{ResendOf: 5}}})
	d = d.fold([]engine.Event{{Version: 10, At: 3, Body: engine.DeliveryChanged{Send: 5, State: engine.Sent}}})
	want := engine.Delivery{State: engine.Sent, Attempt: 1, At: 3, ResentAs: 9}
	if got, _ := d.of(5); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
