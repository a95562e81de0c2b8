package rpc

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// browser is a page of the edge's own origin, with its cookies.
type browser struct {
	e      *edge
	client *http.Client
	header map[string]string
	t      *testing.T
}

func (e *edge) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatalf("cookie jar: %v", err)
	}
	b := &browser{e: e, t: t, header: map[string]string{"Sec-Fetch-Site": "same-origin"}}
	b.client = &http.Client{Jar: jar, Transport: headerTransport{b, e.transport(true)}}
	return b
}

// headerTransport adds what a browser adds.
type headerTransport struct {
	browser *browser
	next    http.RoundTripper
}

func (h headerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, value := range h.browser.header {
		r.Header.Set(name, value)
	}
	return h.next.RoundTrip(r)
}

// do answers with the response and its body.
func (b *browser) do(method, path, body string) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, edgeURL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatalf("make request: %v", err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := b.client.Do(r)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	text := readAll(b.t, response.Body)
	if err := response.Body.Close(); err != nil {
		b.t.Fatalf("close: %v", err)
	}
	return response, text
}

func (b *browser) signIn(token string) *http.Response {
	b.t.Helper()
	response, _ := b.do(http.MethodPost, sessionPath, `{"token":"`+token+`"}`)
	return response
}

// wantSignedIn asks who one is and checks it.
func (b *browser) wantSignedIn(want bool) {
	b.t.Helper()
	status := http.StatusUnauthorized
	if want {
		status = http.StatusOK
	}
	if response, body := b.do(http.MethodGet, sessionPath, ""); response.StatusCode != status {
		b.t.Errorf("got status %d, body %s, want %d", response.StatusCode, body, status)
	}
}

// TestSession: a token becomes a cookie that calls and files are let in with, until
// one signs out.
func TestSession(t *testing.T) {
	e := newEdge(t)
	id := e.open("acme")
	b := e.browser(t)
	b.wantSignedIn(false)
	response := b.signIn(ashaToken)
	if response.StatusCode != http.StatusNoContent || response.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got status %d, Cache-Control %q, want 204, no-store", response.StatusCode, response.Header.Get("Cache-Control"))
	}
	cookies := response.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("got cookies %v, want one", cookies)
	}
	if c := cookies[0]; c.Name != sessionCookie || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Secure || c.Domain != "" ||
		c.MaxAge != int(sessionAge.Seconds()) || strings.Contains(c.Value, ashaToken) {
		t.Errorf("got cookie %v, want one of this host that scripts and other sites have nothing of, and no token in it", c)
	}

	response, body := b.do(http.MethodGet, sessionPath, "")
	var shown shownSession
	if err := json.Unmarshal([]byte(body), &shown); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("got status %d, body %s, error %v, want a session", response.StatusCode, body, err)
	}
	if shown.ID != "asha" || shown.Name != "Asha" || shown.Role != "ROLE_AGENT" || shown.Workspace != "acme" || shown.ExpiresAt == nil ||
		time.Until(*shown.ExpiresAt) > sessionAge || time.Until(*shown.ExpiresAt) < sessionAge-time.Hour {
		t.Errorf("got session %s, want Asha's, for %v", body, sessionAge)
	}
	client := intervenev1connect.NewLiveChatServiceClient(b.client, edgeURL)
	got, err := client.GetConversation(t.Context(), &intervenev1.GetConversationRequest{ConversationId: id.String()})
	if err != nil || got.GetCard().GetConversationId() != id.String() {
		t.Errorf("GetConversation: got %v, error %v, want it", got, err)
	}
	_, err = client.GetOverview(t.Context(), &intervenev1.GetOverviewRequest{})
	wantRefusal(t, err, connect.CodePermissionDenied, "FORBIDDEN")
	if response, _ := b.do(http.MethodGet, "/v1/media/"+(engine.MessageID{Conversation: id, Version: 2}).String(), ""); response.StatusCode != http.StatusNotFound {
		t.Errorf("media: got status %d, want to be let in, and 404", response.StatusCode)
	}

	if response, _ := b.do(http.MethodDelete, sessionPath, ""); response.StatusCode != http.StatusNoContent {
		t.Errorf("sign out: got status %d, want 204", response.StatusCode)
	}
	b.wantSignedIn(false)
	_, err = client.ListAgents(t.Context(), &intervenev1.ListAgentsRequest{})
	wantRefusal(t, err, connect.CodeUnauthenticated, "UNAUTHENTICATED")
}

