package rasa

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/intervenehq/intervene/engine"
)

// reply is one message of Rasa's answer. What is not here has no counterpart on
// WhatsApp.
type reply struct {
	Text         string          `json:"text"`
	Image        string          `json:"image"`
	Buttons      []button        `json:"buttons"`
	QuickReplies []button        `json:"quick_replies"`
	Attachment   json.RawMessage `json:"attachment"`
	Custom       *custom         `json:"custom"`
}

type button struct {
	Title   string `json:"title"`
	Payload string `json:"payload"`
}

// custom is what json_message of Rasa's dispatcher carries. It asks for a person in
// words of our own, or as Rasa's own examples of a hand-off do it.
type custom struct {
	Intervene *struct {
		RequestAgent *struct {
			Reason  string `json:"reason"`
			Summary string `json:"summary"`
		} `json:"request_agent"`
		Withdraw *struct{} `json:"withdraw"`
	} `json:"intervene"`
	HandoffHost string `json:"handoff_host"`
	Title       string `json:"title"`
}

var errNothingUsable = errors.New("rasa answered nothing that can be sent on WhatsApp")

// add takes replies over into answer.
func add(answer *engine.TurnAnswer, replies []reply) error {
	used := len(replies) == 0
	for i := range replies {
		r := &replies[i]
		if c := r.Custom; c != nil {
			used = c.use(answer) || used
		}
		contents := r.contents()
		used = used || len(contents) > 0
		answer.Say = append(answer.Say, contents...)
	}
	if !used {
		return errNothingUsable // the customer would wait for nothing
	}
	return nil
}

// use does what c asks for, and reports whether that was anything.
func (c *custom) use(answer *engine.TurnAnswer) bool {
	switch {
	case c.Intervene != nil && c.Intervene.RequestAgent != nil:
		answer.Request = true
		answer.Reason, answer.Summary = c.Intervene.RequestAgent.Reason, c.Intervene.RequestAgent.Summary
	case c.Intervene != nil && c.Intervene.Withdraw != nil:
		answer.Withdraw = true
	case c.HandoffHost != "":
		answer.Request, answer.Reason = true, c.Title
	default:
		return false
	}
	return true
}

func (r *reply) contents() []engine.Content {
	var contents []engine.Content
	if buttons := append(r.Buttons, r.QuickReplies...); len(buttons) > 0 {
		var choices []engine.Choice
		for _, b := range buttons {
			choice := engine.Choice{ID: b.Payload, Title: b.Title}
			if choice.ID == "" {
				choice.ID = b.Title
			}
			choices = append(choices, choice)
		}
		contents = append(contents, engine.Choices(r.Text, choices))
	} else {
		for _, text := range split(r.Text) {
			contents = append(contents, engine.Content{Kind: engine.ContentText, Text: text})
		}
	}
	if isLink(r.Image) {
		contents = append(contents, engine.Content{Kind: engine.ContentImage, Media: &engine.Media{Link: r.Image}})
	}
	if kind, link := attached(r.Attachment); isLink(link) {
		contents = append(contents, engine.Content{Kind: kind, Media: &engine.Media{Link: link}})
	}
	return contents
}

// attached is a link, or what Rasa's web channels take: a type with a source.
func attached(raw json.RawMessage) (engine.ContentKind, string) {
	var link string
	if json.Unmarshal(raw, &link) == nil {
		return engine.ContentDocument, link
	}
	var typed struct {
		Type    string `json:"type"`
		Payload struct {
			Src string `json:"src"`
			URL string `json:"url"`
		} `json:"payload"`
	}
	if json.Unmarshal(raw, &typed) != nil {
		return 0, ""
	}
	if link = typed.Payload.Src; link == "" {
		link = typed.Payload.URL
	}
	switch typed.Type {
	case "image":
		return engine.ContentImage, link
	case "video":
		return engine.ContentVideo, link
	case "audio":
		return engine.ContentAudio, link
	}
	return engine.ContentDocument, link
}

func isLink(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

// split cuts a text into what WhatsApp takes in one message.
func split(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	var parts []string
	runes := []rune(text)
	for len(runes) > engine.MaxTextRunes {
		parts, runes = append(parts, string(runes[:engine.MaxTextRunes])), runes[engine.MaxTextRunes:]
	}
	return append(parts, string(runes))
}
