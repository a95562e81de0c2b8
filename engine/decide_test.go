package engine_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/intervenehq/intervene/engine"
)

// commands has one of every command there is, each as it might be given.
var commands = []engine.CommandBody{
	engine.Receive{Channel: channel, Contact: engine.Contact{WaID: "15550100"}, SentAt: start, Content: textOf("hi")},
	engine.RecordStatus{Send: 1, State: engine.Sent, Known: engine.Delivery{State: engine.Accepted}},
	engine.AnswerTurn{From: 1, Through: 1, Say: []engine.Content{textOf("hello")}},
	engine.FailTurn{From: 1, Through: 1},
	engine.SendMessage{Content: textOf("hello")},
	engine.RequestAgent{Reason: "billing"},
	engine.WithdrawRequest{},
	engine.Intervene{},
	engine.TakeOver{},
	engine.Transfer{To: ravi.ID},
	engine.Resolve{},
	engine.MarkRead{},
	engine.AddNote{Body: "seen"},
	engine.SetTags{Tags: []string{"vip"}},
	engine.FireTimer{Timer: engine.DueWindow},
	engine.AttemptSend{},
	engine.RecordAttempt{Send: 1, Attempt: 1, Result: engine.AttemptResult{State: engine.Accepted}},
	engine.Amend{Channel: channel, Contact: meera, External: "a", SentAt: start, Target: "m", What: engine.Revoked},
	engine.RecordEcho{Channel: channel, Contact: meera, External: "e", SentAt: start, Content: textOf("hi")},
	engine.ChangeContact{Channel: channel, Contact: meera, Changed: engine.Contact{WaID: "15550177"}, External: "c", SentAt: start},
	engine.SetConsent{Channel: channel, Contact: meera, Consent: engine.Stop, At: start},
	engine.StartConversation{Channel: channel, Contact: meera, Content: templateOf("order", engine.Utility)},
	engine.LinkContact{Other: engine.NewConversationID(7, [14]byte{2})},
	engine.ResendMessage{Send: 1, Content: textOf("hello"), Known: engine.Delivery{State: engine.Failed}},
	engine.RecordMedia{Message: 1, State: engine.MediaFailed},
	engine.Erase{},
}

// mayGive is who may give what not everybody may, wherever the conversation stands.
func mayGive(body engine.CommandBody, name string) bool {
	var who []string
	switch body.(type) {
	case engine.Amend, engine.ChangeContact, engine.SetConsent, engine.LinkContact, engine.RecordMedia:
		who = []string{"customer", "engine"}
	case engine.RecordEcho:
		who = []string{"outside"}
	case engine.AnswerTurn, engine.FailTurn, engine.AcceptTurn:
		who = []string{"bot"}
	case engine.StartConversation, engine.ResendMessage:
		who = []string{"asha", "ravi", "sita"}
	case engine.Erase:
		who = []string{"sita", "engine"}
	default:
		return name != "outside"
	}
	return slices.Contains(who, name)
}

// TestWhoMayGiveWhat asks in a conversation where nothing else stands against it.
func TestWhoMayGiveWhat(t *testing.T) {
	for _, body := range commands {
		for name, by := range parties {
			w := newWorld(t)
			w.policy.WriteFirst = true
			reachActive(w)
			_, err := w.do(engine.Command{By: by, Body: body})
			if forbidden := engine.CodeOf(err) == engine.CodeForbidden; forbidden && mayGive(body, name) && !isForbiddenHere(body) || !forbidden && !mayGive(body, name) {
				t.Errorf("%T by %s: got %v, want it forbidden: %t", body, name, err, !mayGive(body, name))
			}
		}
	}
}

// isForbiddenHere: intervening is for people, taking over for supervisors.
func isForbiddenHere(body engine.CommandBody) bool {
	switch body.(type) {
	case engine.Intervene, engine.TakeOver:
		return true
	}
	return false
}

