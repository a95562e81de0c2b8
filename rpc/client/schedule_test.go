package client_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/client"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	// A world goes through some schedules, of so many random steps each, and comes
	// to rest after each of them.
	worlds, soakWorlds = 12, 1000
	schedules          = 10
	steps              = 20
	customers          = 7
	// idle is longer than anything that a board waits for.
	idle = 2 * time.Minute
)

// TestBoardThroughFaultsIsTheEngines: whatever happens to streams, servers and
// disks on the way, at rest a board that was followed is the engine's, and none
// of its conversations was ever seen to go back.
func TestBoardThroughFaultsIsTheEngines(t *testing.T) {
	count := uint64(worlds)
	if os.Getenv("INTERVENE_SOAK") != "" {
		count = soakWorlds
	}
	for seed := range count {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			run(t, func(t *testing.T, w *world) {
				newSchedule(t, w, rand.New(rand.NewPCG(seed, 'c'))).play()
			})
		})
		if !ok {
			return // one is enough to look at
		}
	}
}

// schedule is a random one, with those who watch it.
type schedule struct {
	*world
	t        *testing.T
	dice     *rand.Rand
	agents   []*client.Client
	watchers []*watcher
	readers  []*reader
	looking  context.Context
	done     context.CancelFunc
	all      sync.WaitGroup
}

func newSchedule(t *testing.T, w *world, dice *rand.Rand) *schedule {
	s := &schedule{world: w, t: t, dice: dice, agents: []*client.Client{w.client(ashaToken), w.client(samToken)}}
	s.looking, s.done = context.WithCancel(t.Context())
	for _, q := range []client.BoardQuery{
		{},
		{Window: 1},
		{Filter: &intervenev1.Filter{Mine: true}},
		{Columns: []intervenev1.Column{intervened, requesting}, Window: 2},
		{Filter: &intervenev1.Filter{Tag: "vip"}},
	} {
		f := &watcher{schedule: s, query: q, board: s.agents[0].FollowBoard(t.Context(), q), seen: make(map[string]uint64)}
		t.Cleanup(f.board.Close)
		s.watchers = append(s.watchers, f)
		own := rand.New(rand.NewPCG(dice.Uint64(), 'w'))
		s.all.Go(func() { f.look(own) })
	}
	return s
}

func (s *schedule) play() {
	for range schedules {
		for range steps {
			s.step()
			if s.dice.IntN(3) > 0 {
				time.Sleep(time.Duration(s.dice.Int64N(int64(2 * time.Second))))
			}
		}
		s.wire.heal()
		time.Sleep(idle)
		for _, w := range s.watchers {
			w.compare()
		}
		for _, r := range s.readers {
			r.compare()
		}
	}
	s.done()
	s.all.Wait()
}

func (s *schedule) step() {
	switch share := s.dice.IntN(1000); {
	case share < 350:
		s.says(s.dice.IntN(customers))
	case share < 380:
		if id := s.any(); !id.IsZero() && len(s.readers) < 3 {
			r := &reader{schedule: s, id: id, conversation: s.agents[0].FollowConversation(s.t.Context(), id.String(), 0)}
			s.t.Cleanup(r.conversation.Close)
			s.readers = append(s.readers, r)
		}
	case share < 800:
		if id := s.any(); !id.IsZero() {
			s.command(id)
		}
	case share < 880:
		s.wire.cut(false)
	case share < 910:
		s.wire.cut(true)
	case share < 950:
		s.wire.heal()
	case share < 957:
		s.restart(s.dice.IntN(2) == 0, time.Duration(s.dice.Int64N(int64(30*time.Second))))
	case share < 960:
		s.readers = nil // whoever follows a conversation of another journal is refused
		s.lose()
	default:
		time.Sleep(time.Duration(s.dice.Int64N(int64(2 * time.Minute))))
	}
}

// any is a conversation, or none when that customer has not written.
func (s *schedule) any() engine.ConversationID {
	if len(s.ids) == 0 {
		return engine.ConversationID{}
	}
	return s.ids[s.dice.IntN(len(s.ids))]
}

