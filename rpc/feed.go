package rpc

import "context"

// feed hands what a backend's watch calls back with to the goroutine that owns
// a stream. The backend's call returns when the update was sent, so that the
// backend conflates while the caller is slow, and nothing queues here.
type feed[U any] struct {
	updates chan U
	sent    chan struct{} // holds one: who waited for it may be gone

	ended chan struct{} // closed when watch has returned
	err   error         // what it returned; read after ended
}

// startFeed runs watch until ctx ends. Whoever starts it waits for ended.
func startFeed[U any](ctx context.Context, watch func(context.Context, func(U) error) error) *feed[U] {
	f := &feed[U]{updates: make(chan U), sent: make(chan struct{}, 1), ended: make(chan struct{})}
	go func() {
		defer close(f.ended)
		defer func() { f.err = recovered(recover(), f.err) }()
		f.err = watch(ctx, func(u U) error { return f.hand(ctx, u) })
	}()
	return f
}

func (f *feed[U]) hand(ctx context.Context, u U) error {
	select {
	case f.updates <- u:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-f.sent:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
