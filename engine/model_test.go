package engine_test

import (
	"slices"

	"github.com/intervenehq/intervene/engine"
)

// model is the design's column table and guarantees once more, in other words
// and kept outside of the engine: what random sequences are compared with.
type model struct {
	t      reporter
	policy engine.Policy
	now    engine.Instant
	newest engine.Instant // when the newest event was

	version uint64
	column  engine.Column
	holder  engine.AgentID
	epoch   uint64
	unread  uint32

	customerAt   engine.Instant
	lastActivity engine.Instant
	since        engine.Instant

	unanswered []uint64 // customer messages that the bot is to answer
	returned   uint64   // the resolve that the bot is to be told of
	turn       uint64   // what the owed turn is called
	acceptedTo uint64   // how far the bot has accepted it, 0: it has not
	until      engine.Instant

	sends    map[uint64]*modelSend
	order    []uint64
	gate     engine.Instant
	gateSend uint64
	heldFrom uint64

	mutedUntil engine.Instant
	optedOut   bool
	consentAt  engine.Instant
	erased     bool

	accepted map[engine.CommandID]acceptance
}

type acceptance struct {
	digest engine.Digest
	at     engine.Instant
	erases bool
}

type modelSend struct {
	by      engine.PartyKind
	content engine.Content
	state   engine.DeliveryState
	attempt uint32
	held    uint32 // attempts that do not count
	due     engine.Instant
	repeats bool // it may be repeated, and was not yet
	resent  bool // as another message
}

// waits reports whether the courier still has s.
func (s *modelSend) waits() bool {
	return s.state <= engine.Attempted || (s.state == engine.Unknown && s.repeats)
}

func newModel(w *world) *model {
	return &model{t: w.t, policy: w.policy, sends: make(map[uint64]*modelSend), accepted: make(map[engine.CommandID]acceptance)}
}

// step follows one command, and fails the test when the engine did anything else
// than the design says. due is what the conversation waited for before it.
func (m *model) step(cmd engine.Command, events []engine.Event, err error, now engine.Instant, due engine.Index) {
	m.t.Helper()
	m.now = max(m.newest, now)
	if len(events) > 0 {
		m.newest = m.now
	}
	if first, repeated := m.accepted[cmd.ID]; repeated {
		want := engine.Code(0)
		if first.digest != cmd.Digest && (!m.erased || first.erases) {
			want = engine.CodeCommandReused
		}
		if got := engine.CodeOf(err); got != want || len(events) > 0 {
			m.t.Fatalf("%T repeated: got %q and %d events, want %q and none", cmd.Body, got, len(events), want)
		}
		return
	}
	want := m.refuses(cmd)
	if got := engine.CodeOf(err); got != want {
		m.t.Fatalf("%T by %s %q in %s: got refusal %q, want %q", cmd.Body, cmd.By.Kind, cmd.By.ID, m.column, got, want)
	}
	m.watch(cmd, events)
	m.version += uint64(len(events))
	if err == nil {
		m.accept(cmd, events, due)
	} else if answer, ok := cmd.Body.(engine.AnswerTurn); ok && want == engine.CodeWindowClosed {
		m.tooLate(answer)
	}
	if err == nil && !cmd.ID.IsZero() {
		m.accepted[cmd.ID] = acceptance{cmd.Digest, m.now, m.erased}
	}
}

func (m *model) open() bool { return m.now < m.customerAt.Add(engine.Window) }

func (m *model) holds(p engine.Party) bool {
	return m.holder != "" && p.ID == m.holder && (p.Kind == engine.Agent || p.Kind == engine.Supervisor)
}

