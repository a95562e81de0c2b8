package journal_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

// TestRowsFollowFromEvents gives random commands to a few conversations, with
// reopening and expiry between, and derives everything anew: what appends wrote
// step by step is what the events make.
func TestRowsFollowFromEvents(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		fs := vfs.NewMem()
		m := &machine{fs: fs, options: testOptions(t, fs), now: journaltest.Start}
		m.open(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"receive": m.receive,
			"command": m.command,
			"deliver": m.deliver,
			"amend":   m.amend,
			"media":   m.media,
			"resend":  m.resend,
			"trim":    m.trim,
			"erase":   m.erase,
			"early":   m.early,
			"pass":    m.pass,
			"reopen":  m.reopen,
			"expire":  m.expire,
		})
		m.verify(rt)
	})
}

// machine is a journal with the conversations that were written to it.
type machine struct {
	fs      vfs.FS
	options journal.Options
	journal *journal.Journal
	writers []*journaltest.Writer
	now     engine.Instant
	items   int
}

func (m *machine) open(t *rapid.T) {
	j, err := journal.Open(dir, m.options)
	if err != nil {
		t.Fatalf("open: got error %v, want none", err)
	}
	m.journal = j
	for _, w := range m.writers {
		w.Journal = j
	}
}

func (m *machine) close(t *rapid.T) {
	if err := m.journal.Close(); err != nil {
		t.Fatalf("close: got error %v, want none", err)
	}
}

// give gives w a command; what the engine refuses is no matter here.
func (m *machine) give(t *rapid.T, w *journaltest.Writer, cmd engine.Command) {
	w.Now, cmd.Workspace = m.now, w.Workspace
	a, _ := w.Prepare(cmd)
	if len(a.Events) == 0 {
		return
	}
	if _, err := w.Commit(a); err != nil {
		t.Fatalf("append %T: got error %v, want none", cmd.Body, err)
	}
}

func (m *machine) writer(t *rapid.T) *journaltest.Writer {
	if len(m.writers) == 0 || len(m.writers) < 4 && rapid.Bool().Draw(t, "new") {
		w := journaltest.NewWriter(m.journal, uint64(len(m.writers)))
		m.writers = append(m.writers, w)
		return w
	}
	return m.writers[rapid.IntRange(0, len(m.writers)-1).Draw(t, "writer")]
}

func (m *machine) receive(t *rapid.T) {
	w := m.writer(t)
	if rapid.IntRange(0, 9).Draw(t, "contact") == 0 {
		w.Contact.UserID = "US." + w.Conversation.ID.String()
		w.Contact.Name = fmt.Sprintf("name %d", m.items)
	}
	m.items++
	age := rapid.SampledFrom([]time.Duration{0, 0, 0, time.Hour, 2 * day, 10 * day, -time.Hour, -10 * day}).Draw(t, "age")
	m.give(t, w, engine.Command{By: journaltest.Customer, Body: engine.Receive{
		Channel: w.Channel, Contact: w.Contact, External: fmt.Sprintf("wamid.%d", m.items),
		SentAt: m.now.Add(-age), Content: journaltest.Text("hello"),
	}})
}

