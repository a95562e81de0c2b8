package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// register is what a conversation is to whoever races for it: one value that
// all commands and reads agree on the order of.
type register struct {
	column intervenev1.Column
	holder string
	epoch  uint64
}

func (r register) String() string {
	return fmt.Sprintf("%v holder=%q epoch=%d", r.column, r.holder, r.epoch)
}

// attempt is one command or read of a conversation.
type attempt struct {
	kind         commandKind
	conversation string
	by           string
	supervisor   bool
}

// doGet is a read; it is no command.
const doGet commandKind = "GetConversation"

// outcome is what came of it. What was accepted or read shows the register as
// it was then; what was refused, as far as the refusal tells. Of what is lost
// nobody knows whether it took effect.
type outcome struct {
	lost   bool
	reason string // of a refusal; empty: accepted
	shows  register
}

// forever is when an operation returned that may still take effect.
const forever = math.MaxInt64 / 2 * 2

// registers is the column table of the design, as far as a race for the holder
// goes: one register for each conversation. A lost command took effect at some
// instant before it returned, or never.
var registers = (&porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		places := make(map[string]int)
		var parts [][]porcupine.Operation
		for _, op := range history {
			id := op.Input.(attempt).conversation
			at, ok := places[id]
			if !ok {
				at = len(parts)
				places[id], parts = at, append(parts, nil)
			}
			parts[at] = append(parts[at], op)
		}
		return parts
	},
	Init: func() []any { return []any{register{column: columnActive, epoch: 1}} },
	Step: func(state, input, output any) []any {
		now, o := state.(register), output.(outcome)
		next, reason := decide(now, input.(attempt))
		switch {
		case o.lost && next != now:
			return []any{now, next}
		case o.lost:
			return []any{now}
		case o.reason != reason || o.shows != next: // a refusal shows what it leaves as it is
			return nil
		}
		return []any{next}
	},
}).ToModel()

func describe(a attempt, o outcome) string {
	switch {
	case o.lost:
		return fmt.Sprintf("%s by %s: lost", a.kind, a.by)
	case o.reason != "":
		return fmt.Sprintf("%s by %s: %s, %s", a.kind, a.by, o.reason, o.shows)
	}
	return fmt.Sprintf("%s by %s: %s", a.kind, a.by, o.shows)
}

// decide is what the table says: the register after, or why not.
func decide(now register, a attempt) (next register, reason string) {
	next = now
	switch a.kind {
	case doGet:
	case doRequest:
		if now.column == columnActive {
			next.column = columnRequesting
		}
	case doIntervene:
		switch {
		case now.column == columnActive:
			return now, "NOT_REQUESTING"
		case now.column == columnIntervened && now.holder != a.by:
			return now, "HELD_BY_OTHER"
		case now.column == columnRequesting:
			next = register{columnIntervened, a.by, now.epoch + 1}
		}
	case doTakeOver:
		switch {
		case now.column != columnIntervened:
			return now, "NOT_INTERVENED"
		case now.holder != a.by:
			next = register{columnIntervened, a.by, now.epoch + 1}
		}
	case doResolve:
		switch {
		case now.column == columnActive:
			return now, "NOT_INTERVENED"
		case now.column == columnRequesting:
			next.column = columnActive
		case now.holder != a.by && !a.supervisor:
			return now, "NOT_HOLDER"
		default:
			next = register{columnActive, "", now.epoch + 1}
		}
	default:
		panic("the model does not know " + a.kind)
	}
	return next, ""
}

