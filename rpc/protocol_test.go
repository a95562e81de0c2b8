package rpc

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// loopback serves the edge on a real socket and returns its address.
func (e *edge) loopback(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	server := NewHTTPServer(e.server.Handler())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close server: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: got %v, want %v", err, http.ErrServerClosed)
		}
	})
	return listener.Addr().String()
}

// socketClient speaks one version of HTTP over real sockets.
func socketClient(t *testing.T, token string, http2 bool) *http.Client {
	t.Helper()
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: bearerTransport{token, transport}}
}

// TestProtocols gives a command, a refused one and a stream in each protocol
// and over each version of HTTP that carries it.
func TestProtocols(t *testing.T) {
	e := newEdge(t)
	address := e.loopback(t)
	tests := []struct {
		name    string
		http2   bool
		options []connect.ClientOption
	}{
		{"connect protobuf over HTTP/1.1", false, nil},
		{"connect protobuf over HTTP/2", true, nil},
		{"connect JSON over HTTP/1.1", false, []connect.ClientOption{connect.WithProtoJSON()}},
		{"connect GET", false, []connect.ClientOption{connect.WithHTTPGet()}},
		{"connect compressed", true, []connect.ClientOption{connect.WithSendGzip()}},
		{"gRPC", true, []connect.ClientOption{connect.WithGRPC()}},
		{"gRPC JSON", true, []connect.ClientOption{connect.WithGRPC(), connect.WithProtoJSON()}},
		{"gRPC-Web over HTTP/1.1", false, []connect.ClientOption{connect.WithGRPCWeb()}},
		{"gRPC-Web over HTTP/2", true, []connect.ClientOption{connect.WithGRPCWeb()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id := e.held().String()
			client := intervenev1connect.NewLiveChatServiceClient(socketClient(t, ashaToken, tt.http2), "http://"+address, tt.options...)
			got, err := client.GetConversation(t.Context(), &intervenev1.GetConversationRequest{ConversationId: id})
			if err != nil || got.GetCard().GetConversationId() != id {
				t.Errorf("GetConversation: got %v, error %v, want its card", got, err)
			}
			noted, err := client.AddNote(t.Context(), &intervenev1.AddNoteRequest{ConversationId: id, CommandId: newCommandID(), Body: strings.Repeat("long ", 500)})
			if err != nil || noted.GetCard().GetHolderAgentId() != "asha" {
				t.Errorf("AddNote: got %v, error %v, want the card", noted, err)
			}
			_, err = client.TakeOver(t.Context(), &intervenev1.TakeOverRequest{ConversationId: id, CommandId: newCommandID()})
			wantRefusal(t, err, connect.CodePermissionDenied, "FORBIDDEN")
			_, err = client.AddNote(t.Context(), &intervenev1.AddNoteRequest{ConversationId: id, CommandId: newCommandID()})
			wantViolation(t, err, "body")
			settle(t, readBoard(t, client, &intervenev1.WatchBoardRequest{}))
			c := readConversation(t, client, mustConversation(t, id), 0)
			if card := c.next().GetCard(); card.GetConversationId() != id {
				t.Errorf("WatchConversation: got %v, want the card first", card)
			}
		})
	}
}

// curl is what a person with a terminal does.
func curl(t *testing.T, address, token, method, body string) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+address+"/intervene.v1.LiveChatService/"+method, strings.NewReader(body))
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := socketClient(t, token, false).Do(request)
	if err != nil {
		t.Fatalf("call: %v", err)
	}
	text := readAll(t, response.Body)
	if err := response.Body.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if got := response.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("got Cache-Control %q, want no-store", got)
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatalf("got answer %q: %v", text, err)
	}
	return response.StatusCode, answer
}

