package engine_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/intervenehq/intervene/engine"
)

// TestNumbers compares every enum with testdata/numbers.txt: numbers that
// reached a disk or a wire are never reordered and never reused, so that file
// only ever grows.
func TestNumbers(t *testing.T) {
	enums := map[string]func(i uint8) fmt.Stringer{
		"column":         func(i uint8) fmt.Stringer { return engine.Column(i) },
		"cause":          func(i uint8) fmt.Stringer { return engine.Cause(i) },
		"party_kind":     func(i uint8) fmt.Stringer { return engine.PartyKind(i) },
		"content_kind":   func(i uint8) fmt.Stringer { return engine.ContentKind(i) },
		"delivery_state": func(i uint8) fmt.Stringer { return engine.DeliveryState(i) },
		"event_kind":     func(i uint8) fmt.Stringer { return engine.EventKind(i) },
		"due_kind":       func(i uint8) fmt.Stringer { return engine.DueKind(i) },
		"amendment":      func(i uint8) fmt.Stringer { return engine.Amendment(i) },
		"consent":        func(i uint8) fmt.Stringer { return engine.Consent(i) },
		"media_state":    func(i uint8) fmt.Stringer { return engine.MediaState(i) },
		"code":           func(i uint8) fmt.Stringer { return engine.Code(i) },
	}
	datadriven.RunTest(t, "testdata/numbers.txt", func(t *testing.T, d *datadriven.TestData) string {
		enum, ok := enums[d.Cmd]
		if !ok {
			t.Fatalf("got enum %q, want one of the engine's", d.Cmd)
		}
		delete(enums, d.Cmd)
		last := uint8(255) // what has no number is called unknown
		for last > 0 && enum(last).String() == "unknown" {
			last--
		}
		var out strings.Builder
		for i := range last + 1 {
			fmt.Fprintf(&out, "%d %s\n", i, enum(i))
		}
		return out.String()
	})
	if len(enums) > 0 {
		t.Errorf("got enums %v left over, want all of them in the file", reflect.ValueOf(enums).MapKeys())
	}
}

