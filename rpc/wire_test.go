package rpc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// TestEnumsMap walks each enum on both sides: every value has the same number
// and the same name, so that a new one on either side fails here.
func TestEnumsMap(t *testing.T) {
	tests := []struct {
		prefix string
		domain func(int) fmt.Stringer
		wire   protoreflect.EnumDescriptor
	}{
		{"COLUMN_", func(i int) fmt.Stringer { return engine.Column(i) }, intervenev1.Column(0).Descriptor()},
		{"CAUSE_", func(i int) fmt.Stringer { return engine.Cause(i) }, intervenev1.Cause(0).Descriptor()},
		{"PARTY_KIND_", func(i int) fmt.Stringer { return engine.PartyKind(i) }, intervenev1.PartyKind(0).Descriptor()},
		{"DELIVERY_", func(i int) fmt.Stringer { return engine.DeliveryState(i) }, intervenev1.Delivery(0).Descriptor()},
		{"MEDIA_STATE_", func(i int) fmt.Stringer { return engine.MediaState(i) }, intervenev1.MediaState(0).Descriptor()},
		{"CONSENT_", func(i int) fmt.Stringer { return engine.Consent(i) }, intervenev1.Consent(0).Descriptor()},
		{"AMENDMENT_KIND_", func(i int) fmt.Stringer { return engine.Amendment(i) }, intervenev1.AmendmentKind(0).Descriptor()},
		{"ROLE_", func(i int) fmt.Stringer { return unprefixed(Role(i)) }, intervenev1.Role(0).Descriptor()},
	}
	for _, tt := range tests {
		t.Run(tt.prefix, func(t *testing.T) {
			n := tt.wire.Values().Len()
			for i := 1; i < n; i++ {
				want := tt.prefix + strings.ToUpper(tt.domain(i).String())
				value := tt.wire.Values().ByNumber(protoreflect.EnumNumber(i))
				if value == nil || string(value.Name()) != want {
					t.Errorf("%d: got %v on the wire, want %s", i, value, want)
				}
			}
			if got := tt.domain(n).String(); got != "unknown" {
				t.Errorf("%d: got %q in the domain, want nothing that the wire does not have", n, got)
			}
		})
	}
}

// unprefixed names a role as the domain would.
type unprefixed Role

func (r unprefixed) String() string {
	if !Role(r).valid() {
		return "unknown"
	}
	return strings.ToLower(strings.TrimPrefix(Role(r).String(), "ROLE_"))
}

func TestEventsMap(t *testing.T) {
	id := engine.NewConversationID(1, [14]byte{7})
	text := engine.Content{Kind: engine.ContentText, Text: "hi"}
	// want is the name of the oneof's field for a body of every kind.
	tests := map[engine.EventKind]struct {
		body engine.Body
		want protoreflect.Name
	}{
		engine.KindOpened:          {engine.Opened{}, "other"},
		engine.KindContactChanged:  {engine.ContactChanged{}, "contact_change"},
		engine.KindMessageReceived: {engine.MessageReceived{Content: text}, "message"},
		engine.KindMessageQueued:   {engine.MessageQueued{Content: text}, "message"},
		engine.KindDeliveryChanged: {engine.DeliveryChanged{}, "delivery_change"},
		engine.KindMoved:           {engine.Moved{}, "hand_over"},
		engine.KindTurnEnded:       {engine.TurnEnded{}, "other"},
		engine.KindBotDiscarded:    {engine.BotDiscarded{}, "other"},
		engine.KindMarkedRead:      {engine.MarkedRead{}, "read_mark"},
		engine.KindNoteAdded:       {engine.NoteAdded{}, "note"},
		engine.KindTagged:          {engine.Tagged{}, "tags_change"},
		engine.KindWindowLapsed:    {engine.WindowLapsed{}, "other"},
		engine.KindTimerArmed:      {engine.TimerArmed{}, "other"},
		engine.KindNoted:           {engine.Noted{}, "other"},
		engine.KindAmended:         {engine.Amended{}, "amendment"},
		engine.KindEchoReceived:    {engine.EchoReceived{Content: text}, "message"},
		engine.KindContactLinked:   {engine.ContactLinked{}, "contact_link"},
		engine.KindConsentChanged:  {engine.ConsentChanged{}, "consent_change"},
		engine.KindMediaChanged:    {engine.MediaChanged{}, "media_change"},
		engine.KindTrimmed:         {engine.Trimmed{}, "trim"},
		engine.KindErased:          {engine.Erased{}, "erasure"},
		engine.KindTurnAccepted:    {engine.TurnAccepted{}, "other"},
	}
	for kind := engine.EventKind(1); kind.String() != "unknown"; kind++ {
		tt, ok := tests[kind]
		if !ok || tt.body.Kind() != kind {
			t.Errorf("got no body of kind %v in this test, want one", kind)
			continue
		}
		wire := eventOf(id, &engine.Event{Version: 3, At: 4, By: engine.Party{Kind: engine.Engine}, Body: tt.body}, "")
		m := wire.ProtoReflect()
		field := m.WhichOneof(m.Descriptor().Oneofs().ByName("kind"))
		if field == nil || field.Name() != tt.want {
			t.Errorf("%v: got %v on the wire, want %s", kind, field, tt.want)
		}
		if wire.GetVersion() != 3 || wire.GetBy().GetKind() != intervenev1.PartyKind_PARTY_KIND_ENGINE || wire.GetAt().AsTime().UnixMilli() != 4 {
			t.Errorf("%v: got %v, want version, author and time of the event", kind, wire)
		}
	}
}

// TestCardMaps fills every field of a card: the wire's must all be set from it.
func TestCardMaps(t *testing.T) {
	id := engine.NewConversationID(1, [14]byte{7})
	card := engine.Card{
		Conversation: id, Workspace: "acme", Channel: "main", Version: 9, Column: engine.Intervened, Epoch: 2, Holder: "asha",
		Contact: engine.Contact{Name: "Nia", WaID: "15550100", UserID: "u"}, Preview: "hello", Unread: 3, Tags: []string{"vip"},
		Cause: engine.CauseIntervened, Reason: "refund", RequestedAt: 1000, Since: 2000, LastActivity: 3000, WindowExpiresAt: 4000,
		OptedOut: true, MutedUntil: 5000, Linked: []engine.ConversationID{engine.NewConversationID(1, [14]byte{8})},
	}
	want := &intervenev1.Card{
		ConversationId: id.String(), ChannelId: "main", Version: 9, Column: intervenev1.Column_COLUMN_INTERVENED, Epoch: 2, HolderAgentId: "asha",
		Contact: &intervenev1.Contact{Id: id.String(), Name: "Nia", Phone: "15550100"}, Preview: "hello", UnreadCount: 3, Tags: []string{"vip"},
		Cause: intervenev1.Cause_CAUSE_INTERVENED, RequestReason: "refund",
		RequestedAt: &timestamppb.Timestamp{Seconds: 1}, Since: &timestamppb.Timestamp{Seconds: 2},
		LastActivityAt: &timestamppb.Timestamp{Seconds: 3}, WindowExpiresAt: &timestamppb.Timestamp{Seconds: 4},
		OptedOut: true, MutedUntil: &timestamppb.Timestamp{Seconds: 5}, LinkedConversationIds: []string{card.Linked[0].String()},
	}
	got := cardOf(&card)
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("got a difference (-want +got):\n%s", diff)
	}
	fields := got.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if !got.ProtoReflect().Has(fields.Get(i)) {
			t.Errorf("got no %s, want every field of the wire's card set", fields.Get(i).Name())
		}
	}
}
