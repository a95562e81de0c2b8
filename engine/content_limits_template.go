package engine

import (
	"encoding/json"
	"fmt"
	"strings"
)

// template holds a template's shape. What its parameters must be the platform
// knows alone, which approved it.
func (l *limits) template(t *Template) {
	if t == nil {
		l.that(false, "template", "must not be empty")
		return
	}
	l.text("template.name", t.Name, 1, MaxTemplateRunes)
	l.text("template.language", t.Language, 1, MaxLanguageRunes)
	l.text("template.category", string(t.Category), 0, MaxLanguageRunes)
	l.count("template.components", len(t.Components), 0, MaxTemplateComponents)
	for i := range t.Components {
		if l.first != nil {
			return
		}
		l.component(fmt.Sprintf("template.components[%d]", i), &t.Components[i], len(t.Components) == 1)
	}
}

func (l *limits) component(name string, c *TemplateComponent, alone bool) {
	l.text(name+".type", c.Type, 1, MaxLanguageRunes)
	l.text(name+".sub_type", c.SubType, 0, MaxLanguageRunes)
	most := MaxParameterRunes
	switch {
	case strings.EqualFold(c.Type, "button"):
		l.that(c.SubType != "", name+".sub_type", "must not be empty")
		l.that(c.Index < MaxTemplateButtons, name+".index", "must be from 0 to 9")
	case strings.EqualFold(c.Type, "header"):
		most = MaxHeaderRunes
	case strings.EqualFold(c.Type, "body") && alone:
		most = MaxLoneParameterRunes
	}
	l.count(name+".parameters", len(c.Parameters), 0, MaxTemplateParameters)
	for i := range c.Parameters {
		if l.first != nil {
			return
		}
		l.parameter(fmt.Sprintf("%s.parameters[%d]", name, i), &c.Parameters[i], most)
	}
}

func (l *limits) parameter(name string, p *TemplateParameter, most int) {
	l.text(name+".name", p.Name, 0, MaxTemplateRunes)
	switch kind := strings.ToLower(p.Type); kind {
	case "text", "payload", "coupon_code":
		l.text(name+"."+kind, p.Text, 1, most)
	case "image":
		l.media(name+".image", ContentImage, p.Media)
	case "video":
		l.media(name+".video", ContentVideo, p.Media)
	case "document":
		l.media(name+".document", ContentDocument, p.Media)
	case "location":
		l.location(name+".location", p.Location)
	case "currency":
		l.currency(name+".currency", p.Currency)
	case "date_time":
		l.dateTime(name+".date_time", p.DateTime)
	case "action":
		l.that(len(p.Action) <= MaxActionBytes && isJSONObject(p.Action), name+".action", "must be a JSON object of at most 64 KiB")
	default:
		l.that(false, name+".type", "is not known")
	}
}

// isJSONObject keeps out what the platform would not take for one.
func isJSONObject(s string) bool {
	return json.Valid([]byte(s)) && strings.HasPrefix(strings.TrimSpace(s), "{")
}

func (l *limits) currency(name string, c *Currency) {
	if c == nil {
		l.that(false, name, "must not be empty")
		return
	}
	l.that(len(c.Code) == 3, name+".code", "must be of three letters")
	l.text(name+".fallback_value", c.Fallback, 1, MaxParameterRunes)
}

func (l *limits) dateTime(name string, t *DateTime) {
	if t == nil {
		l.that(false, name, "must not be empty")
		return
	}
	l.text(name+".fallback_value", t.Fallback, 1, MaxParameterRunes)
	l.text(name+".calendar", t.Calendar, 0, MaxLanguageRunes)
}
