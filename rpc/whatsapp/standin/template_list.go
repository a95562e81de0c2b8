package standin

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Paging of GET /{version}/{waba_id}/message_templates.
const (
	defaultTemplatePage = 25
	maxTemplatePage     = 1_000
)

// templateFields are those that can be asked for, and whether they come
// unasked. Those without a value here are never answered.
var templateFields = map[string]bool{
	"id": true, "name": true, "language": true, "status": true, "category": true, "components": true,
	"parameter_format": true, "sub_category": false, "previous_category": false, "quality_score": false,
	"rejected_reason": false, "last_updated_time": false, "message_send_ttl_seconds": false,
}

type templatePage struct {
	Data   []map[string]any `json:"data"`
	Paging *templatePaging  `json:"paging,omitempty"`
}

type templatePaging struct {
	Cursors struct {
		Before string `json:"before"`
		After  string `json:"after"`
	} `json:"cursors"`
	Next     string `json:"next,omitempty"`
	Previous string `json:"previous,omitempty"`
}

// serveTemplates lists the templates of a business account: Meta's page
// "Template management", and Graph's cursor paging.
func (g *Graph) serveTemplates(w http.ResponseWriter, r *http.Request) {
	business := BusinessID(r.PathValue("object"))
	n, refusal := g.authorizeBusiness(r, business)
	if refusal != nil {
		g.writeError(w, refusal)
		return
	}
	ordinal := strconv.FormatUint(g.counters.templateLists.Add(1), 10)
	if g.struck(w, r, g.faults.planCall(CallTemplates, n.ID, ordinal)) {
		return
	}
	page, refusal := g.templatePage(r, business)
	if refusal != nil {
		g.writeError(w, refusal)
		return
	}
	g.writeAnswer(w, http.StatusOK, page)
}

func (g *Graph) templatePage(r *http.Request, business BusinessID) (templatePage, *graphError) {
	query := r.URL.Query()
	fields, refusal := askedFields(query.Get("fields"))
	if refusal != nil {
		return templatePage{}, refusal
	}
	limit := defaultTemplatePage
	if asked := query.Get("limit"); asked != "" {
		var err error
		if limit, err = strconv.Atoi(asked); err != nil || limit < 1 {
			return templatePage{}, invalidParameter("param limit must be a positive integer.")
		}
	}
	limit = min(limit, maxTemplatePage)
	all := slices.DeleteFunc(g.templates.of(business), func(t Template) bool { return !t.matches(query) })
	from, to, refusal := cut(all, query, limit)
	if refusal != nil {
		return templatePage{}, refusal
	}
	page := templatePage{Data: []map[string]any{}}
	for _, t := range all[from:to] {
		page.Data = append(page.Data, g.templateObject(business, t, fields))
	}
	if from < to {
		page.Paging = g.templatePaging(r, all, from, to)
	}
	return page, nil
}

func askedFields(list string) ([]string, *graphError) {
	var fields []string
	if list == "" {
		for name, unasked := range templateFields {
			if unasked {
				fields = append(fields, name)
			}
		}
		return fields, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if _, ok := templateFields[name]; !ok {
			return nil, invalidParameter("Tried accessing nonexisting field (" + name + ")")
		}
		fields = append(fields, name)
	}
	return append(fields, "id"), nil
}

func (t Template) matches(query url.Values) bool {
	for name, value := range map[string]string{
		"language": t.Language, "status": string(t.Status), "category": string(t.Category),
	} {
		if want := query.Get(name); want != "" && !strings.EqualFold(want, value) {
			return false
		}
	}
	return strings.Contains(t.Name, query.Get("name"))
}

// cut finds the page by the cursor of the template before it, or after it.
func cut(all []Template, query url.Values, limit int) (from, to int, refusal *graphError) {
	position := func(cursor string) (int, bool, *graphError) {
		decoded, err := base64.RawURLEncoding.DecodeString(cursor)
		name, language, ok := strings.Cut(string(decoded), "/")
		if err != nil || !ok {
			return 0, false, invalidParameter("Invalid cursors values")
		}
		at, found := slices.BinarySearchFunc(all, Template{Name: name, Language: language}, compareTemplates)
		if !found && at < len(all) {
			found = all[at].Name == name && all[at].Language == language // of one business
		}
		return at, found, nil
	}
	if after := query.Get("after"); after != "" {
		at, found, refusal := position(after)
		if refusal != nil {
			return 0, 0, refusal
		}
		if found {
			at++
		}
		return at, min(at+limit, len(all)), nil
	}
	if before := query.Get("before"); before != "" {
		at, _, refusal := position(before)
		if refusal != nil {
			return 0, 0, refusal
		}
		return max(at-limit, 0), at, nil
	}
	return 0, min(limit, len(all)), nil
}

func cursorOf(t Template) string {
	return base64.RawURLEncoding.EncodeToString([]byte(t.Name + "/" + t.Language))
}

func (g *Graph) templatePaging(r *http.Request, all []Template, from, to int) *templatePaging {
	paging := &templatePaging{}
	paging.Cursors.Before, paging.Cursors.After = cursorOf(all[from]), cursorOf(all[to-1])
	address := func(cursor, value string) string {
		query := r.URL.Query()
		query.Del("after")
		query.Del("before")
		query.Set(cursor, value)
		return g.baseURL(r) + r.URL.Path + "?" + query.Encode()
	}
	if to < len(all) {
		paging.Next = address("after", paging.Cursors.After)
	}
	if from > 0 {
		paging.Previous = address("before", paging.Cursors.Before)
	}
	return paging
}

func (g *Graph) templateObject(business BusinessID, t Template, fields []string) map[string]any {
	format := "POSITIONAL"
	if t.named() {
		format = "NAMED"
	}
	components := t.Components
	if components == nil {
		components = []TemplateComponent{}
	}
	values := map[string]any{
		"id":       g.seed.objectID("template", business.String(), t.Name, t.Language),
		"name":     t.Name,
		"language": t.Language, "status": t.Status, "category": t.Category,
		"components": components, "parameter_format": format,
	}
	object := make(map[string]any, len(fields))
	for _, name := range fields {
		if value, ok := values[name]; ok {
			object[name] = value
		}
	}
	return object
}