// command gives one as an agent, who lets their boards know of its answer, now
// or later. Most are refused, or find the wire down.
func (s *schedule) command(id engine.ConversationID) {
	if s.dice.IntN(3) == 0 {
		_ = s.do(id, engine.Party{Kind: engine.Bot, ID: "robot"}, engine.RequestAgent{}) // refused in History alone
		return
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
	defer cancel()
	card, err := s.call(ctx, s.agents[s.dice.IntN(len(s.agents))], id.String(), uuid.NewString())
	if err != nil {
		return
	}
	if s.dice.IntN(3) == 0 {
		time.Sleep(time.Duration(s.dice.Int64N(int64(time.Second))))
	}
	for _, w := range s.watchers {
		if s.dice.IntN(2) == 0 {
			w.board.Apply(card)
		}
	}
}

func (s *schedule) call(ctx context.Context, as *client.Client, id, command string) (*intervenev1.Card, error) {
	api := as.API()
	switch s.dice.IntN(7) {
	case 0, 1:
		r, err := api.Intervene(ctx, &intervenev1.InterveneRequest{ConversationId: id, CommandId: command})
		return r.GetCard(), err
	case 2:
		r, err := api.Resolve(ctx, &intervenev1.ResolveRequest{ConversationId: id, CommandId: command})
		return r.GetCard(), err
	case 3:
		r, err := api.Transfer(ctx, &intervenev1.TransferRequest{ConversationId: id, CommandId: command, ToAgentId: "asha"})
		return r.GetCard(), err
	case 4:
		r, err := api.AddNote(ctx, &intervenev1.AddNoteRequest{ConversationId: id, CommandId: command, Body: "seen"})
		return r.GetCard(), err
	case 5:
		r, err := api.MarkRead(ctx, &intervenev1.MarkReadRequest{ConversationId: id, CommandId: command})
		return r.GetCard(), err
	}
	r, err := api.SetTags(ctx, &intervenev1.SetTagsRequest{ConversationId: id, CommandId: command, Tags: []string{"vip"}[s.dice.IntN(2):]})
	return r.GetCard(), err
}

// watcher looks at a board as a frontend does, now and then for long not.
type watcher struct {
	*schedule
	query client.BoardQuery
	board *client.Board
	seen  map[string]uint64
}

func (w *watcher) look(dice *rand.Rand) {
	var s *client.BoardSnapshot
	for {
		var err error
		if s, err = w.board.Next(w.looking, s); err != nil {
			if w.looking.Err() == nil {
				w.t.Errorf("board ended by itself: %v", err)
			}
			return
		}
		for _, column := range s.Columns {
			for _, card := range column.Cards {
				if before := w.seen[card.GetConversationId()]; card.GetVersion() < before {
					w.t.Errorf("%v: a conversation went back from version %d to %d", w.query, before, card.GetVersion())
				}
				w.seen[card.GetConversationId()] = card.GetVersion()
			}
		}
		if dice.IntN(4) == 0 {
			time.Sleep(time.Duration(dice.Int64N(int64(3 * time.Second))))
		}
	}
}

// compare holds the board against the journal's.
func (w *watcher) compare() {
	s := w.board.Snapshot()
	if s.Interrupted != nil {
		w.t.Errorf("%v: interrupted by %v at rest, want it live", w.query, s.Interrupted)
	}
	for _, column := range s.Columns {
		rows, err := w.journal.BoardPage(acme, engine.Column(column.Column), engine.BoardRow{}, 1000)
		if err != nil {
			w.t.Fatalf("BoardPage: %v", err)
		}
		if got := column.Counter.GetConversations(); got != uint64(len(rows)) {
			w.t.Errorf("%v: got %d conversations counted in %v, want %d", w.query, got, column.Column, len(rows))
		}
		rows = slices.DeleteFunc(rows, func(r engine.BoardRow) bool { return !w.admits(&r.Index) })
		if w.query.Window > 0 {
			rows = rows[:min(len(rows), int(w.query.Window))]
		}
		if got := len(column.Cards); got != len(rows) {
			w.t.Errorf("%v: got %d cards in %v, want %d", w.query, got, column.Column, len(rows))
			continue
		}
		for n, row := range rows {
			want, err := w.agents[0].API().GetConversation(w.t.Context(), &intervenev1.GetConversationRequest{ConversationId: row.Conversation.String()})
			if err != nil {
				w.t.Fatalf("GetConversation: %v", err)
			}
			if got := column.Cards[n]; !sameFace(got, want.GetCard()) {
				w.t.Errorf("%v: got card %v at place %d of %v, want %v", w.query, got, n, column.Column, want.GetCard())
			}
		}
	}
}

func (w *watcher) admits(i *engine.Index) bool {
	f := engine.BoardFilter{Tag: w.query.Filter.GetTag()}
	if w.query.Filter.GetMine() {
		f.Holder = "asha"
	}
	return f.Admits(i)
}

// sameFace ignores the version: a board is not told of a change that it would
// not show.
func sameFace(got, want *intervenev1.Card) bool {
	x, y := proto.CloneOf(got), proto.CloneOf(want)
	x.Version, y.Version = 0, 0
	return proto.Equal(x, y)
}

// reader follows a conversation.
type reader struct {
	*schedule
	id           engine.ConversationID
	conversation *client.Conversation
}

func (r *reader) compare() {
	s := r.conversation.Snapshot()
	want := r.version(r.id)
	if s.Interrupted != nil || !s.Whole || s.Card.GetVersion() != want || uint64(len(s.Events)) != want {
		r.t.Errorf("got %d events, a card of version %d, whole %t, interrupted by %v, want all %d",
			len(s.Events), s.Card.GetVersion(), s.Whole, s.Interrupted, want)
		return
	}
	for n, e := range s.Events {
		if e.GetVersion() != uint64(n)+1 {
			r.t.Errorf("got version %d as event %d, want them without a gap", e.GetVersion(), n+1)
		}
	}
}
