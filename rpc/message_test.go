package rpc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

var textHi = &intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: "hi"}}}

func hi() engine.Content { return engine.Content{Kind: engine.ContentText, Text: "hi"} }

// TestMessageMaps: together its messages fill every field of the wire's.
func TestMessageMaps(t *testing.T) {
	id := engine.MessageID{Conversation: engine.NewConversationID(1, [14]byte{7}), Version: 5}
	other := func(version uint64) string {
		return engine.MessageID{Conversation: id.Conversation, Version: version}.String()
	}
	asha, customer := engine.Party{Kind: engine.Agent, ID: "asha"}, engine.Party{Kind: engine.Customer}
	edited := engine.Content{Kind: engine.ContentText, Text: "hello"}
	tests := []struct {
		name    string
		message engine.Message
		replyTo string
		want    *intervenev1.Message
	}{
		{"rejected and resent", engine.Message{
			Event:    engine.Event{At: 1000, By: asha, Body: engine.MessageQueued{Content: hi(), ResendOf: 3}},
			Delivery: engine.Delivery{State: engine.Rejected, Error: 131047, Detail: "too late", Repeated: true, ResentAs: 9},
		}, other(2), &intervenev1.Message{
			Author:  &intervenev1.Party{Kind: intervenev1.PartyKind_PARTY_KIND_AGENT, Id: "asha"},
			Content: textHi, At: &timestamppb.Timestamp{Seconds: 1},
			Delivery: intervenev1.Delivery_DELIVERY_REJECTED, ErrorCode: 131047, ErrorDetail: "too late", Repeated: true,
			ReplyToMessageId: other(2), ResentAsMessageId: other(9), ResendOfMessageId: other(3),
		}},
		{"queued again: the error is of an attempt before", engine.Message{
			Event:    engine.Event{At: 1000, By: asha, Body: engine.MessageQueued{Content: hi()}},
			Delivery: engine.Delivery{State: engine.Queued, Error: 500, Detail: "later"},
		}, "", &intervenev1.Message{
			Author:  &intervenev1.Party{Kind: intervenev1.PartyKind_PARTY_KIND_AGENT, Id: "asha"},
			Content: textHi, At: &timestamppb.Timestamp{Seconds: 1}, Delivery: intervenev1.Delivery_DELIVERY_QUEUED,
		}},
		{"received, edited and reacted to", engine.Message{
			Event: engine.Event{At: 2000, By: customer, Body: engine.MessageReceived{Content: hi(), SentAt: 1000, Context: &engine.Context{
				Forwarded: true, ForwardedOften: true, Product: &engine.Product{Catalog: "c", Retailer: "r"},
				Referral: &engine.Referral{
					SourceURL: "https://fb.test", SourceID: "s", SourceType: "ad", Headline: "h", Body: "b", MediaType: "image", ClickID: "k",
				},
			}}},
			Media:   engine.MediaStatus{State: engine.MediaStored, Blob: "secret", Bytes: 7},
			Amended: engine.Amendments{Reaction: "👍", ReactedAt: 3000, Edit: &edited, EditedAt: 4000},
		}, "", &intervenev1.Message{
			Author:  &intervenev1.Party{Kind: intervenev1.PartyKind_PARTY_KIND_CUSTOMER},
			Content: textHi, SentAt: &timestamppb.Timestamp{Seconds: 1}, At: &timestamppb.Timestamp{Seconds: 2},
			Reaction: "👍", Media: &intervenev1.MediaStatus{State: intervenev1.MediaState_MEDIA_STATE_STORED, Bytes: 7},
			Edit: &intervenev1.Edit{
				Content: &intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: "hello"}}},
				At:      &timestamppb.Timestamp{Seconds: 4},
			},
			Context: &intervenev1.Context{
				Forwarded: true, ForwardedOften: true, Product: &intervenev1.Product{CatalogId: "c", RetailerId: "r"},
				Referral: &intervenev1.Referral{
					SourceUrl: "https://fb.test", SourceId: "s", SourceType: "ad", Headline: "h", Body: "b", MediaType: "image", ClickId: "k",
				},
			},
		}},
		{"taken back: it says nothing any more", engine.Message{
			Event:   engine.Event{At: 2000, By: customer, Body: engine.MessageReceived{Content: hi(), SentAt: 1000}},
			Amended: engine.Amendments{Edit: &edited, EditedAt: 3000, RevokedAt: 4000},
		}, "", &intervenev1.Message{
			Author: &intervenev1.Party{Kind: intervenev1.PartyKind_PARTY_KIND_CUSTOMER},
			SentAt: &timestamppb.Timestamp{Seconds: 1}, At: &timestamppb.Timestamp{Seconds: 2}, RevokedAt: &timestamppb.Timestamp{Seconds: 4},
		}},
		{"from outside", engine.Message{
			Event: engine.Event{At: 2000, By: engine.Party{Kind: engine.Outside}, Body: engine.EchoReceived{Content: hi(), SentAt: 1000}},
		}, "", &intervenev1.Message{
			Author:  &intervenev1.Party{Kind: intervenev1.PartyKind_PARTY_KIND_OUTSIDE},
			Content: textHi, SentAt: &timestamppb.Timestamp{Seconds: 1}, At: &timestamppb.Timestamp{Seconds: 2},
		}},
	}
	filled := make(map[protoreflect.Name]bool)
	for _, tt := range tests {
		tt.message.ID, tt.message.Event.Version = id, id.Version
		tt.want.MessageId, tt.want.ConversationId, tt.want.Version = id.String(), id.Conversation.String(), id.Version
		got := messageOf(&tt.message, tt.replyTo)
		if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: got a difference (-want +got):\n%s", tt.name, diff)
		}
		got.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
			filled[f.Name()] = true
			return true
		})
	}
	fields := new(intervenev1.Message).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if name := fields.Get(i).Name(); !filled[name] {
			t.Errorf("got no %s in any message, want every field of the wire's message set in one", name)
		}
	}
	if got := messageOf(&engine.Message{Event: engine.Event{Body: engine.Noted{}}}, ""); got != nil {
		t.Errorf("no message: got %v, want nil", got)
	}
}