// refuses is why cmd is refused, 0 when it is not.
func (m *model) refuses(cmd engine.Command) engine.Code {
	if m.erased || (m.version == 0 && !opens(cmd.Body)) {
		return engine.CodeNotFound
	}
	stale := engine.Code(0)
	if cmd.Epoch != 0 && cmd.Epoch != m.epoch {
		stale = engine.CodeStaleEpoch
	}
	held := m.column == engine.Intervened
	supervises := cmd.By.Kind == engine.Supervisor
	human := supervises || cmd.By.Kind == engine.Agent
	switch b := cmd.Body.(type) {
	case engine.SendMessage:
		return m.refusesMessage(cmd, b, stale)
	case engine.AnswerTurn:
		return m.refusesAnswer(cmd, b)
	case engine.FailTurn:
		if cmd.Epoch != m.epoch || m.turn == 0 || b.From != m.turn {
			return engine.CodeBotFenced
		}
	case engine.AcceptTurn:
		if cmd.Epoch != m.epoch || m.turn == 0 || b.From != m.turn {
			return engine.CodeBotFenced
		}
	case engine.RequestAgent:
		if m.column == engine.History {
			return engine.CodeWindowClosed
		}
		return stale
	case engine.Intervene:
		switch {
		case !human:
			return engine.CodeForbidden
		case m.holds(cmd.By):
			return 0
		case held:
			return engine.CodeHeldByOther
		case m.column == engine.Requesting, m.column == engine.Active && m.policy.TakeoverFromActive:
			return stale
		}
		return engine.CodeNotRequesting
	case engine.TakeOver:
		switch {
		case !supervises:
			return engine.CodeForbidden
		case !held:
			return engine.CodeNotIntervened
		}
		return stale
	case engine.Transfer:
		switch {
		case !held:
			return engine.CodeNotIntervened
		case !supervises && !m.holds(cmd.By):
			return engine.CodeNotHolder
		}
		return stale
	case engine.Resolve:
		switch {
		case held && !supervises && !m.holds(cmd.By):
			return engine.CodeNotHolder
		case m.column == engine.Requesting && !human:
			return engine.CodeForbidden
		case !held && m.column != engine.Requesting:
			return engine.CodeNotIntervened
		}
		return stale
	case engine.MarkRead:
		if held && !m.holds(cmd.By) {
			return engine.CodeNotHolder
		}
		return stale
	case engine.WithdrawRequest, engine.AddNote, engine.SetTags:
		return stale
	case engine.RecordStatus:
		if m.sends[b.Send] == nil {
			return engine.CodeNotFound
		}
	case engine.Erase:
		if !supervises {
			return engine.CodeForbidden
		}
	case engine.StartConversation:
		return m.refusesStart(cmd, b, stale)
	case engine.ResendMessage:
		return m.refusesResend(cmd, b, stale)
	}
	return 0
}

func (m *model) refusesMessage(cmd engine.Command, b engine.SendMessage, stale engine.Code) engine.Code {
	full := m.waiting() >= engine.MaxQueuedSends
	if cmd.By.Kind == engine.Bot {
		switch {
		case m.column == engine.Intervened, stale != 0:
			return engine.CodeBotFenced
		case m.column == engine.History, !m.open():
			return engine.CodeWindowClosed
		case m.mutes():
			return engine.CodeBotMuted
		case m.unwanted(b.Content):
			return engine.CodeOptedOut
		case full:
			return engine.CodeOverloaded
		}
		return 0
	}
	person := cmd.By.Kind == engine.Agent || cmd.By.Kind == engine.Supervisor
	switch {
	case !m.holds(cmd.By) && !(m.column == engine.History && m.policy.WriteFirst && person):
		return engine.CodeNotHolder
	case stale != 0:
		return stale
	}
	return m.refusesContent(b.Content)
}

func (m *model) refusesAnswer(cmd engine.Command, b engine.AnswerTurn) engine.Code {
	switch {
	case cmd.Epoch != m.epoch:
		return engine.CodeBotFenced
	case m.mutes() && len(b.Say) > 0:
		return engine.CodeBotMuted
	case m.turn == 0, b.From != m.turn:
		return engine.CodeBotFenced
	case len(b.Say) == 0:
		return 0
	case m.column == engine.History, !m.open():
		return engine.CodeWindowClosed
	case m.waiting()+len(b.Say) > engine.MaxQueuedSends:
		return engine.CodeOverloaded
	}
	return 0
}

// waitingBefore is waiting as it was before events queued some more.
func (m *model) waitingBefore(events []engine.Event) int {
	n := m.waiting()
	for _, e := range events {
		if e.Body.Kind() == engine.KindMessageQueued {
			n--
		}
	}
	return n
}

