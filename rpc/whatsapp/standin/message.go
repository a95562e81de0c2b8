package standin

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Message is what a customer sends: Meta's pages under "messages webhook
// reference". Exactly one field of the first group is set.
type Message struct {
	Text           string          `json:"text,omitempty"`
	Media          *Media          `json:"media,omitempty"`
	Location       *Location       `json:"location,omitempty"`
	Contacts       json.RawMessage `json:"contacts,omitempty"` // a list of contact objects
	Order          *Order          `json:"order,omitempty"`
	Button         *Reply          `json:"button,omitempty"`          // a reply button pressed
	Row            *Reply          `json:"row,omitempty"`             // a row of a list chosen
	QuickReply     *QuickReply     `json:"quick_reply,omitempty"`     // a button of a template pressed
	Form           *Form           `json:"form,omitempty"`            // a flow completed
	CallPermission *CallPermission `json:"call_permission,omitempty"` // a request to call answered
	Reaction       *Reaction       `json:"reaction,omitempty"`
	Edit           *Edit           `json:"edit,omitempty"`
	Revoke         WAMID           `json:"revoke,omitempty"`      // deleted for everyone
	Welcome        bool            `json:"welcome,omitempty"`     // the chat was opened for the first time
	Unsupported    string          `json:"unsupported,omitempty"` // what it was, such as poll_creation
	// Object is any other message object as Meta sends it. What it lacks of
	// id, from and timestamp is filled in.
	Object json.RawMessage `json:"message,omitempty"`

	ReplyTo             WAMID     `json:"reply_to,omitempty"`
	Forwarded           bool      `json:"forwarded,omitempty"`
	FrequentlyForwarded bool      `json:"frequently_forwarded,omitempty"`
	Referral            *Referral `json:"referral,omitempty"` // an ad was clicked
	Product             *Product  `json:"product,omitempty"`  // the message asks about it
}

// Media is a file that a customer sends. The stand-in keeps it for seven days.
type Media struct {
	Kind     string `json:"kind"` // image, video, audio, document or sticker
	MIMEType string `json:"mime_type"`
	Data     []byte `json:"data"` // base64 in JSON
	Caption  string `json:"caption,omitempty"`
	Filename string `json:"filename,omitempty"` // of a document
	Voice    bool   `json:"voice,omitempty"`    // audio recorded in the chat
	Animated bool   `json:"animated,omitempty"` // of a sticker
}

// Location is a place on Earth.
type Location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name,omitempty"`
	Address   string  `json:"address,omitempty"`
	URL       string  `json:"url,omitempty"`
}

// Order is a cart that a customer sends.
type Order struct {
	CatalogID string      `json:"catalog_id"`
	Text      string      `json:"text"`
	Items     []OrderItem `json:"product_items"`
}

// OrderItem is one product of an order.
type OrderItem struct {
	ProductRetailerID string  `json:"product_retailer_id"`
	Quantity          int     `json:"quantity"`
	ItemPrice         float64 `json:"item_price"`
	Currency          string  `json:"currency"`
}

// QuickReply is a button that was pressed of the template in Message.ReplyTo.
type QuickReply struct {
	Payload string `json:"payload"`
	Text    string `json:"text"`
}

// Form is the answer to a flow.
type Form struct {
	Name     string          `json:"name"` // flow unless set
	Body     string          `json:"body"` // Sent unless set
	Response json.RawMessage `json:"response"`
}

// CallPermission answers a request to call.
type CallPermission struct {
	Response  string    `json:"response"` // accept or reject
	Permanent bool      `json:"permanent,omitempty"`
	Until     time.Time `json:"until,omitzero"`
}

// Reaction to a message; no emoji takes it back.
type Reaction struct {
	To    WAMID  `json:"to"`
	Emoji string `json:"emoji,omitempty"`
}

// Edit is a message's new text, or the new caption of its media.
type Edit struct {
	To      WAMID  `json:"to"`
	Text    string `json:"text,omitempty"`
	Caption string `json:"caption,omitempty"`
	Kind    string `json:"kind,omitempty"`     // of the media whose caption it is; image unless set
	MediaID string `json:"media_id,omitempty"` // of that media
}

