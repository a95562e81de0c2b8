package engine

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Choice is one of several things that a customer may choose.
type Choice struct {
	// ID comes back as the Payload of a ButtonReply.
	ID    string
	Title string
}

// choicesLabel opens a list, in every language.
const choicesLabel = "☰"

// Choices is body with choices as WhatsApp can show them, for bots that do not know
// its limits: as buttons if they are few and short, else as a list, else numbered
// in the text, where the customer answers in their own words. What is too long for
// a row's title is cut there and stands below it.
func Choices(body string, choices []Choice) Content {
	if body == "" {
		body = "…"
	}
	if len(choices) == 0 {
		return Content{Kind: ContentText, Text: body}
	}
	menu := &Menu{}
	for _, c := range choices {
		menu.Buttons = append(menu.Buttons, MenuButton(c))
	}
	buttons := Content{Kind: ContentButtons, Text: body, Menu: menu}
	if buttons.validate() == nil {
		return buttons
	}
	section := MenuSection{}
	for _, c := range choices {
		row := MenuRow{ID: c.ID, Title: c.Title}
		if utf8.RuneCountInString(c.Title) > MaxRowTitleRunes {
			row.Title, row.Description = cut(c.Title, MaxRowTitleRunes), cut(c.Title, MaxDescriptionRunes)
		}
		section.Rows = append(section.Rows, row)
	}
	list := Content{Kind: ContentList, Text: body, Menu: &Menu{Label: choicesLabel, Sections: []MenuSection{section}}}
	if list.validate() == nil {
		return list
	}
	var text strings.Builder
	text.WriteString(body)
	for i, c := range choices {
		text.WriteString("\n" + strconv.Itoa(i+1) + ". " + c.Title)
	}
	return Content{Kind: ContentText, Text: cut(text.String(), MaxTextRunes)}
}

// cut is s with at most n characters, the last of which says that there were more.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