func TestEventBodiesMap(t *testing.T) {
	id := engine.NewConversationID(1, [14]byte{7})
	message := engine.MessageID{Conversation: id, Version: 2}.String()
	linked := engine.NewConversationID(1, [14]byte{9})
	tests := []struct {
		name string
		body engine.Body
		want *intervenev1.ConversationEvent
	}{
		{
			"failed",
			engine.DeliveryChanged{Send: 2, State: engine.Failed, Error: 131026, Detail: "no such number", Repeated: true},
			&intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_DeliveryChange{DeliveryChange: &intervenev1.DeliveryChange{
				MessageId: message, Delivery: intervenev1.Delivery_DELIVERY_FAILED, ErrorCode: 131026, ErrorDetail: "no such number", Repeated: true,
			}}},
		},
		{
			"reacted",
			engine.Amended{What: engine.Reacted, SentAt: 1000, Content: engine.Content{Text: "👍"}},
			&intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_Amendment{Amendment: &intervenev1.Amendment{
				MessageId: message, Kind: intervenev1.AmendmentKind_AMENDMENT_KIND_REACTED, Reaction: "👍", At: &timestamppb.Timestamp{Seconds: 1},
			}}},
		},
		{
			"edited",
			engine.Amended{What: engine.Edited, SentAt: 1000, Content: hi()},
			&intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_Amendment{Amendment: &intervenev1.Amendment{
				MessageId: message, Kind: intervenev1.AmendmentKind_AMENDMENT_KIND_EDITED, Content: textHi, At: &timestamppb.Timestamp{Seconds: 1},
			}}},
		},
		{
			"revoked",
			engine.Amended{What: engine.Revoked, SentAt: 1000},
			&intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_Amendment{Amendment: &intervenev1.Amendment{
				MessageId: message, Kind: intervenev1.AmendmentKind_AMENDMENT_KIND_REVOKED, At: &timestamppb.Timestamp{Seconds: 1},
			}}},
		},
		{
			"contact",
			engine.ContactChanged{Contact: engine.Contact{Name: "Nia", WaID: "15550100"}},
			&intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_ContactChange{ContactChange: &intervenev1.ContactChange{
				Contact: &intervenev1.Contact{Id: id.String(), Name: "Nia", Phone: "15550100"},
			}}},
		},
		{
			"linked",
			engine.ContactLinked{Other: linked},
			&intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_ContactLink{ContactLink: &intervenev1.ContactLink{
				ConversationId: linked.String(),
			}}},
		},
		{
			"consent",
			engine.ConsentChanged{Consent: engine.Stop},
			&intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_ConsentChange{ConsentChange: &intervenev1.ConsentChange{
				Consent: intervenev1.Consent_CONSENT_STOP,
			}}},
		},
		{
			"media",
			engine.MediaChanged{Message: 2, State: engine.MediaStored, Blob: "secret", Bytes: 7},
			&intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_MediaChange{MediaChange: &intervenev1.MediaChange{
				MessageId: message, Media: &intervenev1.MediaStatus{State: intervenev1.MediaState_MEDIA_STATE_STORED, Bytes: 7},
			}}},
		},
		{
			"trimmed",
			engine.Trimmed{OldestKept: 40},
			&intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_Trim{Trim: &intervenev1.Trim{OldestVersion: 40}}},
		},
	}
	for _, tt := range tests {
		got := eventOf(id, &engine.Event{Version: 3, By: engine.Party{Kind: engine.Engine}, Body: tt.body}, message)
		tt.want.Version, tt.want.By = 3, &intervenev1.Party{Kind: intervenev1.PartyKind_PARTY_KIND_ENGINE}
		if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: got a difference (-want +got):\n%s", tt.name, diff)
		}
	}
}