func (m *machine) command(t *rapid.T) {
	w := m.writer(t)
	turn := w.Conversation.Turn
	say := []engine.Content{journaltest.Text("one"), journaltest.Text("two")}
	cmd := rapid.SampledFrom([]engine.Command{
		{By: journaltest.Bot, Epoch: w.Conversation.Epoch, Body: engine.AnswerTurn{From: turn.From, Through: w.Conversation.Version, Say: say}},
		{By: journaltest.Bot, Epoch: w.Conversation.Epoch, Body: engine.AnswerTurn{
			From: turn.From, Through: w.Conversation.Version, Say: say[:1], Request: true, Variables: []engine.Variable{{Name: "n", Value: "v"}},
		}},
		{By: journaltest.Engine, Epoch: w.Conversation.Epoch, Body: engine.FailTurn{From: turn.From, Through: w.Conversation.Version}},
		{By: journaltest.Bot, Body: engine.RequestAgent{Reason: "please"}},
		{By: journaltest.Bot, Body: engine.WithdrawRequest{}},
		{By: journaltest.Bot, Body: engine.SendMessage{Content: say[0]}},
		{By: journaltest.Agent, Body: engine.Intervene{}},
		{By: journaltest.Agent, Body: engine.SendMessage{Content: say[0]}},
		{By: journaltest.Agent, Body: engine.Transfer{To: "bela"}},
		{By: journaltest.Agent, Body: engine.MarkRead{}},
		{By: journaltest.Agent, Body: engine.AddNote{Body: "note"}},
		{By: journaltest.Agent, Body: engine.SetTags{Tags: []string{"a"}}},
		{By: journaltest.Agent, Body: engine.SetTags{}},
		{By: journaltest.Supervisor, Body: engine.TakeOver{}},
		{By: journaltest.Supervisor, Body: engine.Resolve{}},
		{By: journaltest.Engine, Body: engine.FireTimer{Timer: engine.DueWindow}},
		{By: journaltest.Engine, Body: engine.FireTimer{Timer: engine.DueAutoResolve}},
	}).Draw(t, "command")
	if rapid.Bool().Draw(t, "named") {
		m.items++
		cmd.ID, cmd.Digest = engine.CommandID{byte(m.items), byte(m.items >> 8), 1}, engine.Digest{1}
	}
	m.give(t, w, cmd)
}

func (m *machine) deliver(t *rapid.T) {
	w := m.writer(t)
	m.give(t, w, engine.Command{By: journaltest.Engine, Body: engine.AttemptSend{}})
	if len(w.Conversation.Sends) == 0 || w.Conversation.Sends[0].State != engine.Attempted {
		return
	}
	send := w.Conversation.Sends[0]
	id := engine.MessageID{Conversation: w.Conversation.ID, Version: send.Version}
	known, err := m.journal.Delivery(id)
	if err != nil {
		t.Fatalf("delivery: got error %v, want none", err)
	}
	state := rapid.SampledFrom([]engine.DeliveryState{engine.Accepted, engine.Rejected, engine.Unknown, engine.Queued}).Draw(t, "outcome")
	result := engine.AttemptResult{State: state}
	if state == engine.Accepted {
		result.External = "wamid.out." + id.String()
	}
	m.give(t, w, engine.Command{By: journaltest.Engine, Body: engine.RecordAttempt{
		Send: send.Version, Attempt: send.Attempt, Result: result, Known: known,
	}})
	if known, err = m.journal.Delivery(id); err != nil {
		t.Fatalf("delivery: got error %v, want none", err)
	}
	status := rapid.SampledFrom([]engine.DeliveryState{engine.Sent, engine.Delivered, engine.Read, engine.Failed}).Draw(t, "status")
	m.give(t, w, engine.Command{By: journaltest.Engine, Body: engine.RecordStatus{
		Send: send.Version, State: status, External: "wamid.out." + id.String(), Known: known,
	}})
}

// make appends events of the given bodies to w, if it was ever written to.
func (m *machine) make(t *rapid.T, w *journaltest.Writer, bodies ...engine.Body) {
	if !w.Conversation.Exists() || w.Conversation.Erased {
		return
	}
	var events []engine.Event
	for i, b := range bodies {
		at := max(m.now, w.Conversation.Updated)
		events = append(events, engine.Event{Version: w.Conversation.Version + uint64(i) + 1, At: at, By: journaltest.Engine, Body: b})
	}
	if _, err := w.Commit(w.AppendOf(events...)); err != nil {
		t.Fatalf("append %T: got error %v, want none", bodies[0], err)
	}
}

// target is an item that may have come, may come, or is one of ours.
func (m *machine) target(t *rapid.T, w *journaltest.Writer) string {
	if rapid.Bool().Draw(t, "ours") {
		version := rapid.Uint64Range(1, w.Conversation.Version+1).Draw(t, "send")
		return "wamid.out." + engine.MessageID{Conversation: w.Conversation.ID, Version: version}.String()
	}
	return fmt.Sprintf("wamid.%d", rapid.IntRange(1, m.items+3).Draw(t, "target"))
}

