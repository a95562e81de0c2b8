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
		engine.KindContactChanged:  {engine.ContactChanged{}, "other"},
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
	}
	for kind := engine.EventKind(1); kind.String() != "unknown"; kind++ {
		tt, ok := tests[kind]
		if !ok || tt.body.Kind() != kind {
			t.Errorf("got no body of kind %v in this test, want one", kind)
			continue
		}
		wire := eventOf(id, &engine.Event{Version: 3, At: 4, By: engine.Party{Kind: engine.Engine}, Body: tt.body})
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

func TestContentsMap(t *testing.T) {
	tests := map[engine.ContentKind]struct {
		content engine.Content
		want    *intervenev1.Content
	}{
		engine.ContentText: {
			engine.Content{Text: "hi"},
			&intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: "hi"}}},
		},
		engine.ContentButtonReply: {
			engine.Content{Text: "Yes", Payload: "y"},
			&intervenev1.Content{Kind: &intervenev1.Content_ButtonReply{ButtonReply: &intervenev1.ButtonReply{Id: "y", Title: "Yes"}}},
		},
		engine.ContentUnsupported: {
			engine.Content{Text: "hologram", Raw: "{}"},
			&intervenev1.Content{Kind: &intervenev1.Content_Unsupported{Unsupported: &intervenev1.Unsupported{Type: "hologram", RawJson: "{}"}}},
		},
	}
	for kind := engine.ContentKind(1); kind.String() != "unknown"; kind++ {
		tt, ok := tests[kind]
		if !ok {
			t.Errorf("got no content of kind %v in this test, want one", kind)
			continue
		}
		tt.content.Kind = kind
		if diff := cmp.Diff(tt.want, contentOf(tt.content), protocmp.Transform()); diff != "" {
			t.Errorf("%v: got a difference (-want +got):\n%s", kind, diff)
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
	}
	want := &intervenev1.Card{
		ConversationId: id.String(), ChannelId: "main", Version: 9, Column: intervenev1.Column_COLUMN_INTERVENED, Epoch: 2, HolderAgentId: "asha",
		Contact: &intervenev1.Contact{Id: id.String(), Name: "Nia", Phone: "15550100"}, Preview: "hello", UnreadCount: 3, Tags: []string{"vip"},
		Cause: intervenev1.Cause_CAUSE_INTERVENED, RequestReason: "refund",
		RequestedAt: &timestamppb.Timestamp{Seconds: 1}, Since: &timestamppb.Timestamp{Seconds: 2},
		LastActivityAt: &timestamppb.Timestamp{Seconds: 3}, WindowExpiresAt: &timestamppb.Timestamp{Seconds: 4},
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

func TestMessageMaps(t *testing.T) {
	id := engine.MessageID{Conversation: engine.NewConversationID(1, [14]byte{7}), Version: 5}
	queued := &engine.Event{
		Version: 5, At: 1000, By: engine.Party{Kind: engine.Agent, ID: "asha"},
		Body: engine.MessageQueued{Content: engine.Content{Kind: engine.ContentText, Text: "hi"}},
	}
	want := &intervenev1.Message{
		MessageId: id.String(), ConversationId: id.Conversation.String(), Version: 5,
		Author:  &intervenev1.Party{Kind: intervenev1.PartyKind_PARTY_KIND_AGENT, Id: "asha"},
		Content: &intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: "hi"}}},
		At:      &timestamppb.Timestamp{Seconds: 1}, Delivery: intervenev1.Delivery_DELIVERY_REJECTED, ErrorCode: 131047,
	}
	got := messageOf(id, queued, engine.Delivery{State: engine.Rejected, Error: 131047})
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("rejected: got a difference (-want +got):\n%s", diff)
	}
	if got := messageOf(id, queued, engine.Delivery{State: engine.Queued, Error: 500}); got.GetErrorCode() != 0 {
		t.Errorf("queued again: got error code %d, want 0", got.GetErrorCode())
	}
	if got := messageOf(id, &engine.Event{Body: engine.Noted{}}, engine.Delivery{}); got != nil {
		t.Errorf("no message: got %v, want nil", got)
	}
}