// TestDecideOnNothing: only what a channel brings, or what is sent first, opens a
// conversation, and only a customer's message moves it onto a board.
func TestDecideOnNothing(t *testing.T) {
	for _, body := range commands {
		for name, by := range parties {
			t.Run(fmt.Sprintf("%T by %s", body, name), func(t *testing.T) {
				w := newWorld(t)
				w.policy.WriteFirst = true
				events, err := w.do(engine.Command{ID: engine.CommandID{1}, By: by, Body: body})
				if opens(body) && mayGive(body, name) {
					_, receives := body.(engine.Receive)
					if err != nil || len(events) < 2 || events[0].Body.Kind() != engine.KindOpened || w.c.Column.OnBoard() != receives {
						t.Errorf("got %v (%v), want an opened conversation with its message", events, err)
					}
					return
				}
				if opens(body) {
					if !errors.Is(err, &engine.Error{Code: engine.CodeForbidden}) || len(events) > 0 {
						t.Errorf("got %v and %d events, want forbidden and none", err, len(events))
					}
					return
				}
				if !errors.Is(err, &engine.Error{Code: engine.CodeNotFound}) || len(events) > 0 {
					t.Errorf("got %v and %d events, want not found and none", err, len(events))
				}
			})
		}
	}
}

// TestDecideTakesForeignCommands: a command that is none of the engine's is
// refused like any other, not a panic.
func TestDecideTakesForeignCommands(t *testing.T) {
	w := newWorld(t)
	w.mustDo(customer, w.writes("hi", 0))
	if events, err := w.do(engine.Command{By: asha}); engine.CodeOf(err) != engine.CodeInvalid || len(events) > 0 {
		t.Errorf("got %v (%v) of no body, want it invalid", events, err)
	}
}

// TestDecideRefusesWhatIsTooMuch: each limit at its edge and one beyond.
func TestDecideRefusesWhatIsTooMuch(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	tags := func(n int) (tags []string) {
		for i := range n {
			tags = append(tags, fmt.Sprintf("tag%d", i))
		}
		return tags
	}
	variables := func(n, size int) (v []engine.Variable) {
		for i := range n {
			v = append(v, engine.Variable{Name: fmt.Sprintf("%04d", i), Value: strings.Repeat("x", size-4)})
		}
		return v
	}
	say := func(n int) (say []engine.Content) {
		for range n {
			say = append(say, textOf("hello"))
		}
		return say
	}
	const broken = "\xff"
	answer := func(a engine.AnswerTurn) engine.AnswerTurn { a.From, a.Through = 3, 3; return a }
	tests := []struct {
		name  string
		by    engine.Party
		body  engine.CommandBody
		field string // of the refusal; empty: accepted
	}{
		{"longest text", bot, engine.SendMessage{Content: textOf(long(engine.MaxTextRunes))}, ""},
		{"longer text", bot, engine.SendMessage{Content: textOf(long(engine.MaxTextRunes + 1))}, "text.body"},
		{"empty text", bot, engine.SendMessage{Content: textOf("")}, "text.body"},
		{"broken text", bot, engine.SendMessage{Content: textOf(broken)}, "text.body"},
		{"no text", bot, engine.SendMessage{Content: engine.Content{Kind: engine.ContentButtonReply, Text: "yes"}}, "content"},
		{"longest reason", bot, engine.RequestAgent{Reason: long(engine.MaxReasonRunes)}, ""},
		{"longer reason", bot, engine.RequestAgent{Reason: long(engine.MaxReasonRunes + 1)}, "reason"},
		{"broken reason", bot, engine.RequestAgent{Reason: broken}, "reason"},
		{"longest note", asha, engine.AddNote{Body: long(engine.MaxNoteRunes)}, ""},
		{"longer note", asha, engine.AddNote{Body: long(engine.MaxNoteRunes + 1)}, "body"},
		{"empty note", asha, engine.AddNote{}, "body"},
		{"broken note", asha, engine.AddNote{Body: broken}, "body"},
		{"most tags", asha, engine.SetTags{Tags: tags(engine.MaxTags)}, ""},
		{"more tags", asha, engine.SetTags{Tags: tags(engine.MaxTags + 1)}, "tags"},
		{"repeated tags count once", asha, engine.SetTags{Tags: append(tags(engine.MaxTags), tags(engine.MaxTags)...)}, ""},
		{"longest tag", asha, engine.SetTags{Tags: []string{long(engine.MaxTagRunes)}}, ""},
		{"longer tag", asha, engine.SetTags{Tags: []string{long(engine.MaxTagRunes + 1)}}, "tags"},
		{"empty tag", asha, engine.SetTags{Tags: []string{""}}, "tags"},
		{"broken tag", asha, engine.SetTags{Tags: []string{broken}}, "tags"},
		{"tag of two lines", asha, engine.SetTags{Tags: []string{"a\nb"}}, "tags"},
		{"nobody to transfer to", asha, engine.Transfer{}, "to_agent_id"},
		{"most said in a turn", bot, answer(engine.AnswerTurn{Say: say(engine.MaxTurnMessages)}), ""},
		{"more said in a turn", bot, answer(engine.AnswerTurn{Say: say(engine.MaxTurnMessages + 1)}), "say"},
		{"empty text in a turn", bot, answer(engine.AnswerTurn{Say: []engine.Content{textOf("")}}), "text.body"},
		{"reaction in a turn", bot, answer(engine.AnswerTurn{Say: []engine.Content{{Kind: engine.ContentReaction, Text: "👍"}}}), "reply_to_message_id"},
		{"no such amendment", customer, engine.Amend{Channel: channel, Contact: meera, Target: "in-hi"}, "what"},
		{"an amendment to come", customer, engine.Amend{Channel: channel, Contact: meera, Target: "in-hi", What: 9}, "what"},
		{"resent nothing", sita, engine.ResendMessage{Send: 4, Content: textOf(""), Known: engine.Delivery{State: engine.Failed}}, "text.body"},
		{"longer reason in a turn", bot, answer(engine.AnswerTurn{Reason: long(engine.MaxReasonRunes + 1)}), "reason"},
		{"broken reason in a turn", bot, answer(engine.AnswerTurn{Reason: broken}), "reason"},
		{"most variables", bot, answer(engine.AnswerTurn{Variables: variables(engine.MaxVariables, engine.MaxVariableBytes/engine.MaxVariables)}), ""},
		{"more variables", bot, answer(engine.AnswerTurn{Variables: variables(engine.MaxVariables+1, 4)}), "variables"},
		{"larger variables", bot, answer(engine.AnswerTurn{Variables: variables(1, engine.MaxVariableBytes+1)}), "variables"},
		{"broken variable", bot, answer(engine.AnswerTurn{Variables: []engine.Variable{{Name: "a", Value: broken}}}), "variables"},
		{"broken variable's name", bot, answer(engine.AnswerTurn{Variables: []engine.Variable{{Name: broken}}}), "variables"},
		{"through before the turn", bot, engine.AnswerTurn{From: 3, Through: 2}, "through"},
		{"through the future", bot, engine.AnswerTurn{From: 3, Through: 4}, "through"},
		{"no such status", courier, engine.RecordStatus{Send: 3, State: engine.Unknown, Known: engine.Delivery{State: engine.Queued}}, "state"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.mustDo(customer, w.writes("hi", 0))
			events, err := w.do(engine.Command{By: tt.by, Epoch: 1, Body: tt.body})
			if tt.field == "" {
				if err != nil || len(events) == 0 {
					t.Errorf("got %d events (%v), want it accepted", len(events), err)
				}
				return
			}
			e, ok := errors.AsType[*engine.Error](err)
			if !ok || e.Code != engine.CodeInvalid || e.Field != tt.field || e.Problem == "" || len(events) > 0 {
				t.Errorf("got %v and %d events, want field %s invalid and none", err, len(events), tt.field)
			}
		})
	}
}

