package sim

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// reader is a page with one conversation open: it watches its events and who else has
// it open over the edge, and resumes by version and token.
type reader struct {
	sim    *sim
	number number
	who    engine.AgentID
	rng    *rand.Rand

	mu sync.Mutex
	id engine.ConversationID
	// after is the newest event, learned under token in era.
	after uint64
	token []byte
	era   int
	// viewers are who has it open; attentive is since when it reads without a pause.
	viewers   map[string]bool
	attentive time.Time
	session   shownStory
}

// shownStory is one stream of a conversation.
type shownStory struct {
	reset                bool // must come next
	greeted, begun, away bool
	dozed                bool
	card                 uint64
	token                []byte // that its Hello brought
}

// request resumes, if there is a conversation to read.
func (r *reader) request() *intervenev1.WatchConversationRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := r.sim.ledger.conversations(r.number.workspace)
	if len(ids) == 0 {
		return nil
	}
	if r.id.IsZero() || r.rng.IntN(8) == 0 {
		r.id, r.after, r.token = ids[r.rng.IntN(len(ids))], 0, nil
	}
	r.session = shownStory{reset: r.token != nil && r.era != r.sim.eras()}
	r.viewers = make(map[string]bool)
	return &intervenev1.WatchConversationRequest{ConversationId: r.id.String(), AfterVersion: r.after, ResumeToken: r.token}
}

func (r *reader) follow(ctx context.Context, w *world) {
	request := r.request()
	if request == nil {
		return
	}
	what := "conversation of " + string(r.who)
	silence := time.AfterFunc(silentAfter, func() { w.isSilent(ctx, what) })
	defer silence.Stop()
	stream, err := w.as(r.who).WatchConversation(ctx, request)
	if err == nil {
		for stream.Receive() {
			silence.Stop()
			if !w.alive(func() { r.take(stream.Msg()) }) {
				break
			}
			r.doze()
			silence.Reset(silentAfter)
		}
		err = stream.Err()
		_ = stream.Close() // it has told its end
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attentive = time.Time{}
	code := connect.CodeOf(err)
	if code == connect.CodeNotFound && (r.sim.aging || r.sim.ledger.isErasing(r.id)) {
		r.id, r.after, r.token = engine.ConversationID{}, 0, nil
		return
	}
	if code == connect.CodeUnavailable && (r.sim.aging || r.sim.ledger.isErasing(r.id)) {
		r.sim.sees("stream: overtaken by retention or an erasure")
		return // it resumes with what is there
	}
	w.endsPage(ctx, what, r.session.dozed, r.session.away, err)
}

func (r *reader) doze() {
	if r.sim.isCalm() || r.rng.IntN(20) > 0 {
		return
	}
	pause := time.Duration(r.rng.Int64N(int64(15 * time.Second)))
	r.mu.Lock()
	r.attentive = time.Time{}
	r.session.dozed = r.session.dozed || pause > 9*time.Second
	r.mu.Unlock()
	time.Sleep(pause)
	r.mu.Lock()
	r.attentive = time.Now()
	r.mu.Unlock()
}

func (r *reader) wrong(format string, args ...any) {
	r.sim.ledger.violate("a subscriber never misses a change: "+format, args...)
}

func (r *reader) take(frame *intervenev1.WatchConversationResponse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if frame.GetGoAway() != nil {
		r.session.away = true
		return
	}
	if r.session.greeted == (frame.GetHello() != nil) {
		r.wrong("the stream of %s greets twice, or not at first", r.id)
	}
	_, resets := frame.GetFrame().(*intervenev1.WatchConversationResponse_Reset_)
	if r.session.greeted && !r.session.begun {
		if resets != r.session.reset {
			r.wrong("the stream of %s begins with a reset: %v, want %v", r.id, resets, r.session.reset)
		}
		r.session.begun = true
	}
	switch frame := frame.GetFrame().(type) {
	case *intervenev1.WatchConversationResponse_Hello:
		r.session.greeted = true
		r.session.token = frame.Hello.GetResumeToken()
	case *intervenev1.WatchConversationResponse_Reset_:
		r.after = 0
		r.sim.sees("stream: conversation reset")
	case *intervenev1.WatchConversationResponse_Card:
		r.sim.ledger.wireCard(frame.Card, r.number.workspace, "the conversation of "+string(r.who))
		if frame.Card.GetVersion() < r.session.card {
			r.wrong("the stream of %s shows its card at version %d after %d", r.id, frame.Card.GetVersion(), r.session.card)
		}
		r.session.card = frame.Card.GetVersion()
		// No reset can come between any more: what is known is of this journal.
		r.token, r.era = r.session.token, r.sim.eras()
		if r.attentive.IsZero() {
			r.attentive = time.Now()
		}
	case *intervenev1.WatchConversationResponse_Events:
		r.reads(frame.Events.GetEvents())
	case *intervenev1.WatchConversationResponse_Viewers:
		r.viewers = make(map[string]bool)
		for _, v := range frame.Viewers.GetViewers() {
			r.viewers[v.GetAgentId()] = v.GetTyping()
		}
	}
}

func (r *reader) reads(events []*intervenev1.ConversationEvent) {
	for _, e := range events {
		gone := r.sim.aging || e.GetErasure() != nil
		if want := r.after + 1; e.GetVersion() != want && !gone {
			r.wrong("the stream of %s goes on with version %d, want %d", r.id, e.GetVersion(), want)
		}
		r.after = e.GetVersion()
		r.sim.ledger.wireEvent(r.id, e, "the conversation of "+string(r.who))
	}
	if len(events) > 0 {
		r.sim.sees("stream: events read")
	}
}

// sees compares who is shown to have the conversation open.
func (r *reader) sees(w *world) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	there, sure := w.lobby.there(r.number.workspace, now)
	if !sure || r.attentive.IsZero() || now.Sub(r.attentive) < lobbySlack {
		return
	}
	want := make(map[string]bool)
	for who, open := range there {
		if typing, ok := open[r.id.String()]; ok {
			want[string(who)] = typing
		}
	}
	same := len(want) == len(r.viewers)
	for _, who := range sortedKeys(want) {
		typing, ok := r.viewers[who]
		same = same && ok && typing == want[who]
		r.sim.sees("presence: viewer compared")
	}
	if !same {
		r.sim.ledger.violate("presence: %s shows %d who have it open, want %d, or other ones", r.id, len(r.viewers), len(want))
	}
}

