package engine_test

import "github.com/intervenehq/intervene/engine"

// opens reports whether a command may be the first that a conversation is given.
func opens(body engine.CommandBody) bool {
	switch body.(type) {
	case engine.Receive, engine.Amend, engine.RecordEcho, engine.ChangeContact, engine.SetConsent, engine.StartConversation:
		return true
	}
	return false
}

func isTemplate(c engine.Content) bool { return c.Kind == engine.ContentTemplate }

// unwanted: those who opted out are sent no marketing, and nothing that might be.
func (m *model) unwanted(c engine.Content) bool {
	return m.optedOut && isTemplate(c) && c.Template.Category != engine.Utility && c.Template.Category != engine.Authentication
}

// mutes reports whether the bot, which might speak otherwise, leaves the word to
// somebody outside.
func (m *model) mutes() bool {
	return m.now < m.mutedUntil && m.column != engine.Intervened && m.column != engine.History && m.open()
}

// refusesContent is why a person's message does not go now, whoever they are.
func (m *model) refusesContent(c engine.Content) engine.Code {
	switch {
	case m.unwanted(c):
		return engine.CodeOptedOut
	case !isTemplate(c) && (m.column == engine.History || !m.open()):
		return engine.CodeWindowClosed
	case m.waiting() >= engine.MaxQueuedSends:
		return engine.CodeOverloaded
	}
	return 0
}

func (m *model) refusesStart(cmd engine.Command, b engine.StartConversation, stale engine.Code) engine.Code {
	onBoard := m.version > 0 && m.column != engine.History
	switch {
	case cmd.By.Kind != engine.Agent && cmd.By.Kind != engine.Supervisor:
		return engine.CodeForbidden
	case onBoard && !m.holds(cmd.By):
		return engine.CodeNotHolder
	case !onBoard && !m.policy.WriteFirst:
		return engine.CodeForbidden
	case stale != 0:
		return stale
	}
	return m.refusesContent(b.Content)
}

func (m *model) refusesResend(cmd engine.Command, b engine.ResendMessage, stale engine.Code) engine.Code {
	s := m.sends[b.Send]
	switch {
	case cmd.By.Kind != engine.Agent && cmd.By.Kind != engine.Supervisor:
		return engine.CodeForbidden
	case s == nil:
		return engine.CodeNotFound
	case cmd.By.Kind == engine.Agent && !m.holds(cmd.By):
		return engine.CodeNotHolder
	case stale != 0:
		return stale
	case s.waits(), s.resent, s.state != engine.Rejected && s.state != engine.Failed && s.state != engine.Unknown:
		return engine.CodeNotResendable
	}
	return m.refusesContent(b.Content)
}

// acceptEdge does what the platform brings about, and what begins or ends it all.
func (m *model) acceptEdge(cmd engine.Command) {
	switch b := cmd.Body.(type) {
	case engine.Amend, engine.ChangeContact:
		m.begin()
	case engine.SetConsent:
		m.begin()
		m.consents(b.Consent, b.At)
	case engine.RecordEcho:
		m.echoed(b)
	case engine.StartConversation:
		m.begin()
		m.lastActivity = m.now
	case engine.Erase:
		m.erase()
	}
}

// begin: what is heard of first, or written to first, stands in History.
func (m *model) begin() {
	if m.column == 0 {
		m.column, m.epoch, m.lastActivity = engine.History, 1, m.now
	}
}

func (m *model) consents(consent engine.Consent, at engine.Instant) {
	at = min(at, m.now)
	switch {
	case consent == 0 || at < m.consentAt:
	case at > m.consentAt:
		m.optedOut, m.consentAt = consent == engine.Stop, at
	default:
		m.optedOut = m.optedOut || consent == engine.Stop
	}
}

// echoed: somebody answered; for so long as the workspace wants the bot does not.
func (m *model) echoed(b engine.RecordEcho) {
	m.begin()
	m.lastActivity = m.now
	until := min(b.SentAt, m.now).Add(m.policy.OutsideSilence)
	if m.policy.OutsideSilence == 0 || m.column == engine.Intervened || until <= m.now {
		return
	}
	m.mutedUntil = max(m.mutedUntil, until)
	if b.SentAt >= m.customerAt {
		m.owesNothing()
	}
}

func (m *model) erase() {
	if m.holder != "" {
		m.epoch++
	}
	m.erased, m.column, m.holder = true, 0, ""
}
