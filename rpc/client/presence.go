package client

import (
	"context"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

const (
	// presenceTimeout is how long a renewal may take.
	presenceTimeout = 10 * time.Second
	// shortestLease bounds what a server may ask for in renewals.
	shortestLease = 3 * time.Second
	// leaveTimeout is how long Close tries to say that the session is over; the lease
	// says it in the end.
	leaveTimeout = 2 * time.Second
)

// Presence is a session that colleagues see: that its agent is online, what is
// open in it, and whether something is being written there. It is safe for
// concurrent use; whoever begins one closes it.
type Presence struct {
	api     intervenev1connect.LiveChatServiceClient
	session string
	changed chan struct{} // holds one: there is something to say at once

	mu      sync.Mutex
	viewing string
	typing  bool

	cancel context.CancelFunc
	ended  chan struct{} // closed when the goroutine has returned
}

// BePresent takes a lease and renews it until ctx ends or Close is called. It
// goes on through interruptions: colleagues see them once the lease is over.
func (c *Client) BePresent(ctx context.Context) *Presence {
	p := &Presence{api: c.api, session: uuid.NewString(), changed: make(chan struct{}, 1), ended: make(chan struct{})}
	ctx, p.cancel = context.WithCancel(ctx)
	go p.keep(ctx)
	return p
}

// Show says what is open; empty: nothing. Typing holds for 10 seconds: say it
// again while it goes on.
func (p *Presence) Show(conversationID string, typing bool) {
	p.mu.Lock()
	p.viewing, p.typing = conversationID, typing
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// Close gives the lease up.
func (p *Presence) Close() {
	p.cancel()
	<-p.ended
}

func (p *Presence) keep(ctx context.Context) {
	defer close(p.ended)
	defer p.cancel()
	defer p.leave()
	var again backoff
	for {
		lease, err := p.renew(ctx)
		pause := max(lease, shortestLease) * 2 / 3
		if err != nil {
			pause = again.pause(err, false)
		} else {
			again = backoff{}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-p.changed:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

func (p *Presence) renew(ctx context.Context) (lease time.Duration, err error) {
	p.mu.Lock()
	request := &intervenev1.UpdatePresenceRequest{SessionId: p.session, ConversationId: p.viewing, Typing: p.typing}
	p.typing = false // a renewal that nobody asked for says nothing of it
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, presenceTimeout)
	defer cancel()
	answer, err := p.api.UpdatePresence(ctx, request)
	if err != nil && connect.CodeOf(err) == connect.CodeNotFound {
		p.close(request.GetConversationId())
	}
	return answer.GetLease().AsDuration(), err
}

// close forgets a conversation that is not there any more: it would cost the
// whole lease.
func (p *Presence) close(conversationID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.viewing == conversationID {
		p.viewing = ""
	}
}

func (p *Presence) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	// What fails here the lease does.
	_, _ = p.api.UpdatePresence(ctx, &intervenev1.UpdatePresenceRequest{SessionId: p.session, Leave: true})
}