func TestCurl(t *testing.T) {
	e := newEdge(t)
	address := e.loopback(t)
	id := e.open("acme")
	e.move("acme", id, engine.RequestAgent{Reason: "refund"})

	code, answer := curl(t, address, ashaToken, "ListConversations", `{"column":"COLUMN_REQUESTING"}`)
	if cards, _ := answer["cards"].([]any); code != http.StatusOK || len(cards) != 1 {
		t.Errorf("ListConversations: got %d %v, want one card", code, answer)
	}
	command := fmt.Sprintf(`{"conversationId":%q,"command_id":%q}`, id, newCommandID())
	code, answer = curl(t, address, ashaToken, "Intervene", command)
	if card, _ := answer["card"].(map[string]any); code != http.StatusOK || card["holderAgentId"] != "asha" || card["column"] != "COLUMN_INTERVENED" {
		t.Errorf("Intervene: got %d %v, want Asha's card", code, answer)
	}
	code, answer = curl(t, address, benToken, "Intervene", command)
	if code != http.StatusConflict || answer["code"] != "already_exists" {
		t.Errorf("Intervene by Ben with Asha's command: got %d %v, want already_exists", code, answer)
	}
	code, answer = curl(t, address, "", "Intervene", command)
	if code != http.StatusUnauthorized || answer["code"] != "unauthenticated" {
		t.Errorf("Intervene by nobody: got %d %v, want unauthenticated", code, answer)
	}
	code, answer = curl(t, address, ashaToken, "Intervene", `{"nonsense":1`)
	if code != http.StatusBadRequest || answer["code"] != "invalid_argument" {
		t.Errorf("malformed JSON: got %d %v, want invalid_argument", code, answer)
	}
	if got := value(t, e.server.metrics.requests.WithLabelValues(intervenev1connect.LiveChatServiceInterveneProcedure, codeMalformed)); got != 1 {
		t.Errorf("got %v malformed requests counted, want 1", got)
	}
}

// TestOversized: what is too large is refused, whether it says so or unpacks to it.
func TestOversized(t *testing.T) {
	e := newEdge(t)
	id := e.held().String()
	for name, options := range map[string][]connect.ClientOption{
		"plain": nil, "compressed": {connect.WithSendGzip()}, "gRPC": {connect.WithGRPC()},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.client(ashaToken, options...).AddNote(t.Context(), &intervenev1.AddNoteRequest{
				ConversationId: id, CommandId: newCommandID(), Body: strings.Repeat("x", maxRequestBytes+1),
			})
			if connect.CodeOf(err) != connect.CodeResourceExhausted {
				t.Errorf("got error %v, want resource_exhausted", err)
			}
		})
	}
}

func TestOversizedHeader(t *testing.T) {
	address := newEdge(t).loopback(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/", nil)
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	request.Header.Set("X-Large", strings.Repeat("x", 2*maxHeaderBytes))
	response, err := socketClient(t, "", false).Do(request)
	if err != nil {
		t.Fatalf("call: %v", err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got status %d, want %d", response.StatusCode, http.StatusRequestHeaderFieldsTooLarge)
	}
}

// TestGRPCGo calls with the gRPC library that others use.
func TestGRPCGo(t *testing.T) {
	ready := true
	e := newEdge(t, func(o *Options) { o.Ready = func() bool { return ready } })
	conn, err := grpc.NewClient(e.loopback(t), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatalf("grpc.NewClient: %v", err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})

	health := grpc_health_v1.NewHealthClient(conn)
	check := func(service string, want grpc_health_v1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		got, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil || got.GetStatus() != want {
			t.Errorf("health of %q: got %v, error %v, want %v", service, got.GetStatus(), err, want)
		}
	}
	check("", grpc_health_v1.HealthCheckResponse_SERVING)
	check("intervene.v1.LiveChatService", grpc_health_v1.HealthCheckResponse_SERVING)
	ready = false
	check("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	ready = true
	if _, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "nonsense"}); status.Code(err) != codes.NotFound {
		t.Errorf("health of nonsense: got error %v, want NotFound", err)
	}
	watch, err := health.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err == nil {
		_, err = watch.Recv()
	}
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("health watch: got error %v, want Unimplemented", err)
	}

	id := e.held().String()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+benToken)
	err = conn.Invoke(ctx, intervenev1connect.LiveChatServiceInterveneProcedure,
		&intervenev1.InterveneRequest{ConversationId: id, CommandId: newCommandID()}, new(intervenev1.InterveneResponse))
	if status.Code(err) != codes.FailedPrecondition {
		t.Fatalf("Intervene: got error %v, want FailedPrecondition", err)
	}
	details := status.Convert(err).Details()
	if len(details) != 1 {
		t.Fatalf("got details %v, want one", details)
	}
	if info, ok := details[0].(*errdetails.ErrorInfo); !ok || info.GetReason() != "HELD_BY_OTHER" || info.GetMetadata()["holder_agent_id"] != "asha" {
		t.Errorf("got detail %v, want HELD_BY_OTHER by Asha", details[0])
	}

	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, intervenev1connect.LiveChatServiceWatchBoardProcedure)
	if err != nil {
		t.Fatalf("WatchBoard: %v", err)
	}
	if err := errors.Join(stream.SendMsg(&intervenev1.WatchBoardRequest{}), stream.CloseSend()); err != nil {
		t.Fatalf("WatchBoard: %v", err)
	}
	frame := new(intervenev1.WatchBoardResponse)
	if err := stream.RecvMsg(frame); err != nil || frame.GetHello() == nil {
		t.Errorf("WatchBoard: got %v, error %v, want Hello", frame, err)
	}
	e.server.Drain()
	for frame.GetGoAway() == nil {
		if err := stream.RecvMsg(frame); err != nil {
			t.Fatalf("WatchBoard: got error %v, want GoAway", err)
		}
	}
	if err := stream.RecvMsg(frame); !errors.Is(err, io.EOF) {
		t.Errorf("WatchBoard: got error %v at the end, want EOF", err)
	}
	check("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
}

