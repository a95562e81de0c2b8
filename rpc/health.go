package rpc

import (
	"context"

	"connectrpc.com/connect"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// checkHealth is grpc.health.v1's Check. There is no Watch: it would be a stream
// that needs no token, and callers take its absence as being told nothing.
func (s *Server) checkHealth(_ context.Context, r *connect.Request[grpc_health_v1.HealthCheckRequest]) (*connect.Response[grpc_health_v1.HealthCheckResponse], error) {
	switch r.Msg.GetService() {
	case "", intervenev1connect.LiveChatServiceName:
	default:
		return nil, answer{code: connect.CodeNotFound, reason: "NOT_FOUND", text: "no such service"}.error(nil)
	}
	status := grpc_health_v1.HealthCheckResponse_SERVING
	if s.isDraining() || !s.options.Ready() {
		status = grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}
	return connect.NewResponse(&grpc_health_v1.HealthCheckResponse{Status: status}), nil
}
