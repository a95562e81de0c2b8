package standin

import (
	"encoding/json"
	"unicode/utf8"
)

// Meta's limits on interactive messages, in characters.
const (
	interactiveBodyLimit = 1024
	listBodyLimit        = 4096
	headerLimit          = 60
	footerLimit          = 60
	buttonCountLimit     = 3
	buttonTitleLimit     = 20
	buttonIDLimit        = 256
	listButtonLimit      = 20
	sectionTitleLimit    = 24
	rowCountLimit        = 10 // over all sections
	rowTitleLimit        = 24
	rowDescriptionLimit  = 72
	rowIDLimit           = 200
)

type interactive struct {
	Type   string `json:"type"`
	Header *struct {
		Type string `json:"type"`
		Text string `json:"text"`
	} `json:"header"`
	Body   *struct{ Text string } `json:"body"`
	Footer *struct{ Text string } `json:"footer"`
	Action *interactiveAction     `json:"action"`
}

type interactiveAction struct {
	Button  string `json:"button"`
	Buttons []struct {
		Type  string `json:"type"`
		Reply struct {
			ID    string `json:"id"`
			Title string `json:"title"`
		} `json:"reply"`
	} `json:"buttons"`
	Sections []listSection `json:"sections"`
}

type listSection struct {
	Title string `json:"title"`
	Rows  []struct {
		ID          string `json:"id"`
		Title       string `json:"title"`
		Description string `json:"description"`
	} `json:"rows"`
}

// interactiveTypes says whether a body is required. What lies in the action of
// the types other than button and list is not looked into.
var interactiveTypes = map[string]bool{
	"button":                   true,
	"list":                     true,
	"cta_url":                  true,
	"flow":                     true,
	"product":                  false,
	"product_list":             true,
	"catalog_message":          true,
	"location_request_message": true,
	"address_message":          true,
	"call_permission_request":  false,
	"voice_call":               true,
	"order_details":            true,
	"order_status":             true,
	"carousel":                 true,
}

func checkInteractive(raw json.RawMessage) (string, *graphError) {
	var m interactive
	if refusal := decode(raw, typeInteractive, &m); refusal != nil {
		return "", refusal
	}
	bodyRequired, known := interactiveTypes[m.Type]
	if !known {
		return "", invalidParameter("Param interactive['type'] is not a known type.")
	}
	if m.Action == nil {
		return "", missing("Interactive message needs action")
	}
	text, refusal := m.checkFrame(bodyRequired)
	if refusal != nil {
		return "", refusal
	}
	switch m.Type {
	case "button":
		return text, m.Action.checkButtons()
	case "list":
		return text, m.Action.checkList()
	}
	return text, nil
}

// checkFrame checks what stands around the action, and answers the body.
func (m interactive) checkFrame(bodyRequired bool) (string, *graphError) {
	text := ""
	if m.Body != nil {
		text = m.Body.Text
	}
	if bodyRequired && text == "" {
		return "", missing("Interactive message needs body.text")
	}
	limit := interactiveBodyLimit
	if m.Type == "list" {
		limit = listBodyLimit
	}
	if tooLong(text, limit) {
		return "", invalidValue("Body text length invalid. Max length: " + itoa(limit))
	}
	if m.Header != nil && m.Header.Type == "text" && !lengthIn(m.Header.Text, 1, headerLimit) {
		return "", invalidValue("Header text length invalid. Min length: 1, Max length: 60")
	}
	if m.Footer != nil && !lengthIn(m.Footer.Text, 1, footerLimit) {
		return "", invalidValue("Footer text length invalid. Min length: 1, Max length: 60")
	}
	return text, nil
}

func (a interactiveAction) checkButtons() *graphError {
	if len(a.Buttons) < 1 || len(a.Buttons) > buttonCountLimit {
		return invalidValue("Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3")
	}
	ids, texts := map[string]bool{}, map[string]bool{}
	for _, button := range a.Buttons {
		if button.Type != "reply" {
			return invalidValue("Button type must be reply")
		}
		if !lengthIn(button.Reply.Title, 1, buttonTitleLimit) {
			return invalidValue("Button title length invalid. Min length: 1, Max length: 20")
		}
		if !lengthIn(button.Reply.ID, 1, buttonIDLimit) {
			return invalidValue("Button id length invalid. Min length: 1, Max length: 256")
		}
		if ids[button.Reply.ID] || texts[button.Reply.Title] {
			return invalidValue("Duplicated button id or title")
		}
		ids[button.Reply.ID], texts[button.Reply.Title] = true, true
	}
	return nil
}

func (a interactiveAction) checkList() *graphError {
	if !lengthIn(a.Button, 1, listButtonLimit) {
		return invalidValue("List button length invalid. Min length: 1, Max length: 20")
	}
	rows, ids := 0, map[string]bool{}
	for _, section := range a.Sections {
		if tooLong(section.Title, sectionTitleLimit) || (section.Title == "" && len(a.Sections) > 1) {
			return invalidValue("Section title length invalid. Min length: 1, Max length: 24")
		}
		rows += len(section.Rows)
		if refusal := section.checkRows(ids); refusal != nil {
			return refusal
		}
	}
	if rows < 1 || rows > rowCountLimit {
		return invalidValue("Total row count exceed max allowed count: 10, or no row")
	}
	return nil
}

func (s listSection) checkRows(ids map[string]bool) *graphError {
	for _, row := range s.Rows {
		switch {
		case !lengthIn(row.ID, 1, rowIDLimit):
			return invalidValue("Row id length invalid. Min length: 1, Max length: 200")
		case !lengthIn(row.Title, 1, rowTitleLimit):
			return invalidValue("Row title length invalid. Min length: 1, Max length: 24")
		case tooLong(row.Description, rowDescriptionLimit):
			return invalidValue("Row description length invalid. Max length: 72")
		case ids[row.ID]:
			return invalidValue("Duplicated row id")
		}
		ids[row.ID] = true
	}
	return nil
}

func lengthIn(s string, low, high int) bool {
	n := utf8.RuneCountInString(s)
	return n >= low && n <= high
}
