package rpc

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/emptypb"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// procedures are those of the schema, not those of the access table.
func procedures() map[string]protoreflect.MethodDescriptor {
	found := make(map[string]protoreflect.MethodDescriptor)
	for _, services := range []protoreflect.ServiceDescriptors{
		intervenev1.File_intervene_v1_livechat_proto.Services(), intervenev1.File_intervene_v1_bot_proto.Services(),
	} {
		for i := range services.Len() {
			for j := range services.Get(i).Methods().Len() {
				method := services.Get(i).Methods().Get(j)
				found["/"+string(services.Get(i).FullName())+"/"+string(method.Name())] = method
			}
		}
	}
	delete(found, intervenev1connect.BotServiceTurnProcedure) // bots serve it
	return found
}

func TestEveryProcedureHasARow(t *testing.T) {
	schema := procedures()
	if len(schema) < 22 {
		t.Fatalf("got %d procedures in the schema, want all 22", len(schema))
	}
	for procedure := range schema {
		allowed, ok := access[procedure]
		if !ok || allowed == 0 {
			t.Errorf("%s: got no row in the access table, want one", procedure)
		}
		if allowed == everybody {
			t.Errorf("%s: got everybody, want a token to be required", procedure)
		}
	}
	for procedure := range access {
		if _, ok := schema[procedure]; !ok && strings.HasPrefix(procedure, "/intervene.") {
			t.Errorf("%s: got a row, want none: the schema has no such procedure", procedure)
		}
	}
}

// callWith calls a procedure, a stream as far as its first frame, and returns
// how it went.
func callWith(t *testing.T, client *http.Client, procedure string, method protoreflect.MethodDescriptor, request proto.Message) error {
	t.Helper()
	// Whatever the message's type, its bytes are the request.
	body, err := proto.Marshal(request)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	raw := new(emptypb.Empty)
	if err := proto.Unmarshal(body, raw); err != nil {
		t.Fatalf("unmarshal: %v", err)
	}
	c := connect.NewClient[emptypb.Empty, emptypb.Empty](client, edgeURL+procedure)
	if !method.IsStreamingServer() {
		_, err := c.CallUnary(t.Context(), connect.NewRequest(raw))
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := c.CallServerStream(ctx, connect.NewRequest(raw))
	if err != nil {
		return err
	}
	stream.Receive()
	err = stream.Err()
	cancel()
	if closed := stream.Close(); closed != nil && err == nil && connect.CodeOf(closed) != connect.CodeCanceled {
		return closed
	}
	return err
}

// TestAccess holds every procedure against every role. An empty request that
// is let in fails at most over its content.
func TestAccess(t *testing.T) {
	const (
		gateway = "Submit" // bots alone
		bots    = "SendMessage SendTyping RequestAgent WithdrawRequest"
		agents  = "TakeOver ListDeadLetters EraseContact GetOverview" // are not theirs
		admins  = "EraseContact"                                      // is theirs alone
	)
	e := newEdge(t)
	callers := []struct {
		name, token string
		role        Role
	}{
		{"nobody", "", 0},
		{"unknown", "token-of-nobody", 0},
		{"agent", ashaToken, RoleAgent},
		{"supervisor", samToken, RoleSupervisor},
		{"admin", adaToken, RoleAdmin},
		{"bot", robotToken, RoleBot},
	}
	for _, caller := range callers {
		client := e.as(caller.token)
		for procedure, method := range procedures() {
			name := path.Base(procedure)
			t.Run(caller.name+"/"+name, func(t *testing.T) {
				err := callWith(t, client, procedure, method, &emptypb.Empty{})
				isBots := strings.Contains(bots, name) || name == gateway
				switch {
				case caller.role == 0:
					wantRefusal(t, err, connect.CodeUnauthenticated, "UNAUTHENTICATED")
				case caller.role == RoleBot && !isBots, caller.role != RoleBot && name == gateway, caller.role == RoleAgent && strings.Contains(agents, name),
					caller.role == RoleSupervisor && name == admins:
					wantRefusal(t, err, connect.CodePermissionDenied, "FORBIDDEN")
				default:
					if code := connect.CodeOf(err); err != nil && code != connect.CodeInvalidArgument {
						t.Errorf("got error %v, want none, or invalid_argument for the empty request", err)
					}
				}
			})
		}
	}
}

func TestBearer(t *testing.T) {
	tests := []struct {
		name   string
		header []string
		want   string
	}{
		{"token", []string{"Bearer abc"}, "abc"},
		{"scheme in lower case", []string{"bearer abc"}, "abc"},
		{"no header", nil, ""},
		{"another scheme", []string{"Basic abc"}, ""},
		{"no token", []string{"Bearer "}, ""},
		{"no scheme", []string{"abc"}, ""},
		{"two headers", []string{"Bearer abc", "Bearer abc"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := bearer(http.Header{"Authorization": tt.header})
			if ok != (tt.want != "") || (ok && got != tt.want) {
				t.Errorf("got %q, %t, want %q", got, ok, tt.want)
			}
		})
	}
}

// TestProcedureWithoutRowIsRefused: a procedure that is served without a row is
// denied to everybody.
func TestProcedureWithoutRowIsRefused(t *testing.T) {
	const procedure = "/intervene.v1.LiveChatService/WatchBoard"
	row := access[procedure]
	delete(access, procedure)
	t.Cleanup(func() { access[procedure] = row })

	e := newEdge(t)
	_, err := e.server.admit(t.Context(), e.tokens.table(), procedure, http.Header{"Authorization": {"Bearer " + adaToken}})
	wantRefusal(t, err, connect.CodePermissionDenied, "FORBIDDEN")
}

func TestCrossOriginProtection(t *testing.T) {
	e := newEdge(t)
	tests := []struct {
		name   string
		header map[string]string
		want   int
	}{
		{"no browser", nil, http.StatusOK},
		{"same origin", map[string]string{"Sec-Fetch-Site": "same-origin"}, http.StatusOK},
		{"another site", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.test"}, http.StatusForbidden},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, edgeURL+"/intervene.v1.LiveChatService/ListAgents", strings.NewReader("{}"))
			r.RequestURI = ""
			r.Header.Set("Content-Type", "application/json")
			for k, v := range tt.header {
				r.Header.Set(k, v)
			}
			response, err := e.as(ashaToken).Do(r)
			if err != nil {
				t.Fatalf("call: %v", err)
			}
			readAll(t, response.Body)
			if err := response.Body.Close(); err != nil {
				t.Fatalf("close: %v", err)
			}
			if response.StatusCode != tt.want {
				t.Errorf("got status %d, want %d", response.StatusCode, tt.want)
			}
		})
	}
}
