package sim

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// frontend is an agent's page: it watches a board over the edge, and keeps to the
// four rules of docs/STREAMS.md and no other.
type frontend struct {
	sim     *sim
	number  number
	who     engine.AgentID
	rng     *rand.Rand
	columns []engine.Column
	filter  engine.BoardFilter
	window  int
	// mine adds what its agent holds, presence who is there.
	mine, presence bool

	mu sync.Mutex
	// board is the newest that was whole; nil: none yet. It is of era, the number of
	// restores before it.
	board *shownBoard
	era   int
	// agents are who is shown to be there; nil: it was not told yet.
	agents map[string]*intervenev1.AgentPresence
	// attentive is since when it reads without a pause; zero: it does not.
	attentive time.Time
	// session is what is known of the stream that is open.
	session shownSession
	// at is the offset of the journal at the last heartbeat, judged the one at which
	// the board was last compared.
	at, judged uint64
}

// shownBoard is a board as a frontend has it.
type shownBoard struct {
	cards    map[string]*intervenev1.Card
	counters map[intervenev1.Column]*intervenev1.ColumnCounter
	token    []byte
	window   int
}

func newShownBoard() *shownBoard {
	return &shownBoard{cards: make(map[string]*intervenev1.Card), counters: make(map[intervenev1.Column]*intervenev1.ColumnCounter)}
}

// shownSession is one stream, from its Hello on.
type shownSession struct {
	// opening is what its first frame about cards must be.
	opening opening
	greeted bool
	told    bool
	met     bool // it was told who is there
	// pending is a snapshot of which chunks are missing.
	pending *shownBoard
	// newest is the version of each conversation that it told of.
	newest map[string]uint64
	dozed  bool // for longer than a frame may wait
	away   bool // it was sent away
}

// opening is how a stream begins, by the token that it was opened with.
type opening uint8

const (
	openWhole  opening = iota // without one: with a snapshot
	openResume                // the difference to what the frontend knows
	openReset                 // a Reset: the token is of another journal or another board
)

// openPages begins the pages of a number's workspace.
func (s *sim) openPages(i int, n number) {
	rng := s.plan.seed.rng("pages", i)
	pages := []*frontend{
		{who: n.agent(0), window: 50, presence: true},
		{who: n.agent(1), window: 1, mine: true, presence: true},
		{who: n.agent(rng.IntN(s.plan.agents)), window: 1 + rng.IntN(3)},
	}
	odd := pages[2]
	switch rng.IntN(4) {
	case 0:
		odd.filter.Holder = odd.who
	case 1:
		odd.filter.Unassigned = true
	case 2:
		odd.filter.Tag = "tag"
	default:
		odd.columns = engine.BoardColumns[1+rng.IntN(2):]
	}
	for j, f := range pages {
		f.sim, f.number, f.rng = s, n, s.plan.seed.rng("page", i, j)
		s.frontends = append(s.frontends, f)
		s.watchers.Go(func() { s.attend(f.rng, f.follow) })
	}
	r := &reader{sim: s, number: n, who: n.agent(0), rng: s.plan.seed.rng("reader", i)}
	s.readers = append(s.readers, r)
	s.watchers.Go(func() { s.attend(r.rng, r.follow) })
	for j := range s.plan.agents {
		v := &visitor{sim: s, who: n.agent(j), number: n, rng: s.plan.seed.rng("visitor", i, j)}
		s.people.Go(v.live)
	}
}

// attend is follow for what agents have open: they go home at night.
func (s *sim) attend(rng *rand.Rand, session func(ctx context.Context, w *world)) {
	s.follow(rng, func(ctx context.Context, w *world) {
		s.mu.Lock()
		dark := s.dark
		s.mu.Unlock()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(dark, cancel)()
		if dark.Err() == nil {
			session(ctx, w)
		}
	})
}

