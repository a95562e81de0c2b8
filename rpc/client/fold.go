package client

import (
	"maps"
	"slices"
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	// maxKnown is how many cards a resume may name. A board that has more, which
	// no server of ours makes, begins anew.
	maxKnown = 1200
	// maxApplied bounds the cards of answers that the stream has not come to.
	maxApplied = 256
	// appliedFor is how long such a card is kept beside a live stream: what a board
	// shows of it has come by then, and a command is answered by then or never.
	appliedFor = time.Minute
	// maxDepartures bounds what is known of conversations that left, for answers
	// that the stream has overtaken.
	maxDepartures = 4096
)

// boardFold makes a board of frames and of the answers to commands. It knows no
// network, no clock and no lock.
//
// What the stream said and what answers said are kept apart. The stream is a
// series of differences to what it said before, and a removal in it may well be
// older than an answer: folded into one, that card would stay for ever.
type boardFold struct {
	columns     []intervenev1.Column
	filter      *intervenev1.Filter
	includeMine bool
	// self is the caller's own id; empty: no stream has said it yet.
	self string
	// journal is which one the stream is of.
	journal string

	// base is what the stream said up to the newest whole state; nil: none yet.
	base *cards
	// pending is a snapshot, or the difference that answers a resume, of which a
	// part is missing; nil: there is none. When the stream breaks it is dropped.
	pending *cards
	// live: the stream has come as far as the present.
	live bool

	applied map[string]answered
	// left is at which version conversations left lately, and departures the same
	// in the order in which they did.
	left       map[string]uint64
	departures []departure
	// outdated: some of these are of another journal than the board that comes.
	outdated bool

	// agents are those that are online; nobody changes the map.
	agents map[string]*intervenev1.AgentPresence
}

// cards are those of a board at one place of its stream.
type cards struct {
	byID     map[string]*intervenev1.Card
	counters map[intervenev1.Column]*intervenev1.ColumnCounter
	token    []byte
	// snapshot: these are the chunks so far, and a delta cannot follow.
	snapshot bool
}

type departure struct {
	id      string
	version uint64
	at      time.Time
}

// answered is the card of an answer.
type answered struct {
	card *intervenev1.Card
	at   time.Time
	// reached: the pending part of the stream is as new as the answer.
	reached bool
	// outdated: it is of another journal than the board that comes.
	outdated bool
}

func newBoardFold(query BoardQuery) boardFold {
	columns := slices.Clone(query.Columns)
	if len(columns) == 0 {
		columns = []intervenev1.Column{
			intervenev1.Column_COLUMN_ACTIVE, intervenev1.Column_COLUMN_REQUESTING, intervenev1.Column_COLUMN_INTERVENED,
		}
	}
	slices.Sort(columns)
	return boardFold{
		columns: columns, filter: query.Filter, includeMine: query.IncludeMine, applied: make(map[string]answered), left: make(map[string]uint64),
	}
}

func newCards() *cards {
	return &cards{
		byID:     make(map[string]*intervenev1.Card),
		counters: make(map[intervenev1.Column]*intervenev1.ColumnCounter),
	}
}

func (c *cards) clone() *cards {
	return &cards{byID: maps.Clone(c.byID), counters: maps.Clone(c.counters), token: c.token}
}

// request resumes from the newest whole state, if there is one.
func (f *boardFold) request(query BoardQuery) *intervenev1.WatchBoardRequest {
	request := &intervenev1.WatchBoardRequest{
		Columns: query.Columns, Filter: query.Filter, Window: query.Window, IncludeMine: query.IncludeMine, Presence: query.Presence,
	}
	if f.base == nil || len(f.base.token) == 0 || len(f.base.byID) > maxKnown {
		return request
	}
	request.ResumeToken = f.base.token
	for id, card := range f.base.byID {
		request.Known = append(request.Known, &intervenev1.KnownCard{ConversationId: id, Version: card.GetVersion()})
	}
	return request
}

// interrupt forgets what came of a state that is not whole.
func (f *boardFold) interrupt() {
	f.pending, f.live = nil, false
	for id, a := range f.applied {
		a.reached = false
		f.applied[id] = a
	}
}

