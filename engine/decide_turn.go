package engine

import "unicode/utf8"

func (d *decision) answerTurn(b AnswerTurn) error {
	t := d.c.Turn
	muted := len(b.Say) > 0 && d.botMaySpeak() == CodeBotMuted
	over := d.cmd.Epoch == d.c.Epoch && (!t.Owed() || t.From != b.From) && !muted
	if over && d.cmd.ID.IsZero() {
		return d.c.refusal(CodeBotFenced) // answered before: this is the same answer again
	}
	if err := b.validate(d.c.Version); err != nil {
		return err
	}
	if over {
		return d.discard(b, CodeBotFenced) // the bot's own repetition would be known by its ID
	}
	if d.cmd.Epoch != d.c.Epoch {
		return d.discard(b, CodeBotFenced)
	}
	if muted {
		return d.discard(b, CodeBotMuted) // what it owes it owes until it may speak
	}
	if code := d.botMaySpeak(); code != 0 && len(b.Say) > 0 {
		return d.turnTooLate(b, code)
	}
	for _, content := range b.Say {
		err := d.checkConsent(content)
		if err == nil {
			err = d.queue(MessageQueued{Content: content, Repeatable: b.Repeatable})
		}
		if err != nil {
			d.events = nil
			return err
		}
	}
	d.emit(TurnEnded{Through: b.Through, Variables: b.Variables})
	switch {
	case b.Request && d.c.Column == Active:
		if b.Summary != "" {
			d.emit(NoteAdded{Body: b.Summary})
		}
		d.emit(Moved{To: Requesting, Cause: CauseRequested, Reason: b.Reason})
	case b.Withdraw:
		return d.move(withdraw, Moved{Cause: CauseWithdrawn})
	}
	return nil
}

// turnTooLate ends a turn whose answer may not be sent any more, because the
// window closed meanwhile: a person must see what stands unanswered.
func (d *decision) turnTooLate(b AnswerTurn, code Code) error {
	refusal := d.discard(b, code)
	d.emit(TurnEnded{Through: b.Through, Variables: b.Variables})
	if d.c.Column == Active && d.c.Turn.Message != 0 {
		d.emit(Moved{To: Requesting, Cause: CauseWindowClosed})
	}
	return refusal
}

// discard keeps what the bot said in b and nobody is sent.
func (d *decision) discard(b AnswerTurn, code Code) error {
	for _, content := range b.Say {
		d.emit(BotDiscarded{Content: content, Epoch: d.cmd.Epoch, Reason: code})
	}
	return d.c.refusal(code)
}

func (b AnswerTurn) validate(version uint64) error {
	if b.Through < b.From || b.Through > version {
		return errThrough
	}
	if len(b.Say) > MaxTurnMessages {
		return &Error{Code: CodeInvalid, Field: "say", Problem: "must have at most 10 messages"}
	}
	for _, content := range b.Say {
		if err := content.validate(); err != nil {
			return err
		}
		if content.Kind == ContentReaction {
			return errNoTarget // a turn names no messages
		}
	}
	size := 0
	for _, v := range b.Variables {
		size += len(v.Name) + len(v.Value)
		if !utf8.ValidString(v.Name) || !utf8.ValidString(v.Value) {
			return &Error{Code: CodeInvalid, Field: "variables", Problem: "must be valid UTF-8"}
		}
	}
	if len(b.Variables) > MaxVariables || size > MaxVariableBytes {
		return &Error{Code: CodeInvalid, Field: "variables", Problem: "must be at most 64 of 16 KiB in all"}
	}
	if utf8.RuneCountInString(b.Summary) > MaxNoteRunes || !utf8.ValidString(b.Summary) {
		return &Error{Code: CodeInvalid, Field: "summary", Problem: "must be valid UTF-8 of at most 4096 characters"}
	}
	return validateReason(b.Reason)
}

func (d *decision) failTurn(b FailTurn) error {
	t := d.c.Turn
	if d.cmd.Epoch != d.c.Epoch || !t.Owed() || t.From != b.From {
		return d.c.refusal(CodeBotFenced)
	}
	asks := d.c.Column == Active && t.Message != 0
	if asks && d.policy.BotUnavailable != "" && d.botMaySpeak() == 0 {
		content := Content{Kind: ContentText, Text: d.policy.BotUnavailable}
		if err := d.queue(MessageQueued{Content: content}); err != nil {
			d.events = nil // a flood of sends waits already: the request matters more
		}
	}
	d.emit(TurnEnded{Through: min(max(b.Through, b.From), d.c.Version), Failed: true})
	if asks {
		d.emit(Moved{To: Requesting, Cause: CauseBotUnavailable})
	}
	return nil
}

// acceptTurn lets the bot take its time. The turn's row is looked at again when
// that is over, whatever happens to the process meanwhile.
func (d *decision) acceptTurn(b AcceptTurn) error {
	t := d.c.Turn
	if d.cmd.Epoch != d.c.Epoch || !t.Owed() || t.From != b.From {
		return d.c.refusal(CodeBotFenced)
	}
	if b.Through < b.From || b.Through > d.c.Version {
		return errThrough
	}
	if t.Accepted() {
		return nil
	}
	within := b.Within
	if within <= 0 {
		within = DefaultTurnWait
	}
	d.emit(TurnAccepted{Through: b.Through, Until: d.now.Add(min(within, MaxTurnWait))})
	return nil
}

// endAccepted ends the turn that the bot accepted, if it did: it has said what it
// had to say.
func (d *decision) endAccepted() {
	if d.cmd.By.Kind == Bot && d.c.Turn.Accepted() {
		d.emit(TurnEnded{Through: d.c.Turn.Through})
	}
}

var errThrough = &Error{Code: CodeInvalid, Field: "through", Problem: "must lie between the turn and the newest event"}
