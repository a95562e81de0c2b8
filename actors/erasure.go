package actors

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// ErasureRetry is before a purge that failed is tried again.
const ErasureRetry = time.Minute

// Erasure gets rid of the bytes of what was erased, behind the command's back:
// the command is answered once nobody can read them any more, which is long before
// they are gone from the disk. What a crash interrupts is done after the start.
type Erasure struct {
	eraser Eraser
	blobs  Blobs
	log    *slog.Logger
	due    chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	group  sync.WaitGroup
}

// StartErasure starts it; Stop ends it.
func StartErasure(router *Router, eraser Eraser, blobs Blobs, log *slog.Logger) *Erasure {
	e := &Erasure{eraser: eraser, blobs: blobs, log: logger(log), due: make(chan struct{}, 1)}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.ring()
	router.erasure.Store(e)
	e.group.Go(e.run)
	return e
}

// Stop gives up what is under way: the next start does it anew.
func (e *Erasure) Stop() {
	e.cancel()
	e.group.Wait()
}

// ring says that something was erased. It never blocks.
func (e *Erasure) ring() {
	select {
	case e.due <- struct{}{}:
	default: // it is about to look already
	}
}

func (e *Erasure) run() {
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-e.due:
		}
		err := e.eraser.Purge(e.ctx, e.blobs.Remove)
		if err == nil || e.ctx.Err() != nil {
			continue
		}
		e.log.Error("erased conversations are not purged yet", slog.Any("error", err))
		if pause(e.ctx, ErasureRetry) == nil {
			e.ring()
		}
	}
}
