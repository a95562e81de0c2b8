package rpc

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const echoProcedure = "/test.v1.EchoService/Echo"

// echoSchema is a service that no generated code knows.
func echoSchema(t *testing.T) protoreflect.ServiceDescriptor {
	t.Helper()
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("test/v1/echo.proto"), Package: proto.String("test.v1"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/wrappers.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: proto.String("EchoService"),
			Method: []*descriptorpb.MethodDescriptorProto{{
				Name:      proto.String("Echo"),
				InputType: proto.String(".google.protobuf.StringValue"), OutputType: proto.String(".google.protobuf.StringValue"),
			}},
		}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatalf("make schema: %v", err)
	}
	return file.Services().ByName("EchoService")
}

// echoService answers with the caller's id and what the caller said; it panics
// when that is "panic".
func echoService(t *testing.T) Service {
	t.Helper()
	return Service{
		Schema: echoSchema(t), Roles: []Role{RoleSupervisor, RoleBot},
		New: func(options ...connect.HandlerOption) (string, http.Handler) {
			return echoProcedure, connect.NewUnaryHandlerSimple(echoProcedure,
				func(ctx context.Context, said *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
					if said.GetValue() == "panic" {
						panic("as asked")
					}
					return wrapperspb.String(string(callerOf(ctx).ID) + ": " + said.GetValue()), nil
				}, options...)
		},
	}
}

// TestServiceIsBehindTheSameGate: one more service is called as the edge's own
// are, or not at all.
func TestServiceIsBehindTheSameGate(t *testing.T) {
	e := newEdge(t, func(o *Options) { o.Services = []Service{echoService(t)} })
	say := func(token, said string) (string, error) {
		client := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](e.as(token), edgeURL+echoProcedure)
		response, err := client.CallUnary(t.Context(), connect.NewRequest(wrapperspb.String(said)))
		if err != nil {
			return "", err
		}
		return response.Msg.GetValue(), nil
	}

	for token, want := range map[string]string{samToken: "sam: hello", robotToken: "robot: hello"} {
		if got, err := say(token, "hello"); err != nil || got != want {
			t.Errorf("got %q, error %v, want %q", got, err, want)
		}
	}
	for _, token := range []string{"", "token-of-nobody"} {
		_, err := say(token, "hello")
		wantRefusal(t, err, connect.CodeUnauthenticated, "UNAUTHENTICATED")
	}
	for _, token := range []string{ashaToken, adaToken} {
		_, err := say(token, "hello")
		wantRefusal(t, err, connect.CodePermissionDenied, "FORBIDDEN")
	}
	_, err := say(samToken, "panic")
	wantRefusal(t, err, connect.CodeInternal, "INTERNAL")
	if _, err := say(samToken, strings.Repeat("long", maxRequestBytes/4)); connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Errorf("request above the limit: got error %v, want %v", err, connect.CodeResourceExhausted)
	}
	if _, err := e.client(ashaToken).ListAgents(t.Context(), new(intervenev1.ListAgentsRequest)); err != nil {
		t.Errorf("ListAgents besides it: got error %v, want none", err)
	}
}

func TestServiceThatCannotBeServed(t *testing.T) {
	own := intervenev1.File_intervene_v1_livechat_proto.Services().ByName("LiveChatService")
	tests := []struct {
		name   string
		adjust func(*Service)
		want   string
	}{
		{"no schema", func(s *Service) { s.Schema = nil }, "required"},
		{"no handler", func(s *Service) { s.New = nil }, "required"},
		{"nobody may call it", func(s *Service) { s.Roles = nil }, "required"},
		{"no such role", func(s *Service) { s.Roles = []Role{RoleAgent, 15} }, "role"},
		{"the edge's own", func(s *Service) { s.Schema = own }, "served already"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			service := echoService(t)
			tt.adjust(&service)
			if _, err := accessWith([]Service{service}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one that says %q", err, tt.want)
			}
		})
	}
	if _, err := accessWith([]Service{echoService(t), echoService(t)}); err == nil {
		t.Error("one service twice: got no error, want one")
	}
}
