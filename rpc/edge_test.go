package rpc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// The tokens of every test's edge, named after who holds them: two workspaces,
// and in the first one of each role.
const (
	ashaToken  = "token-of-asha"  // agent of acme
	benToken   = "token-of-ben"   // agent of acme
	samToken   = "token-of-sam"   // supervisor of acme
	adaToken   = "token-of-ada"   // administrator of acme
	robotToken = "token-of-robot" // bot of acme
	oliToken   = "token-of-oli"   // administrator of other
)

func testTokens() []Token {
	return []Token{
		{HashToken(samToken), Principal{"sam", "Sam", "acme", RoleSupervisor}},
		{HashToken(ashaToken), Principal{"asha", "Asha", "acme", RoleAgent}},
		{HashToken(benToken), Principal{"ben", "Ben", "acme", RoleAgent}},
		{HashToken(adaToken), Principal{"ada", "Ada", "acme", RoleAdmin}},
		{HashToken(robotToken), Principal{"robot", "Robot", "acme", RoleBot}},
		{HashToken(oliToken), Principal{"oli", "Oli", "other", RoleAdmin}},
	}
}

// edge is a whole server with its backend, reached through memory.
type edge struct {
	*memory
	platform *platform
	files    *files
	server   *Server
	http     *http.Server
	tokens   *Tokens
	log      *logBuffer
	pipes    *pipeListener
	t        *testing.T
}

func newEdge(t *testing.T, adjust ...func(*Options)) *edge {
	t.Helper()
	tokens, err := NewTokens(testTokens())
	if err != nil {
		t.Fatalf("NewTokens: %v", err)
	}
	e := &edge{memory: newMemory(), platform: newPlatform(), files: newFiles(), tokens: tokens, log: new(logBuffer), pipes: newPipeListener(), t: t}
	presences := actors.StartPresences(nil)
	options := Options{
		Commands: e.memory, Conversations: e.memory, Boards: e.memory, Presences: presences, Tokens: tokens,
		Starter: e.memory, References: e.memory, Identities: e.memory, Overviews: e.memory, DeadLetters: e.memory,
		Templates: e.platform, Receipts: e.platform, Media: e.files,
		Settings:  Settings{ReadReceipts: true, Channels: map[engine.ChannelID]engine.WorkspaceID{"main": "acme", "others": "other"}},
		JournalID: [16]byte{1}, Ready: func() bool { return true }, Log: slog.New(slog.NewTextHandler(e.log, nil)),
	}
	for _, f := range adjust {
		f(&options)
	}
	if e.server, err = New(options); err != nil {
		t.Fatalf("New: %v", err)
	}
	e.http = NewHTTPServer(e.server.Handler())
	e.http.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(e.log, nil), slog.LevelError)
	e.http.RegisterOnShutdown(e.server.Drain)
	served := make(chan error, 1)
	go func() { served <- e.http.Serve(e.pipes) }()
	t.Cleanup(func() {
		if err := e.http.Close(); err != nil {
			t.Errorf("close server: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: got %v, want %v", err, http.ErrServerClosed)
		}
		e.server.Close()
		presences.Stop()
	})
	return e
}

const edgeURL = "http://edge.test"

// transport speaks HTTP/2 without TLS to the edge, or HTTP/1.1.
func (e *edge) transport(http2 bool) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{DialContext: e.pipes.dial, Protocols: &protocols}
	e.t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// client calls as the holder of token.
func (e *edge) client(token string, options ...connect.ClientOption) intervenev1connect.LiveChatServiceClient {
	return intervenev1connect.NewLiveChatServiceClient(e.as(token), edgeURL, options...)
}

func (e *edge) as(token string) *http.Client {
	return &http.Client{Transport: bearerTransport{token, e.transport(true)}}
}

type bearerTransport struct {
	token string
	next  http.RoundTripper
}

func (b bearerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

// held makes a conversation of acme that Asha holds.
func (e *edge) held() engine.ConversationID {
	id := e.open("acme")
	e.move("acme", id, engine.RequestAgent{}, engine.Intervene{}, engine.Transfer{To: "asha"})
	return id
}

func newCommandID() string { return uuid.NewString() }

// logBuffer is a log that tests read.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// pipeListener connects clients in memory, so that virtual time holds for the
// whole way between them.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// detail finds the error detail of type D.
func detail[D proto.Message](t *testing.T, err error) D {
	t.Helper()
	var none D
	wire, ok := errors.AsType[*connect.Error](err)
	if !ok {
		t.Fatalf("got error %v, want a *connect.Error", err)
	}
	for _, d := range wire.Details() {
		value, err := d.Value()
		if err != nil {
			t.Fatalf("error detail: %v", err)
		}
		if found, ok := value.(D); ok {
			return found
		}
	}
	return none
}

// wantRefusal checks an error's code and reason and returns the latter's metadata.
func wantRefusal(t *testing.T, err error, code connect.Code, reason string) map[string]string {
	t.Helper()
	if connect.CodeOf(err) != code || err == nil {
		t.Fatalf("got error %v, want code %v", err, code)
	}
	info := detail[*errdetails.ErrorInfo](t, err)
	if info.GetReason() != reason || info.GetDomain() != "intervene" {
		t.Fatalf("got reason %q of domain %q, want %q of intervene", info.GetReason(), info.GetDomain(), reason)
	}
	return info.GetMetadata()
}

// wantViolation checks that one field was refused, and which.
func wantViolation(t *testing.T, err error, field string) {
	t.Helper()
	wantRefusal(t, err, connect.CodeInvalidArgument, "INVALID")
	violations := detail[*errdetails.BadRequest](t, err).GetFieldViolations()
	if len(violations) != 1 || violations[0].GetField() != field || violations[0].GetDescription() == "" {
		t.Fatalf("got violations %v, want one of %s", violations, field)
	}
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(text)
}
