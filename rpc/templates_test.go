package rpc

import (
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

func TestListTemplatesPages(t *testing.T) {
	e := newEdge(t)
	asha := e.client(ashaToken)
	request := &intervenev1.ListTemplatesRequest{ChannelId: "main", PageSize: 2}
	first, err := asha.ListTemplates(t.Context(), request)
	if err != nil {
		t.Fatalf("ListTemplates: %v", err)
	}
	want := []*intervenev1.TemplateInfo{
		{Name: "order_update", Language: "de", Category: "UTILITY", Status: "PAUSED"},
		{
			Name: "order_update", Language: "en_US", Category: "UTILITY", Status: "APPROVED", ParameterFormat: "NAMED",
			Parts: []*intervenev1.TemplatePart{
				{Type: "HEADER", Format: "TEXT", Text: "Your order"},
				{Type: "BUTTONS", Buttons: []*intervenev1.TemplateButton{{Type: "URL", Text: "Track", Url: "https://shop.test/{{1}}"}}},
			},
		},
	}
	if diff := cmp.Diff(want, first.GetTemplates(), protocmp.Transform()); diff != "" {
		t.Errorf("got a difference (-want +got):\n%s", diff)
	}
	request.PageToken = first.GetNextPageToken()
	last, err := asha.ListTemplates(t.Context(), request)
	if err != nil || len(last.GetTemplates()) != 1 || last.GetTemplates()[0].GetName() != "sale" || last.GetNextPageToken() != "" {
		t.Errorf("got last page %v, error %v, want sale alone", last, err)
	}
	if e.platform.asked != 1 {
		t.Errorf("got %d questions to the platform, want 1", e.platform.asked)
	}
	_, err = asha.ListTemplates(t.Context(), &intervenev1.ListTemplatesRequest{ChannelId: "main", PageToken: "AQ"})
	wantViolation(t, err, "page_token")
}

// TestTemplatesOfOtherWorkspaces: a channel of another workspace is not asked for.
func TestTemplatesOfOtherWorkspaces(t *testing.T) {
	e := newEdge(t)
	var answers []string
	for _, channel := range []string{"main", "nobodys"} {
		_, err := e.client(oliToken).ListTemplates(t.Context(), &intervenev1.ListTemplatesRequest{ChannelId: channel})
		wantViolation(t, err, "channel_id")
		answers = append(answers, err.Error())
	}
	if answers[0] != answers[1] || e.platform.asked != 0 {
		t.Errorf("got answers %q and %d questions, want no difference and none", answers, e.platform.asked)
	}
}

// TestTemplatesAreKept: asked for again when they are old, and kept when that fails.
func TestTemplatesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		asha := e.client(ashaToken)
		list := func() (int, error) {
			page, err := asha.ListTemplates(t.Context(), &intervenev1.ListTemplatesRequest{ChannelId: "main"})
			return len(page.GetTemplates()), err
		}
		fails := &engine.Error{Code: engine.CodeUnavailable}
		steps := []struct {
			name  string
			pause time.Duration
			err   error
			asked int
			want  int // -1: refused
		}{
			{"never had any", 0, fails, 1, -1},
			{"not so soon", templatesRetry - time.Second, nil, 1, -1},
			{"again", 2 * time.Second, nil, 2, 3},
			{"fresh", templatesFresh - time.Second, nil, 2, 3},
			{"old, and cannot be renewed", 2 * time.Second, fails, 3, 3},
			{"renewed", templatesRetry + time.Second, nil, 4, 3},
		}
		for _, step := range steps {
			time.Sleep(step.pause)
			e.platform.err = step.err
			got, err := list()
			if step.want < 0 {
				wantRefusal(t, err, connect.CodeUnavailable, "UNAVAILABLE")
			} else if err != nil || got != step.want {
				t.Errorf("%s: got %d templates, error %v, want %d", step.name, got, err, step.want)
			}
			if e.platform.asked != step.asked {
				t.Errorf("%s: got %d questions, want %d", step.name, e.platform.asked, step.asked)
			}
		}
	})
}

// TestTemplateCategoryUnknown: a platform that is not reachable does not hold up
// who may have anything.
func TestTemplateCategoryUnknown(t *testing.T) {
	e := newEdge(t)
	e.platform.err = &engine.Error{Code: engine.CodeUnavailable}
	sent, err := e.client(ashaToken).SendMessage(t.Context(), &intervenev1.SendMessageRequest{
		ConversationId: e.held().String(), CommandId: newCommandID(),
		Content: &intervenev1.SendMessageRequest_Template{Template: orderUpdate()},
	})
	if err != nil || sent.GetMessage().GetContent().GetTemplate().GetCategory() != "" {
		t.Errorf("got %v, error %v, want the template without a category", sent.GetMessage(), err)
	}
}