// TestNobodyHoldsWithoutAName: the holder's name is what tells that there is one.
func TestNobodyHoldsWithoutAName(t *testing.T) {
	w := newWorld(t)
	reachRequesting(w)
	if _, err := w.do(engine.Command{By: engine.Party{Kind: engine.Agent}, Body: engine.Intervene{}}); engine.CodeOf(err) != engine.CodeForbidden {
		t.Errorf("intervene by an agent without a name: got %v, want forbidden", err)
	}
	w.mustDo(asha, engine.Intervene{})
	if _, err := w.do(engine.Command{By: engine.Party{Kind: engine.Supervisor}, Body: engine.TakeOver{}}); engine.CodeOf(err) != engine.CodeForbidden {
		t.Errorf("take over by a supervisor without a name: got %v, want forbidden", err)
	}
}

// TestOutcomesAreBounded: past MaxOutcomes the oldest is forgotten first.
func TestOutcomesAreBounded(t *testing.T) {
	c := engine.Conversation{}
	name := func(i int) (id engine.CommandID) {
		binary.BigEndian.PutUint64(id[:], uint64(i))
		return id
	}
	for i := 1; i <= engine.MaxOutcomes+1; i++ {
		c.Apply(&engine.Event{Version: uint64(i), At: start, Command: name(i), Body: engine.Noted{}})
	}
	if _, ok := c.Outcome(name(1)); ok || len(c.Outcomes) != engine.MaxOutcomes {
		t.Errorf("got %d outcomes, the oldest known: %t; want %d and not", len(c.Outcomes), ok, engine.MaxOutcomes)
	}
	for _, i := range []int{2, engine.MaxOutcomes + 1} {
		if o, ok := c.Outcome(name(i)); !ok || o.Version != uint64(i) {
			t.Errorf("got outcome %+v (%t) of command %d, want its version", o, ok, i)
		}
	}
}

