package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"connectrpc.com/connect"
)

const (
	// connectTimeout is how long the first frame of a stream may take.
	connectTimeout = 15 * time.Second
	// heartbeatInterval is the longest that a stream is silent, unless its Hello
	// says otherwise; silentIntervals of them end it.
	heartbeatInterval = 15 * time.Second
	silentIntervals   = 2
	// shortestInterval and longestInterval bound what a Hello may say.
	shortestInterval = time.Second
	longestInterval  = 5 * time.Minute
)

// follower owns the goroutine that keeps one stream open, and wakes those who
// wait for what came.
type follower struct {
	mu          sync.Mutex
	changed     chan struct{} // closed and replaced by announce
	interrupted error         // why no stream shows the present; nil: one does
	err         error         // what ended it

	cancel context.CancelCauseFunc
	ended  chan struct{} // closed when the goroutine has returned
}

func newFollower() follower {
	return follower{changed: make(chan struct{}), interrupted: ErrConnecting, ended: make(chan struct{})}
}

// start runs session, which serves one stream to its end, until ctx ends, close
// is called, or the edge refuses. lost is called after every end, with mu held.
func (f *follower) start(ctx context.Context, session func(context.Context) error, lost func()) {
	ctx, f.cancel = context.WithCancelCause(ctx)
	go func() {
		defer close(f.ended)
		defer f.cancel(nil)
		var again backoff
		for {
			err := session(ctx)
			live := f.interrupt(ctx, err, lost)
			if f.failure() != nil || !rest(ctx, again.pause(err, live)) {
				break
			}
		}
		f.interrupt(ctx, nil, lost) // the pause may have been cut short
	}()
}

// interrupt notes why a stream ended, and whether that is the end of all. It
// reports whether the stream was live.
func (f *follower) interrupt(ctx context.Context, err error, lost func()) (live bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return false
	}
	live = f.interrupted == nil
	_, refused := errors.AsType[*RefusedError](err)
	switch {
	case ctx.Err() != nil:
		f.err = context.Cause(ctx)
		err = f.err
	case refused:
		f.err = err
	}
	f.interrupted = err
	lost()
	f.announce()
	return live
}

// announce wakes everybody; mu is held.
func (f *follower) announce() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// await returns once ready does, which is called with mu held, or with what
// ended the wait.
func (f *follower) await(ctx context.Context, ready func() bool) error {
	for {
		f.mu.Lock()
		there, changed, err := ready(), f.changed, f.err
		f.mu.Unlock()
		switch {
		case there:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *follower) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *follower) close() {
	f.cancel(ErrClosed)
	<-f.ended
}

// receive serves one stream to its end, and returns why it ended. take answers
// how long the stream may be silent from here on.
func receive[F any](
	ctx context.Context, open func(context.Context) (*connect.ServerStreamForClient[F], error), take func(*F) (time.Duration, error),
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(connectTimeout, func() { cancel(ErrSilent) })
	defer quiet.Stop()
	stream, err := open(ctx)
	if err == nil {
		err = read(stream, take, quiet)
		cancel(nil)
		// It is left in the middle, or has told its end already.
		_ = stream.Close()
	}
	if errors.Is(context.Cause(ctx), ErrSilent) {
		return ErrSilent
	}
	return refusal(err)
}

func read[F any](stream *connect.ServerStreamForClient[F], take func(*F) (time.Duration, error), quiet *time.Timer) error {
	for stream.Receive() {
		silence, err := take(stream.Msg())
		if err != nil {
			return err
		}
		quiet.Reset(silence)
	}
	if err := stream.Err(); err != nil {
		return err
	}
	return ErrEnded
}

// silenceOf is how long a stream of this heartbeat interval may be silent.
func silenceOf(interval time.Duration) time.Duration {
	return silentIntervals * min(max(interval, shortestInterval), longestInterval)
}
