package engine_test

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/intervenehq/intervene/engine"
)

// TestGuarantees plays random sequences of everybody's commands against the
// engine and the model, and replays each log in the end.
func TestGuarantees(t *testing.T) {
	for round := range 5 { // rapid's own count is a flag of the whole binary
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				p := newPlayers(t)
				if draw(t, "opened", true, true, true, false) {
					p.customerWrites(t)
				}
				for range evenly(200).Draw(t, "steps") {
					p.move(t)
				}
				p.drain(t)
				p.replay(t)
			})
		})
	}
}

// players are all who give commands to one conversation, at random.
type players struct {
	*world
	model *model
	asked []engine.TurnRequest
	given []engine.Command // those with an ID
	ids   uint64
}

func newPlayers(t *rapid.T) *players {
	w := newWorld(t)
	w.policy = engine.Policy{
		TakeoverFromActive: rapid.Bool().Draw(t, "takeover_from_active"),
		AutoResolveAfter:   draw(t, "auto_resolve_after", 24*time.Hour, time.Hour, 0),
		WriteFirst:         rapid.Bool().Draw(t, "write_first"),
		OutsideSilence:     draw(t, "outside_silence", 0, time.Minute, 12*time.Hour),
		Retention:          draw(t, "retention", 0, 0, 72*time.Hour),
		BotUnavailable:     draw(t, "bot_unavailable", "", "a person comes"),
	}
	return &players{world: w, model: newModel(w)}
}

// give gives cmd to the engine and to the model.
func (p *players) give(cmd engine.Command) {
	p.t.Helper()
	due := p.c.Index()
	events, err := p.do(cmd)
	p.model.step(cmd, events, err, p.now, due)
	p.model.agrees(&p.c)
	if p.policy.AutoResolveAfter > 0 && p.c.Column == engine.Intervened && p.c.AutoResolveTimer == 0 {
		p.t.Fatalf("got no auto-resolve timer in intervened, want one")
	}
	if !cmd.ID.IsZero() {
		p.given = append(p.given, cmd)
	}
}

// plays are weighed: what leads somewhere comes more often.
var plays = []struct {
	weight int
	play   func(*players, *rapid.T)
}{
	{6, (*players).customerWrites},
	{5, (*players).botIsAsked},
	{5, (*players).botAnswers},
	{1, (*players).botFails},
	{3, (*players).botAccepts},
	{5, (*players).somebodySpeaks},
	{8, (*players).somebodyActs},
	{7, (*players).courierAttempts},
	{6, (*players).courierReports},
	{4, (*players).platformReports},
	{5, (*players).timePasses},
	{2, (*players).timerFires},
	{2, (*players).drain},
	{3, (*players).commandIsRepeated},
	{3, (*players).customerAmends},
	{2, (*players).outsiderWrites},
	{2, (*players).customerChooses},
	{2, (*players).contactChanges},
	{3, (*players).businessWritesFirst},
	{2, (*players).somebodyResends},
	{3, (*players).fileComes},
	{1, (*players).everythingIsErased},
}

func (p *players) move(t *rapid.T) {
	total := 0
	for _, play := range plays {
		total += play.weight
	}
	n := evenly(total).Draw(t, "play")
	for _, play := range plays {
		if n -= play.weight; n < 0 {
			play.play(p, t)
			return
		}
	}
}

// evenly draws from 0 to n-1. Rapid's own ranges lean so far to the small ones
// that what stands last is hardly ever played.
func evenly(n int) *rapid.Generator[int] {
	return rapid.Custom(func(t *rapid.T) int {
		bits := 0
		for range 12 {
			bits *= 2
			if rapid.Bool().Draw(t, "bit") {
				bits++
			}
		}
		return bits % n
	})
}

func draw[T any](t *rapid.T, name string, from ...T) T {
	return from[evenly(len(from)).Draw(t, name)]
}

func (p *players) customerWrites(t *rapid.T) {
	ago := draw(t, "ago", 0, 0, 0, time.Hour, 23*time.Hour, 24*time.Hour, 30*time.Hour, -time.Hour)
	b := p.writes("hi", ago)
	b.Contact.Name = draw(t, "name", "", "Meera", "Meera K")
	b.Consent = draw(t, "consent", 0, 0, 0, engine.Stop, engine.Resume)
	if draw(t, "file", false, false, true) {
		b.Content = fileOf("hi")
	}
	p.give(engine.Command{Workspace: workspace, By: customer, Body: b})
}

func (p *players) botIsAsked(*rapid.T) {
	if p.c.Turn.Owed() {
		p.asked = append(p.asked, p.owed())
	}
}

