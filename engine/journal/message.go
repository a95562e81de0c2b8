package journal

import (
	"slices"

	"github.com/intervenehq/intervene/engine"
)

// messageStride is how many events are looked through at once for a page of
// messages, per message that is asked for: sends bring their deliveries along.
const messageStride = 4

// Messages are the conversation's newest messages before a version, at most
// limit, newest first, each with how far it has come; before 0 begins with the
// newest of all.
func (j *Journal) Messages(id engine.ConversationID, before uint64, limit int) ([]engine.Message, error) {
	if err := j.enter(); err != nil {
		return nil, err
	}
	defer j.leave()
	h, found, err := j.head(id)
	if err != nil || !found {
		return nil, err
	}
	messages, err := j.messagesBefore(id, h, before, pageLimit(limit))
	if again, h := j.trimmedSince(id, h, err); again {
		messages, err = j.messagesBefore(id, h, before, pageLimit(limit))
	}
	if err == nil {
		err = j.settleMessages(id)
	}
	if err != nil {
		return nil, err
	}
	return messages, nil
}

func (j *Journal) messagesBefore(id engine.ConversationID, h head, before uint64, limit int) (messages []engine.Message, err error) {
	until, gone := h.version, h.oldest-1
	if before != 0 {
		until = min(until, before-1)
	}
	for stride := uint64(limit) * messageStride; until > gone && len(messages) < limit; {
		from := max(until-min(until, stride), gone)
		if messages, err = j.messagesBetween(id, from, until, limit, messages); err != nil {
			return nil, err
		}
		until = from
	}
	return messages, j.join(messages)
}

// messagesBetween adds to messages, newest first and up to limit, those after
// one version up to another. It reads forwards, which is faster.
func (j *Journal) messagesBetween(id engine.ConversationID, after, until uint64, limit int, messages []engine.Message) ([]engine.Message, error) {
	var found []engine.Message
	next := after + 1
	lower := conversationKey(nil, spaceConversation, id, next)
	upper := conversationKey(nil, spaceConversation, id, until+1)
	err := scan(j.db, lower, upper, func(key, value []byte) (bool, error) {
		version := conversationKeyNumber(key)
		if version != next {
			return false, corrupt("messages: got version %d, want %d", version, next)
		}
		next++
		kind, err := eventKind(value)
		if err != nil {
			return false, err
		}
		if kind != engine.KindMessageReceived && kind != engine.KindMessageQueued && kind != engine.KindEchoReceived {
			return true, nil
		}
		e, _, err := decodeEvent(version, value)
		found = append(found, engine.Message{ID: engine.MessageID{Conversation: id, Version: version}, Event: e})
		return true, err
	})
	if err == nil && next != until+1 {
		err = corrupt("messages: the last version is %d, want %d", next-1, until)
	}
	if err != nil {
		return nil, err
	}
	found = found[max(0, len(found)-(limit-len(messages))):]
	slices.Reverse(found)
	return append(messages, found...), nil
}

// join adds to messages of one conversation what other events say of them.
func (j *Journal) join(messages []engine.Message) error {
	if len(messages) == 0 {
		return nil
	}
	amended, err := readAmended(j.db, messages[0].ID.Conversation)
	if err != nil {
		return err
	}
	for i := range messages {
		if err := j.joinOne(&messages[i], &amended); err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) joinOne(m *engine.Message, amended *amendedPage) (err error) {
	var external string
	switch b := m.Event.Body.(type) {
	case engine.MessageQueued:
		if err := j.addDelivery(m); err != nil {
			return err
		}
		external = m.Delivery.External
	case engine.MessageReceived:
		if err := j.addMedia(m, &b.Content); err != nil {
			return err
		}
		external = b.External
	case engine.EchoReceived:
		if err := j.addMedia(m, &b.Content); err != nil {
			return err
		}
		external = b.External
	}
	m.Amended, err = amended.of(j.db, m.ID.Conversation, external)
	return err
}

// addMedia adds how far the file of a message that came has got. One that
// nothing was heard of yet is pending.
func (j *Journal) addMedia(m *engine.Message, c *engine.Content) error {
	if !c.HasFile() {
		return nil
	}
	m.Media.State = engine.MediaPending
	_, err := get(j.db, conversationKey(nil, spaceMedia, m.ID.Conversation, m.ID.Version), func(value []byte) (err error) {
		m.Media, err = decodeMediaStatus(value)
		return err
	})
	return err
}

// addDelivery adds to a message of ours how far it has come. One that nothing
// was heard of yet is queued.
func (j *Journal) addDelivery(m *engine.Message) error {
	delivery, err := j.readDelivery(m.ID)
	if err != nil {
		return err
	}
	if delivery.State == 0 {
		delivery = engine.Delivery{State: engine.Queued, At: m.Event.At}
	}
	m.Delivery = delivery
	return nil
}

// settleMessages waits until what was read of the conversation is durable.
func (j *Journal) settleMessages(id engine.ConversationID) error {
	_, _, err := j.settledHead(id)
	return err
}

// Message is one message with how far it has come.
func (j *Journal) Message(id engine.MessageID) (engine.Message, error) {
	if err := j.enter(); err != nil {
		return engine.Message{}, err
	}
	defer j.leave()
	m := engine.Message{ID: id}
	found, err := get(j.db, conversationKey(nil, spaceConversation, id.Conversation, id.Version), func(value []byte) (err error) {
		if id.Version != headVersion {
			m.Event, _, err = decodeEvent(id.Version, value)
		}
		return err
	})
	if err == nil && (!found || m.Event.Body == nil || !m.Event.IsMessage()) {
		err = &engine.Error{Code: engine.CodeNotFound}
	}
	if err == nil {
		err = j.joinOne(&m, &amendedPage{}) // it asks for the one
	}
	if err == nil {
		err = j.settleMessages(id.Conversation)
	}
	if err != nil {
		return engine.Message{}, err
	}
	return m, nil
}

// Delivery is how far a send has come; zero when nothing was heard of it.
func (j *Journal) Delivery(id engine.MessageID) (engine.Delivery, error) {
	if err := j.enter(); err != nil {
		return engine.Delivery{}, err
	}
	defer j.leave()
	delivery, err := j.readDelivery(id)
	if err == nil && delivery.State != 0 {
		err = j.settleMessages(id.Conversation)
	}
	if err != nil {
		return engine.Delivery{}, err
	}
	return delivery, nil
}

func (j *Journal) readDelivery(id engine.MessageID) (d engine.Delivery, err error) {
	var key [1 + idBytes + 8]byte
	_, err = get(j.db, conversationKey(key[:0], spaceDelivery, id.Conversation, id.Version), func(value []byte) (err error) {
		d, err = decodeDelivery(value)
		return err
	})
	return d, err
}
