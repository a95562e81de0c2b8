package standin

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// sentTemplate is the template object of a send: Meta's page "Template
// messages".
type sentTemplate struct {
	Name     string `json:"name"`
	Language struct {
		Code   string `json:"code"`
		Policy string `json:"policy"`
	} `json:"language"`
	Components []sentComponent `json:"components"`

	category TemplateCategory // once it is found
}

type sentComponent struct {
	Type       string           `json:"type"`
	SubType    string           `json:"sub_type"`
	Index      json.RawMessage  `json:"index"` // a number, or a string of one
	Parameters []sentParameter  `json:"parameters"`
	Cards      *json.RawMessage `json:"cards"`
}

type sentParameter struct {
	Type       string          `json:"type"`
	Name       string          `json:"parameter_name"`
	Text       json.RawMessage `json:"text"` // Meta's own examples have booleans, too
	Payload    string          `json:"payload"`
	CouponCode string          `json:"coupon_code"`
	Image      *mediaReference `json:"image"`
	Video      *mediaReference `json:"video"`
	Document   *mediaReference `json:"document"`
	Currency   *fallback       `json:"currency"`
	DateTime   *fallback       `json:"date_time"`
}

type fallback struct {
	Value string `json:"fallback_value"`
}

// badTextPattern: what Meta allows in no parameter.
var badTextPattern = regexp.MustCompile("[\n\t\r]| {5}")

// readTemplate checks the shape, whatever the template.
func readTemplate(s *send, raw json.RawMessage) *graphError {
	var template sentTemplate
	if refusal := decode(raw, typeTemplate, &template); refusal != nil {
		return refusal
	}
	if template.Name == "" {
		return invalidParameter("The parameter template['name'] is required.")
	}
	if template.Language.Code == "" {
		return invalidParameter("The parameter template['language']['code'] is required.")
	}
	if p := template.Language.Policy; p != "" && p != "deterministic" {
		return invalidParameter("Param template['language']['policy'] must be one of {DETERMINISTIC}.")
	}
	for _, component := range template.Components {
		if refusal := component.read(s); refusal != nil {
			return refusal
		}
	}
	s.template = &template
	return nil
}

func (c sentComponent) read(s *send) *graphError {
	switch strings.ToLower(c.Type) {
	case "header", "body", "footer", "carousel", "limited_time_offer", "order_status":
	case "button":
		if c.SubType == "" || c.index() < 0 {
			return missing("Button component needs sub_type and index")
		}
	default:
		return invalidParameter("Param template['components'] has a component of an unknown type.")
	}
	for _, parameter := range c.Parameters {
		if parameter.Type == "" {
			return missing("Template parameter needs a type")
		}
		if parameter.Type == typeText && parameter.text() == "" {
			return missing("Parameter of type text is missing text value")
		}
		if badTextPattern.MatchString(parameter.text()) {
			return codeError(codeInvalidParameter,
				"Param text cannot have new-line/tab characters or more than 4 consecutive spaces")
		}
		if kind, media := parameter.media(); media != nil {
			if refusal := media.check(kind); refusal != nil {
				return refusal
			}
			s.mediaKind, s.mediaID = kind, media.ID
		}
	}
	return nil
}

// index of a button, or -1.
func (c sentComponent) index() int {
	index, err := strconv.Atoi(string(bytes.Trim(c.Index, `"`)))
	if err != nil || index < 0 {
		return -1
	}
	return index
}

func (p sentParameter) media() (string, *mediaReference) {
	switch p.Type {
	case "image":
		return p.Type, p.Image
	case "video":
		return p.Type, p.Video
	case "document":
		return p.Type, p.Document
	}
	return "", nil
}

// text is what a person would read of the parameter.
func (p sentParameter) text() string {
	switch {
	case p.Currency != nil:
		return p.Currency.Value
	case p.DateTime != nil:
		return p.DateTime.Value
	}
	var text string
	if err := json.Unmarshal(p.Text, &text); err != nil {
		return string(p.Text) // a boolean or a number reads as it is written
	}
	return text
}

