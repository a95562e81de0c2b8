package standin

import (
	"encoding/json"
	"unicode/utf8"
)

// Meta's limits on interactive messages, in characters: its pages "Interactive
// reply buttons messages", "Interactive list messages", "Interactive
// call-to-action URL button messages" and "Sell products and services".
const (
	interactiveBodyLimit = 1024
	listBodyLimit        = 4096
	headerLimit          = 60
	footerLimit          = 60
	buttonCountLimit     = 3
	buttonTitleLimit     = 20
	buttonIDLimit        = 256
	listButtonLimit      = 20
	sectionCountLimit    = 10
	sectionTitleLimit    = 24
	rowCountLimit        = 10 // over all sections
	rowTitleLimit        = 24
	rowDescriptionLimit  = 72
	rowIDLimit           = 200
	displayTextLimit     = 20 // of a call-to-action URL button
	productCountLimit    = 30 // over all sections
)

const (
	interactiveButton      = "button"
	interactiveList        = "list"
	interactiveURL         = "cta_url"
	interactiveFlow        = "flow"
	interactiveProduct     = "product"
	interactiveProductList = "product_list"
	interactiveCatalog     = "catalog_message"
	interactiveLocation    = "location_request_message"
)

type interactive struct {
	Type   string                 `json:"type"`
	Header *interactiveHeader     `json:"header"`
	Body   *struct{ Text string } `json:"body"`
	Footer *struct{ Text string } `json:"footer"`
	Action *interactiveAction     `json:"action"`
}

type interactiveHeader struct {
	Type     string          `json:"type"`
	Text     string          `json:"text"`
	Image    *mediaReference `json:"image"`
	Video    *mediaReference `json:"video"`
	Document *mediaReference `json:"document"`
}

type interactiveAction struct {
	Name    string `json:"name"`
	Button  string `json:"button"`
	Buttons []struct {
		Type  string `json:"type"`
		Reply struct {
			ID    string `json:"id"`
			Title string `json:"title"`
		} `json:"reply"`
	} `json:"buttons"`
	Sections          []listSection   `json:"sections"`
	Parameters        json.RawMessage `json:"parameters"`
	CatalogID         string          `json:"catalog_id"`
	ProductRetailerID string          `json:"product_retailer_id"`
}

type listSection struct {
	Title string `json:"title"`
	Rows  []struct {
		ID          string `json:"id"`
		Title       string `json:"title"`
		Description string `json:"description"`
	} `json:"rows"`
	ProductItems []struct {
		ProductRetailerID string `json:"product_retailer_id"`
	} `json:"product_items"`
}

// interactiveTypes says whether a body is required. What lies in the action of
// the types that checkAction does not name is not looked into.
var interactiveTypes = map[string]bool{
	interactiveButton:         true,
	interactiveList:           true,
	interactiveURL:            true,
	interactiveFlow:           true,
	interactiveProduct:        false,
	interactiveProductList:    true,
	interactiveCatalog:        true,
	interactiveLocation:       true,
	"address_message":         true,
	"call_permission_request": false,
	"request_contact_info":    true,
	"voice_call":              true,
	"order_details":           true,
	"order_status":            true,
	"carousel":                true,
}

func readInteractive(s *send, raw json.RawMessage) *graphError {
	var m interactive
	if refusal := decode(raw, typeInteractive, &m); refusal != nil {
		return refusal
	}
	bodyRequired, known := interactiveTypes[m.Type]
	if !known {
		return invalidParameter("Param interactive['type'] is not a known type.")
	}
	if m.Action == nil {
		return missing("Interactive message needs action")
	}
	s.interactive = m.Type
	if m.Body != nil {
		s.text = m.Body.Text
	}
	if bodyRequired && s.text == "" {
		return missing("Interactive message needs body.text")
	}
	if refusal := m.checkFrame(s.text); refusal != nil {
		return refusal
	}
	if refusal := m.readHeader(s); refusal != nil {
		return refusal
	}
	return m.checkAction()
}

// checkFrame checks what stands around header and action.
func (m interactive) checkFrame(text string) *graphError {
	limit := interactiveBodyLimit
	if m.Type == interactiveList {
		limit = listBodyLimit
	}
	if tooLong(text, limit) {
		return invalidValue("Body text length invalid. Max length: " + itoa(limit))
	}
	if m.Footer != nil && !lengthIn(m.Footer.Text, 1, footerLimit) {
		return invalidValue("Footer text length invalid. Min length: 1, Max length: 60")
	}
	return nil
}