// turn is one that the bot was asked: mostly the newest, now and then one of
// long ago.
func (p *players) turn(t *rapid.T) (engine.TurnRequest, bool) {
	if len(p.asked) == 0 {
		return engine.TurnRequest{}, false
	}
	if draw(t, "newest", true, true, true, false) {
		return p.asked[len(p.asked)-1], true
	}
	return draw(t, "turn", p.asked...), true
}

func (p *players) botAnswers(t *rapid.T) {
	if draw(t, "asked just now", true, false) {
		p.botIsAsked(t)
	}
	request, ok := p.turn(t)
	if !ok {
		return
	}
	a := engine.TurnAnswer{
		Request: draw(t, "request", false, false, true), Withdraw: draw(t, "withdraw", false, false, true), Summary: draw(t, "summary", "", "in short"),
		Variables: draw[[]engine.Variable](t, "variables", nil, []engine.Variable{}, []engine.Variable{{Name: "misses", Value: "1"}}),
	}
	if a.Request {
		a.Withdraw = false
	}
	a.Repeatable = rapid.Bool().Draw(t, "repeatable")
	for range evenly(4).Draw(t, "say") {
		a.Say = append(a.Say, textOf("hello"))
	}
	p.give(p.named(t, request.Command(request.Answer(a))))
}

func (p *players) botFails(t *rapid.T) {
	if request, ok := p.turn(t); ok {
		p.give(request.Command(engine.FailTurn{From: request.ID.Version, Through: request.Through}))
	}
}

func (p *players) botAccepts(t *rapid.T) {
	if request, ok := p.turn(t); ok {
		p.give(request.Command(request.Accept(engine.TurnAnswer{Within: draw(t, "within", 0, time.Second, time.Hour)})))
	}
}

func (p *players) somebodySpeaks(t *rapid.T) {
	holder := bot
	if p.c.Holder != "" {
		holder = parties[string(p.c.Holder)]
	}
	by := draw(t, "by", holder, holder, holder, bot, asha, ravi, sita, customer)
	content := draw(t, "content", textOf("hello"), textOf("hello"), templateOf("sale", engine.Marketing), templateOf("order", engine.Utility), templateOf("old", ""))
	p.give(p.command(t, by, engine.SendMessage{
		Content: content, Repeatable: rapid.Bool().Draw(t, "repeatable"), Answers: rapid.Bool().Draw(t, "answers"),
	}))
}

func (p *players) somebodyActs(t *rapid.T) {
	by := draw(t, "by", asha, asha, ravi, ravi, sita, bot, customer)
	body := draw[engine.CommandBody](t, "body",
		engine.RequestAgent{Reason: "billing"}, engine.RequestAgent{}, engine.Intervene{}, engine.Intervene{}, engine.Intervene{},
		engine.Resolve{}, engine.Resolve{}, engine.TakeOver{}, engine.Transfer{To: ravi.ID}, engine.Transfer{To: asha.ID},
		engine.WithdrawRequest{}, engine.MarkRead{}, engine.AddNote{Body: "seen"},
		engine.SetTags{Tags: []string{"vip", "billing"}}, engine.SetTags{},
	)
	p.give(p.command(t, by, body))
}

// command says, or says not, in which epoch it was given.
func (p *players) command(t *rapid.T, by engine.Party, body engine.CommandBody) engine.Command {
	cmd := engine.Command{Workspace: workspace, By: by, Body: body}
	switch draw(t, "epoch", "none", "none", "now", "before") {
	case "now":
		cmd.Epoch = p.c.Epoch
	case "before":
		cmd.Epoch = max(p.c.Epoch, 1) - 1
	}
	return p.named(t, cmd)
}

// named gives cmd an ID of its own, or none.
func (p *players) named(t *rapid.T, cmd engine.Command) engine.Command {
	if draw(t, "named", true, true, false) {
		p.ids++
		binary.BigEndian.PutUint64(cmd.ID[:], p.ids)
		cmd.Digest[0] = 1
	}
	return cmd
}

func (p *players) courierAttempts(t *rapid.T) {
	if wait := p.c.SendDue().Sub(p.now); wait > 0 && draw(t, "when it is due", true, false) {
		p.advance(wait)
	}
	p.give(engine.Command{Workspace: workspace, By: courier, Body: engine.AttemptSend{}})
	if draw(t, "answered at once", true, false) {
		p.courierReports(t)
	}
}