// take folds one frame and reports whether the whole state changed. A kind of
// frame that it does not know says nothing to it.
func (f *boardFold) take(frame *intervenev1.WatchBoardResponse, now time.Time) (changed bool, err error) {
	switch frame := frame.GetFrame().(type) {
	case *intervenev1.WatchBoardResponse_Hello:
		f.greet(frame.Hello)
	case *intervenev1.WatchBoardResponse_Presence:
		f.meet(frame.Presence)
		return true, nil
	case *intervenev1.WatchBoardResponse_Reset_:
		f.reset(frame.Reset_.GetReason())
	case *intervenev1.WatchBoardResponse_SnapshotChunk:
		return f.chunk(frame.SnapshotChunk, now), nil
	case *intervenev1.WatchBoardResponse_DeltaBatch:
		return f.delta(frame.DeltaBatch, now)
	case *intervenev1.WatchBoardResponse_Heartbeat:
		if f.pending != nil && !f.pending.snapshot {
			return f.commit(now), nil // there is nothing more to say
		}
		return f.forget(now), nil
	}
	return false, nil
}

// greet notes who the caller is and which journal answers: of another one no
// version means what it did.
func (f *boardFold) greet(hello *intervenev1.Hello) {
	f.self = hello.GetAgentId()
	if f.journal != "" && f.journal != hello.GetJournalId() {
		f.outdate()
	}
	f.journal = hello.GetJournalId()
}

// outdate marks all answers as those of another journal. They are shown for as
// long as the board that they lie on.
func (f *boardFold) outdate() {
	for id, a := range f.applied {
		a.outdated = true
		f.applied[id] = a
	}
	f.outdated = true
}

// dropOutdated forgets what was of another journal: the new board is whole.
func (f *boardFold) dropOutdated() {
	if !f.outdated {
		return
	}
	f.outdated = false
	maps.DeleteFunc(f.applied, func(_ string, a answered) bool { return a.outdated })
	clear(f.left)
	f.departures = nil
}

// reset begins a new board behind the one that is shown, from which nothing can
// be resumed any more.
func (f *boardFold) reset(reason intervenev1.ResetReason) {
	f.interrupt()
	f.pending = newCards()
	f.pending.snapshot = true
	if f.base != nil {
		f.base.token = nil
	}
	if reason == intervenev1.ResetReason_RESET_REASON_TOKEN_UNKNOWN {
		f.outdate() // the journal may be another one, with versions of its own
	}
}

func (f *boardFold) chunk(chunk *intervenev1.SnapshotChunk, now time.Time) (changed bool) {
	if f.pending == nil || !f.pending.snapshot {
		f.pending = newCards()
		f.pending.snapshot = true
	}
	f.upsert(f.pending, chunk.GetCards())
	if !chunk.GetLast() {
		return false
	}
	f.count(f.pending, chunk.GetCounters())
	f.pending.token = chunk.GetResumeToken()
	return f.commit(now)
}

// delta is folded into what is shown, or, while a resume catches up, into what
// will be: counters are the last that such a one tells.
func (f *boardFold) delta(batch *intervenev1.DeltaBatch, now time.Time) (changed bool, err error) {
	if f.base == nil || f.pending != nil && f.pending.snapshot {
		if f.base != nil {
			f.base.token = nil
		}
		return false, ErrOutOfOrder
	}
	if !f.live && f.pending == nil {
		f.pending = f.base.clone()
	}
	to := f.base
	if f.pending != nil {
		to = f.pending
	}
	f.upsert(to, batch.GetUpserts())
	f.remove(to, batch.GetRemoved(), now)
	f.count(to, batch.GetCounters())
	if token := batch.GetResumeToken(); len(token) > 0 {
		to.token = token
	}
	if f.live || batch.GetCounters() != nil {
		return f.commit(now), nil
	}
	return false, nil
}

func (f *boardFold) upsert(to *cards, cards []*intervenev1.Card) {
	for _, card := range cards {
		id := card.GetConversationId()
		if have, ok := to.byID[id]; !ok || card.GetVersion() > have.GetVersion() {
			to.byID[id] = card
		}
		f.reach(id, card.GetVersion())
	}
}

// remove lets go of what left, which needs no new version.
func (f *boardFold) remove(to *cards, removed []*intervenev1.Removal, now time.Time) {
	for _, r := range removed {
		id := r.GetConversationId()
		f.left[id] = max(f.left[id], r.GetVersion())
		f.departures = append(f.departures, departure{id, f.left[id], now})
		if have, ok := to.byID[id]; ok && r.GetVersion() >= have.GetVersion() {
			delete(to.byID, id)
		}
		f.reach(id, r.GetVersion())
	}
}

