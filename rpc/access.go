package rpc

import (
	"context"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// everybody needs no token; a procedure of theirs must not say anything about
// a workspace.
const everybody roles = 1 << 15

var (
	people      = rolesOf(RoleAgent, RoleSupervisor, RoleAdmin)
	supervisors = rolesOf(RoleSupervisor, RoleAdmin)
	admins      = rolesOf(RoleAdmin)
	withBots    = people | rolesOf(RoleBot)
)

// access is the one table of who may call what; rows for an edge's Services are
// added to its copy. A procedure without a row is refused to everybody.
var access = map[string]roles{
	intervenev1connect.LiveChatServiceListConversationsProcedure: people,
	intervenev1connect.LiveChatServiceGetConversationProcedure:   people,
	intervenev1connect.LiveChatServiceListMessagesProcedure:      people,
	intervenev1connect.LiveChatServiceListAgentsProcedure:        people,
	intervenev1connect.LiveChatServiceListTemplatesProcedure:     people,
	intervenev1connect.LiveChatServiceListDeadLettersProcedure:   supervisors,
	intervenev1connect.LiveChatServiceFindConversationsProcedure: people,
	intervenev1connect.LiveChatServiceGetOverviewProcedure:       supervisors,
	mediaDownload: people,
	sessionShow:   people,

	intervenev1connect.LiveChatServiceSendMessageProcedure: withBots,
	intervenev1connect.LiveChatServiceSendTypingProcedure:  withBots,
	mediaUpload: withBots,
	intervenev1connect.LiveChatServiceStartConversationProcedure: people,
	intervenev1connect.LiveChatServiceResendMessageProcedure:     people,
	intervenev1connect.LiveChatServiceRequestAgentProcedure:      withBots,
	intervenev1connect.LiveChatServiceWithdrawRequestProcedure:   withBots,
	intervenev1connect.LiveChatServiceInterveneProcedure:         people,
	intervenev1connect.LiveChatServiceTakeOverProcedure:          supervisors,
	intervenev1connect.LiveChatServiceTransferProcedure:          people,
	intervenev1connect.LiveChatServiceResolveProcedure:           people,
	intervenev1connect.LiveChatServiceMarkReadProcedure:          people,
	intervenev1connect.LiveChatServiceAddNoteProcedure:           people,
	intervenev1connect.LiveChatServiceSetTagsProcedure:           people,
	intervenev1connect.LiveChatServiceEraseContactProcedure:      admins,

	intervenev1connect.BotGatewayServiceSubmitProcedure: rolesOf(RoleBot),

	intervenev1connect.LiveChatServiceUpdatePresenceProcedure:    people,
	intervenev1connect.LiveChatServiceWatchBoardProcedure:        people,
	intervenev1connect.LiveChatServiceWatchConversationProcedure: people,

	// The schema is public, and probes have no token.
	grpc_health_v1.Health_Check_FullMethodName:                       everybody,
	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      everybody,
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": everybody,
}

// caller is whose call it is, and by which token.
type caller struct {
	Principal
	token TokenHash
	// until is when the session is over that the call came with; zero: it came with
	// the token itself.
	until time.Time
}

type callerKey struct{}

// callerOf is whom the gate let in. It panics behind a procedure of everybody:
// such a procedure has no caller to ask for.
func callerOf(ctx context.Context) caller { return ctx.Value(callerKey{}).(caller) }

// authorize is the one gate before every procedure, unary or streaming. It runs
// before anything of the request's body is read.
func (s *Server) authorize(ctx context.Context, spec connect.Spec, _ connect.Peer, header http.Header) (context.Context, error) {
	who, err := s.admit(ctx, s.options.Tokens.table(), spec.Procedure, header)
	if err != nil {
		s.metrics.answered(ctx, spec.Procedure, err)
		return nil, err
	}
	return context.WithValue(ctx, callerKey{}, who), nil
}

func (s *Server) admit(ctx context.Context, table *tokenTable, procedure string, header http.Header) (caller, error) {
	allowed := s.access[procedure]
	if allowed == everybody {
		return caller{}, nil
	}
	if c, ok := callOf(ctx); ok && c.place == nil {
		return caller{}, answers[engine.CodeOverloaded].error(nil)
	}
	hash, until, ok := s.credential(ctx, header)
	if !ok {
		return caller{}, unauthenticated()
	}
	who, err := table.admit(hash, allowed)
	who.until = until
	return who, err
}

// credential is the token that a call came with, or that its session is of. Whoever
// sends an Authorization header is not asked for a cookie.
func (s *Server) credential(ctx context.Context, header http.Header) (hash TokenHash, until time.Time, ok bool) {
	if _, ok := header["Authorization"]; ok {
		token, ok := bearer(header)
		return HashToken(token), time.Time{}, ok
	}
	if c, ok := callOf(ctx); ok && c.session != "" {
		return s.sessions.open(c.session, time.Now())
	}
	return TokenHash{}, time.Time{}, false
}

// admit finds who hash stands for, and whether that is one of allowed.
func (t *tokenTable) admit(hash TokenHash, allowed roles) (caller, error) {
	p, known := t.principals[hash]
	switch {
	case !known:
		return caller{}, unauthenticated()
	case !allowed.has(p.Role):
		return caller{}, roleForbidden()
	}
	return caller{Principal: p, token: hash}, nil
}

// bearer is the token of an Authorization header (RFC 6750).
func bearer(header http.Header) (string, bool) {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	return token, ok && token != "" && strings.EqualFold(scheme, "Bearer")
}