func (m *machine) amend(t *rapid.T) {
	w := m.writer(t)
	m.items++
	m.make(t, w, engine.Amended{
		External: fmt.Sprintf("wamid.a%d", m.items), SentAt: m.now, Target: m.target(t, w),
		What:    rapid.SampledFrom([]engine.Amendment{engine.Reacted, engine.Edited, engine.Revoked}).Draw(t, "what"),
		Content: journaltest.Text("amended"),
	})
}

func (m *machine) media(t *rapid.T) {
	w := m.writer(t)
	m.items++
	m.make(t, w,
		engine.EchoReceived{External: fmt.Sprintf("wamid.%d", m.items), SentAt: m.now, Content: engine.Content{
			Kind: engine.ContentImage, Media: &engine.Media{ID: "id"},
		}},
		engine.MediaChanged{
			Message: rapid.Uint64Range(1, w.Conversation.Version+1).Draw(t, "message"),
			State:   rapid.SampledFrom([]engine.MediaState{engine.MediaPending, engine.MediaStored, engine.MediaFailed}).Draw(t, "state"),
		})
}

func (m *machine) resend(t *rapid.T) {
	w := m.writer(t)
	m.make(t, w, engine.MessageQueued{
		Content: journaltest.Text("again"), ResendOf: rapid.Uint64Range(0, w.Conversation.Version).Draw(t, "send"),
	})
}

func (m *machine) trim(t *rapid.T) {
	w := m.writer(t)
	oldest := rapid.Uint64Range(1, w.Conversation.Version+1).Draw(t, "oldest")
	if rapid.Bool().Draw(t, "alone") {
		m.make(t, w, engine.Trimmed{OldestKept: oldest})
	} else {
		m.make(t, w, engine.Trimmed{OldestKept: oldest}, engine.TimerArmed{Timer: engine.DueRetention, At: m.now.Add(day)})
	}
}

// erase is seldom: nothing follows on it. The contact begins anew.
func (m *machine) erase(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "erase") != 0 {
		return
	}
	w := m.writer(t)
	if w.Conversation.Erased {
		return // its contact has begun anew already
	}
	m.make(t, w, engine.Erased{})
	if !w.Conversation.Erased {
		return
	}
	anew := journaltest.NewWriter(m.journal, uint64(len(m.writers)))
	anew.Contact = w.Contact
	m.writers = append(m.writers, anew)
}

func (m *machine) early(t *rapid.T) {
	_, _, err := m.journal.ParkStatus(engine.Inbound{Channel: journaltest.Channel, Status: &engine.Status{
		External: fmt.Sprintf("wamid.early.%d", rapid.IntRange(0, 3).Draw(t, "early")), State: engine.Sent, At: m.now,
	}})
	if err != nil {
		t.Fatalf("park status: got error %v, want none", err)
	}
}

func (m *machine) pass(t *rapid.T) {
	m.now = m.now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour, 25 * time.Hour, 9 * day, 31 * day}).Draw(t, "time"))
}

func (m *machine) reopen(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "reopen") != 0 {
		return
	}
	m.close(t)
	m.open(t)
	for _, w := range m.writers {
		c, err := m.journal.Load(w.Conversation.ID)
		if err != nil {
			t.Fatalf("load: got error %v, want none", err)
		}
		if diff := cmp.Diff(w.Conversation.Card(), c.Card()); diff != "" {
			t.Fatalf("load: got another card than wanted (-want +got):\n%s", diff)
		}
		w.Conversation = c
	}
}

func (m *machine) expire(t *rapid.T) {
	if err := m.journal.Expire(m.now); err != nil {
		t.Fatalf("expire: got error %v, want none", err)
	}
}

func (m *machine) verify(t *rapid.T) {
	m.close(t)
	report, err := journal.Verify(dir, m.fs)
	if err != nil {
		t.Fatalf("verify: got error %v, want none", err)
	}
	for _, f := range report.Findings {
		t.Errorf("verify: got %s, want no difference", f)
	}
}