func (f *boardFold) count(to *cards, counters *intervenev1.Counters) {
	for _, counter := range counters.GetColumns() {
		to.counters[counter.GetColumn()] = counter
	}
}

// reach notes that the stream is as new as an answer.
func (f *boardFold) reach(id string, version uint64) {
	if a, ok := f.applied[id]; ok && version >= a.card.GetVersion() {
		a.reached = true
		f.applied[id] = a
	}
}

// commit makes what is there the state that is shown.
func (f *boardFold) commit(now time.Time) (changed bool) {
	if f.pending != nil {
		if f.pending.snapshot {
			f.dropOutdated()
		}
		f.base, f.pending = f.pending, nil
		f.base.snapshot = false
	}
	f.live = true
	f.forget(now)
	return true
}

// forget drops the answers that the stream has reached, and those that it would
// have by now. That it shows such a conversation as it was before means that
// nothing but the version changed.
func (f *boardFold) forget(now time.Time) (changed bool) {
	for id, a := range f.applied {
		late := now.Sub(a.at) >= appliedFor
		if !f.live || !a.reached && !late {
			continue
		}
		delete(f.applied, id)
		if have, shown := f.base.byID[id]; shown && have.GetVersion() < a.card.GetVersion() && !a.reached {
			f.base.byID[id] = a.card
			continue
		}
		changed = true
	}
	past := 0
	for past < len(f.departures) && (len(f.departures)-past > maxDepartures || now.Sub(f.departures[past].at) >= appliedFor) {
		if d := f.departures[past]; f.left[d.id] == d.version {
			delete(f.left, d.id)
		}
		past++
	}
	f.departures = f.departures[past:]
	return changed
}

// apply takes the card of an answer and reports whether it is news.
func (f *boardFold) apply(card *intervenev1.Card, now time.Time) bool {
	id := card.GetConversationId()
	known := max(f.shownVersion(id), f.applied[id].card.GetVersion())
	if id == "" || known >= card.GetVersion() {
		return false
	}
	if _, again := f.applied[id]; !again && len(f.applied) == maxApplied {
		f.dropOldest()
	}
	f.applied[id] = answered{card: card, at: now}
	if f.pending != nil && f.pending.byID[id].GetVersion() >= card.GetVersion() {
		f.reach(id, f.pending.byID[id].GetVersion())
	}
	return true
}

// shownVersion is that of the card that the stream showed of a conversation, or
// the one at which it took it away.
func (f *boardFold) shownVersion(id string) uint64 {
	if f.base != nil && f.base.byID[id] != nil {
		return f.base.byID[id].GetVersion()
	}
	return f.left[id]
}

func (f *boardFold) dropOldest() {
	var oldest string
	for id, a := range f.applied {
		if oldest == "" || a.at.Before(f.applied[oldest].at) {
			oldest = id
		}
	}
	delete(f.applied, oldest)
}

// meet notes who came, went, or opened something else.
func (f *boardFold) meet(update *intervenev1.PresenceUpdate) {
	agents := make(map[string]*intervenev1.AgentPresence)
	if !update.GetComplete() {
		maps.Copy(agents, f.agents)
	}
	for _, agent := range update.GetAgents() {
		if agent.GetOnline() {
			agents[agent.GetAgentId()] = agent
		} else {
			delete(agents, agent.GetAgentId())
		}
	}
	f.agents = agents
}

// admits reports whether the board that was asked for shows card.
func (f *boardFold) admits(card *intervenev1.Card) bool {
	mine := card.GetHolderAgentId() != "" && card.GetHolderAgentId() == f.self
	if f.includeMine && mine {
		return true
	}
	return slices.Contains(f.columns, card.GetColumn()) &&
		(!f.filter.GetMine() || mine) &&
		(!f.filter.GetUnassigned() || card.GetHolderAgentId() == "") &&
		(f.filter.GetChannelId() == "" || card.GetChannelId() == f.filter.GetChannelId()) &&
		(f.filter.GetTag() == "" || slices.Contains(card.GetTags(), f.filter.GetTag()))
}