// request resumes from what is shown, now and then with a token that is none of this
// board; a page that is loaded anew knows nothing.
func (f *frontend) request() *intervenev1.WatchBoardRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.session = shownSession{newest: make(map[string]uint64)}
	r := &intervenev1.WatchBoardRequest{
		Window: uint32(f.window), IncludeMine: f.mine, Presence: f.presence,
		Filter: &intervenev1.Filter{Mine: f.filter.Holder != "", Unassigned: f.filter.Unassigned, Tag: f.filter.Tag},
	}
	for _, column := range f.columns {
		r.Columns = append(r.Columns, intervenev1.Column(column))
	}
	if f.rng.IntN(12) == 0 {
		f.board = nil
	}
	if f.board == nil || f.board.token == nil {
		return r
	}
	if f.rng.IntN(20) == 0 {
		f.window++ // it shows more from now on
		r.Window = uint32(f.window)
	}
	r.ResumeToken, f.session.opening = f.board.token, openResume
	if f.era != f.sim.eras() || f.board.window != f.window {
		f.session.opening = openReset
	}
	for _, id := range sortedKeys(f.board.cards) {
		r.Known = append(r.Known, &intervenev1.KnownCard{ConversationId: id, Version: f.board.cards[id].GetVersion()})
	}
	return r
}

func (s *sim) eras() int {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return len(s.ledger.restores)
}

// silentAfter is twice the interval of heartbeats.
const silentAfter = 31 * time.Second

func (f *frontend) follow(ctx context.Context, w *world) {
	silence := time.AfterFunc(silentAfter, func() { w.isSilent(ctx, "board of "+string(f.who)) })
	defer silence.Stop()
	stream, err := w.as(f.who).WatchBoard(ctx, f.request())
	if err == nil {
		for stream.Receive() {
			silence.Stop()
			if !w.alive(func() { f.take(stream.Msg()) }) {
				break
			}
			if stream.Msg().GetHeartbeat() != nil {
				f.quiet(w)
			}
			f.doze()
			silence.Reset(silentAfter)
		}
		err = stream.Err()
		_ = stream.Close() // it has told its end
	}
	f.mu.Lock()
	f.attentive, f.at = time.Time{}, 0
	dozed, away := f.session.dozed, f.session.away
	f.mu.Unlock()
	w.endsPage(ctx, "board of "+string(f.who), dozed, away, err)
}

func (w *world) isSilent(ctx context.Context, what string) {
	w.alive(func() {
		if ctx.Err() == nil {
			w.sim.ledger.violate("a subscriber never misses a change: the %s is silent for %s", what, silentAfter)
		}
	})
}

// endsPage tells of a stream that ends without a reason.
func (w *world) endsPage(ctx context.Context, what string, dozed, away bool, err error) {
	w.alive(func() {
		switch {
		case away:
			w.sim.sees("stream: sent away")
		case dozed:
			w.sim.sees("stream: cut, too slow")
		case ctx.Err() == nil && !w.ends():
			w.sim.ledger.violate("a subscriber never misses a change: the %s of life %d ends with %v", what, w.life, err)
		}
	})
}

// ends reports whether w is on its way down.
func (w *world) ends() bool { return w.up.Err() != nil }

// doze has the frontend read nothing for a while, sometimes for longer than a frame may wait.
func (f *frontend) doze() {
	var pause time.Duration
	switch n := f.rng.IntN(60); {
	case f.sim.isCalm() || n > 9:
		return
	case n == 0:
		pause = 11*time.Second + time.Duration(f.rng.Int64N(int64(20*time.Second)))
	default:
		pause = time.Duration(f.rng.Int64N(int64(3 * time.Second)))
	}
	f.mu.Lock()
	f.attentive = time.Time{}
	f.session.dozed = f.session.dozed || pause > 9*time.Second
	f.mu.Unlock()
	time.Sleep(pause)
	f.mu.Lock()
	f.attentive = time.Now()
	f.mu.Unlock()
}

// take folds one frame.
func (f *frontend) take(frame *intervenev1.WatchBoardResponse) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if frame.GetGoAway() != nil {
		f.session.away = true
		return
	}
	if f.session.greeted == (frame.GetHello() != nil) {
		f.wrong("the stream of %s greets twice, or not at first", f.who)
	}
	switch frame := frame.GetFrame().(type) {
	case *intervenev1.WatchBoardResponse_Hello:
		f.session.greeted = true
		if frame.Hello.GetAgentId() != string(f.who) {
			f.wrong("the stream of %s greets somebody else", f.who)
		}
	case *intervenev1.WatchBoardResponse_Reset_:
		f.reset(frame.Reset_.GetReason())
	case *intervenev1.WatchBoardResponse_SnapshotChunk:
		f.chunk(frame.SnapshotChunk)
	case *intervenev1.WatchBoardResponse_DeltaBatch:
		f.delta(frame.DeltaBatch)
	case *intervenev1.WatchBoardResponse_Presence:
		f.meet(frame.Presence)
	}
}

