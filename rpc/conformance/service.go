package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	conformancev1 "github.com/intervenehq/intervene/rpc/conformance/gen/connectrpc/conformance/v1"
	"github.com/intervenehq/intervene/rpc/conformance/gen/connectrpc/conformance/v1/conformancev1connect"
)

// service does what each request asks for, and echoes what arrived of it. The
// suite's service.proto says what each procedure owes. Unimplemented stays so.
type service struct {
	conformancev1connect.UnimplementedConformanceServiceHandler
}

func (service) Unary(ctx context.Context, request *conformancev1.UnaryRequest) (*conformancev1.UnaryResponse, error) {
	payload, err := answer(ctx, request.GetResponseDefinition(), request)
	return &conformancev1.UnaryResponse{Payload: payload}, err
}

func (service) IdempotentUnary(ctx context.Context, request *conformancev1.IdempotentUnaryRequest) (*conformancev1.IdempotentUnaryResponse, error) {
	payload, err := answer(ctx, request.GetResponseDefinition(), request)
	return &conformancev1.IdempotentUnaryResponse{Payload: payload}, err
}

func (service) ClientStream(ctx context.Context, stream *connect.ClientStream[conformancev1.ClientStreamRequest]) (*conformancev1.ClientStreamResponse, error) {
	var requests []proto.Message
	var definition *conformancev1.UnaryResponseDefinition
	for stream.Receive() {
		if requests == nil {
			definition = stream.Msg().GetResponseDefinition()
		}
		requests = append(requests, stream.Msg())
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	payload, err := answer(ctx, definition, requests...)
	return &conformancev1.ClientStreamResponse{Payload: payload}, err
}

func (service) ServerStream(ctx context.Context, request *conformancev1.ServerStreamRequest, stream *connect.ServerStream[conformancev1.ServerStreamResponse]) error {
	call, err := callOf(ctx)
	if err != nil {
		return err
	}
	t := talk{
		definition: request.GetResponseDefinition(), call: call, header: stream.ResponseHeader(), trailer: stream.ResponseTrailer(),
		greet: func() error { return stream.Send(nil) },
		send: func(p *conformancev1.ConformancePayload) error {
			return stream.Send(&conformancev1.ServerStreamResponse{Payload: p})
		},
	}
	if err := t.begin(); err != nil {
		return err
	}
	return t.end(ctx, request)
}

func (service) BidiStream(ctx context.Context, stream *connect.BidiStream[conformancev1.BidiStreamRequest, conformancev1.BidiStreamResponse]) error {
	call, err := callOf(ctx)
	if err != nil {
		return err
	}
	t := talk{
		call: call, header: stream.ResponseHeader(), trailer: stream.ResponseTrailer(),
		greet: func() error { return stream.Send(nil) },
		send: func(p *conformancev1.ConformancePayload) error {
			return stream.Send(&conformancev1.BidiStreamResponse{Payload: p})
		},
	}
	first, err := stream.Receive()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	t.definition = first.GetResponseDefinition()
	if first.GetFullDuplex() {
		return t.fullDuplex(ctx, first, stream.Receive)
	}
	return t.halfDuplex(ctx, first, stream.Receive)
}

// talk is one stream of answers.
type talk struct {
	definition      *conformancev1.StreamResponseDefinition
	call            connect.CallInfo
	header, trailer http.Header
	greet           func() error // sends the headers alone
	send            func(*conformancev1.ConformancePayload) error
	sent            int
}

type receive func() (*conformancev1.BidiStreamRequest, error)

// halfDuplex answers once everything has come.
func (t *talk) halfDuplex(ctx context.Context, first proto.Message, next receive) error {
	requests := []proto.Message{first}
	for {
		request, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		requests = append(requests, request)
	}
	if err := t.begin(); err != nil {
		return err
	}
	return t.end(ctx, requests...)
}

// fullDuplex answers each request as it comes, while there are answers, and
// sends what is left of them at the end.
func (t *talk) fullDuplex(ctx context.Context, first proto.Message, next receive) error {
	if err := t.begin(); err != nil {
		return err
	}
	request := first
	for t.sent < len(t.definition.GetResponseData()) {
		if err := t.say(ctx, request); err != nil {
			return err
		}
		following, err := next()
		if errors.Is(err, io.EOF) {
			return t.end(ctx)
		}
		if err != nil {
			return err
		}
		request = following
	}
	return t.end(ctx, request)
}

// begin sends the headers at once, if anything but an error comes after them.
func (t *talk) begin() error {
	addTo(t.header, t.definition.GetResponseHeaders())
	addTo(t.trailer, t.definition.GetResponseTrailers())
	if len(t.definition.GetResponseData()) == 0 {
		return nil
	}
	return t.greet()
}

// say sends the next answer; the first one tells all of the call, the others
// what has come since.
func (t *talk) say(ctx context.Context, requests ...proto.Message) error {
	payload := &conformancev1.ConformancePayload{Data: t.definition.GetResponseData()[t.sent]}
	var err error
	switch {
	case t.sent == 0:
		payload.RequestInfo, err = observed(ctx, t.call, requests)
	case len(requests) > 0:
		payload.RequestInfo = new(conformancev1.ConformancePayload_RequestInfo)
		payload.RequestInfo.Requests, err = pack(requests)
	}
	if err != nil {
		return err
	}
	wait(t.definition.GetResponseDelayMs())
	t.sent++
	return t.send(payload)
}

// end sends the answers that are left and the error, if there is to be one.
// requests are what nothing sent has echoed yet.
func (t *talk) end(ctx context.Context, requests ...proto.Message) error {
	for t.sent < len(t.definition.GetResponseData()) {
		if err := t.say(ctx, requests...); err != nil {
			return err
		}
		requests = nil
	}
	wanted := t.definition.GetError()
	switch {
	case wanted == nil:
		return nil
	case t.sent > 0:
		return errorOf(wanted, nil)
	}
	info, err := observed(ctx, t.call, requests)
	if err != nil {
		return err
	}
	return errorOf(wanted, info)
}

// answer is the one answer to all requests of a call.
func answer(ctx context.Context, definition *conformancev1.UnaryResponseDefinition, requests ...proto.Message) (*conformancev1.ConformancePayload, error) {
	call, err := callOf(ctx)
	if err != nil {
		return nil, err
	}
	info, err := observed(ctx, call, requests)
	if err != nil {
		return nil, err
	}
	wait(definition.GetResponseDelayMs())
	if wanted := definition.GetError(); wanted != nil {
		err := errorOf(wanted, info)
		addTo(err.Meta(), definition.GetResponseHeaders())
		addTo(err.Meta(), definition.GetResponseTrailers())
		return nil, err
	}
	addTo(call.ResponseHeader(), definition.GetResponseHeaders())
	addTo(call.ResponseTrailer(), definition.GetResponseTrailers())
	return &conformancev1.ConformancePayload{Data: definition.GetResponseData(), RequestInfo: info}, nil
}

func callOf(ctx context.Context) (connect.CallInfo, error) {
	call, ok := connect.CallInfoForHandlerContext(ctx)
	if !ok {
		return nil, errors.New("the context knows of no call")
	}
	return call, nil
}

// observed is what arrived of a call.
func observed(ctx context.Context, call connect.CallInfo, requests []proto.Message) (*conformancev1.ConformancePayload_RequestInfo, error) {
	packed, err := pack(requests)
	if err != nil {
		return nil, err
	}
	info := &conformancev1.ConformancePayload_RequestInfo{RequestHeaders: headersOf(call.RequestHeader()), Requests: packed}
	if deadline, ok := ctx.Deadline(); ok {
		info.TimeoutMs = proto.Int64(time.Until(deadline).Milliseconds())
	}
	if query := call.Peer().Query; len(query) > 0 {
		info.ConnectGetInfo = &conformancev1.ConformancePayload_ConnectGetInfo{QueryParams: headersOf(query)}
	}
	return info, nil
}

func pack(requests []proto.Message) ([]*anypb.Any, error) {
	packed := make([]*anypb.Any, len(requests))
	for i, request := range requests {
		var err error
		if packed[i], err = anypb.New(request); err != nil {
			return nil, fmt.Errorf("echo request: %w", err)
		}
	}
	return packed, nil
}

// errorOf is the error that was asked for; info, unless nil, is its last detail.
func errorOf(wanted *conformancev1.Error, info *conformancev1.ConformancePayload_RequestInfo) *connect.Error {
	err := connect.NewError(connect.Code(wanted.GetCode()), errors.New(wanted.GetMessage()))
	var details []proto.Message
	for _, detail := range wanted.GetDetails() {
		details = append(details, detail)
	}
	if info != nil {
		details = append(details, info)
	}
	for _, message := range details {
		detail, problem := connect.NewErrorDetail(message)
		if problem != nil {
			return connect.NewError(connect.CodeInternal, fmt.Errorf("add detail: %w", problem))
		}
		err.AddDetail(detail)
	}
	return err
}

// wait lasts as long as a definition says, whether or not anybody still waits: a
// case over a deadline is one of the caller's own. What the edge itself answers to
// one that has passed carries a google.rpc.ErrorInfo, and the suite wants no details.
func wait(milliseconds uint32) { time.Sleep(time.Duration(milliseconds) * time.Millisecond) }

func headersOf(values map[string][]string) []*conformancev1.Header {
	var headers []*conformancev1.Header
	for name, value := range values {
		headers = append(headers, &conformancev1.Header{Name: name, Value: value})
	}
	return headers
}

func addTo(header http.Header, added []*conformancev1.Header) {
	for _, h := range added {
		for _, value := range h.GetValue() {
			header.Add(h.GetName(), value)
		}
	}
}