// TestSessionTellsOfWorkspace: a session has the channels and the policy of its own
// workspace, and of no other.
func TestSessionTellsOfWorkspace(t *testing.T) {
	policies := map[engine.WorkspaceID]engine.Policy{"acme": {TakeoverFromActive: true, WriteFirst: true}}
	for name, tt := range map[string]struct {
		policies map[engine.WorkspaceID]engine.Policy
		token    string
		want     shownSession
	}{
		"open": {
			policies,
			ashaToken,
			shownSession{Channels: []engine.ChannelID{"main"}, Policy: shownPolicy{TakeoverFromActive: true, WriteFirst: true}},
		},
		"another's": {
			policies,
			oliToken,
			shownSession{Channels: []engine.ChannelID{"others"}},
		},
		"not known": {nil, ashaToken, shownSession{Channels: []engine.ChannelID{"main"}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newEdge(t, func(o *Options) { o.Policies = tt.policies }).browser(t)
			b.signIn(tt.token)
			_, body := b.do(http.MethodGet, sessionPath, "")
			var shown shownSession
			if err := json.Unmarshal([]byte(body), &shown); err != nil {
				t.Fatalf("got %s, error %v, want a session", body, err)
			}
			if got, want := shown.Channels, tt.want.Channels; !slices.Equal(got, want) || shown.Policy != tt.want.Policy {
				t.Errorf("got channels %v, policy %+v, want %v, %+v", got, shown.Policy, want, tt.want.Policy)
			}
		})
	}
}

// TestSignInRefuses: nothing but a person's token makes a session.
func TestSignInRefuses(t *testing.T) {
	e := newEdge(t)
	tests := []struct {
		name, contentType, body string
		want                    int
	}{
		{"unknown token", "application/json", `{"token":"no such"}`, http.StatusUnauthorized},
		{"bot", "application/json", `{"token":"` + robotToken + `"}`, http.StatusForbidden},
		{"no token", "application/json", `{}`, http.StatusBadRequest},
		{"no JSON", "application/json", ashaToken, http.StatusBadRequest},
		{"a form", "application/x-www-form-urlencoded", "token=" + ashaToken, http.StatusBadRequest},
		{"too long", "application/json", `{"token":"` + strings.Repeat("x", maxSignInBytes) + `"}`, http.StatusBadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := e.browser(t)
			b.header["Content-Type"] = tt.contentType
			response, body := b.do(http.MethodPost, sessionPath, tt.body)
			if response.StatusCode != tt.want || len(response.Cookies()) != 0 {
				t.Errorf("got status %d, cookies %v, want %d and none", response.StatusCode, response.Cookies(), tt.want)
			}
			if strings.Contains(body, ashaToken) || !strings.Contains(body, `"code"`) {
				t.Errorf("got body %s, want an error of the Connect protocol without the token", body)
			}
		})
	}
}

