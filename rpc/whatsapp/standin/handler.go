package standin

import (
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"strings"
)

const messagingProduct = "whatsapp"

// Handler serves the Graph API: POST /{version}/{phone_number_id}/messages,
// and Graph's refusal for everything else.
func (g *Graph) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{version}/{phone_number_id}/messages", g.serveMessages)
	mux.HandleFunc("/", g.serveUnsupported)
	return mux
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
	if g.ctx.Err() != nil {
		g.writeError(w, codeError(codeUnavailable, "The stand-in is closed"))
		return
	}
	n, refusal := g.authorize(r)
	if refusal != nil {
		g.writeError(w, refusal)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSendBytes))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			g.writeError(w, &graphError{
				Status: http.StatusRequestEntityTooLarge, Type: "GraphMethodException",
				Code: 1, Message: "Request body is too large",
			})
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
		g.serveReceipt(w, n, fields)
		return
	}
	s, refusal := parseSend(fields, body)
	if refusal != nil {
		g.writeError(w, refusal)
		return
	}
	g.serveSend(w, r, n, s)
}

// authorize finds the number and checks that the token is that number's. A
// valid token of another number sees no such object, as at Meta.
func (g *Graph) authorize(r *http.Request) (*number, *graphError) {
	object := r.PathValue("phone_number_id")
	if !versionPattern.MatchString(r.PathValue("version")) {
		return nil, noObject(strings.ToLower(r.Method), object)
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		e := codeError(codeTokenMissing, "")
		e.Message = titleOf(codeTokenMissing)
		return nil, e
	}
	if !g.tokenKnown(token) {
		e := codeError(codeTokenInvalid, "")
		e.Message = "Invalid OAuth access token - Cannot parse access token"
		return nil, e
	}
	n, ok := g.numbers[PhoneNumberID(object)]
	if !ok || !sameToken(n.AccessToken, token) {
		return nil, noObject(strings.ToLower(r.Method), object)
	}
	return n, nil
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
