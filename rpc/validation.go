package rpc

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// validation is the interceptor that holds every request against the rules in
// the protobuf schema, before a procedure sees it.
type validation struct{ validator protovalidate.Validator }

var _ connect.Interceptor = validation{}

// ownRules are those of the edge's own schema, compiled once for all edges of a process.
var ownRules = sync.OnceValues(func() (validation, error) { return compileRules(nil) })

// newValidation compiles all rules now: a bad one fails the start, not a call.
func newValidation(services []Service) (validation, error) {
	if len(services) == 0 {
		return ownRules()
	}
	return compileRules(services)
}

func compileRules(services []Service) (validation, error) {
	schemas := []protoreflect.ServiceDescriptor{
		intervenev1.File_intervene_v1_livechat_proto.Services().ByName("LiveChatService"),
		intervenev1.File_intervene_v1_bot_proto.Services().ByName("BotGatewayService"),
	}
	for _, service := range services {
		schemas = append(schemas, service.Schema)
	}
	var requests []protoreflect.MessageDescriptor
	for _, schema := range schemas {
		methods := schema.Methods()
		for i := range methods.Len() {
			requests = append(requests, methods.Get(i).Input())
		}
	}
	requests = append(requests, new(intervenev1.TurnResponse).ProtoReflect().Descriptor()) // what bots answer
	validator, err := protovalidate.New(protovalidate.WithMessageDescriptors(requests...), protovalidate.WithDisableLazy())
	if err != nil {
		return validation{}, fmt.Errorf("compile the schema's rules: %w", err)
	}
	return validation{validator}, nil
}

func (v validation) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		if err := v.check(request.Any()); err != nil {
			return nil, err
		}
		return next(ctx, request)
	}
}

func (v validation) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		return next(ctx, validatingConn{conn, v})
	}
}

// WrapStreamingClient leaves clients alone: the edge has none.
func (v validation) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

type validatingConn struct {
	connect.StreamingHandlerConn
	validation validation
}

func (c validatingConn) Receive(message any) error {
	if err := c.StreamingHandlerConn.Receive(message); err != nil {
		return err
	}
	return c.validation.check(message)
}

func (v validation) check(message any) error {
	request, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("validate request: %T is no protobuf message", message)
	}
	err := v.validator.Validate(request)
	if err == nil {
		return nil
	}
	rejected, ok := errors.AsType[*protovalidate.ValidationError](err)
	if !ok {
		return fmt.Errorf("validate request: %w", err)
	}
	violations := make([]*errdetails.BadRequest_FieldViolation, len(rejected.Violations))
	for i, violation := range rejected.Violations {
		violations[i] = &errdetails.BadRequest_FieldViolation{
			Field:       protovalidate.FieldPathString(violation.Proto.GetField()),
			Description: violation.Proto.GetMessage(),
		}
	}
	return answers[engine.CodeInvalid].error(nil, violations...)
}