func (p *players) courierReports(t *rapid.T) {
	send := p.send(t)
	b := engine.RecordAttempt{
		Send: send, Attempt: p.known[send].Attempt, Known: p.known[send],
		Result: engine.AttemptResult{
			State: draw(t, "state", engine.Accepted, engine.Accepted, engine.Queued, engine.Rejected, engine.Unknown), External: "w",
		},
	}
	if b.Result.State == engine.Queued {
		b.Result.RetryAt = p.now.Add(draw(t, "retry", 0, time.Second, time.Minute))
		b.Result.Held = draw(t, "held", false, false, true)
	}
	if draw(t, "of the attempt before", false, false, false, true) {
		b.Attempt = max(b.Attempt, 1) - 1
	}
	p.give(engine.Command{Workspace: workspace, By: courier, Body: b})
}

func (p *players) platformReports(t *rapid.T) {
	send := p.send(t)
	b := engine.RecordStatus{
		Send: send, Known: p.known[send], External: "w",
		State: draw(t, "state", engine.Sent, engine.Delivered, engine.Read, engine.Played, engine.Failed),
	}
	p.give(engine.Command{Workspace: workspace, By: courier, Body: b})
}

// send is one of the conversation's: mostly the one in flight.
func (p *players) send(t *rapid.T) uint64 {
	order := p.model.order
	if len(order) == 0 {
		return 0
	}
	if len(p.c.Sends) > 0 && draw(t, "in flight", true, true, false) {
		return p.c.Sends[0].Version
	}
	return draw(t, "send", order...)
}

func (p *players) timePasses(t *rapid.T) {
	p.advance(draw(t, "for", time.Second, 5*time.Second, 30*time.Second, 45*time.Second, 30*time.Minute, time.Hour,
		11*time.Hour, 24*time.Hour, 49*time.Hour, -time.Minute, -2*time.Hour))
}

func (p *players) timerFires(t *rapid.T) {
	timer := draw(t, "timer", engine.DueKinds[:]...)
	p.give(engine.Command{Workspace: workspace, By: courier, Body: engine.FireTimer{Timer: timer, OldestKept: p.oldestWithin(p.policy.Retention)}})
}

// drain fires what is due until nothing is: then nothing lies where its time
// has passed.
func (p *players) drain(*rapid.T) {
	for _, timer := range []engine.DueKind{engine.DueWindow, engine.DueAutoResolve} {
		for range 3 {
			if at := p.c.Index().Due[timer]; at == 0 || at > max(p.now, p.c.Updated) {
				break
			}
			p.give(engine.Command{Workspace: workspace, By: courier, Body: engine.FireTimer{Timer: timer}})
		}
		if at := p.c.Index().Due[timer]; at != 0 && at <= max(p.now, p.c.Updated) {
			p.t.Fatalf("got timer %s due after it fired three times, want it settled", timer)
		}
	}
	now := max(p.now, p.c.Updated)
	if p.c.Column == engine.Active && !p.c.WindowOpen(now) {
		p.t.Fatalf("got active with its window closed after all timers fired, want it moved")
	}
	if p.c.Column.OnBoard() && !p.c.WindowOpen(now) && !p.c.WindowMarked {
		p.t.Fatalf("got %s unmarked with its window closed after all timers fired, want it marked", p.c.Column)
	}
	if p.model.now = now; p.model.idle() {
		p.t.Fatalf("got an idle hold after all timers fired, want it resolved")
	}
}

// commandIsRepeated gives a command again, the same or another under its ID.
func (p *players) commandIsRepeated(t *rapid.T) {
	if len(p.given) == 0 {
		return
	}
	cmd := draw(t, "command", p.given...)
	if b, resends := cmd.Body.(engine.ResendMessage); resends {
		cmd.Body = p.resends(b.Send) // what is known is read anew
	}
	if draw(t, "other payload", false, false, true) {
		cmd.Digest[0]++
	}
	first, accepted := p.model.accepted[cmd.ID]
	if _, remembered := p.c.Outcome(cmd.ID); accepted && !remembered {
		if age := p.c.Updated.Sub(first.at); age <= engine.OutcomeRetention {
			t.Fatalf("got an accepted command forgotten after %v, want it remembered for %v", age, engine.OutcomeRetention)
		}
		delete(p.model.accepted, cmd.ID)
	}
	p.give(cmd)
}

// replay makes the conversation anew from its log, as recovery does.
func (p *players) replay(t *rapid.T) {
	loaded := engine.Conversation{ID: p.c.ID}
	for i, e := range reencode(t, p.log) {
		if e.Version != uint64(i)+1 {
			t.Fatalf("got version %d in place %d of the log, want them contiguous", e.Version, i)
		}
		loaded.Apply(&e)
	}
	if !reflect.DeepEqual(loaded, p.c) {
		t.Fatalf("replay: got %+v, want %+v", loaded, p.c)
	}
}
