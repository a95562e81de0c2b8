package standin

import (
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

const messagingProduct = "whatsapp"

// Handler serves the Graph API, and Graph's refusal for everything else:
//
//	POST   /{version}/{phone_number_id}/messages    send, or mark as read
//	POST   /{version}/{phone_number_id}/media       upload
//	GET    /{version}/{media_id}                    where to download it
//	DELETE /{version}/{media_id}
//	GET    /{version}/{waba_id}/message_templates
//	GET    /whatsapp_business/attachments/          download
func (g *Graph) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{version}/{object}/messages", g.serveMessages)
	mux.HandleFunc("POST /{version}/{object}/media", g.serveUpload)
	mux.HandleFunc("GET /{version}/{object}/message_templates", g.serveTemplates)
	mux.HandleFunc("GET /{version}/{object}", g.serveObject)
	mux.HandleFunc("DELETE /{version}/{object}", g.serveDelete)
	mux.HandleFunc("GET "+mediaPath+"{$}", g.serveDownload)
	mux.HandleFunc("/", g.serveUnsupported)
	return g.whileOpen(mux)
}

// whileOpen answers nothing but an error once the stand-in is closed.
func (g *Graph) whileOpen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.ctx.Err() != nil {
			g.writeError(w, codeError(codeUnavailable, "The stand-in is closed"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Graph) serveUnsupported(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if versionPattern.MatchString(parts[0]) {
		parts = parts[1:]
	}
	object := ""
	if len(parts) > 0 {
		object = parts[0]
	}
	g.writeError(w, noObject(strings.ToLower(r.Method), object))
}

func (g *Graph) serveMessages(w http.ResponseWriter, r *http.Request) {
	n, refusal := g.authorizeNumber(r)
	if refusal != nil {
		g.writeError(w, refusal)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSendBytes))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			g.writeError(w, bodyTooLarge())
			return
		}
		// The client went away while it was still writing: nothing was asked.
		g.counters.answersUnread.Add(1)
		return
	}
	fields, refusal := parseFields(body)
	if refusal != nil {
		g.writeError(w, refusal)
		return
	}
	if _, isReceipt := fields["status"]; isReceipt {
		g.serveReceipt(w, r, n, fields)
		return
	}
	s, refusal := parseSend(fields, body)
	if refusal == nil {
		refusal = g.checkSend(n, &s)
	}
	if refusal != nil {
		g.writeError(w, refusal)
		return
	}
	g.serveSend(w, r, n, s)
}

// checkSend finds the contact, and checks what a body alone does not tell.
func (g *Graph) checkSend(n *number, s *send) *graphError {
	if known, ok := g.config.WAIDs[s.contact]; ok {
		s.contact = known
	}
	if n.self == s.contact {
		return codeError(codeToSender, detailsOf(codeToSender))
	}
	if g.config.CheckMedia && s.mediaID != "" && !g.media.has(s.mediaID, n.ID, time.Now()) {
		return invalidParameter("Param " + s.mediaKind +
			"['id'] is not a valid whatsapp business account media attachment ID")
	}
	return g.checkTemplate(n, s)
}

// authorizeNumber finds the number and checks that the token is that number's.
// A valid token of another number sees no such object, as at Meta.
func (g *Graph) authorizeNumber(r *http.Request) (*number, *graphError) {
	object := r.PathValue("object")
	token, refusal := g.bearer(r, object)
	if refusal != nil {
		return nil, refusal
	}
	n, ok := g.numbers[PhoneNumberID(object)]
	if !ok || !sameToken(n.AccessToken, token) {
		return nil, noObject(strings.ToLower(r.Method), object)
	}
	return n, nil
}

// authorizeBusiness finds a number of the business that has the token.
func (g *Graph) authorizeBusiness(r *http.Request, business BusinessID) (*number, *graphError) {
	token, refusal := g.bearer(r, business.String())
	if refusal != nil {
		return nil, refusal
	}
	for _, n := range g.config.Numbers {
		if business != "" && n.Business == business && sameToken(n.AccessToken, token) {
			return g.numbers[n.ID], nil
		}
	}
	return nil, noObject(strings.ToLower(r.Method), business.String())
}

// bearer answers the token, if it is one of somebody's here.
func (g *Graph) bearer(r *http.Request, object string) (string, *graphError) {
	if !versionPattern.MatchString(r.PathValue("version")) {
		return "", noObject(strings.ToLower(r.Method), object)
	}
	token, ok := bearerOf(r)
	if !ok {
		e := codeError(codeTokenMissing, "")
		e.Message = titleOf(codeTokenMissing)
		return "", e
	}
	if !g.tokenKnown(token) {
		e := codeError(codeTokenInvalid, "")
		e.Message = "Invalid OAuth access token - Cannot parse access token"
		return "", e
	}
	return token, nil
}

func bearerOf(r *http.Request) (string, bool) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token, ok && token != ""
}

func (g *Graph) tokenKnown(token string) bool {
	for _, n := range g.numbers {
		if sameToken(n.AccessToken, token) {
			return true
		}
	}
	return false
}

func sameToken(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// baseURL is what URLs in answers begin with: where the request came to, unless
// it is configured.
func (g *Graph) baseURL(r *http.Request) string {
	if base := g.base.Load(); base != nil && *base != "" {
		return *base
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

func bodyTooLarge() *graphError {
	return &graphError{
		Status: http.StatusRequestEntityTooLarge, Type: "GraphMethodException",
		Code: 1, Message: "Request body is too large",
	}
}
