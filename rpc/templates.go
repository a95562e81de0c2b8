package rpc

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	// templatesFresh is how long a list of templates is as good as a new one,
	// templatesRetry how long one that could not be renewed is.
	templatesFresh = 10 * time.Minute
	templatesRetry = 30 * time.Second
	// templatesTimeout bounds one asking: a send waits for it.
	templatesTimeout = 10 * time.Second
)

// What became of the asking for a list: values of a metric's label.
const (
	refreshDone   = "ok"
	refreshFailed = "failed"
)

// templateCache keeps the templates of each channel. It holds as many lists as
// there are channels: nobody else's are asked for.
type templateCache struct {
	source  Templates
	metrics *metrics

	mu    sync.Mutex
	lists map[engine.ChannelID]*templateList
}

func newTemplateCache(source Templates, m *metrics) *templateCache {
	return &templateCache{source: source, metrics: m, lists: make(map[engine.ChannelID]*templateList)}
}

// templateList is one channel's. Who holds turn owns the rest.
type templateList struct {
	turn  chan struct{} // holds one
	until time.Time     // when it is asked for again
	list  []engine.TemplateInfo
	err   error
}

// forget makes every list be asked for again. One that is being asked for is told to
// those who wait for it, and then forgotten.
func (c *templateCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.lists)
}

func (c *templateCache) of(channel engine.ChannelID) *templateList {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.lists[channel]
	if !ok {
		l = &templateList{turn: make(chan struct{}, 1)}
		c.lists[channel] = l
	}
	return l
}

// list is channel's templates, by name and language. Nobody changes it.
func (c *templateCache) list(ctx context.Context, channel engine.ChannelID) ([]engine.TemplateInfo, error) {
	l := c.of(channel)
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for templates: %w", ctx.Err())
	}
	defer func() { <-l.turn }()
	if time.Now().Before(l.until) {
		return l.list, l.err
	}
	c.refresh(ctx, channel, l)
	return l.list, l.err
}

// refresh asks anew. What cannot be renewed stays as it was; who went away says
// nothing of the platform.
func (c *templateCache) refresh(ctx context.Context, channel engine.ChannelID, l *templateList) {
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), templatesTimeout)
	defer cancel()
	list, err := c.source.Templates(asking, channel)
	if err != nil {
		c.metrics.templateRefreshes.WithLabelValues(refreshFailed).Inc()
		l.until = time.Now().Add(templatesRetry)
		if l.list == nil {
			l.err = fmt.Errorf("ask for templates: %w", err)
		}
		return
	}
	c.metrics.templateRefreshes.WithLabelValues(refreshDone).Inc()
	list = slices.Clone(list)
	slices.SortFunc(list, compareTemplates)
	if list == nil {
		list = []engine.TemplateInfo{}
	}
	l.list, l.err, l.until = list, nil, time.Now().Add(templatesFresh)
}

func compareTemplates(a, b engine.TemplateInfo) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Language, b.Language))
}

// category is what t counts as; empty when nobody knows, or can be asked.
func (c *templateCache) category(ctx context.Context, channel engine.ChannelID, t *engine.Template) engine.TemplateCategory {
	list, err := c.list(ctx, channel)
	if err != nil {
		return ""
	}
	wanted := engine.TemplateInfo{Name: t.Name, Language: t.Language}
	i, found := slices.BinarySearchFunc(list, wanted, compareTemplates)
	if !found {
		return ""
	}
	return list[i].Category
}

// ListTemplates implements the service.
func (s service) ListTemplates(ctx context.Context, r *intervenev1.ListTemplatesRequest) (*intervenev1.ListTemplatesResponse, error) {
	channel, err := s.channel(ctx, r.GetChannelId())
	if err != nil {
		return nil, err
	}
	var begin uint64
	if token := r.GetPageToken(); token != "" {
		place, ok := s.cursors.place(token, templatePages(channel)...)
		if !ok {
			return nil, invalid("page_token", "must be the next_page_token of a page of this channel")
		}
		begin = place
	}
	list, err := s.templates.list(ctx, channel)
	if err != nil {
		return nil, err
	}
	page := new(intervenev1.ListTemplatesResponse)
	bytes, size := 0, pageSize(r.GetPageSize())
	for i := min(begin, uint64(len(list))); i < uint64(len(list)); i++ {
		t := templateInfoOf(&list[i])
		if bytes += proto.Size(t); len(page.Templates) == size || (len(page.Templates) > 0 && bytes > maxPageBytes) {
			page.NextPageToken = s.cursors.placeToken(i, templatePages(channel)...)
			break
		}
		page.Templates = append(page.Templates, t)
	}
	return page, nil
}

func templatePages(channel engine.ChannelID) [][]byte {
	return [][]byte{[]byte("templates"), []byte(channel)}
}

func templateInfoOf(t *engine.TemplateInfo) *intervenev1.TemplateInfo {
	wire := &intervenev1.TemplateInfo{
		Name: t.Name, Language: t.Language, Category: string(t.Category), Status: t.Status, ParameterFormat: t.ParameterFormat,
	}
	for i := range t.Parts {
		p := &t.Parts[i]
		part := &intervenev1.TemplatePart{Type: p.Type, Format: p.Format, Text: p.Text}
		for _, b := range p.Buttons {
			part.Buttons = append(part.Buttons, &intervenev1.TemplateButton{Type: b.Type, Text: b.Text, Url: b.URL})
		}
		wire.Parts = append(wire.Parts, part)
	}
	return wire
}
