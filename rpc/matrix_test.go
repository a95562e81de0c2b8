package rpc

import (
	"bytes"
	"maps"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// The tokens of the other workspace beside Oli's, one of each role.
const (
	ottoToken  = "token-of-otto"  // agent of other
	suriToken  = "token-of-suri"  // supervisor of other
	rasmoToken = "token-of-rasmo" // bot of other
)

// rights is the specification of who may call what, apart from the table that the
// edge is served by: a for agents, s for supervisors, d for administrators, b for
// bots. A procedure of the schema without a line fails the test, so that a new one
// is thought about twice.
var rights = map[string]string{
	"LiveChatService/ListConversations": "asd", "LiveChatService/GetConversation": "asd", "LiveChatService/ListMessages": "asd",
	"LiveChatService/ListAgents": "asd", "LiveChatService/ListTemplates": "asd", "LiveChatService/ListDeadLetters": "sd",
	"LiveChatService/FindConversations": "asd", "LiveChatService/GetOverview": "sd",
	"LiveChatService/SendMessage": "asdb", "LiveChatService/SendTyping": "asdb", "LiveChatService/StartConversation": "asd",
	"LiveChatService/ResendMessage": "asd", "LiveChatService/RequestAgent": "asdb", "LiveChatService/WithdrawRequest": "asdb",
	"LiveChatService/Intervene": "asd", "LiveChatService/TakeOver": "sd", "LiveChatService/Transfer": "asd", "LiveChatService/Resolve": "asd",
	"LiveChatService/MarkRead": "asd", "LiveChatService/AddNote": "asd", "LiveChatService/SetTags": "asd", "LiveChatService/EraseContact": "d",
	"LiveChatService/UpdatePresence": "asd", "LiveChatService/WatchBoard": "asd", "LiveChatService/WatchConversation": "asd",
	"BotGatewayService/Submit": "b",
}

// matrix is an edge with every role in two workspaces, and the objects of one.
type matrix struct {
	*edge
	conversation engine.ConversationID
	file         engine.MessageID
	// absent are of the same form and exist nowhere.
	absent     engine.ConversationID
	absentFile engine.MessageID
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := &matrix{edge: newEdge(t)}
	if err := m.tokens.Replace(append(testTokens(),
		Token{HashToken(ottoToken), Principal{"otto", "Otto", "other", RoleAgent}},
		Token{HashToken(suriToken), Principal{"suri", "Suri", "other", RoleSupervisor}},
		Token{HashToken(rasmoToken), Principal{"rasmo", "Rasmo", "other", RoleBot}},
	)); err != nil {
		t.Fatalf("tokens: %v", err)
	}
	m.conversation = m.held()
	m.file = m.receiveFile(m.conversation, &engine.Media{ID: "m1"}, engine.RecordMedia{State: engine.MediaStored, Blob: m.files.put(m.conversation, "x"), Bytes: 1})
	m.absent = engine.NewConversationID(1, [14]byte{250})
	m.absentFile = engine.MessageID{Conversation: m.absent, Version: m.file.Version}
	return m
}

// matrixCall is one way to call.
type matrixCall struct {
	name   string
	role   byte // as rights has it; 0: nobody
	home   bool // in the workspace of the objects
	token  string
	header []string
	denied string // the reason that it gets whatever it calls; empty: by role
}

// callers are all that there are: tokens, sessions and neither, from here and from
// elsewhere.
func (m *matrix) callers() []matrixCall {
	session := func(token string) string { return sessionCookie + "=" + m.signedIn(token) }
	const here, elsewhere = "same-origin", "cross-site"
	return []matrixCall{
		{name: "nobody", denied: "UNAUTHENTICATED"},
		{name: "unknown token", token: "token-of-nobody", denied: "UNAUTHENTICATED"},
		{name: "agent", role: 'a', home: true, token: ashaToken},
		{name: "supervisor", role: 's', home: true, token: samToken},
		{name: "admin", role: 'd', home: true, token: adaToken},
		{name: "bot", role: 'b', home: true, token: robotToken},
		{name: "agent of another", role: 'a', token: ottoToken},
		{name: "supervisor of another", role: 's', token: suriToken},
		{name: "admin of another", role: 'd', token: oliToken},
		{name: "bot of another", role: 'b', token: rasmoToken},
		{name: "session", role: 'a', home: true, header: []string{"Cookie", session(ashaToken), "Sec-Fetch-Site", here}},
		{name: "session of another", role: 'd', header: []string{"Cookie", session(oliToken), "Sec-Fetch-Site", here}},
		{name: "session that was changed", header: []string{"Cookie", session(adaToken) + "A", "Sec-Fetch-Site", here}, denied: "UNAUTHENTICATED"},
		{name: "session from another origin", header: []string{"Cookie", session(adaToken), "Origin", "http://evil.test"}, denied: "CROSS_ORIGIN"},
		{name: "session from another site", header: []string{"Cookie", session(adaToken), "Sec-Fetch-Site", elsewhere}, denied: "CROSS_ORIGIN"},
		{name: "session beside an unknown token", token: "token-of-nobody", header: []string{"Cookie", session(adaToken), "Sec-Fetch-Site", here}, denied: "UNAUTHENTICATED"},
	}
}

// signedIn is the cookie's value that token was exchanged for.
func (m *matrix) signedIn(token string) string {
	m.t.Helper()
	response := m.browser(m.t).signIn(token)
	if cookies := response.Cookies(); len(cookies) == 1 {
		return cookies[0].Value
	}
	m.t.Fatalf("sign in: got status %d, want a cookie", response.StatusCode)
	return ""
}

// TestMatrix calls every procedure of the schema as everybody, about an object of
// one workspace. Who may not call is refused by role, and who is of another workspace
// is answered to the byte as about what exists nowhere; neither changes anything.
func TestMatrix(t *testing.T) {
	m := newMatrix(t)
	schema := procedures()
	specified := maps.Clone(rights)
	for procedure := range schema {
		name := strings.TrimPrefix(procedure, "/intervene.v1.")
		if _, ok := specified[name]; !ok {
			t.Errorf("%s: got no line of rights, want one", name)
		}
		delete(specified, name)
	}
	if len(specified) > 0 {
		t.Errorf("rights: got lines of %v, want none that the schema has not", slices.Sorted(maps.Keys(specified)))
	}
	before := m.state()
	for _, who := range m.callers() {
		t.Run(strings.ReplaceAll(who.name, " ", "-"), func(t *testing.T) {
			for procedure, method := range schema {
				if who.home && who.denied == "" && strings.IndexByte(rights[strings.TrimPrefix(procedure, "/intervene.v1.")], who.role) >= 0 {
					continue // may call, and would change something: TestAccess and each procedure's own tests
				}
				if method.IsStreamingServer() && method.Input().Fields().ByName("conversation_id") == nil && who.denied == "" {
					continue // a board has no end, and is of its caller's workspace: TestWorkspacesAreApart
				}
				request := newRequest(t, method.Input().FullName())
				got := m.ask(who, procedure, method.IsStreamingServer(), request, m.conversation)
				m.judge(t, who, procedure, got, m.ask(who, procedure, method.IsStreamingServer(), request, m.absent))
			}
		})
	}
	if after := m.state(); after != before {
		t.Errorf("state: got %s, want it as before: %s", after, before)
	}
}

// ask calls about the conversation id.
func (m *matrix) ask(who matrixCall, procedure string, stream bool, request proto.Message, id engine.ConversationID) heard {
	m.t.Helper()
	fill(request, id.String())
	if submit, ok := request.(*intervenev1.SubmitRequest); ok {
		submit.TurnId, submit.Epoch, submit.ThroughVersion = engine.MessageID{Conversation: id, Version: 3}.String(), 1, 3
	}
	body, err := protojson.Marshal(request)
	if err != nil {
		m.t.Fatalf("marshal: %v", err)
	}
	contentType := "application/json"
	if stream {
		contentType = "application/connect+json"
		body = append([]byte{0, 0, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	return m.fetch(who.token, http.MethodPost, procedure, bytes.NewReader(body), append([]string{"Content-Type", contentType}, who.header...)...)
}

// judge holds got, about an object of acme, against the specification, and against
// absent, which was about none.
func (m *matrix) judge(t *testing.T, who matrixCall, procedure string, got, absent heard) {
	t.Helper()
	name := strings.TrimPrefix(procedure, "/intervene.v1.")
	may := who.role != 0 && strings.IndexByte(rights[name], who.role) >= 0
	for _, one := range []heard{got, absent} {
		switch {
		case who.denied == "CROSS_ORIGIN":
			if one.status != http.StatusForbidden && !strings.Contains(one.body, "UNAUTHENTICATED") {
				t.Errorf("%s: got %d %s, want it refused for its origin", name, one.status, one.body)
			}
		case who.denied != "" && !strings.Contains(one.body, who.denied):
			t.Errorf("%s: got %d %s, want %s", name, one.status, one.body, who.denied)
		case who.denied == "" && !may && !strings.Contains(one.body, `"FORBIDDEN"`):
			t.Errorf("%s: got %d %s, want FORBIDDEN", name, one.status, one.body)
		}
	}
	if !who.home && strings.Contains(strings.ReplaceAll(got.body, "Asha", "asha"), "asha") {
		t.Errorf("%s: got %s, want nothing of another workspace", name, got.body)
	}
	if got.status != absent.status || !sameAnswer(got.body, absent.body, m) {
		t.Errorf("%s: got %d %s, want the same as for none: %d %s", name, got.status, got.body, absent.status, absent.body)
	}
	for header := range got.header {
		if header != "Date" && !slices.Equal(got.header[header], absent.header[header]) {
			t.Errorf("%s: got header %s %q, want the same as for none: %q", name, header, got.header[header], absent.header[header])
		}
	}
}

var clock = regexp.MustCompile(`"asOf":"[^"]*"`)

// sameAnswer leaves out the name that the caller itself asked by, and what time it is.
func sameAnswer(a, b string, m *matrix) bool {
	a, b = clock.ReplaceAllString(a, ""), clock.ReplaceAllString(b, "")
	return strings.ReplaceAll(a, m.conversation.String(), "ID") == strings.ReplaceAll(b, m.absent.String(), "ID")
}

// TestMatrixOfFiles is TestMatrix for the paths that are no procedures.
func TestMatrixOfFiles(t *testing.T) {
	m := newMatrix(t)
	before := m.state()
	for _, path := range []struct {
		name, method, rights string
		of                   func(engine.ConversationID, engine.MessageID) string
	}{
		{"download", http.MethodGet, "asd", func(_ engine.ConversationID, file engine.MessageID) string { return mediaPath(file) }},
		{"head", http.MethodHead, "asd", func(_ engine.ConversationID, file engine.MessageID) string { return mediaPath(file) }},
		{"upload", http.MethodPost, "asdb", func(id engine.ConversationID, _ engine.MessageID) string { return uploadPath(id) }},
	} {
		for _, who := range m.callers() {
			may := who.denied == "" && strings.IndexByte(path.rights, who.role) >= 0
			if may && who.home {
				continue
			}
			t.Run(path.name+"/"+strings.ReplaceAll(who.name, " ", "-"), func(t *testing.T) {
				header := append([]string{"Content-Type", "image/png"}, who.header...)
				got := m.fetch(who.token, path.method, path.of(m.conversation, m.file), strings.NewReader("x"), header...)
				absent := m.fetch(who.token, path.method, path.of(m.absent, m.absentFile), strings.NewReader("x"), header...)
				if got.status < http.StatusBadRequest || got.status != absent.status || !sameAnswer(got.body, absent.body, m) {
					t.Errorf("got %d %s, want it refused as what is not there: %d %s", got.status, got.body, absent.status, absent.body)
				}
				if may && got.status != http.StatusNotFound {
					t.Errorf("got status %d, want %d", got.status, http.StatusNotFound)
				}
			})
		}
	}
	if after := m.state(); after != before {
		t.Errorf("state: got %s, want it as before: %s", after, before)
	}
}

// state is all that callers could have changed of the objects' workspace.
func (m *matrix) state() string {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	var text strings.Builder
	for id, events := range m.memory.events {
		if c := m.memory.conversations[id]; c.Workspace == "acme" {
			text.WriteString(path.Join(id.String(), c.Column.String(), string(c.Holder)))
			text.WriteString(strings.Repeat(".", len(events)))
		}
	}
	m.files.mu.Lock()
	defer m.files.mu.Unlock()
	text.WriteString(strings.Repeat("f", len(m.files.kept[m.conversation])))
	return text.String()
}
