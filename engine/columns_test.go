package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/intervenehq/intervene/engine"
)

// TestColumns asks the engine for every cell of the design's column table, for
// every party, and compares with testdata/columns.txt.
func TestColumns(t *testing.T) {
	datadriven.RunTest(t, "testdata/columns.txt", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "design":
			return table(t, designTriggers, engine.Party{})
		case "party":
			var name string
			d.ScanArgs(t, "name", &name)
			return table(t, partyTriggers, parties[name])
		}
		t.Fatalf("got directive %q, want design or party", d.Cmd)
		return ""
	})
}

// A place is a row of the table: where a conversation stands. In all of them
// the bot has answered and sent everything, and what people see holds one
// unread message.
type place struct {
	name  string
	reach func(w *world)
}

var places = []place{
	{"none", func(*world) {}},
	{"History", func(w *world) { reachActive(w); lapse(w) }},
	{"Active", reachActive},
	{"Active, with takeover_from_active", func(w *world) { w.policy.TakeoverFromActive = true; reachActive(w) }},
	{"Active, window closed", func(w *world) { reachActive(w); w.advance(engine.Window) }},
	{"Requesting", reachRequesting},
	{"Requesting, window closed", func(w *world) { reachRequesting(w); w.advance(engine.Window) }},
	{"Intervened(asha)", reachIntervened},
	{"Intervened(asha), window closed", func(w *world) { reachIntervened(w); w.advance(engine.Window) }},
}

func reachActive(w *world) {
	w.mustDo(customer, w.writes("hi", 0))
	w.must(w.answers())
}

func reachRequesting(w *world) {
	reachActive(w)
	w.mustDo(bot, engine.RequestAgent{})
	w.mustDo(customer, w.writes("hello?", 0))
	w.must(w.answers())
}

func reachIntervened(w *world) {
	reachRequesting(w)
	w.mustDo(asha, engine.Intervene{})
}

func lapse(w *world) {
	w.advance(engine.Window)
	w.mustDo(courier, engine.FireTimer{Timer: engine.DueWindow})
}

// A columnTrigger is a column of the table: what somebody does.
type columnTrigger struct {
	name string
	by   engine.Party // of designTriggers alone
	body func(w *world) engine.CommandBody
}

var designTriggers = []columnTrigger{
	{"customer writes", customer, func(w *world) engine.CommandBody { return w.writes("hello", 0) }},
	{"writes, too late", customer, func(w *world) engine.CommandBody { return w.writes("hello", engine.Window) }},
	{"bot speaks", bot, always(engine.SendMessage{Content: textOf("hello")})},
	{"request agent", bot, always(engine.RequestAgent{})},
	{"intervene by asha", asha, always(engine.Intervene{})},
	{"intervene by ravi", ravi, always(engine.Intervene{})},
	{"asha speaks", asha, always(engine.SendMessage{Content: textOf("hello")})},
	{"ravi speaks", ravi, always(engine.SendMessage{Content: textOf("hello")})},
	{"resolve by asha", asha, always(engine.Resolve{})},
	{"window lapses", courier, func(w *world) engine.CommandBody {
		w.advance(engine.Window)
		return engine.FireTimer{Timer: engine.DueWindow}
	}},
	{"idle for 24 h", courier, func(w *world) engine.CommandBody {
		w.advance(24 * time.Hour)
		return engine.FireTimer{Timer: engine.DueAutoResolve}
	}},
}

var partyTriggers = []columnTrigger{
	{name: "speak", body: always(engine.SendMessage{Content: textOf("hello")})},
	{name: "request agent", body: always(engine.RequestAgent{})},
	{name: "withdraw", body: always(engine.WithdrawRequest{})},
	{name: "intervene", body: always(engine.Intervene{})},
	{name: "take over", body: always(engine.TakeOver{})},
	{name: "transfer to ravi", body: always(engine.Transfer{To: ravi.ID})},
	{name: "resolve", body: always(engine.Resolve{})},
	{name: "mark read", body: always(engine.MarkRead{})},
	{name: "note", body: always(engine.AddNote{Body: "seen"})},
	{name: "tag", body: always(engine.SetTags{Tags: []string{"vip"}})},
}

func always(body engine.CommandBody) func(*world) engine.CommandBody {
	return func(*world) engine.CommandBody { return body }
}

// table asks every trigger at every place; by gives those without a party.
func table(t *testing.T, triggers []columnTrigger, by engine.Party) string {
	t.Helper()
	rows := [][]string{{"now"}}
	for _, trigger := range triggers {
		rows[0] = append(rows[0], trigger.name)
	}
	for _, place := range places {
		row := []string{place.name}
		for _, trigger := range triggers {
			w := newWorld(t)
			place.reach(w)
			cmd := engine.Command{By: by, Body: trigger.body(w)}
			if trigger.by.Kind != 0 {
				cmd.By = trigger.by
			}
			before := w.c.Clone()
			events, err := w.do(cmd)
			row = append(row, cell(&before, &w.c, events, err))
		}
		rows = append(rows, row)
	}
	return markdown(rows)
}

// cell says in the design's words what a trigger did.
func cell(before, after *engine.Conversation, events []engine.Event, err error) string {
	var said []string
	say := func(when bool, format string, args ...any) {
		if when {
			said = append(said, fmt.Sprintf(format, args...))
		}
	}
	if e, refused := errors.AsType[*engine.Error](err); refused {
		say(true, "refused: %s", e.Code)
		say(e.Code == engine.CodeHeldByOther, "told %s and epoch %d", e.Holder, e.Epoch)
	}
	say(after.Column != before.Column || after.Holder != before.Holder, "%s", standing(after))
	say(after.Column != before.Column && after.Cause != before.Cause, "cause %s", after.Cause)
	say(before.Exists() && after.Epoch != before.Epoch, "epoch+%d", after.Epoch-before.Epoch)
	say(after.Unread > before.Unread, "unread+%d", after.Unread-before.Unread)
	say(after.Unread < before.Unread && after.Column.OnBoard() && after.Column != engine.Active, "read")
	say(after.Turn.Message != before.Turn.Message && after.Turn.Message != 0, "turn owed")
	say(after.Turn.Returned != before.Turn.Returned && after.Turn.Returned != 0, "returned turn owed")
	say(after.WindowMarked && !before.WindowMarked, "marked window closed")
	if len(said) == 0 && len(events) == 0 {
		return "no-op"
	}
	for _, e := range events {
		switch b := e.Body.(type) {
		case engine.MessageQueued:
			say(true, "sent")
		case engine.BotDiscarded:
			say(true, "kept as discarded")
		case engine.NoteAdded:
			say(true, "noted")
		case engine.Tagged:
			say(true, "tagged")
		case engine.TimerArmed:
			say(true, "%s looked at again", b.Timer)
		}
	}
	return strings.Join(said, ", ")
}

func standing(c *engine.Conversation) string {
	name := c.Column.String()
	name = strings.ToUpper(name[:1]) + name[1:]
	if c.Holder != "" {
		name += "(" + string(c.Holder) + ")"
	}
	return name
}

// markdown sets rows, the first of which is the heading, as a table.
func markdown(rows [][]string) string {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, text := range row {
			width[i] = max(width[i], len(text))
		}
	}
	var out strings.Builder
	line := func(row []string, fill string) {
		for i, text := range row {
			out.WriteString("| " + text + strings.Repeat(fill, width[i]-len(text)) + " ")
		}
		out.WriteString("|\n")
	}
	line(rows[0], " ")
	line(make([]string, len(width)), "-")
	for _, row := range rows[1:] {
		line(row, " ")
	}
	return out.String()
}
