package client

import (
	"slices"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// maxEvents bounds the events that are held of one conversation; the oldest are
// let go.
const maxEvents = 4096

// conversationFold makes a conversation of frames.
type conversationFold struct {
	card   *intervenev1.Card
	events []*intervenev1.ConversationEvent
	// newest is the version up to which events are known.
	newest uint64
	whole  bool
	// token names the journal that the versions are of, tail is how many of the
	// newest events a first call asks for.
	token []byte
	tail  uint32
	// greeted is the token of the stream that is open; what is known may still be of
	// another journal.
	greeted []byte
	// viewers are those who have it open, as of the stream that is open.
	viewers []*intervenev1.Viewer

	// Of the stream that is open: the version that it began with, whether an event
	// came, and whether it has shown all that there was.
	until uint64
	begun bool
	live  bool
}

func (f *conversationFold) interrupt() { f.until, f.begun, f.live, f.viewers = 0, false, false, nil }

// request goes on after what is known.
func (f *conversationFold) request(id string) *intervenev1.WatchConversationRequest {
	return &intervenev1.WatchConversationRequest{ConversationId: id, AfterVersion: f.newest, ResumeToken: f.token, Tail: f.tail}
}

// restart forgets all events: their versions are of another journal.
func (f *conversationFold) restart() { *f = conversationFold{greeted: f.greeted, tail: f.tail} }

// take folds one frame and reports whether anything changed.
func (f *conversationFold) take(frame *intervenev1.WatchConversationResponse) (changed bool, err error) {
	switch frame := frame.GetFrame().(type) {
	case *intervenev1.WatchConversationResponse_Hello:
		f.greeted = frame.Hello.GetResumeToken()
		return false, nil
	case *intervenev1.WatchConversationResponse_Reset_:
		f.restart()
		return true, nil
	case *intervenev1.WatchConversationResponse_Viewers:
		f.viewers = frame.Viewers.GetViewers()
		return true, nil
	case *intervenev1.WatchConversationResponse_Card:
		f.token = f.greeted // no Reset can come between any more
		changed = f.show(frame.Card)
	case *intervenev1.WatchConversationResponse_Events:
		for _, event := range frame.Events.GetEvents() {
			if err := f.append(event); err != nil {
				return true, err
			}
			changed = true
		}
	default:
		return false, nil
	}
	f.live = f.until > 0 && f.newest >= f.until
	f.whole = f.whole || f.live
	return changed, nil
}

func (f *conversationFold) show(card *intervenev1.Card) (changed bool) {
	if f.until == 0 {
		f.until = card.GetVersion()
	}
	if card.GetVersion() <= f.card.GetVersion() {
		return false
	}
	f.card = card
	return true
}

// append takes the next event. Only a stream's first may leave some out: their
// time of retention is over, and that of all before them.
func (f *conversationFold) append(event *intervenev1.ConversationEvent) error {
	version := event.GetVersion()
	switch {
	case version <= f.newest, f.begun && version != f.newest+1:
		return ErrOutOfOrder
	case version != f.newest+1:
		f.events = nil
	}
	f.begun, f.newest = true, version
	f.events = append(f.events, event)
	switch kind := event.GetKind().(type) {
	case *intervenev1.ConversationEvent_Trim:
		f.drop(kind.Trim.GetOldestVersion())
	case *intervenev1.ConversationEvent_Erasure:
		f.drop(version)
	}
	if len(f.events) > 2*maxEvents {
		f.drop(version + 1 - maxEvents)
	}
	return nil
}

// drop forgets the events before a version: copied, for the memory that held
// them goes, too.
func (f *conversationFold) drop(oldest uint64) {
	first := f.events[0].GetVersion()
	if oldest <= first {
		return
	}
	f.events = slices.Clone(f.events[min(oldest-first, uint64(len(f.events))):])
}

func (f *conversationFold) snapshot() *ConversationSnapshot {
	n := len(f.events)
	return &ConversationSnapshot{
		Whole: f.whole, Card: f.card, Events: f.events[max(0, n-maxEvents):n:n], Viewers: f.viewers,
	}
}