// TestConstantsAreNamedAsTheyRead: a name in a table may stand in another's place.
func TestConstantsAreNamedAsTheyRead(t *testing.T) {
	for _, tt := range []struct {
		got  fmt.Stringer
		want string
	}{
		{engine.Active, "active"},
		{engine.History, "history"},
		{engine.CauseWindowLapsed, "window_lapsed"},
		{engine.CauseDismissed, "dismissed"},
		{engine.Engine, "engine"},
		{engine.ContentUnsupported, "unsupported"},
		{engine.Attempted, "attempted"},
		{engine.Discarded, "discarded"},
		{engine.KindNoted, "noted"},
		{engine.DueAutoResolve, "auto_resolve"},
		{engine.DueRetention, "retention"},
		{engine.ContentTemplate, "template"},
		{engine.ContentWelcome, "welcome"},
		{engine.Outside, "outside"},
		{engine.KindErased, "erased"},
		{engine.Revoked, "revoked"},
		{engine.Resume, "resume"},
		{engine.MediaExpired, "expired"},
		{engine.CodeNotResendable, "not resendable"},
		{engine.CodeCorrupt, "corrupt"},
		{engine.CodeCommandReused, "command reused"},
		{engine.Column(200), "unknown"},
	} {
		if tt.got.String() != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
	for _, body := range bodies {
		name := strings.ToLower(reflect.TypeOf(body).Name())
		if got := strings.ReplaceAll(body.Kind().String(), "_", ""); got != name {
			t.Errorf("got kind %s of %T, want its name", body.Kind(), body)
		}
	}
}

// TestBefore has the whole order of delivery states: a row's state, and what a
// report may still make of it.
func TestBefore(t *testing.T) {
	want := map[engine.DeliveryState]string{
		engine.Queued:    "attempted unknown accepted sent delivered read played failed rejected discarded",
		engine.Attempted: "unknown accepted sent delivered read played failed rejected discarded",
		engine.Unknown:   "accepted sent delivered read played failed rejected discarded",
		engine.Accepted:  "sent delivered read played failed rejected discarded",
		engine.Sent:      "delivered read played failed rejected discarded",
		engine.Delivered: "read played rejected discarded",
		engine.Read:      "played rejected discarded",
		engine.Played:    "rejected discarded",
		engine.Failed:    "",
		engine.Rejected:  "",
		engine.Discarded: "",
	}
	for state, after := range want {
		var got []string
		for next := engine.Queued; next <= engine.Discarded; next++ {
			if state.Before(next) {
				got = append(got, next.String())
			}
		}
		if strings.Join(got, " ") != after {
			t.Errorf("after %s: got %v, want %s", state, got, after)
		}
	}
}

func TestFoldKeepsWhatAReportLeavesOut(t *testing.T) {
	d := engine.Delivery{State: engine.Accepted, Attempt: 2, External: "w1", Error: 5, At: start}
	got := d.Fold(engine.DeliveryChanged{State: engine.Sent, Attempt: 1}, start.Add(time.Second))
	if want := (engine.Delivery{State: engine.Sent, Attempt: 2, External: "w1", At: start.Add(time.Second)}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got = got.Fold(engine.DeliveryChanged{State: engine.Failed, Attempt: 3, External: "w2", Error: 7}, start)
	if want := (engine.Delivery{State: engine.Failed, Attempt: 3, External: "w2", Error: 7, At: start}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPreview(t *testing.T) {
	long := strings.Repeat("é", engine.PreviewRunes)
	tests := []struct {
		content engine.Content
		want    string
	}{
		{textOf("hi"), "hi"},
		{textOf(long), long},
		{textOf(long + "x"), strings.Repeat("é", engine.PreviewRunes-1) + "…"},
		{textOf(strings.Repeat("x", engine.PreviewRunes+1)), strings.Repeat("x", engine.PreviewRunes-1) + "…"},
		{engine.Content{Kind: engine.ContentButtonReply, Text: "Yes", Payload: "y"}, "Yes"},
		{engine.Content{Kind: engine.ContentUnsupported, Text: "sticker"}, "[sticker]"},
		{engine.Content{Kind: engine.ContentImage}, "[image]"},
		{engine.Content{Kind: engine.ContentImage, Text: "my leak"}, "my leak"},
		{templateOf("order_shipped", engine.Utility), "[order_shipped]"},
	}
	for _, tt := range tests {
		if got := tt.content.Preview(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestInstant(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 123_456_789, time.FixedZone("", 3600))
	i := engine.InstantOf(at)
	if got, want := i.Time(), at.Truncate(time.Millisecond).UTC(); !got.Equal(want) || got.Location() != time.UTC {
		t.Errorf("got %v, want %v", got, want)
	}
	if engine.InstantOf(time.Time{}) != 0 || !engine.Instant(0).Time().IsZero() || !engine.Instant(0).IsZero() || i.IsZero() {
		t.Errorf("got zero told wrong, want the zero time to be the zero instant and back")
	}
	if got := i.Add(time.Minute).Sub(i); got != time.Minute {
		t.Errorf("got %v, want 1m", got)
	}
	if got, want := i.Truncate(time.Minute).Time(), at.Truncate(time.Minute).UTC(); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestErrorComparesByCode(t *testing.T) {
	cause := errors.New("disk")
	err := fmt.Errorf("append: %w", engine.Errorf(engine.CodeFull, "write: %w", cause))
	if !errors.Is(err, &engine.Error{Code: engine.CodeFull}) || errors.Is(err, &engine.Error{Code: engine.CodeFenced}) || !errors.Is(err, cause) {
		t.Errorf("got %v compared wrong, want its code and its cause", err)
	}
	if engine.CodeOf(err) != engine.CodeFull || engine.CodeOf(cause) != 0 || engine.CodeOf(nil) != 0 {
		t.Errorf("got codes %v, %v, %v, want full and twice none", engine.CodeOf(err), engine.CodeOf(cause), engine.CodeOf(nil))
	}
	if got, want := err.Error(), "append: full: write: disk"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	owner := engine.NewConversationID(1, [14]byte{1})
	if e := engine.ConflictError(owner, true); e.Code != engine.CodeConflict || e.Owner != owner || !e.Duplicate {
		t.Errorf("got %+v, want a conflict that names its owner", e)
	}
}

// TestErrorsCarryNoContent: a refusal may be logged.
func TestErrorsCarryNoContent(t *testing.T) {
	const secret = "4111 1111"
	w := newWorld(t)
	w.mustDo(customer, w.writes(secret, 0))
	w.mustDo(asha, engine.RequestAgent{Reason: secret})
	for _, body := range []engine.CommandBody{
		engine.SendMessage{Content: textOf(secret)},
		engine.SendMessage{Content: textOf(secret + "\xff")},
		engine.AddNote{Body: secret + "\xff"},
		engine.SetTags{Tags: []string{secret + "\n"}},
		engine.RequestAgent{Reason: secret + "\xff"},
		engine.Transfer{To: "ravi"},
		nil,
	} {
		_, err := w.do(engine.Command{By: asha, Body: body})
		if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), w.c.Contact.WaID) {
			t.Errorf("%T: got error %v, want one without text or number", body, err)
		}
	}
}

func TestClaims(t *testing.T) {
	both := engine.Contact{Name: "Meera", WaID: "15550100", UserID: "IN.abc"}
	identities := []engine.Claim{
		{Kind: engine.ClaimIdentity, Channel: channel, Identity: engine.Identity{Kind: engine.IdentityUserID, Value: "IN.abc"}},
		{Kind: engine.ClaimIdentity, Channel: channel, Identity: engine.Identity{Kind: engine.IdentityWaID, Value: "15550100"}},
	}
	tests := []struct {
		body engine.Body
		want []engine.Claim
	}{
		{engine.Opened{Workspace: workspace, Channel: channel, Contact: both}, identities},
		{engine.ContactChanged{Contact: both}, identities},
		{engine.ContactChanged{Contact: engine.Contact{WaID: "15550100"}}, identities[1:]},
		{
			engine.ContactChanged{Contact: engine.Contact{ParentUserID: "IN.ENT.p"}, External: "wamid.2", SentAt: start},
			[]engine.Claim{
				{Kind: engine.ClaimIdentity, Channel: channel, Identity: engine.Identity{Kind: engine.IdentityParent, Value: "IN.ENT.p"}},
				{Kind: engine.ClaimExternal, Channel: channel, External: "wamid.2", SentAt: start},
			},
		},
		{
			engine.EchoReceived{External: "wamid.3", SentAt: start},
			[]engine.Claim{{Kind: engine.ClaimExternal, Channel: channel, External: "wamid.3", SentAt: start}},
		},
		{
			engine.Amended{External: "wamid.4", SentAt: start, Target: "wamid.1"},
			[]engine.Claim{{Kind: engine.ClaimExternal, Channel: channel, External: "wamid.4", SentAt: start}},
		},
		{engine.Erased{}, nil},
		{engine.Opened{Channel: channel, Contact: engine.Contact{Name: "Meera"}}, nil},
		{
			engine.MessageReceived{External: "wamid.1", SentAt: start},
			[]engine.Claim{{Kind: engine.ClaimExternal, Channel: channel, External: "wamid.1", SentAt: start}},
		},
		{engine.MessageQueued{}, nil},
	}
	for _, tt := range tests {
		if got := engine.Claims(channel, &engine.Event{Body: tt.body}); !slices.Equal(got, tt.want) {
			t.Errorf("%T: got %+v, want %+v", tt.body, got, tt.want)
		}
	}
}

func TestIsMessage(t *testing.T) {
	for _, body := range bodies {
		kind := body.Kind()
		want := kind == engine.KindMessageReceived || kind == engine.KindMessageQueued || kind == engine.KindEchoReceived
		if e := (engine.Event{Body: body}); e.IsMessage() != want {
			t.Errorf("%s: got message %t, want %t", kind, e.IsMessage(), want)
		}
	}
}