// Referral is the ad that a customer came from.
type Referral struct {
	SourceURL  string `json:"source_url"`
	SourceID   string `json:"source_id"`
	SourceType string `json:"source_type"` // ad or post
	Headline   string `json:"headline,omitempty"`
	Body       string `json:"body,omitempty"`
	MediaType  string `json:"media_type,omitempty"`
	ImageURL   string `json:"image_url,omitempty"`
	VideoURL   string `json:"video_url,omitempty"`
	ClickID    string `json:"ctwa_clid,omitempty"`
}

// Product is a product of a catalog.
type Product struct {
	CatalogID         string `json:"catalog_id"`
	ProductRetailerID string `json:"product_retailer_id"`
}

// Write lets the customer send a message, dated at (zero: now). It returns once
// the webhook item is queued, and waits for room while the queue is full.
func (g *Graph) Write(ctx context.Context, customer Customer, m Message, at time.Time) (WAMID, error) {
	if err := m.check(); err != nil {
		return "", err
	}
	if m.Object != nil {
		return g.WriteObject(ctx, customer, m.Object, at)
	}
	opens := m.Edit == nil && m.Revoke == ""
	return g.writeEncoded(ctx, customer, opens, at, func(wamid WAMID, at time.Time) ([]byte, WAMID, error) {
		n := g.numbers[customer.PhoneNumberID]
		fields, err := g.messageFields(n, m, n.DisplayPhoneNumber)
		if err != nil {
			return nil, "", err
		}
		return complete(fields, customer, wamid, at)
	})
}

func (m Message) check() error {
	set := 0
	for _, is := range []bool{
		m.Text != "", m.Media != nil, m.Location != nil, m.Contacts != nil, m.Order != nil,
		m.Button != nil, m.Row != nil, m.QuickReply != nil, m.Form != nil, m.CallPermission != nil,
		m.Reaction != nil, m.Edit != nil, m.Revoke != "", m.Welcome, m.Unsupported != "", m.Object != nil,
	} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return fmt.Errorf("%w: a message is exactly one of text, media, location, contacts and so on", ErrInvalid)
	case m.Contacts != nil && !json.Valid(m.Contacts), m.Form != nil && !json.Valid(m.Form.Response):
		return fmt.Errorf("%w: contacts and a form's response are JSON", ErrInvalid)
	case m.Media != nil && (len(m.Media.Data) == 0 || m.Media.MIMEType == ""):
		return fmt.Errorf("%w: media has bytes and a MIME type", ErrInvalid)
	case m.Media != nil:
		return checkMediaKind(m.Media.Kind)
	case m.Edit != nil && m.Edit.Kind != "":
		return checkMediaKind(m.Edit.Kind)
	}
	return nil
}

func checkMediaKind(kind string) error {
	switch kind {
	case "image", "video", "audio", "document", "sticker":
		return nil
	}
	return fmt.Errorf("%w: %q is no kind of media", ErrInvalid, kind)
}

// messageFields is the message but for id, timestamp and who wrote it. The
// author is who wrote what it replies to.
func (g *Graph) messageFields(n *number, m Message, author string) (map[string]any, error) {
	kind, object, err := g.messageObject(n, m)
	if err != nil {
		return nil, err
	}
	fields := map[string]any{"type": kind}
	if object != nil {
		fields[kind] = object
	}
	if m.Unsupported != "" {
		fields["errors"] = unsupportedErrors()
	}
	if about := m.context(author); len(about) > 0 {
		fields["context"] = about
	}
	if m.Referral != nil {
		fields["referral"] = m.Referral
	}
	return fields, nil
}

// context is what the message says of the one that it answers.
func (m Message) context(author string) map[string]any {
	about := map[string]any{}
	to := m.ReplyTo
	for _, reply := range []*Reply{m.Button, m.Row} {
		if reply != nil && reply.To != "" {
			to = reply.To
		}
	}
	if to != "" {
		about["from"], about["id"] = author, to
	}
	if m.Forwarded {
		about["forwarded"] = true
	}
	if m.FrequentlyForwarded {
		about["frequently_forwarded"] = true
	}
	if m.Product != nil {
		about["from"], about["referred_product"] = author, m.Product
	}
	return about
}

