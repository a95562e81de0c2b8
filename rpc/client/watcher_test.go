package client_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/client"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// watcher looks at a board as a frontend does, now and then for long not.
type watcher struct {
	*schedule
	agent *agent
	query client.BoardQuery
	board *client.Board

	mu sync.Mutex
	// floors are the newest versions that were seen, or that commands were answered
	// with; newest is the generation of the present journal.
	floors map[string]floor
	newest int
}

type floor struct {
	generation int
	version    uint64
	card       *intervenev1.Card
}

func (s *schedule) watch(as *agent, q client.BoardQuery) {
	w := &watcher{
		schedule: s, agent: as, query: q, board: as.FollowBoard(s.t.Context(), q), floors: make(map[string]floor), newest: s.generation,
	}
	s.t.Cleanup(w.board.Close)
	s.watchers = append(s.watchers, w)
	own := rand.New(rand.NewPCG(s.dice.Uint64(), 'w'))
	s.all.Go(func() { w.look(own) })
}

func (w *watcher) look(dice *rand.Rand) {
	var s *client.BoardSnapshot
	for {
		if _, err := w.board.Next(w.looking, s); err != nil {
			if w.looking.Err() == nil {
				w.t.Errorf("%v: board ended by itself: %v", w.query, err)
			}
			return
		}
		w.mu.Lock()
		s = w.check()
		w.mu.Unlock()
		if dice.IntN(4) == 0 {
			time.Sleep(time.Duration(dice.Int64N(int64(3 * time.Second))))
		}
	}
}

// expect says that another journal took the place of the one before: whoever
// still has an answer of that one keeps it to himself.
func (w *watcher) expect(generation int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.newest = generation
}

// apply shows what a command was answered with.
func (w *watcher) apply(card *intervenev1.Card, generation int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if generation != w.newest {
		return
	}
	w.tally.add("answers applied", 1)
	w.board.Apply(card)
	w.raise(card, generation)
	w.check()
}

// raise is called with mu held.
func (w *watcher) raise(card *intervenev1.Card, generation int) {
	now, before := floor{generation, card.GetVersion(), card}, w.floors[card.GetConversationId()]
	if now.generation > before.generation || now.generation == before.generation && now.version > before.version {
		w.floors[card.GetConversationId()] = now
	}
}

// check looks at the board: nothing on it goes back, and a live one is of the
// present journal alone. It is called with mu held.
func (w *watcher) check() *client.BoardSnapshot {
	s := w.board.Snapshot()
	cards := s.Mine()
	for _, column := range s.Columns {
		cards = append(cards, column.Cards...)
	}
	for _, card := range cards {
		generation := w.tap.generation(card)
		if live := s.Interrupted == nil; live && generation != w.newest || !live && generation == 0 {
			w.t.Errorf("%v: got card %v of generation %d, live %t, want those of %d", w.query, card, generation, live, w.newest)
		}
		// While it is interrupted a board does not know that the journal is another.
		// A change of version alone is none of a board, and an answer may tell of one.
		before := w.floors[card.GetConversationId()]
		if generation == before.generation && card.GetVersion() < before.version && !sameFace(card, before.card) {
			w.t.Errorf("%v: a conversation went back from %v to %v, live %t", w.query, before.card, card, s.Interrupted == nil)
		}
		w.raise(card, generation)
	}
	return s
}

// truth is what there is at rest.
type truth struct {
	rows  map[engine.Column][]engine.BoardRow
	cards map[engine.ConversationID]*intervenev1.Card
}

func (s *schedule) truth() truth {
	s.t.Helper()
	is := truth{rows: make(map[engine.Column][]engine.BoardRow), cards: make(map[engine.ConversationID]*intervenev1.Card)}
	for _, column := range engine.BoardColumns {
		rows, err := s.journal.BoardPage(acme, column, engine.BoardRow{}, 1000)
		if err != nil {
			s.t.Fatalf("BoardPage: %v", err)
		}
		is.rows[column] = rows
	}
	for _, id := range s.ids {
		if id.IsZero() {
			continue
		}
		r, err := s.agents[0].API().GetConversation(s.t.Context(), &intervenev1.GetConversationRequest{ConversationId: id.String()})
		if err != nil {
			s.t.Fatalf("GetConversation: %v", err)
		}
		is.cards[id] = r.GetCard()
	}
	return is
}

// compare holds the board against the journal's.
func (w *watcher) compare(want truth) {
	s := w.board.Snapshot()
	if s.Interrupted != nil {
		w.t.Errorf("%v: interrupted by %v at rest, want it live", w.query, s.Interrupted)
	}
	for _, column := range s.Columns {
		rows := want.rows[engine.Column(column.Column)]
		w.compareCounter(column.Counter, rows)
		w.compareCards(column.Column.String(), column.Cards, w.window(rows), want)
	}
	if w.query.IncludeMine {
		mine := slices.DeleteFunc(slices.Clone(want.rows[engine.Intervened]), func(r engine.BoardRow) bool { return r.Index.Holder != w.agent.id })
		w.compareCards("what is mine", s.Mine(), mine, want)
	}
}