// waiting is how many sends are not settled.
func (m *model) waiting() int {
	n := 0
	for _, s := range m.sends {
		if s.waits() {
			n++
		}
	}
	return n
}

// accept does to the model what the design says of cmd, whose last event is
// m.version now.
func (m *model) accept(cmd engine.Command, events []engine.Event, due engine.Index) {
	m.t.Helper()
	switch b := cmd.Body.(type) {
	case engine.Receive:
		m.receive(b)
	case engine.SendMessage:
		m.lastActivity = m.now
		if b.Answers && cmd.By.Kind == engine.Bot {
			m.answersAccepted()
		}
	case engine.ResendMessage:
		m.lastActivity = m.now
	case engine.AcceptTurn:
		if m.acceptedTo == 0 {
			m.acceptedTo, m.until = b.Through, m.now.Add(min(max(b.Within, 0), engine.MaxTurnWait))
			if b.Within <= 0 {
				m.until = m.now.Add(engine.DefaultTurnWait)
			}
		}
	case engine.AnswerTurn:
		m.answered(b.Through)
		if len(b.Say) > 0 {
			m.lastActivity = m.now
		}
		if b.Request && m.column == engine.Active {
			m.column = engine.Requesting
		} else if b.Withdraw && m.column == engine.Requesting {
			m.leave()
		}
	case engine.FailTurn:
		asks := m.column == engine.Active && len(m.unanswered) > 0
		tells := asks && m.open() && !m.mutes() && m.policy.BotUnavailable != "" && m.waitingBefore(events) < engine.MaxQueuedSends
		if tells {
			m.lastActivity = m.now
		}
		if told := events[0].Body.Kind() == engine.KindMessageQueued; told != tells {
			m.t.Fatalf("got the customer told of a failed bot: %t, want %t", told, tells)
		}
		m.answered(b.Through)
		if asks {
			m.column = engine.Requesting
		}
	case engine.RequestAgent:
		if m.column == engine.Active {
			m.column = engine.Requesting
		}
		if cmd.By.Kind == engine.Bot {
			m.answersAccepted()
		}
	case engine.WithdrawRequest:
		if m.column == engine.Requesting {
			m.leave()
		}
	case engine.Intervene:
		m.hold(cmd.By.ID, events)
	case engine.TakeOver:
		m.hold(cmd.By.ID, events)
	case engine.Transfer:
		m.hold(b.To, events)
	case engine.Resolve:
		if m.column == engine.Requesting {
			m.leave()
		} else {
			m.release()
		}
	case engine.MarkRead:
		m.unread = 0
	case engine.FireTimer:
		m.fire(b.Timer, due)
	default:
		m.acceptEdge(cmd)
	}
}

func (m *model) receive(b engine.Receive) {
	m.begin()
	m.consents(b.Consent, b.SentAt)
	m.customerAt = max(m.customerAt, min(b.SentAt, m.now))
	m.lastActivity = m.now
	if m.column == engine.History || m.column == engine.Active {
		if m.open() {
			m.column = engine.Active
		} else {
			m.windowClosed()
		}
	}
	if m.column != engine.Active {
		m.unread++
	}
	if m.column != engine.Intervened && m.open() {
		m.unanswered = append(m.unanswered, m.version)
		if m.turn == 0 {
			m.turn = m.version
		}
	}
}

// windowClosed: a person must see it, and the bot is out of it.
func (m *model) windowClosed() {
	m.column = engine.Requesting
	m.owesNothing()
}

func (m *model) tooLate(b engine.AnswerTurn) {
	waits := m.column == engine.Active && len(m.unanswered) > 0
	m.answered(b.Through)
	if waits {
		m.windowClosed()
	}
}

// answered ends the turn through a version.
func (m *model) answered(through uint64) {
	m.unanswered = slices.DeleteFunc(slices.Clone(m.unanswered), func(v uint64) bool { return v <= through })
	if m.returned <= through {
		m.returned = 0
	}
	m.turn, m.acceptedTo, m.until = through+1, 0, 0
	if len(m.unanswered) == 0 && m.returned == 0 {
		m.turn = 0
	}
}

