package engine

// Decide answers what cmd does to c at now: the events that must become
// durable, and the refusal that the caller is told, if any. Both may come
// together: what a fenced bot said is refused, and kept. Neither: there was
// nothing to do, or the command was accepted before and c.Outcome knows it.
func Decide(c *Conversation, cmd Command, p Policy, now Instant) ([]Event, error) {
	now = max(now, c.Updated)
	if !cmd.mayReach(c) {
		return nil, &Error{Code: CodeNotFound}
	}
	if first, repeated := c.Outcome(cmd.ID); repeated {
		if !first.isOf(cmd.Digest) {
			return nil, c.refusal(CodeCommandReused)
		}
		return nil, nil
	}
	if c.Erased {
		return nil, &Error{Code: CodeNotFound}
	}
	if !cmd.isGivenRightly() {
		return nil, c.refusal(CodeForbidden)
	}
	d := &decision{c: c, cmd: cmd, policy: p, now: now}
	err := d.decide()
	if err == nil && len(d.events) == 0 && !cmd.ID.IsZero() {
		d.emit(Noted{})
	}
	if err == nil && len(d.events) > 0 {
		last := &d.events[len(d.events)-1]
		last.Command, last.Digest = cmd.ID, cmd.Digest
	}
	return d.events, err
}

// mayReach keeps what comes from outside within its workspace, and what names a
// channel within that: only this may open a conversation. The engine's own
// commands name no workspace: they found the conversation in its journal.
func (cmd *Command) mayReach(c *Conversation) bool {
	channel, _, opens := cmd.meets()
	switch {
	case !c.Exists():
		return opens
	case opens:
		return cmd.Workspace == c.Workspace && channel == c.Channel
	}
	return cmd.Workspace == c.Workspace || (cmd.Workspace == "" && cmd.By.Kind == Engine)
}

// meets is whom a command that comes from a channel, or goes to it first, is
// about: these alone may open a conversation.
func (cmd *Command) meets() (ChannelID, Contact, bool) {
	switch b := cmd.Body.(type) {
	case Receive:
		return b.Channel, b.Contact, true
	case Amend:
		return b.Channel, b.Contact, true
	case RecordEcho:
		return b.Channel, b.Contact, true
	case ChangeContact:
		return b.Channel, b.Contact, true
	case SetConsent:
		return b.Channel, b.Contact, true
	case StartConversation:
		return b.Channel, b.Contact, true
	}
	return "", Contact{}, false
}

// isGivenRightly reports whether cmd comes from a party that may ever give it.
// What depends on where the conversation stands is not said here.
func (cmd *Command) isGivenRightly() bool {
	switch by := cmd.By; b := cmd.Body.(type) {
	case Amend:
		return by.Kind == Engine || by.Kind == Customer && !b.Outside || by.Kind == Outside && b.Outside
	case ChangeContact, SetConsent, LinkContact, RecordMedia:
		return by.Kind == Customer || by.Kind == Engine
	case RecordEcho:
		return by.Kind == Outside
	case AnswerTurn, FailTurn, AcceptTurn:
		return by.Kind == Bot
	case Erase:
		return by.Kind == Engine || (by.Kind == Supervisor && by.IsHuman())
	case GiveUpSends:
		return by.Kind == Engine
	case StartConversation, ResendMessage:
		return by.IsHuman()
	default:
		return by.Kind != Outside
	}
}

// decision is one run of Decide.
type decision struct {
	c      *Conversation
	cmd    Command
	policy Policy
	now    Instant
	events []Event
	queued int // how many of events are messages
}

func (d *decision) emit(body Body) {
	d.events = append(d.events, Event{
		Version: d.c.Version + uint64(len(d.events)) + 1,
		At:      d.now,
		By:      d.cmd.By,
		Trace:   d.cmd.Trace,
		Body:    body,
	})
}

func (d *decision) decide() error {
	switch b := d.cmd.Body.(type) {
	case Receive:
		return d.receive(b)
	case Amend:
		return d.amend(b)
	case RecordEcho:
		return d.recordEcho(b)
	case ChangeContact:
		return d.changeContact(b)
	case LinkContact:
		return d.linkContact(b)
	case SetConsent:
		return d.setConsent(b)
	case RecordMedia:
		return d.recordMedia(b)
	case StartConversation:
		return d.startConversation(b)
	case ResendMessage:
		return d.resendMessage(b)
	case Erase:
		d.emit(Erased{})
		return nil
	case RecordStatus:
		return d.recordStatus(b)
	case AnswerTurn:
		return d.answerTurn(b)
	case FailTurn:
		return d.failTurn(b)
	case AcceptTurn:
		return d.acceptTurn(b)
	case SendMessage:
		return d.sendMessage(b)
	case RequestAgent:
		return d.request(b.Reason)
	case WithdrawRequest:
		return d.move(withdraw, Moved{Cause: CauseWithdrawn})
	case Intervene:
		return d.intervene()
	case TakeOver:
		return d.takeOver()
	case Transfer:
		return d.transfer(b)
	case Resolve:
		return d.resolve()
	case MarkRead:
		return d.markRead()
	case AddNote:
		return d.addNote(b)
	case SetTags:
		return d.setTags(b)
	case FireTimer:
		return d.fireTimer(b)
	case AttemptSend:
		return d.attemptSend()
	case RecordAttempt:
		return d.recordAttempt(b)
	case GiveUpSends:
		return d.giveUpSends(b)
	default:
		return Errorf(CodeInvalid, "command %T is not known", b)
	}
}

// refusal is code with where c stands, which the refused one is told.
func (c *Conversation) refusal(code Code) *Error {
	e := &Error{Code: code, Column: c.Column, Holder: c.Holder, Epoch: c.Epoch}
	if code == CodeWindowClosed {
		e.ClosedAt = c.WindowEnd()
	}
	return e
}

// checkEpoch refuses a caller who believes in another epoch.
func (d *decision) checkEpoch() error {
	if d.cmd.Epoch != 0 && d.cmd.Epoch != d.c.Epoch {
		return d.c.refusal(CodeStaleEpoch)
	}
	return nil
}

// isHolder reports whether the command comes from who holds the conversation.
func (d *decision) isHolder() bool {
	return d.c.Column == Intervened && d.cmd.By.IsHuman() && d.cmd.By.ID == d.c.Holder
}