// compare holds what was read against the journal at rest.
func (r *reader) compare(w *world) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.id.IsZero() || r.sim.ledger.isErasing(r.id) {
		return
	}
	card, err := w.journal.Card(r.id)
	if err != nil || card.Version != r.after || r.session.card != r.after {
		r.wrong("the stream of %s ends at event %d and card %d, want %d (error %v)", r.id, r.after, r.session.card, card.Version, err)
	}
}

// wireCard says that card was shown over the edge: it is the same to whoever sees it.
// What the events make of it is compared later.
func (l *ledger) wireCard(card *intervenev1.Card, workspace engine.WorkspaceID, where string) {
	id, err := engine.ParseConversationID(card.GetConversationId())
	if err != nil {
		l.violate("nothing is invented: %s shows a card of %q", where, card.GetConversationId())
		return
	}
	l.reaches(id, card.GetVersion(), where)
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.storyOf(id, where)
	known, again := s.wired[card.GetVersion()]
	if again && !proto.Equal(known.card, card) {
		l.violateLocked("one order: %s shows %s at version %d with another card than before", where, id, card.GetVersion())
	}
	if again && known.workspace != workspace {
		l.violateLocked("workspaces: %s of %s shows %s, as does %s", where, workspace, id, known.workspace)
	}
	s.wired[card.GetVersion()] = wiredCard{card, workspace}
}

// wiredCard is a card as the edge showed it, in a workspace.
type wiredCard struct {
	card      *intervenev1.Card
	workspace engine.WorkspaceID
}

// wireEvent says that e was shown over the edge.
func (l *ledger) wireEvent(id engine.ConversationID, e *intervenev1.ConversationEvent, where string) {
	l.reaches(id, e.GetVersion(), where)
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.storyOf(id, where)
	if known, again := s.told[e.GetVersion()]; again && !proto.Equal(known.GetAt(), e.GetAt()) {
		l.violateLocked("one order: %s shows event %d of %s as of another time than before", where, e.GetVersion(), id)
	}
	s.told[e.GetVersion()] = e
}

// sameWire: what the edge showed at this version is what the events make. The ledger is held.
func (c *chronicle) sameWire(e *engine.Event) {
	s := c.ledger.stories[c.id]
	if shown, ok := s.wired[c.version]; ok {
		want := c.cards.Card()
		if fields := wireDifference(shown.card, &want); fields != "" {
			c.wrong("one order", "the edge showed a card of it that the events do not make:%s", fields)
		}
		if shown.workspace != c.workspace {
			c.wrong("workspaces", "the edge showed it to %s", shown.workspace)
		}
	}
	if told, ok := s.told[c.version]; ok {
		if !sameTime(told.GetAt(), e.At) || told.GetBy().GetId() != string(e.By.ID) || told.GetBy().GetKind() != intervenev1.PartyKind(e.By.Kind) {
			c.wrong("one order", "the edge showed it as of another time, or by somebody else")
		}
	}
}
