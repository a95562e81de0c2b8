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