// sharpen narrows when operations of one conversation can have taken effect, and
// changes no verdict: the epoch never goes down, so what shows a later epoch
// comes after all that show an earlier one. Without it the search tries every
// subset of fifteen losers before it finds that a read was earlier. Times must
// be even; false: no order exists.
func sharpen(history []porcupine.Operation) ([]porcupine.Operation, bool) {
	sharp := slices.Clone(history)
	for n := range sharp {
		own := sharp[n].Output.(outcome)
		if own.lost {
			continue
		}
		for _, other := range history {
			switch o := other.Output.(outcome); {
			case o.lost:
			case o.shows.epoch < own.shows.epoch:
				sharp[n].Call = max(sharp[n].Call, other.Call+1)
			case o.shows.epoch > own.shows.epoch:
				sharp[n].Return = min(sharp[n].Return, other.Return-1)
			}
		}
		if sharp[n].Call > sharp[n].Return {
			return nil, false
		}
	}
	return sharp, true
}

// linearizable checks the history of one conversation.
func linearizable(history []porcupine.Operation) porcupine.CheckResult {
	sharp, ok := sharpen(history)
	if !ok {
		return porcupine.Illegal
	}
	return porcupine.CheckOperationsTimeout(registers, sharp, checkTimeout)
}

// TestRegisters plants histories that no conversation may have, beside ones
// that it may: a check that cannot fail checks nothing.
func TestRegisters(t *testing.T) {
	const conversation = "c"
	var (
		active     = register{columnActive, "", 1}
		requesting = register{columnRequesting, "", 1}
		ashas      = register{columnIntervened, "asha", 2}
		bens       = register{columnIntervened, "ben", 2}
	)
	op := func(from, to int64, kind commandKind, by string, o outcome) porcupine.Operation {
		return porcupine.Operation{Input: attempt{kind: kind, conversation: conversation, by: by, supervisor: by == supervisorName}, Call: 2 * from, Output: o, Return: 2 * to}
	}
	got := func(r register) outcome { return outcome{shows: r} }
	refused := func(reason string, r register) outcome { return outcome{reason: reason, shows: r} }
	lost := outcome{lost: true}
	request := op(0, 1, doRequest, botName, got(requesting))
	tests := []struct {
		name    string
		history []porcupine.Operation
		want    porcupine.CheckResult
	}{
		{"one winner", []porcupine.Operation{
			request, op(2, 9, doIntervene, "asha", got(ashas)), op(2, 9, doIntervene, "ben", refused("HELD_BY_OTHER", ashas)),
			op(10, 11, doGet, "ben", got(ashas)), op(12, 13, doResolve, "asha", got(register{columnActive, "", 3})),
		}, porcupine.Ok},
		{"two winners", []porcupine.Operation{
			request, op(2, 9, doIntervene, "asha", got(ashas)), op(2, 9, doIntervene, "ben", got(bens)),
		}, porcupine.Illegal},
		{"two winners in two epochs", []porcupine.Operation{
			request, op(2, 9, doIntervene, "asha", got(ashas)), op(2, 9, doIntervene, "ben", got(register{columnIntervened, "ben", 3})),
		}, porcupine.Illegal},
		{"loser told of another winner", []porcupine.Operation{
			request, op(2, 9, doIntervene, "asha", got(ashas)), op(2, 9, doIntervene, "ben", refused("HELD_BY_OTHER", register{columnIntervened, "chika", 2})),
		}, porcupine.Illegal},
		{"stale read", []porcupine.Operation{
			request, op(2, 9, doIntervene, "asha", got(ashas)), op(10, 11, doGet, "ben", got(requesting)),
		}, porcupine.Illegal},
		{"read of either, while it happens", []porcupine.Operation{
			request, op(2, 9, doIntervene, "asha", got(ashas)), op(3, 4, doGet, "ben", got(requesting)), op(5, 6, doGet, "ben", got(ashas)),
		}, porcupine.Ok},
		{"read that goes back", []porcupine.Operation{
			request, op(2, 9, doIntervene, "asha", got(ashas)), op(3, 4, doGet, "ben", got(ashas)), op(5, 6, doGet, "ben", got(requesting)),
		}, porcupine.Illegal},
		{"epoch that stands still", []porcupine.Operation{
			request, op(2, 3, doIntervene, "asha", got(ashas)), op(4, 5, doTakeOver, supervisorName, got(register{columnIntervened, supervisorName, 2})),
		}, porcupine.Illegal},
		{"lost command that took effect", []porcupine.Operation{
			request, op(2, forever/2, doIntervene, "asha", lost), op(10, 11, doGet, "ben", got(ashas)),
		}, porcupine.Ok},
		{"lost command that took none", []porcupine.Operation{
			request, op(2, forever/2, doIntervene, "asha", lost), op(10, 11, doIntervene, "ben", got(bens)),
		}, porcupine.Ok},
		{"lost command that took effect after the engine's death", []porcupine.Operation{
			request, op(2, 9, doIntervene, "asha", lost), op(10, 11, doGet, "ben", got(requesting)), op(12, 13, doGet, "ben", got(ashas)),
		}, porcupine.Illegal},
		{"lost command that took effect and was undone", []porcupine.Operation{
			request, op(2, forever/2, doIntervene, "asha", lost), op(10, 11, doGet, "ben", got(ashas)), op(12, 13, doGet, "ben", got(requesting)),
		}, porcupine.Illegal},
		{"answered command that was undone", []porcupine.Operation{
			request, op(2, 3, doIntervene, "asha", got(ashas)), op(10, 11, doIntervene, "ben", got(bens)),
		}, porcupine.Illegal},
		{"resolve by a loser", []porcupine.Operation{
			request, op(2, 3, doIntervene, "asha", got(ashas)), op(4, 5, doResolve, "ben", got(register{columnActive, "", 3})),
		}, porcupine.Illegal},
		{"nobody asked", []porcupine.Operation{
			op(0, 1, doGet, "ben", got(active)), op(2, 3, doIntervene, "asha", got(ashas)),
		}, porcupine.Illegal},
	}
	for _, test := range tests {
		if got := linearizable(test.history); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
		if got := porcupine.CheckOperations(registers, test.history); got != (test.want == porcupine.Ok) {
			t.Errorf("%s, not sharpened: got linearizable %t, want %s", test.name, got, test.want)
		}
	}
}

