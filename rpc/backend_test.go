package rpc

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// memory is a backend of the real engine over maps: nothing in it is durable,
// all of it is decided as in production.
type memory struct {
	policy engine.Policy
	// before is asked first by Do, and answers in its place unless nil.
	before func(engine.ConversationID, engine.Command) error

	mu            sync.Mutex
	conversations map[engine.ConversationID]*engine.Conversation
	events        map[engine.ConversationID][]engine.Event
	changed       chan struct{} // closed and replaced by every change
	rebuilt       int           // how often the board was rebuilt
	watches       int           // that have not returned
	overview      engine.Overview
	made          byte
}

var (
	_ Commands      = (*memory)(nil)
	_ Conversations = (*memory)(nil)
	_ Boards        = (*memory)(nil)
	_ Starter       = (*memory)(nil)
	_ References    = (*memory)(nil)
	_ DeadLetters   = (*memory)(nil)
	_ Identities    = (*memory)(nil)
	_ Overviews     = (*memory)(nil)
)

func newMemory() *memory {
	return &memory{
		conversations: make(map[engine.ConversationID]*engine.Conversation),
		events:        make(map[engine.ConversationID][]engine.Event),
		changed:       make(chan struct{}),
	}
}

// open makes a conversation of ws by a message of its customer.
func (m *memory) open(ws engine.WorkspaceID) engine.ConversationID {
	m.mu.Lock()
	m.made++
	id := engine.NewConversationID(1, [14]byte{m.made, 0xee})
	m.conversations[id] = &engine.Conversation{ID: id}
	m.mu.Unlock()
	m.receive(ws, id, "hello")
	return id
}

func (m *memory) receive(ws engine.WorkspaceID, id engine.ConversationID, text string) {
	m.must(id, engine.Command{
		Workspace: ws, By: engine.Party{Kind: engine.Customer},
		Body: engine.Receive{
			Channel: "main", Contact: engine.Contact{Name: "Nia", WaID: "15550100"},
			External: text, SentAt: engine.InstantOf(time.Now()), Content: engine.Content{Kind: engine.ContentText, Text: text},
		},
	})
}

// move gives commands of the supervisor Sam, such as intervene.
func (m *memory) move(ws engine.WorkspaceID, id engine.ConversationID, bodies ...engine.CommandBody) {
	for _, body := range bodies {
		m.must(id, engine.Command{Workspace: ws, By: engine.Party{Kind: engine.Supervisor, ID: "sam"}, Body: body})
	}
}

func (m *memory) must(id engine.ConversationID, cmd engine.Command) {
	if _, err := m.Do(context.Background(), id, cmd); err != nil {
		panic(err)
	}
}

