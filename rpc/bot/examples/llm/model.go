package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxCompletionBytes bounds what a model answers.
const maxCompletionBytes = 1 << 20

// errBusy says that the model may answer when it is asked again.
var errBusy = errors.New("the model is busy")

// chatModel is a model behind POST {url}/chat/completions, as OpenAI has it and many
// others serve it (platform.openai.com/docs/api-reference/chat/create).
type chatModel struct {
	client *http.Client
	url    string
	name   string
	key    string
}

type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// completion is what the model says and whether it wants a person.
type completion struct {
	Content    string
	asksPerson bool
	Reason     string `json:"reason"`
	Summary    string `json:"summary"`
}

const personTool = "request_agent"

// personTools is the one tool that the model has.
var personTools = json.RawMessage(`[{"type": "function", "function": {
	"name": "request_agent",
	"description": "Ask for a person of the shop, who then takes the conversation over.",
	"parameters": {"type": "object", "required": ["reason"], "properties": {
		"reason": {"type": "string", "description": "In a few words, why."},
		"summary": {"type": "string", "description": "What the person should know, in two sentences."}
	}}
}}]`)

func (m chatModel) complete(ctx context.Context, messages []chatMessage, offersPerson bool) (completion, error) {
	ask := map[string]any{"model": m.name, "messages": messages}
	if offersPerson {
		ask["tools"] = personTools
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return completion{}, fmt.Errorf("marshal: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return completion{}, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if m.key != "" {
		request.Header.Set("Authorization", "Bearer "+m.key)
	}
	response, err := m.client.Do(request)
	if err != nil {
		return completion{}, fmt.Errorf("ask the model: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxCompletionBytes))
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	switch {
	case err != nil:
		return completion{}, fmt.Errorf("read the model's answer: %w", err)
	case response.StatusCode == http.StatusTooManyRequests || response.StatusCode >= http.StatusInternalServerError:
		return completion{}, errBusy
	case response.StatusCode != http.StatusOK:
		return completion{}, fmt.Errorf("the model answers with HTTP status %d", response.StatusCode)
	}
	return completed(text)
}

func completed(text []byte) (completion, error) {
	var answer struct {
		Choices []struct {
			Message struct {
				Content   string `json:"content"`
				ToolCalls []struct {
					Function struct {
						Name      string `json:"name"`
						Arguments string `json:"arguments"`
					} `json:"function"`
				} `json:"tool_calls"`
			} `json:"message"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || len(answer.Choices) == 0 {
		return completion{}, errors.New("the model's answer is no completion")
	}
	message := answer.Choices[0].Message
	c := completion{Content: message.Content}
	for _, call := range message.ToolCalls {
		if call.Function.Name != personTool {
			continue
		}
		c.asksPerson = true
		if err := json.Unmarshal([]byte(call.Function.Arguments), &c); err != nil {
			c.Reason = "the model asked for a person" // and did not say why in words that can be read
		}
	}
	if c.Content == "" && !c.asksPerson {
		return completion{}, errors.New("the model says nothing")
	}
	return c, nil
}
