package actors

import (
	"sync"

	"github.com/asynkron/protoactor-go/actor"
)

// mailbox gives the requests of one conversation their turn, in the order in
// which they came. Each runs on its asker's own goroutine, which would only wait
// for another one: of three goroutines that would be woken for a command one is
// left, the asker when its append is durable.
//
// It is the mailbox of a protoactor actor whose user messages are all requests.
type mailbox struct {
	// invoker is the actor. Whoever has the turn may call it.
	invoker actor.MessageInvoker

	mu sync.Mutex
	// taken says that somebody has the turn.
	taken bool
	// first to last wait for their turn, linked by next.
	first, last *request
	// system messages are protoactor's own; they go before requests.
	system []any
}

func newMailbox() actor.Mailbox { return new(mailbox) }

// RegisterHandlers is told of the actor before anything is posted. No dispatcher
// is needed.
func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, _ actor.Dispatcher) {
	m.invoker = invoker
}

// Start is protoactor's word that the actor may run, which it does when asked.
func (m *mailbox) Start() {}

// PostUserMessage gives a request the turn, or lets it wait for it.
func (m *mailbox) PostUserMessage(message any) {
	q, ok := message.(*request)
	if !ok {
		return // nobody posts anything else
	}
	q.box = m
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case !m.taken:
		m.taken, q.granted = true, true
	case m.last == nil:
		m.first, m.last = q, q
	default:
		m.last.next, m.last = q, q
	}
}

// PostSystemMessage runs a message of protoactor's at once, or leaves it to
// whoever has the turn. That an actor starts or stops waits for nothing.
func (m *mailbox) PostSystemMessage(message any) {
	m.mu.Lock()
	m.system = append(m.system, message)
	mine := !m.taken
	m.taken = true
	m.mu.Unlock()
	if mine {
		m.pass()
	}
}

// UserMessageCount is asked by protoactor's metrics alone, which are not used.
func (m *mailbox) UserMessageCount() int { return 0 }

// run handles q, which has the turn, and passes the turn on.
func (m *mailbox) run(q *request) {
	m.invoke(q, func() { m.invoker.InvokeUserMessage(q) })
	m.pass()
}

// pass gives the turn to the request that waits longest, after the system
// messages that came meanwhile.
func (m *mailbox) pass() {
	for {
		m.mu.Lock()
		system := m.system
		if m.system = nil; len(system) == 0 {
			break
		}
		m.mu.Unlock()
		for _, message := range system {
			m.invoke(message, func() { m.invoker.InvokeSystemMessage(message) })
		}
	}
	defer m.mu.Unlock()
	q := m.first
	if q == nil {
		m.taken = false
		return
	}
	m.unlink(nil, q)
	q.turns <- struct{}{}
}

// invoke tells protoactor of a panic. A conversation recovers from its own.
func (m *mailbox) invoke(message any, run func()) {
	defer func() {
		if cause := recover(); cause != nil {
			m.invoker.EscalateFailure(cause, message)
		}
	}()
	run()
}

// withdraw takes back q, which was posted. If it has the turn by now, that is
// passed on.
func (m *mailbox) withdraw(q *request) {
	if !m.forget(q) {
		<-q.turns
		m.pass()
	}
}

// forget takes q out of those that wait; false says that it has the turn.
func (m *mailbox) forget(q *request) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	var before *request
	for at := m.first; at != nil; before, at = at, at.next {
		if at == q {
			m.unlink(before, q)
			return true
		}
	}
	return false
}

// unlink takes q, which follows on before, out of the list; mu is held.
func (m *mailbox) unlink(before, q *request) {
	if before == nil {
		m.first = q.next
	} else {
		before.next = q.next
	}
	if m.last == q {
		m.last = before
	}
	q.next = nil
}
