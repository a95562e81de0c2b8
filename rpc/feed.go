package rpc

import "context"

// feed hands what a backend's watch calls back with to the goroutine that owns
// a stream, and rings its bell. The backend's call returns when the update was
// sent, so that the backend conflates while the caller is slow, and nothing
// queues here.
type feed[U any] struct {
	bell    bell
	updates chan U        // holds one
	sent    chan struct{} // holds one: who waited for it may be gone

	ended chan struct{} // closed when watch has returned
	err   error         // what it returned; read after ended
}

// startFeed runs watch until ctx ends. Whoever starts it waits for ended.
func startFeed[U any](ctx context.Context, b bell, watch func(context.Context, func(U) error) error) *feed[U] {
	f := &feed[U]{bell: b, updates: make(chan U, 1), sent: make(chan struct{}, 1), ended: make(chan struct{})}
	go func() {
		defer b.ring()
		defer close(f.ended)
		defer func() { f.err = recovered(recover(), f.err) }()
		f.err = watch(ctx, func(u U) error { return f.hand(ctx, u) })
	}()
	return f
}

func (f *feed[U]) hand(ctx context.Context, u U) error {
	f.updates <- u // there is room: the one before was taken
	f.bell.ring()
	select {
	case <-f.sent:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pull gives send what came, if anything did.
func (f *feed[U]) pull(send func(U) error) error {
	select {
	case u := <-f.updates:
		if err := send(u); err != nil {
			return err
		}
		f.sent <- struct{}{}
		return nil
	default:
	}
	if isClosed(f.ended) {
		return backendEnded(f.err)
	}
	return nil
}