// TestStaleBotSendIsNotAttempted: even if a bot's send were queued while an
// agent holds, which no command makes, it would not go out.
func TestStaleBotSendIsNotAttempted(t *testing.T) {
	w := newWorld(t)
	reachRequesting(w)
	send := w.mustDo(bot, engine.SendMessage{Content: textOf("hello")})[0].Version
	w.mustDo(courier, engine.AttemptSend{})
	w.mustDo(asha, engine.Intervene{})
	w.c.Apply(&engine.Event{Version: w.c.Version + 1, At: w.now, Body: engine.DeliveryChanged{Send: send, State: engine.Queued, NotBefore: w.now}})
	events, err := engine.Decide(&w.c, engine.Command{Workspace: workspace, By: courier, Body: engine.AttemptSend{}}, w.policy, w.now)
	if err != nil || len(events) != 1 {
		t.Fatalf("got %d events (%v), want one", len(events), err)
	}
	if got := events[0].Body.(engine.DeliveryChanged).State; got != engine.Discarded {
		t.Errorf("got state %s, want discarded", got)
	}
}

// TestApplyIsTotal: a conversation takes every body, at any time.
func TestApplyIsTotal(t *testing.T) {
	for _, body := range bodies {
		for _, c := range []engine.Conversation{{}, {Column: engine.Intervened, Version: 5, Sends: []engine.Send{{Version: 4}}}} {
			version := c.Version + 1
			c.Apply(&engine.Event{Version: version, At: start, Body: body})
			if c.Version != version || c.Updated != start {
				t.Errorf("%T: got version %d at %d, want %d at %d", body, c.Version, c.Updated, version, start)
			}
		}
	}
}

// TestEngineNamesNoWorkspace: timers and the courier found the conversation in
// its journal; nobody else gets by without saying whose it is.
func TestEngineNamesNoWorkspace(t *testing.T) {
	w := newWorld(t)
	reachActive(w)
	for name, by := range parties {
		want := engine.CodeNotFound
		if by.Kind == engine.Engine {
			want = 0
		}
		if _, err := engine.Decide(&w.c, engine.Command{By: by, Body: engine.AddNote{Body: "seen"}}, w.policy, w.now); engine.CodeOf(err) != want {
			t.Errorf("%s without a workspace: got %v, want code %q", name, err, want)
		}
		if _, err := engine.Decide(&w.c, engine.Command{Workspace: "globex", By: by, Body: engine.AddNote{Body: "seen"}}, w.policy, w.now); engine.CodeOf(err) != engine.CodeNotFound {
			t.Errorf("%s of another workspace: got %v, want not found", name, err)
		}
	}
}

// TestCloneSharesNothing changes everything behind a clone's slices, and
// compares the original with one that was never cloned.
func TestCloneSharesNothing(t *testing.T) {
	build := func() *engine.Conversation {
		w := newWorld(t)
		reachRequesting(w)
		w.mustDo(bot, engine.SendMessage{Content: textOf("hello")})
		w.must(engine.Command{ID: engine.CommandID{1}, By: asha, Body: engine.SetTags{Tags: []string{"billing", "vip"}}})
		w.mustDo(customer, w.writes("hm", 0))
		answer := w.answers("hello")
		body := answer.Body.(engine.AnswerTurn)
		body.Variables = []engine.Variable{{Name: "misses", Value: "1"}}
		answer.Body = body
		w.must(answer)
		return &w.c
	}
	original, want := build(), build()
	clone := original.Clone()
	if !reflect.DeepEqual(&clone, want) {
		t.Errorf("got clone %+v, want %+v", clone, want)
	}
	clone.Tags[0], clone.Variables[0].Value, clone.Sends[0].Attempt, clone.Outcomes[0].Version = "x", "x", 9, 9
	if !reflect.DeepEqual(original, want) {
		t.Errorf("got %+v after its clone changed, want %+v", original, want)
	}
}
