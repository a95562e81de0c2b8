package rpc

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	e := newEdge(t, func(o *Options) { o.Metrics = registry })
	id := e.held().String()
	if _, err := e.client(ashaToken).GetConversation(t.Context(), &intervenev1.GetConversationRequest{ConversationId: id}); err != nil {
		t.Fatalf("GetConversation: %v", err)
	}
	for range 2 {
		if _, err := e.client(oliToken).GetConversation(t.Context(), &intervenev1.GetConversationRequest{ConversationId: id}); err == nil {
			t.Fatal("GetConversation by Oli: got no error, want not_found")
		}
	}
	if _, err := e.client("").GetConversation(t.Context(), &intervenev1.GetConversationRequest{ConversationId: id}); err == nil {
		t.Fatal("GetConversation by nobody: got no error, want unauthenticated")
	}
	for code, want := range map[string]float64{codeOK: 1, "not_found": 2, "unauthenticated": 1, codeMalformed: 0} {
		got := value(t, e.server.metrics.requests.WithLabelValues(intervenev1connect.LiveChatServiceGetConversationProcedure, code))
		if got != want {
			t.Errorf("%s: got %v requests, want %v", code, got, want)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatalf("Gather: %v", err)
	}
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "intervene_rpc_") || !strings.HasSuffix(family.GetHelp(), ".") {
			t.Errorf("got %s with help %q, want the edge's prefix and a sentence", family.GetName(), family.GetHelp())
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("New without options: got no error, want one")
	}
	options := e.server.options
	if _, err := New(options); err == nil {
		t.Error("New with metrics that are registered: got no error, want one")
	}
}
