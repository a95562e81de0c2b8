package standin

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// send is one request to send, parsed and within Meta's limits.
type send struct {
	input        string // to or recipient, as the caller wrote it
	contact      Identity
	kind         string
	text         string // what a person would read of it, for Delivery.Body
	interactive  string // which kind of interactive message
	mediaKind    string // of the media that it carries, if any
	mediaID      MediaID
	template     *sentTemplate
	replyTo      WAMID // also what a reaction is about
	callbackData string
	raw          json.RawMessage
}

// Delivery is one accepted send.
type Delivery struct {
	Seq           uint64        `json:"seq"` // order of acceptance, over all contacts
	WAMID         WAMID         `json:"wamid"`
	PhoneNumberID PhoneNumberID `json:"phone_number_id"`
	To            Identity      `json:"to"`
	Aliases       []Identity    `json:"aliases,omitempty"` // all that the contact wrote under when they last did
	Type          string        `json:"type"`
	Interactive   string        `json:"interactive,omitempty"` // button, list, cta_url...
	// Body is the text, or the text of an interactive message, or the caption.
	Body string `json:"body,omitempty"`
	// Content is the whole request body, byte for byte.
	Content      json.RawMessage `json:"content"`
	ReplyTo      WAMID           `json:"reply_to,omitempty"` // or what a reaction is about
	CallbackData string          `json:"biz_opaque_callback_data,omitempty"`
	// MediaID and MediaHash (SHA-256, hex) are of media sent by ID; the hash is
	// empty when the stand-in does not have it.
	MediaID   MediaID `json:"media_id,omitempty"`
	MediaHash string  `json:"media_hash,omitempty"`
	// Template and its Language; Category is empty when templates are not checked.
	Template   string           `json:"template,omitempty"`
	Language   string           `json:"language,omitempty"`
	Category   TemplateCategory `json:"category,omitempty"`
	AcceptedAt time.Time        `json:"accepted_at"`
	// ReplyLost: the caller saw its connection break instead of the answer.
	ReplyLost bool `json:"reply_lost,omitempty"`
	// FailCode: accepted, but no customer ever got it.
	FailCode    int    `json:"fail_code,omitempty"`
	FailDetails string `json:"fail_details,omitempty"` // from a rule
}

// serveSend decides, accepts, makes the statuses due, and answers; what a
// fault does to the answer comes last, when the customer has the message.
func (g *Graph) serveSend(w http.ResponseWriter, r *http.Request, n *number, s send) {
	attempt, refusal := g.contacts.attempt(n.ID, s.contact)
	if refusal != nil {
		g.writeError(w, refusal)
		return
	}
	refuse := g.faults.planRefusal(n.ID, s, attempt)
	switch {
	case refuse.reset:
		g.dropConnection(w)
		return
	case refuse.serverError != 0:
		g.writeServerError(w, refuse.serverError)
		return
	case refuse.err != nil:
		g.writeError(w, refuse.err)
		return
	}
	delivery, answer, refusal := g.accept(n, s, attempt)
	if refusal != nil {
		g.writeError(w, refusal)
		return
	}
	if g.config.OnMessage != nil && delivery.FailCode == 0 {
		g.config.OnMessage(delivery)
	}
	if !g.hold(r.Context(), answer.stall) || answer.lost {
		g.dropConnection(w)
		return
	}
	g.writeAccepted(w, s, delivery)
}

// accept is the moment from which the message is WhatsApp's. The plan says what
// becomes of the answer.
func (g *Graph) accept(n *number, s send, attempt int) (Delivery, answerPlan, *graphError) {
	if n.app.full() {
		return Delivery{}, answerPlan{}, codeError(codeRateLimit, "The stand-in's webhook queue is full")
	}
	now := time.Now()
	admitted, refusal := g.contacts.admitSend(n, s, now, g.config)
	if refusal != nil {
		return Delivery{}, answerPlan{}, refusal
	}
	plan := g.faults.planAnswer(n.ID, s, attempt)
	if plan.failCode == 0 {
		plan.failCode = admitted.failCode
	}
	if plan.failCode == 0 && !g.media.suits(s.mediaID, s.mediaKind, now) {
		plan.failCode = codeMediaUpload
	}
	delivery := Delivery{
		WAMID:         g.seed.newWAMID("out", n.ID, s.contact, admitted.sends),
		PhoneNumberID: n.ID,
		To:            s.contact,
		Aliases:       admitted.aliases,
		Type:          s.kind,
		Interactive:   s.interactive,
		Body:          s.text,
		Content:       s.raw,
		ReplyTo:       s.replyTo,
		CallbackData:  s.callbackData,
		MediaID:       s.mediaID,
		MediaHash:     g.media.hash(s.mediaID, now),
		AcceptedAt:    now,
		ReplyLost:     plan.lost,
		FailCode:      plan.failCode,
		FailDetails:   plan.failDetails,
	}
	if s.template != nil {
		delivery.Template, delivery.Language = s.template.Name, s.template.Language.Code
		delivery.Category = s.template.category
	}
	delivery = g.log.accept(delivery)
	g.counters.accepted.Add(1)
	if plan.lost {
		g.counters.repliesLost.Add(1)
	}
	if !plan.silent {
		g.walk(n, delivery)
	}
	return delivery, plan, nil
}

// writeServerError: what stands before Graph answers in HTML, and knows no
// error code.
func (g *Graph) writeServerError(w http.ResponseWriter, status int) {
	g.counters.refused.Add(1)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := io.WriteString(w, "<html><body>"+http.StatusText(status)+"</body></html>"); err != nil {
		g.counters.answersUnread.Add(1)
	}
}

type acceptedContact struct {
	Input  string `json:"input"`
	WAID   string `json:"wa_id,omitempty"`
	UserID string `json:"user_id,omitempty"`
}

type acceptedMessage struct {
	ID WAMID `json:"id"`
}

func (g *Graph) writeAccepted(w http.ResponseWriter, s send, delivery Delivery) {
	contact := acceptedContact{Input: s.input}
	if s.contact.IsUserID() {
		contact.UserID = s.contact.String()
	} else {
		contact.WAID = s.contact.String()
	}
	g.writeAnswer(w, http.StatusOK, struct {
		Product  string            `json:"messaging_product"`
		Contacts []acceptedContact `json:"contacts"`
		Messages []acceptedMessage `json:"messages"`
	}{messagingProduct, []acceptedContact{contact}, []acceptedMessage{{delivery.WAMID}}})
}

// dropConnection ends the connection without an answer: by a TCP reset where
// the connection can be had, else as the server aborts one.
func (g *Graph) dropConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	var lingerErr error
	if tcp, ok := conn.(*net.TCPConn); ok {
		lingerErr = tcp.SetLinger(0) // so that Close resets
	}
	// Either fails only when the client has closed first.
	if err := errors.Join(lingerErr, conn.Close()); err != nil {
		g.counters.answersUnread.Add(1)
	}
}