// TestSharpenChangesNoVerdict compares it with the plain search over small
// histories, which are half right.
func TestSharpenChangesNoVerdict(t *testing.T) {
	const histories, operations = 3000, 7
	verdicts := make(map[bool]int)
	for n := range uint64(histories) {
		history := drawHistory(dice(n), operations)
		want := porcupine.CheckOperations(registers, history)
		if got := linearizable(history); (got == porcupine.Ok) != want {
			t.Fatalf("got %s, want linearizable %t:\n%s", got, want, transcript(history))
		}
		verdicts[want]++
	}
	if verdicts[true] < histories/10 || verdicts[false] < histories/10 {
		t.Errorf("got %d linearizable histories of %d, want some of each sort", verdicts[true], histories)
	}
}

// drawHistory has a true order, wide intervals, and now and then a lie.
func drawHistory(d *rand.Rand, operations int) []porcupine.Operation {
	kinds := []commandKind{doGet, doRequest, doIntervene, doIntervene, doTakeOver, doResolve}
	callers := []string{"asha", "ben", supervisorName}
	now := register{column: columnActive, epoch: 1}
	var history []porcupine.Operation
	for n := range operations {
		a := attempt{kind: kinds[d.IntN(len(kinds))], conversation: "c", by: callers[d.IntN(len(callers))]}
		a.supervisor = a.by == supervisorName
		before := now
		next, reason := decide(now, a)
		o := outcome{reason: reason, shows: next}
		switch d.IntN(20) {
		case 0:
			o.shows = before
		case 1:
			o.shows.epoch++
		case 2:
			o = outcome{lost: true}
		}
		now = next
		at := int64(10 * n)
		history = append(history, porcupine.Operation{
			Input: a, Call: 2 * (at - d.Int64N(25)), Output: o, Return: 2 * (at + d.Int64N(25)),
		})
	}
	return history
}