func (m *model) owesNothing() {
	m.unanswered, m.returned, m.turn, m.acceptedTo, m.until = nil, 0, 0, 0, 0
}

// answersAccepted ends the turn that the bot accepted, as far as it did.
func (m *model) answersAccepted() {
	if m.acceptedTo != 0 {
		m.answered(m.acceptedTo)
	}
}

// leave goes where the bot has the word: with the window closed that is nowhere.
func (m *model) leave() {
	m.column, m.unread = engine.Active, 0
	if !m.open() {
		m.column = engine.History
	}
}

func (m *model) hold(by engine.AgentID, events []engine.Event) {
	if by == m.holder {
		return
	}
	if m.holder == "" {
		m.heldFrom = events[0].Version
		m.owesNothing()
	}
	m.holder, m.column, m.since = by, engine.Intervened, m.now
	m.epoch++
}

func (m *model) release() {
	m.holder = ""
	m.epoch++
	m.leave()
	m.owesNothing()
	m.returned, m.turn = m.version, m.version
}

func (m *model) fire(timer engine.DueKind, due engine.Index) {
	if at := due.Due[timer]; at == 0 || at > m.now {
		return
	}
	switch timer {
	case engine.DueWindow:
		switch {
		case m.open() || m.column != engine.Active:
		case len(m.unanswered) > 0:
			m.windowClosed()
		default:
			m.column = engine.History
		}
	case engine.DueAutoResolve:
		if m.idle() {
			m.release()
		}
	case engine.DueRetention:
		kept := m.policy.Retention
		if kept > 0 && m.column == engine.History && !m.optedOut && m.now.Sub(m.lastActivity) >= kept {
			m.erase()
		}
	}
}

// idle reports whether the workspace's policy ends the hold.
func (m *model) idle() bool {
	after := m.policy.AutoResolveAfter
	return m.column == engine.Intervened && after > 0 && m.now.Sub(max(m.lastActivity, m.since)) >= after
}

// agrees compares the model with what the engine has made of it.
func (m *model) agrees(c *engine.Conversation) {
	m.t.Helper()
	if m.erased {
		if !c.Erased || c.Version != m.version || c.Epoch != m.epoch {
			m.t.Fatalf("got erased %t in epoch %d at %d, want it erased in %d at %d", c.Erased, c.Epoch, c.Version, m.epoch, m.version)
		}
		return
	}
	type view struct {
		OptedOut       bool
		MutedUntil     engine.Instant
		Version, Epoch uint64
		Column         engine.Column
		Holder         engine.AgentID
		Unread         uint32
		From, Message  uint64
		Returned       uint64
		AcceptedTo     uint64
		Until          engine.Instant
		CustomerAt     engine.Instant
		Sends          int
	}
	want := view{
		OptedOut: m.optedOut, MutedUntil: m.mutedUntil,
		Version: m.version, Epoch: m.epoch, Column: m.column, Holder: m.holder, Unread: m.unread,
		From: m.turn, Returned: m.returned, AcceptedTo: m.acceptedTo, Until: m.until, CustomerAt: m.customerAt, Sends: m.waiting(),
	}
	if n := len(m.unanswered); n > 0 {
		want.Message = m.unanswered[n-1]
	}
	got := view{
		OptedOut: c.OptedOut, MutedUntil: c.MutedUntil,
		Version: c.Version, Epoch: c.Epoch, Column: c.Column, Holder: c.Holder, Unread: c.Unread,
		From: c.Turn.From, Message: c.Turn.Message, Returned: c.Turn.Returned, AcceptedTo: c.Turn.Through, Until: c.Turn.Until, CustomerAt: c.CustomerAt, Sends: len(c.Sends),
	}
	if got != want {
		m.t.Fatalf("got  %+v\nwant %+v", got, want)
	}
	if m.turn != 0 && len(m.unanswered) > 0 && m.unanswered[0] < m.turn {
		m.t.Fatalf("got turn %d owed, want it to cover message %d", m.turn, m.unanswered[0])
	}
}
