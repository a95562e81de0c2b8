// Package rpc is the Connect edge: it lets agents, supervisors and bots work on
// the conversations of their workspace over Connect, gRPC and gRPC-Web, in
// protobuf or JSON.
//
// It knows who calls and what they may ask for, translates between the wire and
// the engine's vocabulary, and keeps callers apart: by workspace, by limits and
// by time. It never decides anything about a conversation, never stores
// anything, and never tells of what is not durable yet: backends promise that
// to it.
package rpc

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

const (
	// maxRequestBytes bounds a request, decompressed: the largest is a
	// WatchBoard in JSON that knows 600 cards.
	maxRequestBytes = 128 << 10
	// maxBodyBytes bounds all that is read of a procedure's body, as it is sent, unless
	// the procedure takes more than one message.
	maxBodyBytes = 2 * maxRequestBytes
	// maxResponseBytes is far above what pages and frames are cut to.
	maxResponseBytes = 16 << 20
	// compressMinBytes: smaller messages grow under gzip and cost more CPU.
	compressMinBytes = 1024
)

// Options are what a [Server] is made of.
type Options struct {
	Commands      Commands
	Conversations Conversations
	Boards        Boards
	Presences     Presences
	Starter       Starter
	References    References
	Identities    Identities
	Overviews     Overviews
	DeadLetters   DeadLetters
	Templates     Templates
	Receipts      Receipts
	Media         Media
	// Settings are what may change while the edge serves.
	Settings
	// Tokens says who may call; its owner replaces it when the configuration changes.
	Tokens *Tokens
	// SessionKey seals the sessions of pages; zero: one of this edge alone, whose
	// sessions end with it.
	SessionKey SessionKey
	// JournalID is the journal's identity: what clients resume from is bound to it.
	JournalID [16]byte
	// Ready says whether calls would be served now, for health checks.
	Ready func() bool
	// Services are served besides the edge's own.
	Services []Service
	// Interceptors go around every procedure, once its caller is known: what they see
	// of an error is what the caller is told.
	Interceptors []connect.Interceptor

	// Shed says that nothing more can be taken now, for lack of memory; nil: never.
	Shed func() bool
	// MaxCalls bounds the calls under way that are no streams; 0: DefaultMaxCalls.
	MaxCalls int
	// MaxStreams and MaxStreamsEach bound the open streams, in all and of one
	// principal; 0: DefaultMaxStreams, DefaultMaxStreamsEach.
	MaxStreams, MaxStreamsEach int

	// Log takes what is the edge's own fault; nil: slog.Default().
	Log *slog.Logger
	// Metrics takes the edge's metrics; nil: nobody does.
	Metrics prometheus.Registerer
}

// complete names the first thing that is required and missing.
func (o *Options) complete() error {
	required := []struct {
		name    string
		missing bool
	}{
		{"Commands", o.Commands == nil},
		{"Conversations", o.Conversations == nil},
		{"Boards", o.Boards == nil},
		{"Presences", o.Presences == nil},
		{"Starter", o.Starter == nil},
		{"References", o.References == nil},
		{"Identities", o.Identities == nil},
		{"Overviews", o.Overviews == nil},
		{"DeadLetters", o.DeadLetters == nil},
		{"Templates", o.Templates == nil},
		{"Receipts", o.Receipts == nil},
		{"Media", o.Media == nil},
		{"Tokens", o.Tokens == nil},
		{"Ready", o.Ready == nil},
	}
	for _, r := range required {
		if r.missing {
			return fmt.Errorf("new Connect edge: %s is required", r.name)
		}
	}
	return nil
}

// Server is the Connect edge of one process. It is safe for concurrent use.
type Server struct {
	options Options
	access  map[string]roles
	many    map[string]bool // procedures that take more than one message
	id      string
	log     *slog.Logger
	metrics *metrics
	rules   validation
	cursors cursorKey
	// sessions seals those of pages, signIns slows down who guesses at one.
	sessions SessionKey
	signIns  *signIns
	calls    *callLimiter
	streams  *streamLimiter
	views    *views
	finds    findLimiter
	// served is what Reconfigure replaces. A call reads it once.
	served atomic.Pointer[served]
	// inner serves what those of served let through.
	inner http.Handler
	// templates are what Templates last said.
	templates *templateCache
	receipts  *receipts

	drain    sync.Once
	draining chan struct{} // closed by Drain
}

// service is what the generated code calls.
type service struct{ *Server }

var _ intervenev1connect.LiveChatServiceHandler = service{}