// TestSessionsAreOfOneOrigin: no other origin signs in, out, or uses a cookie: not
// another site, not a neighbouring host, and not one that may call with a token.
func TestSessionsAreOfOneOrigin(t *testing.T) {
	const allowed = "https://console.acme.test"
	e := newEdge(t, func(o *Options) { o.AllowedOrigins = []string{allowed} })
	tests := []struct {
		name   string
		header map[string]string
		ok     bool
	}{
		{"this origin", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": edgeURL}, true},
		{"this origin, without TLS", map[string]string{"Origin": edgeURL}, true},
		{"the address bar", map[string]string{"Sec-Fetch-Site": "none"}, true},
		{"no browser", nil, true},
		{"another site", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}, false},
		{"another site, without TLS", map[string]string{"Origin": "http://evil.test"}, false},
		{"a neighbouring host", map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://other.edge.test"}, false},
		{"an allowed origin", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": allowed}, false},
		{"an allowed origin, without Sec-Fetch-Site", map[string]string{"Origin": allowed}, false},
		{"a sandboxed page", map[string]string{"Origin": "null"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := e.browser(t)
			b.signIn(ashaToken)
			b.wantSignedIn(true)
			own := b.header
			b.header = tt.header
			b.wantSignedIn(tt.ok) // a GET, which nothing else would hold up
			if response, _ := b.do(http.MethodPost, intervenev1connect.LiveChatServiceListAgentsProcedure, "{}"); (response.StatusCode == http.StatusOK) != tt.ok {
				t.Errorf("call: got status %d, want success to be %t", response.StatusCode, tt.ok)
			}
			if response := b.signIn(ashaToken); (response.StatusCode == http.StatusNoContent) != tt.ok || (len(response.Cookies()) == 1) != tt.ok {
				t.Errorf("sign in: got status %d, cookies %v, want success to be %t", response.StatusCode, response.Cookies(), tt.ok)
			}
			if response, _ := b.do(http.MethodDelete, sessionPath, ""); (response.StatusCode == http.StatusNoContent) != tt.ok {
				t.Errorf("sign out: got status %d, want success to be %t", response.StatusCode, tt.ok)
			}
			b.header = own
			b.wantSignedIn(!tt.ok)
		})
	}
	t.Run("an allowed origin with a token", func(t *testing.T) {
		b := e.browser(t)
		b.signIn(ashaToken)
		b.header = map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": allowed, "Authorization": "Bearer " + samToken}
		if response, body := b.do(http.MethodGet, sessionPath, ""); response.StatusCode != http.StatusOK || !strings.Contains(body, `"sam"`) || strings.Contains(body, "expires_at") {
			t.Errorf("got status %d, body %s, want Sam's own token to count", response.StatusCode, body)
		}
	})
}

// TestSessionOverTLS: what was loaded over TLS gets a cookie that never leaves it,
// and no neighbouring host can put another in its place.
func TestSessionOverTLS(t *testing.T) {
	e := newEdge(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, edgeURL+sessionPath, strings.NewReader(`{"token":"`+ashaToken+`"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", "https://edge.test") // a proxy ended TLS
	w := httptest.NewRecorder()
	if err := e.server.openSession(w, r); err != nil {
		t.Fatalf("sign in: %v", err)
	}
	cookies := w.Result().Cookies()
	if len(cookies) != 1 || cookies[0].Name != "__Host-intervene_session" || !cookies[0].Secure || cookies[0].Path != "/" || cookies[0].Domain != "" {
		t.Fatalf("got cookies %v, want one that is Secure and of this host alone", cookies)
	}
	r = httptest.NewRequestWithContext(t.Context(), http.MethodGet, edgeURL+sessionPath, nil)
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: e.server.sessions.seal(HashToken(samToken), time.Now().Add(time.Hour))})
	r.AddCookie(cookies[0])
	if got := sessionOf(r); got != cookies[0].Value {
		t.Errorf("got session %q, want that of the host's own cookie", got)
	}
}

// TestSessionsAreSealed: a session is what this key sealed, whole, and not over.
func TestSessionsAreSealed(t *testing.T) {
	key, other := newSessionKey(), newSessionKey()
	now := time.Unix(1_800_000_000, 0)
	hash := HashToken(ashaToken)
	sealed := key.seal(hash, now.Add(time.Hour))
	if got, until, ok := key.open(sealed, now); !ok || got != hash || !until.Equal(now.Add(time.Hour)) {
		t.Errorf("got %v, %v, %t, want the hash for an hour", got, until, ok)
	}
	for i := range sealed {
		changed := sealed[:i] + swapped(sealed[i:i+1]) + sealed[i+1:]
		if _, _, ok := key.open(changed, now); ok && changed != sealed {
			t.Errorf("byte %d changed: got a session, want none", i)
		}
	}
	for name, tt := range map[string]struct {
		key    SessionKey
		sealed string
		now    time.Time
	}{
		"over":        {key, sealed, now.Add(time.Hour)},
		"another key": {other, sealed, now},
		"cut short":   {key, sealed[:len(sealed)-2], now},
		"longer":      {key, sealed + "AAAA", now},
		"empty":       {key, "", now},
		"no base64":   {key, "!!", now},
	} {
		if _, _, ok := tt.key.open(tt.sealed, tt.now); ok {
			t.Errorf("%s: got a session, want none", name)
		}
	}
}

// TestSessionKeys: edges with one key know each other's sessions, as an engine does
// its own after a restart, and others do not.
func TestSessionKeys(t *testing.T) {
	key := newSessionKey()
	first := newEdge(t, func(o *Options) { o.SessionKey = key })
	sealed := first.browser(t).signIn(ashaToken).Cookies()[0].Value
	for name, tt := range map[string]struct {
		e    *edge
		want bool
	}{
		"the same key":    {newEdge(t, func(o *Options) { o.SessionKey = key }), true},
		"a key of itself": {newEdge(t), false},
	} {
		b := tt.e.browser(t)
		u, err := url.Parse(edgeURL)
		if err != nil {
			t.Fatalf("parse: %v", err)
		}
		b.client.Jar.SetCookies(u, []*http.Cookie{cookie(sealed, false)})
		t.Log(name)
		b.wantSignedIn(tt.want)
	}
}

// TestSessionEnds: when it is over, or its token is revoked, calls are refused and
// streams end, at once.
func TestSessionEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		end    func(*testing.T, *edge)
		within time.Duration
		reason string
	}{
		"over": {func(t *testing.T, _ *edge) { time.Sleep(time.Minute) }, 0, endedByExpiry},
		"revoked": {func(t *testing.T, e *edge) {
			if err := e.tokens.Replace(testTokens()[:1]); err != nil {
				t.Fatalf("Replace: %v", err)
			}
		}, 0, endedByRevoke},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEdge(t)
				b := e.browser(t)
				b.signIn(ashaToken)
				time.Sleep(sessionAge - 30*time.Second)
				client := intervenev1connect.NewLiveChatServiceClient(b.client, edgeURL)
				board := readBoard(t, client, &intervenev1.WatchBoardRequest{})
				settle(t, board)
				if _, err := client.ListAgents(t.Context(), &intervenev1.ListAgentsRequest{}); err != nil {
					t.Errorf("before: got error %v, want none", err)
				}
				start := time.Now()
				tt.end(t, e)
				wantRefusal(t, board.end(), connect.CodeUnauthenticated, "UNAUTHENTICATED")
				if got := time.Since(start); got > time.Minute {
					t.Errorf("got the end after %v, want it at once", got)
				}
				_, err := client.ListAgents(t.Context(), &intervenev1.ListAgentsRequest{})
				wantRefusal(t, err, connect.CodeUnauthenticated, "UNAUTHENTICATED")
				synctest.Wait()
				ended := e.server.metrics.streamsEnded.WithLabelValues(intervenev1connect.LiveChatServiceWatchBoardProcedure, tt.reason)
				if got := value(t, ended); got != 1 {
					t.Errorf("got %v streams that ended %s, want 1", got, tt.reason)
				}
			})
		})
	}
}

// TestFailedSignInsAreSlowed: who guesses has to wait; who knows, not.
func TestFailedSignInsAreSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		b := e.browser(t)
		for range 3 * signInBurst {
			if response := b.signIn(ashaToken); response.StatusCode != http.StatusNoContent {
				t.Fatalf("got status %d, want those who know to go on", response.StatusCode)
			}
		}
		for n := range signInBurst {
			if response := b.signIn("guess"); response.StatusCode != http.StatusUnauthorized {
				t.Fatalf("guess %d: got status %d, want 401", n, response.StatusCode)
			}
		}
		response, body := b.do(http.MethodPost, sessionPath, `{"token":"`+ashaToken+`"}`)
		wait, err := strconv.Atoi(response.Header.Get("Retry-After"))
		if err != nil || response.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, "resource_exhausted") {
			t.Fatalf("got status %d, Retry-After %q, body %s, want 429", response.StatusCode, response.Header.Get("Retry-After"), body)
		}
		time.Sleep(time.Duration(wait) * time.Second)
		if response := b.signIn(ashaToken); response.StatusCode != http.StatusNoContent {
			t.Errorf("after Retry-After: got status %d, want 204", response.StatusCode)
		}
	})
}

func TestSignInAddress(t *testing.T) {
	tests := []struct {
		name, remote string
		forwarded    []string
		want         string
	}{
		{"as it is", "192.0.2.7:1234", nil, "192.0.2.7"},
		{"a stranger's word", "192.0.2.7:1234", []string{"198.51.100.1"}, "192.0.2.7"},
		{"a proxy's word", "127.0.0.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		{"a proxy that passes a stranger's word on", "[::1]:1234", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		{"in a header of its own", "127.0.0.1:1234", []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1"},
		{"a proxy that says nothing", "127.0.0.1:1234", []string{"unknown"}, "127.0.0.1"},
		{"one of a network", "[2001:db8:1:2:3:4:5:6]:1234", nil, "2001:db8:1:2::"},
		{"mapped", "[::ffff:192.0.2.7]:1234", nil, "192.0.2.7"},
		{"no address", "pipe", nil, "invalid IP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, sessionPath, nil)
			r.RemoteAddr = tt.remote
			r.Header["X-Forwarded-For"] = tt.forwarded
			if got := signInAddress(r).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestSignInAddressesAreBounded: whoever has many addresses does not fill the memory.
func TestSignInAddressesAreBounded(t *testing.T) {
	s := newSignIns()
	for n := range maxSignInAddresses + 100 {
		address := netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})
		if wait, err := s.try(address, unauthenticated); wait > 0 || err == nil {
			t.Fatalf("got wait %v, error %v, want the check's error", wait, err)
		}
	}
	if got := s.addresses.Len(); got != maxSignInAddresses {
		t.Errorf("got %d addresses remembered, want %d", got, maxSignInAddresses)
	}
}
