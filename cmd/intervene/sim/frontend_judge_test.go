package sim

import (
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// quiet: a stream that had nothing to tell from one heartbeat to the next, while
// nothing became durable, shows what is there.
func (f *frontend) quiet(w *world) {
	now := w.journal.Durable()
	f.mu.Lock()
	still := f.at == now && f.judged != now && f.session.pending == nil && f.session.told
	f.at = now
	f.mu.Unlock()
	if !still {
		return
	}
	want, counters, err := f.want(w)
	if err != nil || w.journal.Durable() != now {
		return
	}
	w.alive(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.judged = now
		f.sim.sees("stream: compared when quiet")
		f.shows(want, counters)
	})
}

// compare holds what is shown against the journal at rest.
func (f *frontend) compare(w *world) {
	want, counters, err := f.want(w)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err != nil:
		f.sim.ledger.violate("the journal cannot be read: %v", err)
	case f.board == nil:
		f.wrong("the board of %s was never shown", f.who)
	default:
		f.shows(want, counters)
	}
}

// shows compares. It is called with mu held.
func (f *frontend) shows(want map[string]engine.Card, counters []engine.ColumnCounter) {
	for _, id := range sortedKeys(want) {
		card := want[id]
		got, ok := f.board.cards[id]
		switch {
		case !ok:
			f.wrong("the board of %s (window %d) does not show %s in %s", f.who, f.window, id, card.Column)
		default:
			if fields := wireDifference(got, &card); fields != "" {
				f.wrong("the board of %s (window %d) shows %s as of version %d, not %d:%s", f.who, f.window, id, got.GetVersion(), card.Version, fields)
			}
		}
	}
	for _, id := range sortedKeys(f.board.cards) {
		if _, ok := want[id]; !ok {
			f.wrong("the board of %s (window %d) still shows %s", f.who, f.window, id)
		}
	}
	for _, want := range counters {
		got := f.board.counters[intervenev1.Column(want.Column)]
		if got.GetConversations() != uint64(want.Conversations) || got.GetUnread() != uint64(want.Unread) || !sameTime(got.GetOldestWaitingSince(), want.OldestWaiting) {
			f.wrong("the board of %s counts %v, want %v", f.who, got, want)
		}
	}
}

// want is what the journal says that the board shows.
func (f *frontend) want(w *world) (cards map[string]engine.Card, counters []engine.ColumnCounter, err error) {
	cards = make(map[string]engine.Card)
	columns := f.columns
	if len(columns) == 0 {
		columns = engine.BoardColumns[:]
	}
	for _, column := range engine.BoardColumns {
		rows, err := w.journal.BoardPage(f.number.workspace, column, engine.BoardRow{}, 1000)
		if err != nil {
			return nil, nil, err
		}
		asked := slices.Contains(columns, column)
		if asked {
			counters = append(counters, count(column, rows))
		}
		room := f.window
		for i := range rows {
			shown := asked && room > 0 && f.filter.Admits(&rows[i].Index)
			if shown {
				room--
			}
			if !shown && !(f.mine && rows[i].Index.Holder == f.who) {
				continue
			}
			card, err := w.journal.Card(rows[i].Conversation)
			if err != nil {
				return nil, nil, err
			}
			cards[rows[i].Conversation.String()] = card
		}
	}
	return cards, counters, nil
}

func sameTime(got *timestamppb.Timestamp, want engine.Instant) bool {
	if want.IsZero() {
		return got == nil
	}
	return got != nil && engine.InstantOf(got.AsTime()) == want
}

// wireDifference names the fields in which a card of the edge is another than the engine's,
// but for the version, which may be behind while nothing else is.
func wireDifference(got *intervenev1.Card, want *engine.Card) (fields string) {
	linked := make([]string, 0, len(want.Linked))
	for _, id := range want.Linked {
		linked = append(linked, id.String())
	}
	for _, field := range []struct {
		name string
		same bool
	}{
		{"conversation", got.GetConversationId() == want.Conversation.String()},
		{"column", got.GetColumn() == intervenev1.Column(want.Column)},
		{"epoch", got.GetEpoch() == want.Epoch},
		{"holder", got.GetHolderAgentId() == string(want.Holder)},
		{"contact", got.GetContact().GetName() == want.Contact.Name && got.GetContact().GetPhone() == want.Contact.WaID},
		{"preview", got.GetPreview() == want.Preview},
		{"unread", got.GetUnreadCount() == want.Unread},
		{"tags", slices.Equal(got.GetTags(), want.Tags)},
		{"requested", sameTime(got.GetRequestedAt(), want.RequestedAt)},
		{"activity", sameTime(got.GetLastActivityAt(), want.LastActivity)},
		{"window", sameTime(got.GetWindowExpiresAt(), want.WindowExpiresAt)},
		{"channel", got.GetChannelId() == string(want.Channel)},
		{"reason", got.GetRequestReason() == want.Reason},
		{"cause", got.GetCause() == intervenev1.Cause(want.Cause)},
		{"since", sameTime(got.GetSince(), want.Since)},
		{"opted out", got.GetOptedOut() == want.OptedOut},
		{"muted", sameTime(got.GetMutedUntil(), want.MutedUntil)},
		{"linked", slices.Equal(got.GetLinkedConversationIds(), linked)},
	} {
		if !field.same {
			fields += " " + field.name
		}
	}
	return fields
}