// New makes an edge. It starts nothing; whoever makes one closes it.
func New(options Options) (*Server, error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	if options.MaxStreams == 0 {
		options.MaxStreams = DefaultMaxStreams
	}
	if options.MaxStreamsEach == 0 {
		options.MaxStreamsEach = DefaultMaxStreamsEach
	}
	if options.MaxCalls == 0 {
		options.MaxCalls = DefaultMaxCalls
	}
	if options.Shed == nil {
		options.Shed = func() bool { return false }
	}
	if options.SessionKey == (SessionKey{}) {
		options.SessionKey = newSessionKey()
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	calls := &callLimiter{max: int64(options.MaxCalls), shed: options.Shed}
	m, err := newMetrics(options.Metrics, calls.count.Load)
	if err != nil {
		return nil, err
	}
	allowed, err := accessWith(options.Services)
	if err != nil {
		return nil, fmt.Errorf("new Connect edge: %w", err)
	}
	rules, err := newValidation(options.Services)
	if err != nil {
		return nil, err
	}
	s := &Server{
		options:   options,
		access:    allowed,
		many:      streamedTo(options.Services),
		id:        rand.Text(),
		log:       options.Log,
		metrics:   m,
		rules:     rules,
		cursors:   newCursorKey(options.JournalID),
		calls:     calls,
		streams:   newStreamLimiter(options.MaxStreams, options.MaxStreamsEach),
		views:     newViews(&options, newCursorKey(options.JournalID), m),
		sessions:  options.SessionKey,
		signIns:   newSignIns(),
		finds:     make(findLimiter, maxFinds()),
		templates: newTemplateCache(options.Templates, m),
		receipts:  newReceipts(options.Receipts, options.Log, m),
		draining:  make(chan struct{}),
	}
	s.inner = s.withCall(s.procedures(rules))
	serve, err := s.Reconfigure(options.Settings)
	if err != nil {
		return nil, fmt.Errorf("new Connect edge: %w", err)
	}
	serve()
	return s, nil
}

// Handler serves everything that the edge has, each procedure under its own
// path. What wraps it must keep the deadlines of the http.ResponseWriter
// reachable (see http.ResponseController).
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.served.Load().handler.ServeHTTP(w, r) })
}

// Drain asks every stream to go away and come back; new ones are asked at once.
// Unary calls go on. Register it with http.Server.RegisterOnShutdown.
func (s *Server) Drain() { s.drain.Do(func() { close(s.draining) }) }

// Close gives up the receipts that are still on their way, and waits for their
// end. Calls that come later send none. Close it once nothing calls any more.
func (s *Server) Close() { s.receipts.close() }

// compression leaves streams alone: a frame that is sent to a thousand would be
// compressed a thousand times, and browsers' clients refuse such frames.
func compression(spec connect.Spec) []connect.HandlerOption {
	if spec.StreamType != connect.StreamTypeUnary {
		return []connect.HandlerOption{connect.WithCompressMinBytes(maxResponseBytes)}
	}
	return []connect.HandlerOption{connect.WithCompressMinBytes(compressMinBytes)}
}

func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// procedures are all that can be called. Each goes through authorize; a test
// holds the paths against the access table.
func (s *Server) procedures(rules validation) http.Handler {
	open := []connect.HandlerOption{
		connect.WithRequestGate(s.authorize),
		connect.WithReadMaxBytes(maxRequestBytes),
		connect.WithSendMaxBytes(maxResponseBytes),
		connect.WithConditionalHandlerOptions(compression),
		connect.WithInterceptors(append(slices.Clone(s.options.Interceptors), answering{s})...),
	}
	// The innermost interceptor checks what the procedure gets.
	checked := append(open[:len(open):len(open)], connect.WithInterceptors(rules))

	mux := http.NewServeMux()
	mux.Handle(intervenev1connect.NewLiveChatServiceHandler(service{s}, checked...))
	mux.Handle(intervenev1connect.NewBotGatewayServiceHandler(service{s}, checked...))
	mux.Handle(grpc_health_v1.Health_Check_FullMethodName,
		connect.NewUnaryHandler(grpc_health_v1.Health_Check_FullMethodName, s.checkHealth, open...))
	names := []string{intervenev1connect.LiveChatServiceName, intervenev1connect.BotGatewayServiceName, grpc_health_v1.Health_ServiceDesc.ServiceName}
	for _, service := range s.options.Services {
		mux.Handle(service.New(checked...))
		names = append(names, string(service.Schema.FullName()))
	}
	reflector := grpcreflect.NewStaticReflector(names...)
	mux.Handle(grpcreflect.NewHandlerV1(reflector, open...))
	mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector, open...))
	mux.Handle("GET "+mediaDownload, s.transfer(mediaDownload, s.sendMedia))
	mux.Handle(sessionOpen, s.session(sessionOpen, s.openSession))
	mux.Handle(sessionShow, s.session(sessionShow, s.showSession))
	mux.Handle(sessionClose, s.session(sessionClose, s.closeSession))
	mux.Handle("POST "+mediaUpload, s.transfer(mediaUpload, s.receiveMedia))
	return mux
}
