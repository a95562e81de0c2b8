package whatsapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/intervenehq/intervene/engine"
)

const (
	// MaxTemplates bounds what is listed of one account; Meta allows 6,000
	// (developers.facebook.com/docs/whatsapp/business-management-api/message-templates).
	MaxTemplates = 6_000
	// templatesPage is how many are asked for at once.
	templatesPage = 200
)

// Templates asks for all templates of a channel's account. CodeInvalid says that
// no waba_id is configured.
func (g *Graph) Templates(ctx context.Context, id engine.ChannelID) ([]engine.TemplateInfo, error) {
	channel, ok := g.served.Load().channel(id)
	if !ok || channel.templatesURL == "" {
		return nil, &engine.Error{Code: engine.CodeInvalid, Field: "channel_id", Problem: "has no waba_id in the configuration"}
	}
	return g.listTemplates(ctx, channel)
}

func (g *Graph) listTemplates(ctx context.Context, channel graphChannel) ([]engine.TemplateInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, GraphTimeout)
	defer cancel()
	var all []engine.TemplateInfo
	for after := ""; len(all) < MaxTemplates; {
		page, next, err := g.templatesAfter(ctx, channel, after)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == "" || len(page) == 0 {
			break
		}
		after = next
	}
	return all[:min(len(all), MaxTemplates)], nil
}

func (g *Graph) templatesAfter(ctx context.Context, channel graphChannel, after string) ([]engine.TemplateInfo, string, error) {
	address, err := url.Parse(channel.templatesURL)
	if err != nil {
		return nil, "", &engine.Error{Code: engine.CodeUnavailable, Err: withoutURL(err)}
	}
	query := url.Values{"limit": {strconv.Itoa(templatesPage)}, "fields": {"name,language,status,category,parameter_format,components"}}
	if after != "" {
		query.Set("after", after)
	}
	address.RawQuery = query.Encode()
	start := time.Now()
	response, err := g.get(ctx, operationTemplates, g.client, channel, address)
	if err != nil {
		g.metrics.graphCall(operationTemplates, graphAnswer{failure: err}, time.Since(start))
		return nil, "", &engine.Error{Code: engine.CodeUnavailable, Err: err}
	}
	answer := readAnswer(response)
	g.metrics.graphCall(operationTemplates, answer, time.Since(start))
	if answer.failure != nil {
		return nil, "", &engine.Error{Code: engine.CodeUnavailable, Err: answer.failure}
	}
	if !isSuccess(answer.status) {
		return nil, "", engine.Errorf(engine.CodeUnavailable, "the Graph API answers %d, code %d, to the list of templates", answer.status, answer.code)
	}
	return parseTemplates(answer.body)
}

// listedTemplate is one as Meta lists it.
type listedTemplate struct {
	Name            lenientString        `json:"name"`
	Language        lenientString        `json:"language"`
	Status          lenientString        `json:"status"`
	Category        lenientString        `json:"category"`
	ParameterFormat lenientString        `json:"parameter_format"`
	Components      []listedTemplatePart `json:"components"`
}

type listedTemplatePart struct {
	Type    lenientString          `json:"type"`
	Format  lenientString          `json:"format"`
	Text    lenientString          `json:"text"`
	Buttons []listedTemplateButton `json:"buttons"`
}

type listedTemplateButton struct {
	Type lenientString `json:"type"`
	Text lenientString `json:"text"`
	URL  lenientString `json:"url"`
}

func parseTemplates(body []byte) ([]engine.TemplateInfo, string, error) {
	var page struct {
		Data   []json.RawMessage `json:"data"`
		Paging struct {
			Next    lenientString `json:"next"`
			Cursors struct {
				After lenientString `json:"after"`
			} `json:"cursors"`
		} `json:"paging"`
	}
	if !object(bytes.TrimSpace(body), &page) {
		return nil, "", &engine.Error{Code: engine.CodeUnavailable, Err: errors.New("the list of templates cannot be read")}
	}
	templates := make([]engine.TemplateInfo, 0, len(page.Data))
	for _, raw := range page.Data {
		var t listedTemplate
		if object(raw, &t) { // one that cannot be read hides no other
			templates = append(templates, t.info())
		}
	}
	next := ""
	if page.Paging.Next != "" {
		next = string(page.Paging.Cursors.After)
	}
	return templates, next, nil
}

func (t *listedTemplate) info() engine.TemplateInfo {
	info := engine.TemplateInfo{
		Name: string(t.Name), Language: string(t.Language), Status: string(t.Status),
		Category: engine.TemplateCategory(t.Category), ParameterFormat: string(t.ParameterFormat),
	}
	for _, listed := range t.Components {
		part := engine.TemplatePart{Type: string(listed.Type), Format: string(listed.Format), Text: string(listed.Text)}
		for _, button := range listed.Buttons {
			part.Buttons = append(part.Buttons, engine.TemplateButton{Type: string(button.Type), Text: string(button.Text), URL: string(button.URL)})
		}
		info.Parts = append(info.Parts, part)
	}
	return info
}
