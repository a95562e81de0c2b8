package engine

import (
	"slices"
	"strings"
	"unicode/utf8"
)

func (d *decision) receive(b Receive) error {
	column := d.meet(b.SentAt)
	if b.Consent != 0 {
		d.consents(b.Consent, b.SentAt)
	}
	windowEnd := max(d.c.CustomerAt, min(b.SentAt, d.now)).Add(Window)
	switch open := d.now < windowEnd; {
	case b.Content.Kind == ContentSystem: // nobody wrote
	case !open && (column == History || column == Active):
		d.emit(Moved{To: Requesting, Cause: CauseWindowClosed})
	case column == History:
		d.emit(Moved{To: Active, Cause: CauseCustomerMessage})
	}
	d.emit(MessageReceived{External: b.External, SentAt: b.SentAt, Content: b.Content, ReplyTo: b.ReplyTo, Context: b.Context})
	d.refuseFile(b.Content)
	return nil
}

func (d *decision) sendMessage(b SendMessage) error {
	if err := b.validate(); err != nil {
		return err
	}
	message := MessageQueued{Content: b.Content, ReplyTo: b.ReplyTo}
	if d.cmd.By.Kind == Bot {
		message.Repeatable = b.Repeatable
		return d.botSpeaks(message, b.Answers)
	}
	writesFirst := d.c.Column == History && d.policy.WriteFirst && d.cmd.By.IsHuman()
	if !d.isHolder() && !writesFirst {
		return d.c.refusal(CodeNotHolder)
	}
	if err := d.checkEpoch(); err != nil {
		return err
	}
	if err := d.mayPersonSend(b.Content); err != nil {
		return err
	}
	return d.queue(message)
}

// botSpeaks queues what the bot says, unless a person has the word: then it is
// refused, and kept for whoever audits the bot. The message stands last: its
// version is what the caller is told.
func (d *decision) botSpeaks(message MessageQueued, answers bool) error {
	if code := d.botMaySpeak(); code != 0 {
		d.emit(BotDiscarded{Content: message.Content, Epoch: d.cmd.Epoch, Reason: code})
		return d.c.refusal(code)
	}
	if err := d.checkConsent(message.Content); err != nil {
		return err
	}
	if answers && d.c.Turn.Accepted() {
		d.armRetention()
		d.emit(TurnEnded{Through: d.c.Turn.Through})
	}
	if err := d.queue(message); err != nil {
		d.events = nil
		return err
	}
	return nil
}

// botMaySpeak is 0, or why the bot may not.
func (d *decision) botMaySpeak() Code {
	switch {
	case d.c.Column == Intervened, d.cmd.Epoch != 0 && d.cmd.Epoch != d.c.Epoch:
		return CodeBotFenced
	case d.c.Column == History, !d.c.WindowOpen(d.now):
		return CodeWindowClosed
	case d.muted():
		return CodeBotMuted
	}
	return 0
}

func (d *decision) queue(message MessageQueued) error {
	if len(d.c.Sends)+d.queued >= MaxQueuedSends {
		return d.c.refusal(CodeOverloaded)
	}
	if len(d.events) == 0 {
		d.armRetention()
	}
	message.Epoch = max(d.c.Epoch, 1) // a conversation opens in epoch 1
	d.emit(message)
	d.queued++
	return nil
}

func (d *decision) markRead() error {
	if d.c.Column == Intervened && !d.isHolder() {
		return d.c.refusal(CodeNotHolder) // it is the holder's mark
	}
	if err := d.checkEpoch(); err != nil {
		return err
	}
	if d.c.Unread > 0 {
		d.emit(MarkedRead{})
	}
	return nil
}

func (d *decision) addNote(b AddNote) error {
	if n := utf8.RuneCountInString(b.Body); n == 0 || n > MaxNoteRunes || !utf8.ValidString(b.Body) {
		return &Error{Code: CodeInvalid, Field: "body", Problem: "must be valid UTF-8 of 1 to 4096 characters"}
	}
	if err := d.checkEpoch(); err != nil {
		return err
	}
	d.emit(NoteAdded(b))
	return nil
}

func (d *decision) setTags(b SetTags) error {
	tags := slices.Clone(b.Tags)
	slices.Sort(tags)
	tags = slices.Compact(tags)
	if len(tags) == 0 {
		tags = nil // as it reads back from disk
	}
	if len(tags) > MaxTags {
		return &Error{Code: CodeInvalid, Field: "tags", Problem: "must be at most 20"}
	}
	for _, tag := range tags {
		if n := utf8.RuneCountInString(tag); n == 0 || n > MaxTagRunes || !utf8.ValidString(tag) || strings.ContainsAny(tag, "\n\r") {
			return &Error{Code: CodeInvalid, Field: "tags", Problem: "must each be one line of 1 to 64 characters"}
		}
	}
	if err := d.checkEpoch(); err != nil {
		return err
	}
	if !slices.Equal(tags, d.c.Tags) {
		d.emit(Tagged{Tags: tags})
	}
	return nil
}
