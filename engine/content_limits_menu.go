package engine

import (
	"fmt"
	"slices"
)

// menu holds what all menus have, and answers the menu, nil if there is none.
func (l *limits) menu(name string, c Content, mostBody int, headers ...ContentKind) *Menu {
	m := c.Menu
	if m == nil {
		l.that(false, name, "must not be empty")
		return nil
	}
	l.text(name+".body", c.Text, 1, mostBody)
	l.text(name+".footer", m.Footer, 0, MaxFooterRunes)
	if h := m.Header; h != nil {
		l.that(slices.Contains(headers, h.Kind), name+".header", "is of a kind that does not go here")
		if h.Kind == ContentText {
			l.text(name+".header.text", h.Text, 1, MaxHeaderRunes)
		} else {
			l.media(name+".header."+h.Kind.String(), h.Kind, h.Media)
		}
	}
	return m
}

func (l *limits) buttons(c Content) {
	m := l.menu("buttons", c, MaxMenuBodyRunes, ContentText, ContentImage, ContentVideo, ContentDocument)
	if m == nil {
		return
	}
	l.count("buttons.buttons", len(m.Buttons), 1, MaxButtons)
	titles, ids := make(map[string]bool), make(map[string]bool)
	for i, b := range m.Buttons {
		name := fmt.Sprintf("buttons.buttons[%d]", i)
		l.text(name+".title", b.Title, 1, MaxButtonTitleRunes)
		l.text(name+".id", b.ID, 1, MaxButtonIDRunes)
		l.unique(name+".title", b.Title, titles)
		l.unique(name+".id", b.ID, ids)
	}
}

func (l *limits) list(c Content) {
	m := l.menu("list", c, MaxListBodyRunes, ContentText)
	if m == nil {
		return
	}
	l.text("list.label", m.Label, 1, MaxLabelRunes)
	l.count("list.sections", len(m.Sections), 1, MaxListRows)
	rows, ids := 0, make(map[string]bool)
	for i, s := range m.Sections {
		name, least := fmt.Sprintf("list.sections[%d]", i), 0
		if len(m.Sections) > 1 {
			least = 1
		}
		l.text(name+".title", s.Title, least, MaxSectionRunes)
		l.that(len(s.Rows) > 0, name+".rows", "must not be empty")
		rows += len(s.Rows)
		l.that(rows <= MaxListRows, name+".rows", "must be at most 10 over all sections")
		if l.first != nil {
			return
		}
		for j, r := range s.Rows {
			l.row(fmt.Sprintf("%s.rows[%d]", name, j), r, ids)
		}
	}
}

func (l *limits) row(name string, r MenuRow, ids map[string]bool) {
	l.text(name+".id", r.ID, 1, MaxRowIDRunes)
	l.text(name+".title", r.Title, 1, MaxRowTitleRunes)
	l.text(name+".description", r.Description, 0, MaxDescriptionRunes)
	l.unique(name+".id", r.ID, ids)
}

func (l *limits) link(c Content) {
	m := l.menu("link", c, MaxMenuBodyRunes, ContentText, ContentImage, ContentVideo, ContentDocument)
	if m == nil {
		return
	}
	l.text("link.label", m.Label, 1, MaxLabelRunes)
	l.url("link.url", m.URL)
}

// unique notes a value that was seen before.
func (l *limits) unique(field, value string, seen map[string]bool) {
	l.that(!seen[value], field, "must not stand there twice")
	seen[value] = true
}
