package rpc

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/engine"
)

// The session's methods, which stand in the access table and in metrics as they
// are here. A page of this origin exchanges its user's token for a cookie that its
// scripts cannot read.
const (
	sessionPath  = "/v1/session"
	sessionOpen  = "POST " + sessionPath
	sessionShow  = "GET " + sessionPath
	sessionClose = "DELETE " + sessionPath
)

const (
	// sessionAge is how long one signs in for: a working day.
	sessionAge = 12 * time.Hour
	// maxSignInBytes bounds the request of a sign-in.
	maxSignInBytes = 4 << 10

	// A browser takes a __Host- cookie over TLS alone, and from this very host:
	// no neighbouring host can put one in its place.
	sessionCookie     = "intervene_session"
	hostSessionCookie = "__Host-" + sessionCookie
)

// SessionKey seals the cookies of sessions. Whoever knows it and the hash of a
// token can make one, so it is as secret as a token.
type SessionKey [sha256.Size]byte

// newSessionKey is one that nobody else knows.
func newSessionKey() SessionKey {
	var key SessionKey
	rand.Read(key[:]) // never fails
	return key
}

// A sealed session: version, expiry, the token's hash, then the seal. There is no
// token in it, and nothing is kept of it here: the hash finds its caller as a
// bearer token's does, so that a revoked token ends its sessions, too.
const (
	sessionVersion = 1
	sessionBytes   = 1 + 8 + sha256.Size + sha256.Size
)

func (k SessionKey) mac(sealed []byte) []byte {
	h := hmac.New(sha256.New, k[:])
	h.Write([]byte("intervene session "))
	h.Write(sealed)
	return h.Sum(nil)
}

// seal makes a session of token that is over at until.
func (k SessionKey) seal(token TokenHash, until time.Time) string {
	raw := binary.BigEndian.AppendUint64([]byte{sessionVersion}, uint64(until.Unix()))
	raw = append(raw, token[:]...)
	return base64.RawURLEncoding.EncodeToString(append(raw, k.mac(raw)...))
}

// open is what seal sealed, if that is not over.
func (k SessionKey) open(sealed string, now time.Time) (token TokenHash, until time.Time, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(raw) != sessionBytes || raw[0] != sessionVersion {
		return TokenHash{}, time.Time{}, false
	}
	body := raw[:sessionBytes-sha256.Size]
	if !hmac.Equal(raw[len(body):], k.mac(body)) {
		return TokenHash{}, time.Time{}, false
	}
	until = time.Unix(int64(binary.BigEndian.Uint64(body[1:])), 0)
	return TokenHash(body[9:]), until, now.Before(until)
}

// sessionOf is the sealed session that came with r; empty if there is none, or if
// the request does not come from a page of ours. SameSite keeps cookies from other
// sites' requests; this keeps them from those of neighbouring hosts, too, and from
// those of origins that are allowed to call with a token.
func sessionOf(r *http.Request) string {
	if len(r.Header["Cookie"]) == 0 || !sameOrigin(r) {
		return ""
	}
	for _, name := range []string{hostSessionCookie, sessionCookie} {
		if c, err := r.Cookie(name); err == nil {
			return c.Value
		}
	}
	return ""
}

// sameOrigin reports whether r comes from a page of ours, from the address bar, or
// from no browser. Browsers leave Sec-Fetch-Site out without TLS, and Origin where
// a request changes nothing.
func sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		origin := r.Header.Get("Origin")
		if origin == "" {
			return true
		}
		u, err := url.Parse(origin)
		return err == nil && u.Host != "" && u.Host == r.Host
	}
	return false
}

// overTLS reports whether the page that r comes from was loaded over TLS, also when
// a proxy ended it: a browser names the page's origin with all that is not a GET.
func overTLS(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(r.Header.Get("Origin"), "https://")
}

// over tells when c's session is over; nil: there is none. Whoever is done with it
// calls stop.
func (c *caller) over() (over <-chan time.Time, stop func() bool) {
	if c.until.IsZero() {
		return nil, func() bool { return false }
	}
	timer := time.NewTimer(time.Until(c.until))
	return timer.C, timer.Stop
}