// readHeader: text, or media by ID or link; a list has none but text.
func (m interactive) readHeader(s *send) *graphError {
	if m.Header == nil {
		if m.Type == interactiveProductList {
			return missing("Product list needs a header of type text")
		}
		return nil
	}
	media := map[string]*mediaReference{
		"image": m.Header.Image, "video": m.Header.Video, "document": m.Header.Document,
	}[m.Header.Type]
	switch {
	case m.Header.Type == typeText:
		if !lengthIn(m.Header.Text, 1, headerLimit) {
			return invalidValue("Header text length invalid. Min length: 1, Max length: 60")
		}
	case m.Type == interactiveList || m.Type == interactiveProductList:
		return invalidValue("Header type must be text")
	case m.Type == interactiveProduct || m.Type == interactiveCatalog:
		return invalidValue("Header is not allowed")
	case media != nil:
		s.mediaKind, s.mediaID = m.Header.Type, media.ID
		return media.check(m.Header.Type)
	default:
		return invalidValue("Header needs text, image, video or document, as its type says")
	}
	return nil
}

func (m interactive) checkAction() *graphError {
	switch m.Type {
	case interactiveButton:
		return m.Action.checkButtons()
	case interactiveList:
		return m.Action.checkList()
	case interactiveURL:
		return m.Action.checkURL()
	case interactiveFlow:
		return m.Action.checkName("flow")
	case interactiveCatalog:
		return m.Action.checkName("catalog_message")
	case interactiveLocation:
		return m.Action.checkName("send_location")
	case interactiveProduct:
		if m.Action.CatalogID == "" || m.Action.ProductRetailerID == "" {
			return missing("Product needs action.catalog_id and action.product_retailer_id")
		}
	case interactiveProductList:
		return m.Action.checkProducts()
	}
	return nil
}

func (a interactiveAction) checkName(want string) *graphError {
	if a.Name != want {
		return invalidValue("Action name must be " + want)
	}
	return nil
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
	if refusal := a.checkSections(); refusal != nil {
		return refusal
	}
	rows, ids := 0, map[string]bool{}
	for _, section := range a.Sections {
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

// checkSections: one section needs no title, several need one each.
func (a interactiveAction) checkSections() *graphError {
	if len(a.Sections) > sectionCountLimit {
		return invalidValue("Section count exceed max allowed count: 10")
	}
	for _, section := range a.Sections {
		if tooLong(section.Title, sectionTitleLimit) || (section.Title == "" && len(a.Sections) > 1) {
			return invalidValue("Section title length invalid. Min length: 1, Max length: 24")
		}
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

func (a interactiveAction) checkURL() *graphError {
	if refusal := a.checkName("cta_url"); refusal != nil {
		return refusal
	}
	var parameters struct {
		DisplayText string `json:"display_text"`
		URL         string `json:"url"`
	}
	if len(a.Parameters) == 0 {
		return missing("Call-to-action needs action.parameters")
	}
	if refusal := decode(a.Parameters, "interactive['action']['parameters']", &parameters); refusal != nil {
		return refusal
	}
	if !lengthIn(parameters.DisplayText, 1, displayTextLimit) {
		return invalidValue("Display text length invalid. Min length: 1, Max length: 20")
	}
	if !isWebLink(parameters.URL) {
		return invalidValue("URL is not valid")
	}
	return nil
}

func (a interactiveAction) checkProducts() *graphError {
	if a.CatalogID == "" {
		return missing("Product list needs action.catalog_id")
	}
	if refusal := a.checkSections(); refusal != nil {
		return refusal
	}
	products := 0
	for _, section := range a.Sections {
		for _, item := range section.ProductItems {
			if item.ProductRetailerID == "" {
				return missing("Product needs product_retailer_id")
			}
		}
		products += len(section.ProductItems)
	}
	if products < 1 || products > productCountLimit {
		return invalidValue("Product count must be 1 to 30")
	}
	return nil
}

func lengthIn(s string, low, high int) bool {
	n := utf8.RuneCountInString(s)
	return n >= low && n <= high
}
