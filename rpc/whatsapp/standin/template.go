package standin

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// TemplateCategory is what a template is for; it decides who may be sent it.
type TemplateCategory string

const (
	CategoryMarketing      TemplateCategory = "MARKETING"
	CategoryUtility        TemplateCategory = "UTILITY"
	CategoryAuthentication TemplateCategory = "AUTHENTICATION"
)

// TemplateStatus is how far a template came in Meta's review. Only an approved
// one can be sent.
type TemplateStatus string

const (
	TemplateApproved TemplateStatus = "APPROVED"
	TemplatePending  TemplateStatus = "PENDING"
	TemplateRejected TemplateStatus = "REJECTED"
	TemplatePaused   TemplateStatus = "PAUSED"
	TemplateDisabled TemplateStatus = "DISABLED"
)

// Template is one template in one language. The parameters that a send must
// bring follow from its components: {{1}}, {{2}}... or {{name}} in its texts, a
// media header, a button's URL with a placeholder, a code to copy.
type Template struct {
	Business   BusinessID          `json:"business,omitempty"` // empty: every business has it
	Name       string              `json:"name"`
	Language   string              `json:"language"`
	Category   TemplateCategory    `json:"category"`
	Status     TemplateStatus      `json:"status,omitempty"` // empty: approved
	Components []TemplateComponent `json:"components"`
}

// TemplateComponent is one part of a template.
type TemplateComponent struct {
	Type    string           `json:"type"`             // HEADER, BODY, FOOTER or BUTTONS
	Format  string           `json:"format,omitempty"` // of a header: TEXT, IMAGE, VIDEO, DOCUMENT or LOCATION
	Text    string           `json:"text,omitempty"`
	Buttons []TemplateButton `json:"buttons,omitempty"`
}

// TemplateButton is one button of a template.
type TemplateButton struct {
	Type        string `json:"type"` // QUICK_REPLY, URL, PHONE_NUMBER, COPY_CODE, FLOW, CATALOG, OTP...
	Text        string `json:"text,omitempty"`
	URL         string `json:"url,omitempty"`
	PhoneNumber string `json:"phone_number,omitempty"`
}

const (
	maxTemplates      = 10_000
	componentHeader   = "HEADER"
	componentBody     = "BODY"
	componentFooter   = "FOOTER"
	componentButtons  = "BUTTONS"
	headerFormatText  = "TEXT"
	templateBodyLimit = 1024 // hydrated, in characters
)

var (
	templateNamePattern = regexp.MustCompile(`^[a-z0-9_]{1,512}$`)
	languagePattern     = regexp.MustCompile(`^[a-z]{2,3}(_[A-Z]{2,3})?$`)
	placeholderPattern  = regexp.MustCompile(`\{\{\s*([0-9]+|[a-z][a-z0-9_]*)\s*\}\}`)
)

func (t Template) withDefaults() Template {
	if t.Status == "" {
		t.Status = TemplateApproved
	}
	return t
}

func (t Template) validate() error {
	if !templateNamePattern.MatchString(t.Name) || !languagePattern.MatchString(t.Language) {
		return fmt.Errorf("%w: a template needs a name of small letters, digits and _, and a language such as en_US", ErrInvalid)
	}
	switch t.Category {
	case CategoryMarketing, CategoryUtility, CategoryAuthentication:
	default:
		return fmt.Errorf("%w: template %q has no known category", ErrInvalid, t.Name)
	}
	switch t.Status {
	case TemplateApproved, TemplatePending, TemplateRejected, TemplatePaused, TemplateDisabled:
	default:
		return fmt.Errorf("%w: template %q has no known status", ErrInvalid, t.Name)
	}
	for _, c := range t.Components {
		switch c.Type {
		case componentHeader, componentBody, componentFooter, componentButtons:
		default:
			return fmt.Errorf("%w: template %q has the unknown component %q", ErrInvalid, t.Name, c.Type)
		}
	}
	return nil
}

// component answers the component of a type, or an empty one.
func (t Template) component(kind string) TemplateComponent {
	for _, c := range t.Components {
		if c.Type == kind {
			return c
		}
	}
	return TemplateComponent{}
}

// placeholders lists what a text leaves open, each once, in order.
func placeholders(text string) []string {
	var names []string
	for _, match := range placeholderPattern.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(names, match[1]) {
			names = append(names, match[1])
		}
	}
	return names
}

// named tells whether the template's placeholders have names.
func (t Template) named() bool {
	for _, c := range t.Components {
		for _, name := range placeholders(c.Text) {
			if name[0] < '0' || name[0] > '9' {
				return true
			}
		}
	}
	return false
}

// templates is the list that sends are checked against, in the order in which
// Graph lists it: by name, then language.
type templates struct {
	mu      sync.Mutex
	checked bool // false: any template may be sent
	list    []Template
}

func compareTemplates(a, b Template) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	if c := strings.Compare(a.Language, b.Language); c != 0 {
		return c
	}
	return strings.Compare(a.Business.String(), b.Business.String())
}

// SetTemplate adds a template, or replaces the one of the same business, name
// and language. From the first on, only templates that are there can be sent.
func (g *Graph) SetTemplate(t Template) error {
	t = t.withDefaults()
	if err := t.validate(); err != nil {
		return fmt.Errorf("set a template: %w", err)
	}
	g.templates.mu.Lock()
	defer g.templates.mu.Unlock()
	g.templates.checked = true
	at, found := slices.BinarySearchFunc(g.templates.list, t, compareTemplates)
	switch {
	case found:
		g.templates.list[at] = t
	case len(g.templates.list) >= maxTemplates:
		return fmt.Errorf("set a template: %w", ErrFull)
	default:
		g.templates.list = slices.Insert(g.templates.list, at, t)
	}
	return nil
}

// RemoveTemplate removes a name in all its languages and answers how many.
func (g *Graph) RemoveTemplate(name string) int {
	g.templates.mu.Lock()
	defer g.templates.mu.Unlock()
	before := len(g.templates.list)
	g.templates.list = slices.DeleteFunc(g.templates.list, func(t Template) bool { return t.Name == name })
	return before - len(g.templates.list)
}

// Templates lists the templates by name and language.
func (g *Graph) Templates() []Template {
	g.templates.mu.Lock()
	defer g.templates.mu.Unlock()
	return slices.Clone(g.templates.list)
}

// of lists the templates of one business.
func (t *templates) of(business BusinessID) []Template {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []Template
	for _, template := range t.list {
		if template.Business == "" || template.Business == business {
			found = append(found, template)
		}
	}
	return found
}

// find answers the template of a business. Not checked: any is as good.
func (t *templates) find(business BusinessID, name, language string) (found Template, ok, checked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, template := range t.list {
		if template.Name == name && template.Language == language &&
			(template.Business == "" || template.Business == business) {
			return template, true, t.checked
		}
	}
	return Template{}, false, t.checked
}