func TestReflection(t *testing.T) {
	e := newEdge(t)
	client := grpcreflect.NewClient(socketClient(t, "", true), "http://"+e.loopback(t))
	stream := client.NewStream(t.Context())
	services, err := stream.ListServices()
	if err != nil || len(services) != 3 {
		t.Errorf("ListServices: got %v, error %v, want three", services, err)
	}
	files, err := stream.FileContainingSymbol("intervene.v1.LiveChatService")
	if err != nil || len(files) == 0 {
		t.Errorf("FileContainingSymbol: got %d files, error %v, want the schema", len(files), err)
	}
	if _, err := stream.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestRawGet: reads may be asked for with GET, commands may not.
func TestRawGet(t *testing.T) {
	e := newEdge(t)
	address, id := e.loopback(t), e.held()
	tests := []struct {
		procedure, message string
		want               int
	}{
		{"GetConversation", fmt.Sprintf(`{"conversationId":%q}`, id), http.StatusOK},
		{"Resolve", fmt.Sprintf(`{"conversationId":%q,"commandId":%q}`, id, newCommandID()), http.StatusMethodNotAllowed},
	}
	for _, tt := range tests {
		response, err := socketClient(t, ashaToken, false).Get(fmt.Sprintf(
			"http://%s/intervene.v1.LiveChatService/%s?connect=v1&encoding=json&message=%s", address, tt.procedure, url.QueryEscape(tt.message)))
		if err != nil {
			t.Fatalf("%s: %v", tt.procedure, err)
		}
		body := readAll(t, response.Body)
		if err := response.Body.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		if response.StatusCode != tt.want {
			t.Errorf("%s: got status %d %s, want %d", tt.procedure, response.StatusCode, body, tt.want)
		}
	}
}

// TestJSONStream reads a stream as its bytes lie on the wire.
func TestJSONStream(t *testing.T) {
	e := newEdge(t)
	const message = "{}"
	body := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+e.loopback(t)+intervenev1connect.LiveChatServiceWatchBoardProcedure, bytes.NewReader(body))
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	request.Header.Set("Content-Type", "application/connect+json")
	response, err := socketClient(t, ashaToken, false).Do(request)
	if err != nil {
		t.Fatalf("call: %v", err)
	}
	t.Cleanup(func() {
		if err := response.Body.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	for _, want := range []string{"hello", "snapshotChunk"} {
		var head [5]byte
		if _, err := io.ReadFull(response.Body, head[:]); err != nil {
			t.Fatalf("read envelope: %v", err)
		}
		frame := make([]byte, binary.BigEndian.Uint32(head[1:]))
		if _, err := io.ReadFull(response.Body, frame); err != nil {
			t.Fatalf("read frame: %v", err)
		}
		var fields map[string]any
		if err := json.Unmarshal(frame, &fields); err != nil || head[0] != 0 || len(fields) != 1 || fields[want] == nil {
			t.Errorf("got flags %d, frame %s, error %v, want %s", head[0], frame, err, want)
		}
	}
}