// cookie is what a browser keeps of a session. Without a value it forgets it.
func cookie(value string, secure bool) *http.Cookie {
	c := &http.Cookie{ // #nosec G124 -- without TLS a browser keeps no Secure cookie; secure says which it is
		Name: sessionCookie, Value: value, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode,
		MaxAge: int(sessionAge.Seconds()),
	}
	if secure {
		c.Name = hostSessionCookie
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// session serves one of the session's methods as connect serves a procedure: with
// the same errors in the same JSON, and the same counts.
func (s *Server) session(procedure string, serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		answered := answering{s}.answer(r.Context(), procedure, serve(w, r))
		s.metrics.duration.WithLabelValues(procedure).Observe(time.Since(start).Seconds())
		if answered == nil {
			return
		}
		if err := errorWriter.Write(w, r, answered); err != nil {
			s.log.DebugContext(r.Context(), "a refusal was not read", "procedure", procedure, "error", err)
		}
	})
}

// openSession signs in. Who guesses is slowed down; who knows is not.
func (s *Server) openSession(w http.ResponseWriter, r *http.Request) error {
	if !sameOrigin(r) {
		return crossOriginSession.error(nil)
	}
	token, err := signInToken(w, r)
	if err != nil {
		return err
	}
	hash := HashToken(token)
	wait, err := s.signIns.try(signInAddress(r), func() error {
		_, err := s.options.Tokens.table().admit(hash, people)
		return err
	})
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
		return tooManySignIns(wait)
	}
	if err != nil {
		return err
	}
	http.SetCookie(w, cookie(s.sessions.seal(hash, time.Now().Add(sessionAge)), overTLS(r)))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// signInToken reads a sign-in's token.
func signInToken(w http.ResponseWriter, r *http.Request) (string, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return "", invalid("content_type", "must be application/json")
	}
	var body struct {
		Token string `json:"token"`
	}
	// What is wrong with it is not told: a decoder's error may quote the token.
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSignInBytes)).Decode(&body); err != nil {
		return "", invalid("body", `must be {"token": "…"}`)
	}
	if body.Token == "" {
		return "", invalid("token", "must not be empty")
	}
	return body.Token, nil
}

// closeSession signs out: the browser forgets its cookie.
func (s *Server) closeSession(w http.ResponseWriter, r *http.Request) error {
	if !sameOrigin(r) {
		return crossOriginSession.error(nil)
	}
	for _, c := range []*http.Cookie{cookie("", false), cookie("", true)} {
		if _, err := r.Cookie(c.Name); !errors.Is(err, http.ErrNoCookie) {
			http.SetCookie(w, c)
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// shownSession is who one is, and what the page of a workspace needs to know of it
// beforehand: its channels, and what agents may do. The engine decides about that all
// the same. ExpiresAt is absent for who came with a bearer token.
type shownSession struct {
	ID        string             `json:"id"`
	Name      string             `json:"name"`
	Role      string             `json:"role"`
	Workspace string             `json:"workspace"`
	Channels  []engine.ChannelID `json:"channels"`
	Policy    shownPolicy        `json:"policy"`
	ExpiresAt *time.Time         `json:"expires_at,omitempty"`
}

// shownPolicy has the configuration's names.
type shownPolicy struct {
	TakeoverFromActive bool `json:"takeover_from_active"`
	WriteFirst         bool `json:"write_first"`
}

func (s *Server) showSession(w http.ResponseWriter, r *http.Request) error {
	who, err := s.admit(r.Context(), s.options.Tokens.table(), sessionShow, r.Header)
	if err != nil {
		return err
	}
	settings := s.served.Load()
	policy := settings.Policies[who.Workspace]
	shown := shownSession{
		ID: string(who.ID), Name: who.Name, Role: who.Role.String(), Workspace: string(who.Workspace),
		Channels: slices.Concat([]engine.ChannelID{}, settings.channelsOf[who.Workspace]),
		Policy:   shownPolicy{TakeoverFromActive: policy.TakeoverFromActive, WriteFirst: policy.WriteFirst},
	}
	if !who.until.IsZero() {
		until := who.until.UTC()
		shown.ExpiresAt = &until
	}
	body, err := json.Marshal(shown)
	if err != nil {
		return fmt.Errorf("encode session: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(body); err != nil {
		return &callerError{err}
	}
	return nil
}

var crossOriginSession = answer{connect.CodePermissionDenied, "CROSS_ORIGIN", "sessions are for the pages of this origin", 0}

func tooManySignIns(wait time.Duration) error {
	return answer{connect.CodeResourceExhausted, "TOO_MANY_SIGN_INS", "too many sign-ins have failed", wait}.error(nil)
}