func (f *frontend) wrong(format string, args ...any) {
	f.sim.ledger.violate("a subscriber never misses a change: "+format, args...)
}

func (f *frontend) reset(reason intervenev1.ResetReason) {
	f.sim.sees("stream: reset %s", reason)
	first := !f.session.told
	unknown := reason == intervenev1.ResetReason_RESET_REASON_TOKEN_UNKNOWN
	switch {
	case unknown && (!first || f.session.opening != openReset):
		f.wrong("the board of %s is reset because of its token, which is of this journal and board", f.who)
	case first && !unknown:
		f.wrong("the board of %s begins with %s", f.who, reason)
	}
	f.session.told = true
	f.session.pending = newShownBoard()
	clear(f.session.newest)
	if f.board != nil {
		f.board.token = nil
	}
}

func (f *frontend) chunk(chunk *intervenev1.SnapshotChunk) {
	if !f.session.told && f.session.opening != openWhole {
		f.wrong("the board of %s begins anew, although it has a token, and no reset says so", f.who)
	}
	if f.session.told && f.session.pending == nil {
		f.wrong("the board of %s begins anew in the middle, and no reset says so", f.who)
	}
	f.session.told = true
	if f.session.pending == nil {
		f.session.pending = newShownBoard()
	}
	to := f.session.pending
	f.upserts(to, chunk.GetCards())
	if !chunk.GetLast() {
		return
	}
	to.count(chunk.GetCounters())
	to.token, to.window = chunk.GetResumeToken(), f.window
	if len(to.token) == 0 || len(to.counters) == 0 {
		f.wrong("the board of %s is whole without a token or counters", f.who)
	}
	f.board, f.session.pending, f.era = to, nil, f.sim.eras()
	f.sim.sees("stream: snapshot")
}

func (f *frontend) delta(batch *intervenev1.DeltaBatch) {
	if f.session.pending != nil || !f.session.told && f.session.opening != openResume {
		f.wrong("the board of %s goes on from what it does not know", f.who)
		return
	}
	if !f.session.told {
		f.sim.sees("stream: resumed")
	}
	f.session.told = true
	f.upserts(f.board, batch.GetUpserts())
	for _, r := range batch.GetRemoved() {
		f.removal(r)
	}
	f.board.count(batch.GetCounters())
	if token := batch.GetResumeToken(); len(token) > 0 {
		f.board.token = token
	}
}

func (f *frontend) upserts(to *shownBoard, cards []*intervenev1.Card) {
	for _, card := range cards {
		id := card.GetConversationId()
		f.sim.ledger.wireCard(card, f.number.workspace, "the board of "+string(f.who))
		f.inOrder(id, card.GetVersion())
		if known := to.cards[id]; known == nil || card.GetVersion() > known.GetVersion() {
			to.cards[id] = card
		}
	}
}

// inOrder: of one conversation a stream never goes back. Of two boards beside each
// other one may be behind.
func (f *frontend) inOrder(id string, version uint64) {
	if before := f.session.newest[id]; version < before && !f.mine {
		f.wrong("the board of %s tells of %s at version %d after version %d", f.who, id, version, before)
	}
	f.session.newest[id] = version
}

func (f *frontend) removal(r *intervenev1.Removal) {
	id := r.GetConversationId()
	f.inOrder(id, r.GetVersion())
	if known := f.board.cards[id]; known != nil && r.GetVersion() >= known.GetVersion() {
		delete(f.board.cards, id)
	}
	if conversation, err := engine.ParseConversationID(id); err != nil {
		f.wrong("the board of %s removes %q", f.who, id)
	} else {
		f.sim.ledger.reaches(conversation, r.GetVersion(), "board removal")
	}
}

func (b *shownBoard) count(counters *intervenev1.Counters) {
	for _, counter := range counters.GetColumns() {
		b.counters[counter.GetColumn()] = counter
	}
}

func (f *frontend) meet(update *intervenev1.PresenceUpdate) {
	if !f.session.met || f.attentive.IsZero() {
		f.session.met, f.attentive = true, time.Now()
	}
	if update.GetComplete() || f.agents == nil {
		f.agents = make(map[string]*intervenev1.AgentPresence)
	}
	for _, a := range update.GetAgents() {
		if a.GetOnline() {
			f.agents[a.GetAgentId()] = a
		} else {
			delete(f.agents, a.GetAgentId())
		}
	}
}