// checkTemplate compares the send with the template that it names, and fills
// in what a person reads. Where templates are not checked it does nothing.
func (g *Graph) checkTemplate(n *number, s *send) *graphError {
	if s.template == nil {
		return nil
	}
	sent := s.template
	template, ok, checked := g.templates.find(n.Business, sent.Name, sent.Language.Code)
	if !checked {
		return nil
	}
	switch {
	case !ok, template.Status == TemplatePending, template.Status == TemplateRejected:
		return codeError(codeNoTemplate, "template name ("+sent.Name+") does not exist in "+sent.Language.Code)
	case template.Status == TemplatePaused:
		return codeError(codeTemplatePaused, detailsOf(codeTemplatePaused))
	case template.Status == TemplateDisabled:
		return codeError(codeTemplateDisabled, detailsOf(codeTemplateDisabled))
	case template.Category == CategoryAuthentication && s.contact.IsUserID():
		return codeError(codeUserIDRecipient, detailsOf(codeUserIDRecipient))
	}
	sent.category = template.Category
	if refusal := template.checkHeader(sent.of("header")); refusal != nil {
		return refusal
	}
	body, refusal := template.hydrate("body", template.component(componentBody).Text, sent.of("body"))
	if refusal != nil {
		return refusal
	}
	if tooLong(body, templateBodyLimit) {
		return codeError(codeTemplateTooLong, "Translated text too long")
	}
	s.text = body
	return template.checkButtons(sent.Components)
}

// of answers the parameters of the component of a type.
func (t sentTemplate) of(kind string) []sentParameter {
	for _, c := range t.Components {
		if strings.EqualFold(c.Type, kind) {
			return c.Parameters
		}
	}
	return nil
}

func countMismatch(part string, got, want int) *graphError {
	return codeError(codeTemplateCount, part+": number of localizable_params ("+itoa(got)+
		") does not match the expected number of params ("+itoa(want)+")")
}

func (t Template) checkHeader(parameters []sentParameter) *graphError {
	header := t.component(componentHeader)
	if header.Format == "" || header.Format == headerFormatText {
		_, refusal := t.hydrate("header", header.Text, parameters)
		return refusal
	}
	received := "UNKNOWN"
	if len(parameters) > 0 {
		received = strings.ToUpper(parameters[0].Type)
	}
	if received != header.Format {
		return codeError(codeTemplateFormat, "header: Format mismatch, expected "+header.Format+", received "+received)
	}
	return nil
}

// hydrate fills a text's placeholders, by place or by name.
func (t Template) hydrate(part, text string, parameters []sentParameter) (string, *graphError) {
	open := placeholders(text)
	if len(parameters) != len(open) {
		return "", countMismatch(part, len(parameters), len(open))
	}
	values := make(map[string]string, len(parameters))
	for i, parameter := range parameters {
		name := strconv.Itoa(i + 1)
		if t.named() {
			if name = parameter.Name; name == "" {
				return "", codeError(codeInvalidParameter, "Parameter name is missing or empty")
			}
		}
		values[name] = parameter.text()
	}
	for _, name := range open {
		if _, ok := values[name]; !ok {
			return "", codeError(codeTemplateFormat, part+": parameter "+name+" is not given")
		}
	}
	return placeholderPattern.ReplaceAllStringFunc(text, func(place string) string {
		return values[placeholderPattern.FindStringSubmatch(place)[1]]
	}), nil
}

// checkButtons: a button that leaves something open needs its parameter, and a
// parameter needs a button of its kind.
func (t Template) checkButtons(components []sentComponent) *graphError {
	buttons := t.component(componentButtons).Buttons
	given := make(map[int]sentComponent)
	for _, c := range components {
		if !strings.EqualFold(c.Type, "button") {
			continue
		}
		at := c.index()
		if at >= len(buttons) || !strings.EqualFold(c.SubType, buttons[at].subType()) {
			return codeError(codeTemplateFormat, "buttons: Button at index "+itoa(at)+" is not of type "+c.SubType)
		}
		given[at] = c
	}
	for at, button := range buttons {
		parameters := len(given[at].Parameters)
		switch {
		case button.open() && parameters == 0:
			return missing("buttons: Button at index " + itoa(at) + " of type " + button.label() + " requires a parameter")
		case button.Type == "URL" && !button.open() && parameters > 0:
			return countMismatch("button at index "+itoa(at), parameters, 0)
		}
	}
	return nil
}

// open tells whether a send must fill in something.
func (b TemplateButton) open() bool {
	return b.Type == "COPY_CODE" || b.Type == "OTP" || (b.Type == "URL" && len(placeholders(b.URL)) > 0)
}

// subType is what a send calls the button's type: a one-time password is a URL.
func (b TemplateButton) subType() string {
	if b.Type == "OTP" {
		return "url"
	}
	return b.Type
}

func (b TemplateButton) label() string {
	switch b.Type {
	case "COPY_CODE":
		return "CopyCode"
	case "QUICK_REPLY":
		return "QuickReply"
	case "URL", "OTP":
		return "Url"
	}
	return b.Type
}
