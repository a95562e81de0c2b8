package whatsapp

import (
	"strings"
	"testing"

	"github.com/intervenehq/intervene/engine"
)

func TestConsentByKeyword(t *testing.T) {
	text := func(s string) engine.Content { return engine.Content{Kind: engine.ContentText, Text: s} }
	byDefault := Channel{}.withKeywords()
	own := Channel{StopKeywords: []string{"ÇIKIŞ", "no more"}}.withKeywords()
	none := Channel{StopKeywords: []string{}}.withKeywords()
	tests := []struct {
		name    string
		channel Channel
		content engine.Content
		want    engine.Consent
	}{
		{"the default", byDefault, text("stop"), engine.Stop},
		{"the default start", byDefault, text(" START\n"), engine.Resume},
		{"within a text", byDefault, text("please stop"), 0},
		{"with a mark", byDefault, text("stop!"), 0},
		{"nothing", byDefault, text("  "), 0},
		{"a button", byDefault, engine.Content{Kind: engine.ContentButtonReply, Text: "Stop", Payload: "x"}, engine.Stop},
		{"a caption", byDefault, engine.Content{Kind: engine.ContentImage, Text: "stop"}, 0},
		{"an unsupported type", byDefault, engine.Content{Kind: engine.ContentUnsupported, Text: "stop"}, 0},
		{"the channel's own, in another case", own, text("çikiş"), engine.Stop},
		{"the channel's own of two words", own, text("No More"), engine.Stop},
		{"the default, of a channel with its own", own, text("stop"), 0},
		{"no start of a channel with its own", own, text("start"), 0},
		{"the default, of a channel that wants none", none, text("stop"), 0},
	}
	for _, tt := range tests {
		if got := tt.channel.consent(tt.content); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestKeywordsValidate(t *testing.T) {
	tests := []struct {
		name        string
		stop, start []string
		want        string // in the error; empty: valid
	}{
		{"none", []string{}, nil, ""},
		{"some", []string{"STOP", "no more"}, []string{"START"}, ""},
		{"an empty word", []string{""}, nil, "stop_keywords must be"},
		{"space around", nil, []string{" START"}, "start_keywords must be"},
		{"a long word", []string{strings.Repeat("x", MaxKeywordBytes+1)}, nil, "stop_keywords must be"},
		{"many words", make([]string, MaxKeywords+1), nil, "stop_keywords has 65"},
		{"a word of both", []string{"YES"}, []string{"yes"}, "no word in common"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := testConfig()
			config.Channels[0].StopKeywords, config.Channels[0].StartKeywords = tt.stop, tt.start
			err := config.Validate()
			if tt.want == "" && err != nil {
				t.Errorf("got error %v, want none", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got error %v, want one that says %q", err, tt.want)
			}
		})
	}
}

// TestWebhookHasDefaultKeywords: a channel that is configured without any has them.
func TestWebhookHasDefaultKeywords(t *testing.T) {
	e := newEdge(t)
	e.post("main", testSecret, textDelivery("Stop", "hello"))
	for i, want := range []engine.Consent{engine.Stop, 0} {
		if got := e.inbox.items[i].Message.Consent; got != want {
			t.Errorf("message %d: got %s, want %s", i, got, want)
		}
	}
}