func (m *memory) Do(ctx context.Context, id engine.ConversationID, cmd engine.Command) (engine.Receipt, error) {
	if m.before != nil {
		if err := m.before(id, cmd); err != nil {
			return engine.Receipt{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return engine.Receipt{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.conversations[id]
	if !ok {
		return engine.Receipt{}, &engine.Error{Code: engine.CodeNotFound}
	}
	if resend, ok := cmd.Body.(engine.ResendMessage); ok {
		cmd.Body = m.known(id, resend)
	}
	events, err := engine.Decide(c, cmd, m.policy, engine.InstantOf(time.Now()))
	for i := range events {
		c.Apply(&events[i])
	}
	m.events[id] = append(m.events[id], events...)
	if len(events) > 0 {
		m.announce()
	}
	if err != nil {
		return engine.Receipt{}, err
	}
	receipt := engine.Receipt{Card: c.Card(), Version: c.Version}
	if first, repeated := c.Outcome(cmd.ID); repeated {
		receipt.Version = first.Version
	}
	return receipt, nil
}

// known fills in what an actor knows of a send.
func (m *memory) known(id engine.ConversationID, resend engine.ResendMessage) engine.ResendMessage {
	events := m.events[id]
	if resend.Send == 0 || resend.Send > uint64(len(events)) {
		return resend
	}
	if queued, ok := events[resend.Send-1].Body.(engine.MessageQueued); ok {
		resend.Content, resend.ReplyTo = queued.Content, queued.ReplyTo
		resend.Known = m.message(id, events[resend.Send-1]).Delivery
	}
	return resend
}

// Begin finds the conversation by the contact's number.
func (m *memory) Begin(ctx context.Context, cmd engine.Command) (engine.ConversationID, engine.Receipt, error) {
	body := cmd.Body.(engine.StartConversation)
	m.mu.Lock()
	var id engine.ConversationID
	for known, c := range m.conversations {
		if c.Channel == body.Channel && c.Contact.WaID == body.Contact.WaID {
			id = known
		}
	}
	if id.IsZero() {
		m.made++
		id = engine.NewConversationID(1, [14]byte{m.made, 0xee})
		m.conversations[id] = &engine.Conversation{ID: id}
	}
	m.mu.Unlock()
	receipt, err := m.Do(ctx, id, cmd)
	return id, receipt, err
}

// ByExternal knows what was sent, as a journal does.
func (m *memory) ByExternal(channel engine.ChannelID, external string) (engine.MessageID, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, events := range m.events {
		for _, e := range events {
			if m.conversations[id].Channel == channel && e.Body.Kind() == engine.KindMessageQueued && m.message(id, e).Delivery.External == external {
				return engine.MessageID{Conversation: id, Version: e.Version}, true, nil
			}
		}
	}
	return engine.MessageID{}, false, nil
}

// ByIdentity knows those who wrote.
func (m *memory) ByIdentity(channel engine.ChannelID, identity engine.Identity) (engine.ConversationID, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, c := range m.conversations {
		if c.Channel == channel && !c.Erased && slices.Contains(c.Contact.Identities(), identity) {
			return id, true, nil
		}
	}
	return engine.ConversationID{}, false, nil
}

// Overview is what a test says.
func (m *memory) Overview(engine.WorkspaceID, engine.Instant) engine.Overview {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.overview
}

func (m *memory) DeadLetters(ws engine.WorkspaceID, after engine.DeadLetter, limit int) ([]engine.DeadLetter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var letters []engine.DeadLetter
	for id, c := range m.conversations {
		for _, e := range m.events[id] {
			d := m.message(id, e).Delivery
			if c.Workspace == ws && (d.State == engine.Rejected || d.State == engine.Failed) && d.ResentAs == 0 {
				letters = append(letters, engine.DeadLetter{At: d.At, Message: engine.MessageID{Conversation: id, Version: e.Version}})
			}
		}
	}
	newestFirst := func(a, b engine.DeadLetter) int {
		return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(a.Message.String(), b.Message.String()))
	}
	slices.SortFunc(letters, newestFirst)
	if after != (engine.DeadLetter{}) {
		letters = slices.DeleteFunc(letters, func(l engine.DeadLetter) bool { return newestFirst(l, after) <= 0 })
	}
	return letters[:min(limit, len(letters))], nil
}

// announce is called with mu held.
func (m *memory) announce() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// rebuild makes every board send a snapshot.
func (m *memory) rebuild() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rebuilt++
	m.announce()
}

func (m *memory) Card(id engine.ConversationID) (engine.Card, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.conversations[id]
	if !ok {
		return engine.Card{}, &engine.Error{Code: engine.CodeNotFound}
	}
	return c.Card(), nil
}

func (m *memory) Messages(id engine.ConversationID, before uint64, limit int) ([]engine.Message, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var messages []engine.Message
	for _, e := range slices.Backward(m.events[id]) {
		if e.IsMessage() && (before == 0 || e.Version < before) && len(messages) < limit {
			messages = append(messages, m.message(id, e))
		}
	}
	return messages, nil
}

func (m *memory) Message(id engine.MessageID) (engine.Message, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	events := m.events[id.Conversation]
	if id.Version == 0 || id.Version > uint64(len(events)) || !events[id.Version-1].IsMessage() {
		return engine.Message{}, &engine.Error{Code: engine.CodeNotFound}
	}
	return m.message(id.Conversation, events[id.Version-1]), nil
}

func (m *memory) message(id engine.ConversationID, e engine.Event) engine.Message {
	message := engine.Message{ID: engine.MessageID{Conversation: id, Version: e.Version}, Event: e}
	if e.Body.Kind() == engine.KindMessageQueued {
		message.Delivery.State = engine.Queued
	}
	for _, later := range m.events[id] {
		switch b := later.Body.(type) {
		case engine.DeliveryChanged:
			if b.Send == e.Version {
				message.Delivery = message.Delivery.Fold(b, later.At)
			}
		case engine.MessageQueued:
			if b.ResendOf == e.Version {
				message.Delivery.ResentAs = later.Version
			}
		case engine.MediaChanged:
			if b.Message == e.Version {
				message.Media = engine.MediaStatus{State: b.State, Blob: b.Blob, Bytes: b.Bytes}
			}
		}
	}
	external := externalOf(&message)
	for _, later := range m.events[id] {
		if b, ok := later.Body.(engine.Amended); ok && external != "" && b.Target == external {
			message.Amended = message.Amended.Fold(b)
		}
	}
	return message
}

func compareRows(column engine.Column) func(a, b engine.BoardRow) int {
	less := engine.BoardLess(column)
	return func(a, b engine.BoardRow) int {
		switch {
		case less(a, b):
			return -1
		case less(b, a):
			return 1
		}
		return 0
	}
}

func (m *memory) BoardPage(ws engine.WorkspaceID, column engine.Column, after engine.BoardRow, limit int) ([]engine.BoardRow, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := m.rows(ws, column, engine.BoardFilter{})
	if !after.Conversation.IsZero() {
		rows = slices.DeleteFunc(rows, func(r engine.BoardRow) bool { return compareRows(column)(r, after) <= 0 })
	}
	return rows[:min(limit, len(rows))], nil
}

func (m *memory) rows(ws engine.WorkspaceID, column engine.Column, f engine.BoardFilter) []engine.BoardRow {
	var rows []engine.BoardRow
	for id, c := range m.conversations {
		i := c.Index()
		if i.Workspace != ws || i.Column != column || !f.Admits(&i) {
			continue
		}
		rows = append(rows, engine.BoardRow{Conversation: id, Index: i})
	}
	slices.SortFunc(rows, compareRows(column))
	return rows
}

func (m *memory) Counters(ws engine.WorkspaceID) []engine.ColumnCounter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counters(ws)
}

func (m *memory) counters(ws engine.WorkspaceID) []engine.ColumnCounter {
	var counters []engine.ColumnCounter
	for _, column := range engine.BoardColumns {
		counter := engine.ColumnCounter{Column: column}
		for _, row := range m.rows(ws, column, engine.BoardFilter{}) {
			counter.Conversations++
			if row.Index.Unread > 0 {
				counter.Unread++
			}
			if at := row.Index.WaitingSince; at != 0 && (counter.OldestWaiting == 0 || at < counter.OldestWaiting) {
				counter.OldestWaiting = at
			}
		}
		counters = append(counters, counter)
	}
	return counters
}

// view is the cards in q's windows.
func (m *memory) view(q *engine.BoardQuery) map[engine.ConversationID]engine.Card {
	cards := make(map[engine.ConversationID]engine.Card)
	for _, column := range q.Columns {
		rows := m.rows(q.Workspace, column, q.Filter)
		for _, row := range rows[:min(q.Window, len(rows))] {
			cards[row.Conversation] = m.conversations[row.Conversation].Card()
		}
	}
	return cards
}

func (m *memory) WatchBoard(ctx context.Context, q engine.BoardQuery, update func(engine.BoardUpdate) error) error {
	m.mu.Lock()
	m.watches++
	var known map[engine.ConversationID]uint64
	snapshot, rebuilt := true, m.rebuilt
	m.mu.Unlock()
	defer m.watchEnded()
	for {
		m.mu.Lock()
		changed := m.changed
		u := engine.BoardUpdate{Snapshot: snapshot || m.rebuilt != rebuilt, Counters: m.counters(q.Workspace)}
		rebuilt = m.rebuilt
		view := m.view(&q)
		for id, card := range view {
			if version, ok := known[id]; u.Snapshot || !ok || version < card.Version {
				u.Upserts = append(u.Upserts, card)
			}
		}
		for id := range known {
			if _, ok := view[id]; !ok && !u.Snapshot {
				u.Removed = append(u.Removed, engine.BoardRemoval{Conversation: id, Version: m.conversations[id].Version})
			}
		}
		m.mu.Unlock()
		if err := update(u); err != nil {
			return err
		}
		snapshot, known = false, make(map[engine.ConversationID]uint64)
		for id, card := range view {
			known[id] = card.Version
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *memory) watchEnded() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watches--
}

func (m *memory) watching() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.watches
}

func (m *memory) WatchConversation(ctx context.Context, ws engine.WorkspaceID, id engine.ConversationID, after uint64,
	update func(engine.Card, []engine.Event) error,
) error {
	m.mu.Lock()
	m.watches++
	m.mu.Unlock()
	defer m.watchEnded()
	for first := true; ; first = false {
		m.mu.Lock()
		c, changed := m.conversations[id], m.changed
		if c == nil || c.Workspace != ws {
			m.mu.Unlock()
			return &engine.Error{Code: engine.CodeNotFound}
		}
		card, events := c.Card(), slices.Clone(m.events[id][after:])
		m.mu.Unlock()
		after += uint64(len(events))
		if first || len(events) > 0 {
			if err := update(card, events); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