func (w *watcher) compareCounter(got *intervenev1.ColumnCounter, rows []engine.BoardRow) {
	var unread uint64
	var oldest engine.Instant
	for _, row := range rows {
		if row.Index.Unread > 0 {
			unread++
		}
		if since := row.Index.WaitingSince; since > 0 && (oldest == 0 || since < oldest) {
			oldest = since
		}
	}
	var since engine.Instant
	if got.GetOldestWaitingSince() != nil {
		since = engine.InstantOf(got.GetOldestWaitingSince().AsTime())
	}
	if got.GetConversations() != uint64(len(rows)) || got.GetUnread() != unread || since != oldest {
		w.t.Errorf("%v: got counter %v, want %d, %d of them unread, the oldest waiting since %v", w.query, got, len(rows), unread, oldest)
	}
}

func (w *watcher) compareCards(where string, got []*intervenev1.Card, rows []engine.BoardRow, want truth) {
	if len(got) != len(rows) {
		w.t.Errorf("%v: got %d cards in %s, want %d", w.query, len(got), where, len(rows))
		return
	}
	for n, row := range rows {
		if !sameFace(got[n], want.cards[row.Conversation]) {
			w.t.Errorf("%v: got card %v at place %d of %s, want %v", w.query, got[n], n, where, want.cards[row.Conversation])
		}
	}
}

// window is what of a column's rows the board shows.
func (w *watcher) window(rows []engine.BoardRow) []engine.BoardRow {
	room := len(rows)
	if w.query.Window > 0 {
		room = int(w.query.Window)
	}
	return slices.DeleteFunc(slices.Clone(rows), func(r engine.BoardRow) bool {
		if w.admits(&r.Index) && room > 0 {
			room--
			return false
		}
		return !w.query.IncludeMine || r.Index.Holder != w.agent.id
	})
}

func (w *watcher) admits(i *engine.Index) bool {
	q := w.query.Filter
	f := engine.BoardFilter{Tag: q.GetTag(), Unassigned: q.GetUnassigned(), Channel: engine.ChannelID(q.GetChannelId())}
	if q.GetMine() {
		f.Holder = w.agent.id
	}
	return f.Admits(i)
}

// sameFace ignores the version: a board is not told of a change that it would
// not show.
func sameFace(got, want *intervenev1.Card) bool {
	x, y := proto.CloneOf(got), proto.CloneOf(want)
	if x == nil || y == nil {
		return false
	}
	x.Version, y.Version = 0, 0
	return proto.Equal(x, y)
}

// reader follows a conversation.
type reader struct {
	*schedule
	id           engine.ConversationID
	query        client.ConversationQuery
	conversation *client.Conversation
}

func (s *schedule) read(as *agent, id engine.ConversationID) {
	q := client.ConversationQuery{Tail: []uint32{0, 0, 1, 5}[s.dice.IntN(4)]}
	r := &reader{schedule: s, id: id, query: q, conversation: as.FollowConversation(s.t.Context(), id.String(), q)}
	s.t.Cleanup(r.conversation.Close)
	s.readers = append(s.readers, r)
	s.all.Go(r.look)
}

// look wants nothing of what it reads to go back.
func (r *reader) look() {
	var s *client.ConversationSnapshot
	var before floor
	for {
		var err error
		if s, err = r.conversation.Next(r.looking, s); err != nil {
			return // why is looked at at rest
		}
		now := floor{r.tap.generation(s.Card), s.Card.GetVersion(), s.Card}
		if now.generation < before.generation || now.generation == before.generation && now.version < before.version {
			r.t.Errorf("a conversation that is followed went back from %+v to %+v", before, now)
		}
		before = now
		for n, event := range s.Events {
			if first := s.Events[0].GetVersion(); event.GetVersion() != first+uint64(n) {
				r.t.Errorf("got version %d at place %d after %d, want them without a gap", event.GetVersion(), n, first)
			}
		}
	}
}

// compare holds the conversation against the journal's.
func (r *reader) compare(want truth) {
	card := want.cards[r.id]
	err := r.conversation.Err()
	if refused, ok := errors.AsType[*client.RefusedError](err); ok && card == nil && refused.Reason == "NOT_FOUND" {
		return // it is not in the journal that was restored
	}
	s := r.conversation.Snapshot()
	n := uint64(len(s.Events))
	if err != nil || s.Interrupted != nil || !s.Whole || n == 0 || s.Card.GetVersion() != card.GetVersion() || s.Events[n-1].GetVersion() != card.GetVersion() {
		r.t.Errorf("tail of %d: got %d events, a card of version %d, whole %t, interrupted by %v, ended by %v, want version %d",
			r.query.Tail, n, s.Card.GetVersion(), s.Whole, s.Interrupted, err, card.GetVersion())
		return
	}
	if r.query.Tail == 0 && s.Events[0].GetVersion() != 1 {
		r.t.Errorf("got events from version %d on, want all", s.Events[0].GetVersion())
	}
	for _, event := range s.Events {
		if came := r.tap.event(sighting{r.generation, r.id.String(), event.GetVersion(), true}); came != event && !proto.Equal(came, event) {
			r.t.Errorf("got an event of version %d that never came in generation %d", event.GetVersion(), r.generation)
		}
	}
}

// deleteEnded closes those whose conversation is not there any more.
func deleteEnded(readers []*reader) []*reader {
	return slices.DeleteFunc(readers, func(r *reader) bool { return r.conversation.Err() != nil })
}
