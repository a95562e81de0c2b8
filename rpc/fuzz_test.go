package rpc

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/fuzztest"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// unchanging refuses every command, so that a fuzzer's run does not grow.
type unchanging struct{ *memory }

func (unchanging) Do(context.Context, engine.ConversationID, engine.Command) (engine.Receipt, error) {
	return engine.Receipt{}, &engine.Error{Code: engine.CodeNotFound}
}

func (unchanging) Begin(context.Context, engine.Command) (engine.ConversationID, engine.Receipt, error) {
	return engine.ConversationID{}, engine.Receipt{}, &engine.Error{Code: engine.CodeNotFound}
}

// fuzzed is an edge that is called without a network.
type fuzzed struct {
	handler http.Handler
	log     *logBuffer
	known   engine.ConversationID
}

func newFuzzed(f *testing.F) *fuzzed {
	f.Helper()
	tokens, err := NewTokens(testTokens())
	if err != nil {
		f.Fatalf("NewTokens: %v", err)
	}
	m, log := newMemory(), new(logBuffer)
	z := &fuzzed{log: log, known: m.open("acme")}
	u, platform := unchanging{m}, newPlatform()
	presences := actors.StartPresences(nil)
	server, err := New(Options{
		Commands: u, Starter: u, Conversations: m, Boards: m, Presences: presences, Tokens: tokens, References: m, Identities: m, Overviews: m,
		DeadLetters: m, Templates: platform, Receipts: platform, Media: newFiles(),
		Settings:  Settings{Channels: map[engine.ChannelID]engine.WorkspaceID{"main": "acme", "others": "other"}},
		JournalID: [16]byte{1}, Ready: func() bool { return true }, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		f.Fatalf("New: %v", err)
	}
	f.Cleanup(func() {
		server.Close()
		presences.Stop()
	})
	z.handler = server.Handler()
	return z
}

// timed is a recorder that takes deadlines, which the edge insists on.
type timed struct{ *httptest.ResponseRecorder }

func (timed) SetReadDeadline(time.Time) error  { return nil }
func (timed) SetWriteDeadline(time.Time) error { return nil }

// call posts body and answers the status and the answer's body. Of a stream only
// the beginning is asked for.
func (z *fuzzed) call(procedure, contentType, token string, stream bool, body []byte) (int, []byte) {
	r := httptest.NewRequest(http.MethodPost, edgeURL+procedure, bytes.NewReader(body))
	if stream {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		r = r.WithContext(ctx)
	}
	r.Header.Set("Content-Type", contentType)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := timed{httptest.NewRecorder()}
	z.handler.ServeHTTP(w, r)
	return w.Code, w.Body.Bytes()
}

// FuzzRequest sends any bytes to any procedure, in protobuf and in JSON, with and
// without a token: nothing panics or is the edge's own fault, without a token
// nothing is let in, and both encodings of one message fare alike.
//
//	go test -run '^$' -fuzz FuzzRequest -fuzztime 10m ./rpc
func FuzzRequest(f *testing.F) {
	z := newFuzzed(f)
	schema := procedures()
	names := slices.Sorted(maps.Keys(schema))
	for n, name := range names {
		kind, err := protoregistry.GlobalTypes.FindMessageByName(schema[name].Input().FullName())
		if err != nil {
			f.Fatalf("find %s: %v", name, err)
		}
		request := kind.New().Interface()
		fill(request, z.known.String())
		binary, err := proto.Marshal(request)
		if err != nil {
			f.Fatalf("marshal: %v", err)
		}
		text, err := protojson.Marshal(request)
		if err != nil {
			f.Fatalf("marshal: %v", err)
		}
		f.Add(byte(n), false, binary)
		f.Add(byte(n), true, text)
		f.Add(byte(n), true, []byte(`{"conversationId":"`+fuzztest.Canary+`","pageToken":"`+fuzztest.Canary+`"}`))
	}
	for _, body := range []string{"", "{}", "[]", "null", "\xff\xff\xff\xff\x0f", "\x1f\x8b\x08", `{"a":` + strings.Repeat("[", 20_000)} {
		f.Add(byte(0), true, []byte(body))
		f.Add(byte(1), false, []byte(body))
	}
	f.Fuzz(func(t *testing.T, n byte, asJSON bool, body []byte) {
		name := names[int(n)%len(names)]
		method := schema[name]
		contentType := contentTypeOf(asJSON, method.IsStreamingServer())
		if status, _ := z.call(name, contentType, "", method.IsStreamingServer(), body); status != http.StatusUnauthorized && !method.IsStreamingServer() {
			t.Errorf("%s without a token: got status %d, want %d", path.Base(name), status, http.StatusUnauthorized)
		}
		token := ashaToken
		if access[name].has(RoleBot) {
			token = robotToken
		} else if !access[name].has(RoleAgent) {
			token = adaToken
		}
		var status int
		var answer []byte
		fuzztest.Bounded(t, len(body), func() { status, answer = z.call(name, contentType, token, method.IsStreamingServer(), body) })
		if status >= http.StatusInternalServerError && status != http.StatusServiceUnavailable && status != http.StatusGatewayTimeout {
			t.Errorf("%s: got status %d, %s, want no fault of the edge", path.Base(name), status, answer)
		}
		if log := z.log.take(); log != "" {
			t.Errorf("%s: got log %s, want none", path.Base(name), log)
		}
		if method.IsStreamingServer() {
			return
		}
		if other, encoded := transcoded(method.Input(), asJSON, body); encoded {
			alike, answerTo := z.call(name, contentTypeOf(!asJSON, false), token, false, other)
			if alike != status || status != http.StatusOK && !bytes.Equal(answerTo, answer) {
				t.Errorf("%s: got %d %s in one encoding, %d %s in the other", path.Base(name), status, answer, alike, answerTo)
			}
		}
	})
}

func contentTypeOf(asJSON, stream bool) string {
	kind := "proto"
	if asJSON {
		kind = "json"
	}
	if stream {
		return "application/connect+" + kind
	}
	return "application/" + kind
}

// transcoded says the message of body in the other encoding.
func transcoded(input protoreflect.MessageDescriptor, asJSON bool, body []byte) ([]byte, bool) {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(input.FullName())
	if err != nil {
		return nil, false
	}
	m := kind.New().Interface()
	if asJSON {
		err = (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, m)
	} else {
		err = proto.Unmarshal(body, m)
	}
	if err != nil || len(body) > maxRequestBytes/8 { // one that is near the limit is over it in JSON
		return nil, false
	}
	if asJSON {
		body, err = proto.Marshal(m)
	} else {
		body, err = protojson.Marshal(m)
	}
	return body, err == nil
}

// take is what was logged since the last time.
func (b *logBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.buf.String()
	b.buf.Reset()
	return text
}

// FuzzCursor reads any text as a place in every list: only what was sealed for the
// list opens, and it is the place that was sealed.
//
//	go test -run '^$' -fuzz FuzzCursor -fuzztime 10m ./rpc
func FuzzCursor(f *testing.F) {
	k, other := newCursorKey([16]byte{1}), newCursorKey([16]byte{2})
	id := engine.ConversationID{0, 1, 2}
	filter := engine.BoardFilter{Tag: "vip"}
	row := engine.BoardRow{Conversation: id, Index: engine.Index{Order: -7}}
	place := findPlace{column: engine.Active, after: row}
	letter := engine.DeadLetter{At: 5, Message: engine.MessageID{Conversation: id, Version: 9}}
	for _, key := range []cursorKey{k, other} {
		f.Add(key.rowToken("acme", engine.Active, filter, row))
		f.Add(key.versionToken(id, 7))
		f.Add(key.deadLetterToken("acme", letter))
		f.Add(key.findToken("acme", "nia", place))
		f.Add(string(key.resumeToken(&engine.BoardQuery{Workspace: "acme"})))
		f.Add(string(key.conversationToken(id)))
	}
	f.Add(base64.RawURLEncoding.EncodeToString(make([]byte, 200)))
	f.Fuzz(func(t *testing.T, token string) {
		opens := func(list string, ok bool, again string) {
			if ok && !sameBase64(again, token) {
				t.Errorf("%s: got %q opened, want %q alone", list, token, again)
			}
		}
		r, ok := k.row(token, "acme", engine.Active, filter)
		opens("row", ok, k.rowToken("acme", engine.Active, filter, r))
		v, ok := k.version(token, id)
		opens("version", ok, k.versionToken(id, v))
		l, ok := k.deadLetter(token, "acme")
		opens("dead letter", ok, k.deadLetterToken("acme", l))
		p, ok := k.findPlace(token, "acme", "nia")
		opens("find", ok, k.findToken("acme", "nia", p))
		made := k.resumeToken(&engine.BoardQuery{Workspace: "acme"})
		if k.resumes([]byte(token), made) != (token == string(made)) {
			t.Errorf("resume: got %q opened, want %q alone", token, made)
		}
	})
}

// sameBase64 leaves out what a decoder skips: line ends, and the bits that end the
// last character.
func sameBase64(a, b string) bool {
	x, errX := base64.RawURLEncoding.DecodeString(a)
	y, errY := base64.RawURLEncoding.DecodeString(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// FuzzSession reads any text as a cookie's session: only what was sealed opens.
//
//	go test -run '^$' -fuzz FuzzSession -fuzztime 10m ./rpc
func FuzzSession(f *testing.F) {
	k, other := SessionKey{1}, SessionKey{2}
	now := time.Unix(1_760_000_000, 0)
	for _, key := range []SessionKey{k, other} {
		f.Add(key.seal(HashToken(ashaToken), now.Add(time.Hour)))
		f.Add(key.seal(HashToken(ashaToken), now.Add(-time.Hour)))
	}
	f.Add(strings.Repeat("A", 98))
	f.Fuzz(func(t *testing.T, sealed string) {
		token, until, ok := k.open(sealed, now)
		if ok && (k.seal(token, until) != strings.NewReplacer("\r", "", "\n", "").Replace(sealed) || !now.Before(until)) {
			t.Errorf("got %q opened until %s, want only what was sealed", sealed, until)
		}
		r := httptest.NewRequest(http.MethodGet, edgeURL, nil)
		r.Header["Cookie"] = []string{sealed, sessionCookie + "=" + sealed}
		sessionOf(r)
	})
}

// FuzzBearer reads any header as a token, and any text as a token's hash.
//
//	go test -run '^$' -fuzz FuzzBearer -fuzztime 10m ./rpc
func FuzzBearer(f *testing.F) {
	f.Add("Bearer " + ashaToken)
	f.Add("bearer\t x")
	f.Add("Basic x")
	f.Add(HashToken(ashaToken).String())
	f.Add(strings.ToUpper(HashToken(ashaToken).String()))
	f.Add(fuzztest.Canary)
	f.Fuzz(func(t *testing.T, text string) {
		token, ok := bearer(http.Header{"Authorization": {text}})
		if ok && (token == "" || !strings.HasSuffix(strings.TrimSpace(text), token) || !strings.EqualFold(text[:len("Bearer ")], "Bearer ")) {
			t.Errorf("%q: got token %q, want what follows the scheme", text, token)
		}
		h, err := ParseTokenHash(text)
		fuzztest.Silent(t, err)
		if err == nil && !strings.EqualFold(h.String(), text) {
			t.Errorf("hash %q: got %s, want the same", text, h)
		}
	})
}

// FuzzFind looks for any text in any name: what is looked for finds itself, and
// nothing takes longer than its length allows.
//
//	go test -run '^$' -fuzz FuzzFind -fuzztime 10m ./rpc
func FuzzFind(f *testing.F) {
	for _, seed := range [][2]string{
		{"nia", "Nía Ñandú"}, {"+49 (151) 555-01", "4915155501"}, {"ﬁ", "file"}, {"ß", "STRASSE"}, {"הָ", "הָ"}, {"\xff\xfe", "\xff"}, {"e\u0301\u0301\u0301", "é"}, {"0049", "49"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, query, name string) {
		fuzztest.Bounded(t, len(query)+len(name), func() {
			q, ok := parseFindQuery(query)
			if !ok {
				return
			}
			q.matches(&engine.Card{Contact: engine.Contact{Name: name, WaID: name}, Tags: []string{name}})
			for _, n := range q.numbers() {
				if len(n) < minNumberDigits || len(n) > maxNumberDigits+1 {
					t.Errorf("%q: got number %q, want one of a number's length", query, n)
				}
			}
			if utf8.ValidString(query) && !q.matchesName(query) {
				t.Errorf("%q: got itself not found, want it found", query)
			}
		})
	})
}

// FuzzFileHeaders serves a file of any name and type: no header is more than one
// line, and no browser is told to show it.
//
//	go test -run '^$' -fuzz FuzzFileHeaders -fuzztime 10m ./rpc
func FuzzFileHeaders(f *testing.F) {
	f.Add("résumé.html", "text/html")
	f.Add("a\r\nSet-Cookie: x=y", "image/png\r\nX: y")
	f.Add(`"\`+"\x00\xff", "image/jpeg; charset=utf-8; a=b")
	f.Add("a", "image/png;\r\n\r\na=b")
	f.Fuzz(func(t *testing.T, filename, contentType string) {
		given, served := disposition(filename), servedType(contentType)
		for _, value := range []string{given, served} {
			if strings.ContainsAny(value, "\r\n\x00") {
				t.Errorf("got header %q, want one line", value)
			}
		}
		kind, _, err := mime.ParseMediaType(given)
		if err != nil || kind != "attachment" {
			t.Errorf("file name %q: got %q, error %v, want an attachment", filename, given, err)
		}
		if kind, _, err := mime.ParseMediaType(served); err != nil || strings.Contains(kind, "html") || strings.Contains(kind, "svg") || strings.Contains(kind, "script") {
			t.Errorf("type %q: got %q, error %v, want none that a browser runs", contentType, served, err)
		}
	})
}

// FuzzBotAnswer reads any bytes as what a bot answers a turn with.
//
//	go test -run '^$' -fuzz FuzzBotAnswer -fuzztime 10m ./rpc
func FuzzBotAnswer(f *testing.F) {
	f.Add(200, jsonType, []byte(`{"actions":[{"say":{"content":{"text":{"body":"`+fuzztest.Canary+`"}}}},{"requestAgent":{"reason":"x"}}]}`))
	f.Add(202, jsonType, []byte(`{"accepted":{}}`))
	f.Add(200, "text/html", []byte("<"+fuzztest.Canary))
	f.Add(200, jsonType, []byte(`{"actions":[{"`+fuzztest.Canary))
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte) {
		response := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}}}
		var answer *intervenev1.TurnResponse
		var err error
		fuzztest.Bounded(t, len(body), func() { answer, err = answered(response, body) })
		fuzztest.Silent(t, err)
		if (answer == nil) != (err != nil) {
			t.Errorf("got answer %v, error %v, want one of them", answer, err)
		}
	})
}