func (g *Graph) messageObject(n *number, m Message) (kind string, object any, err error) {
	switch {
	case m.Text != "":
		return typeText, map[string]string{"body": m.Text}, nil
	case m.Media != nil:
		object, err := g.receivedMedia(n, *m.Media)
		return m.Media.Kind, object, err
	case m.Location != nil:
		return "location", m.Location, nil
	case m.Contacts != nil:
		return "contacts", m.Contacts, nil
	case m.Order != nil:
		return "order", m.Order, nil
	case m.QuickReply != nil:
		return "button", m.QuickReply, nil
	case m.Reaction != nil:
		return typeReaction, m.Reaction.object(), nil
	case m.Edit != nil:
		return "edit", m.Edit.object(), nil
	case m.Revoke != "":
		return "revoke", map[string]any{"original_message_id": m.Revoke}, nil
	case m.Welcome:
		return "request_welcome", nil, nil
	case m.Unsupported != "":
		return "unsupported", map[string]string{"type": m.Unsupported}, nil
	}
	object, err = m.interactive()
	return typeInteractive, object, err
}

// interactive is the answer to an interactive message.
func (m Message) interactive() (map[string]any, error) {
	switch {
	case m.Button != nil:
		return map[string]any{"type": "button_reply", "button_reply": m.Button.object()}, nil
	case m.Row != nil:
		return map[string]any{"type": "list_reply", "list_reply": m.Row.object()}, nil
	case m.Form != nil:
		response, err := json.Marshal(m.Form.Response)
		if err != nil {
			return nil, fmt.Errorf("encode a form's response: %w", err)
		}
		return map[string]any{"type": "nfm_reply", "nfm_reply": map[string]any{
			"name": cmp.Or(m.Form.Name, "flow"), "body": cmp.Or(m.Form.Body, "Sent"), "response_json": string(response),
		}}, nil
	}
	answer := map[string]any{"response": m.CallPermission.Response, "response_source": "user_action"}
	if m.CallPermission.Permanent {
		answer["is_permanent"] = true
	}
	if !m.CallPermission.Until.IsZero() {
		answer["expiration_timestamp"] = itoa(int(m.CallPermission.Until.Unix()))
	}
	return map[string]any{"type": "call_permission_reply", "call_permission_reply": answer}, nil
}

func (r Reply) object() map[string]string {
	chosen := map[string]string{"id": r.ID, "title": r.Title}
	if r.Description != "" {
		chosen["description"] = r.Description
	}
	return chosen
}

func (r Reaction) object() map[string]any {
	object := map[string]any{"message_id": r.To}
	if r.Emoji != "" {
		object["emoji"] = r.Emoji
	}
	return object
}

// object: Meta's page "Edit messages webhook reference".
func (e Edit) object() map[string]any {
	message := map[string]any{"context": map[string]any{"id": e.To}}
	if e.Text != "" {
		message["type"], message[typeText] = typeText, map[string]string{"body": e.Text}
	} else {
		kind := cmp.Or(e.Kind, "image")
		media := map[string]string{"caption": e.Caption}
		if e.MediaID != "" {
			media["id"] = e.MediaID
		}
		message["type"], message[kind] = kind, media
	}
	return map[string]any{"original_message_id": e.To, "message": message}
}

// receivedMedia keeps the bytes and answers what the webhook says of them: the
// hash in base64, where the answer to GET /{media_id} has it in hex.
func (g *Graph) receivedMedia(n *number, media Media) (map[string]any, error) {
	now := time.Now()
	file, err := g.media.put(MediaFile{
		PhoneNumberID: n.ID, Received: true, MIMEType: media.MIMEType, Filename: media.Filename,
		At: now, ExpiresAt: now.Add(receivedMediaTime),
	}, media.Data)
	if err != nil {
		return nil, err
	}
	sum, err := hex.DecodeString(file.SHA256)
	if err != nil {
		return nil, fmt.Errorf("encode the hash of media: %w", err)
	}
	object := map[string]any{
		"id": file.ID, "mime_type": file.MIMEType, "sha256": base64.StdEncoding.EncodeToString(sum),
	}
	if base := *g.base.Load(); base != "" {
		object["url"] = g.mediaURL(base, file.ID, now)
	}
	if media.Caption != "" {
		object["caption"] = media.Caption
	}
	switch media.Kind {
	case "document":
		object["filename"] = media.Filename
	case "audio":
		object["voice"] = media.Voice
	case "sticker":
		object["animated"] = media.Animated
	}
	return object, nil
}

// unsupportedErrors stands in every unsupported message.
func unsupportedErrors() []map[string]any {
	const unsupported = 131051
	return []map[string]any{{
		"code": unsupported, "title": "Message type unknown", "message": "Message type unknown",
		"error_data": map[string]string{"details": "Message type is currently not supported."},
	}}
}
