package flow

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/bot/flow/schema"
)

// menu offers options.
type menu struct {
	show     string
	header   func(r *run) *engine.MenuHeader
	text     text
	footer   text
	label    text
	options  []option
	phrases  []phrase // that choose an option, in order of precedence
	variable int      // -1: none
	retry    text
	retries  int // -1: as many as the fallback's
	lasting  bool
}

type option struct {
	id          string
	payload     string // what its button carries: unlike that of any other menu
	title       text
	description text
	section     text
	next        *node
}

// How options are shown.
const (
	showButtons = "buttons"
	showList    = "list"
	showNumbers = "numbers"
	showNothing = "nothing"
)

func (c *compiler) menu(at place, n *node, s *schema.Menu) *menu {
	m := &menu{show: s.GetShow(), lasting: s.GetLasting(), variable: c.maybe(s.GetVariable()), retries: -1}
	if m.show == "" {
		m.show = showButtons
		if len(s.GetOptions()) > engine.MaxButtons {
			m.show = showList
		}
	}
	if s.Retries != nil {
		m.retries = int(s.GetRetries())
	}
	body := engine.MaxListBodyRunes
	if m.show == showButtons {
		body = engine.MaxMenuBodyRunes
	}
	m.header = c.header(at.field("header"), s.GetHeader(), m.show == showList)
	m.text = c.text(at.field("text"), s.GetText(), rule{most: body})
	m.footer = c.text(at.field("footer"), s.GetFooter(), rule{most: engine.MaxFooterRunes})
	m.label = c.text(at.field("label"), s.GetLabel(), rule{most: engine.MaxLabelRunes, fixed: true})
	m.retry = c.text(at.field("retry"), s.GetRetry(), rule{most: body})
	c.shown(at, m, s)
	if len(s.GetOptions()) == 0 && n.next != nil {
		c.report(at, "has no options that could lead to next")
	}
	for i, o := range s.GetOptions() {
		m.options = append(m.options, c.option(at.field("options").item(i), n, m, o))
	}
	c.recognized(at.field("options"), m, s)
	return m
}

// shown reports what does not go with how the options are shown.
func (c *compiler) shown(at place, m *menu, s *schema.Menu) {
	count := len(s.GetOptions())
	switch {
	case m.show == showButtons && count > engine.MaxButtons:
		c.report(at.field("options"), "must be at most %d as buttons", engine.MaxButtons)
	case m.show != showNothing && count == 0:
		c.report(at, "must offer options, unless it shows nothing")
	}
	interactive := m.show == showButtons || m.show == showList
	if !interactive && s.GetHeader() != nil {
		c.report(at.field("header"), "goes only with buttons and lists")
	}
	if !interactive && m.footer.given() {
		c.report(at.field("footer"), "goes only with buttons and lists")
	}
	switch {
	case m.show == showList && !m.label.given():
		c.report(at, "a list needs a label for the button that opens it")
	case m.show != showList && m.label.given():
		c.report(at.field("label"), "goes only with a list")
	}
	sections := slices.ContainsFunc(s.GetOptions(), func(o *schema.Option) bool { return o.GetSection() != nil })
	switch {
	case sections && m.show != showList:
		c.report(at.field("options"), "have sections, which go only with a list")
	case sections && s.GetOptions()[0].GetSection() == nil:
		c.report(at.field("options").item(0), "must begin a section, as others do")
	}
}

func (c *compiler) option(at place, n *node, m *menu, s *schema.Option) option {
	title := map[string]int{showButtons: engine.MaxButtonTitleRunes, showList: engine.MaxRowTitleRunes}[m.show]
	o := option{
		id: s.GetId(), payload: n.id + "/" + s.GetId(),
		title:       c.text(at.field("title"), s.GetTitle(), rule{most: cmp.Or(title, engine.MaxDescriptionRunes), fixed: true}),
		description: c.text(at.field("description"), s.GetDescription(), rule{most: engine.MaxDescriptionRunes}),
		section:     c.text(at.field("section"), s.GetSection(), rule{most: engine.MaxSectionRunes, fixed: true}),
		next:        n.next,
	}
	if s.GetNext() != "" {
		o.next = c.target(at.field("next"), s.GetNext())
	} else if n.next == nil {
		c.report(at, "is a dead end: it must name the next node, or the menu must")
	}
	if o.description.given() && m.show != showList {
		c.report(at.field("description"), "goes only with a list")
	}
	return o
}

// recognized makes the phrases that choose options: first those that must be
// said alone, titles and numbers, then words.
func (c *compiler) recognized(at place, m *menu, s *schema.Menu) {
	seenTitles, seenWords := make(map[string]string), make(map[string]string)
	ids := make(map[string]bool)
	var words []phrase
	for i, o := range s.GetOptions() {
		at := at.item(i)
		if ids[o.GetId()] {
			c.report(at.field("id"), "%q stands there twice", o.GetId())
		}
		ids[o.GetId()] = true
		titles := make(map[string]bool) // two languages may say the same
		for j, language := range c.flow.languages {
			title := literalOf(m.options[i].title, j)
			normal, at := normalize(title), at.field("title")
			if titles[normal] || title == "" {
				continue
			}
			titles[normal] = true
			if language != "" && len(o.GetTitle().GetByLanguage()) > 0 {
				at = at.key(language)
			}
			m.phrases = append(m.phrases, c.phrase(at, title, phrase{alone: true, option: i}, seenTitles)...)
		}
		if m.show != showNothing {
			m.phrases = append(m.phrases, phrase{text: " " + strconv.Itoa(i+1) + " ", alone: true, option: i})
		}
		words = append(words, c.phrases(at.field("words"), o.GetWords(), phrase{option: i}, seenWords)...)
	}
	slices.SortStableFunc(words, rank)
	m.phrases = append(m.phrases, words...)
}

// literalOf is a text without variables, in a language.
func literalOf(t text, language int) string {
	if !t.given() || len(t.by[language]) == 0 {
		return ""
	}
	return t.by[language][0].literal
}

// maybe is a variable, or -1 if it is not named.
func (c *compiler) maybe(name string) int {
	if i, ok := c.variables[name]; ok {
		return i
	}
	return -1
}

// content is the menu as it is sent, with body above the options.
func (m *menu) content(r *run, body text) engine.Content {
	said := engine.Content{Kind: engine.ContentText, Text: body.in(r)}
	switch m.show {
	case showNumbers:
		var numbered strings.Builder
		numbered.WriteString(said.Text)
		for i := range m.options {
			fmt.Fprintf(&numbered, "\n%d. %s", i+1, m.options[i].title.in(r))
		}
		said.Text = clip(numbered.String(), engine.MaxTextRunes)
	case showButtons:
		said.Kind, said.Menu = engine.ContentButtons, &engine.Menu{Header: m.header(r), Footer: m.footer.in(r)}
		for i := range m.options {
			o := &m.options[i]
			said.Menu.Buttons = append(said.Menu.Buttons, engine.MenuButton{ID: o.payload, Title: o.title.in(r)})
		}
	case showList:
		said.Kind, said.Menu = engine.ContentList, &engine.Menu{Header: m.header(r), Footer: m.footer.in(r), Label: m.label.in(r)}
		for i := range m.options {
			o := &m.options[i]
			if i == 0 || o.section.given() {
				said.Menu.Sections = append(said.Menu.Sections, engine.MenuSection{Title: o.section.in(r)})
			}
			section := &said.Menu.Sections[len(said.Menu.Sections)-1]
			section.Rows = append(section.Rows, engine.MenuRow{ID: o.payload, Title: o.title.in(r), Description: o.description.in(r)})
		}
	}
	return said
}
