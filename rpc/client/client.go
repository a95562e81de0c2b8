// Package client follows the board and the conversations of a workspace over
// the Connect edge, as agent frontends do: it connects, comes back after any
// interruption with jittered pauses, resumes where it stood, folds what comes,
// and shows consistent states.
//
// It never decides anything, never repeats a command by itself, never shows a
// card that is older than one that it showed, and keeps nothing but what its
// followers hold in memory. What a follower hands out is shared by all who ask,
// and nobody may change it.
package client

import (
	"context"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// maxMessageBytes bounds what one answer or frame may hold; the edge cuts its
// own far below it.
const maxMessageBytes = 16 << 20

// Client calls the edge as one caller. It holds no connection and no goroutine
// of its own, and is safe for concurrent use.
type Client struct {
	api intervenev1connect.LiveChatServiceClient
}

// New makes a client that calls the edge at baseURL with a bearer token. An
// httpClient with a Timeout would end every stream when it passes: it should have
// none. One that speaks HTTP/2 carries all followers on one connection.
func New(httpClient connect.HTTPClient, baseURL, token string, options ...connect.ClientOption) *Client {
	own := []connect.ClientOption{connect.WithReadMaxBytes(maxMessageBytes), connect.WithInterceptors(bearer(token))}
	return &Client{intervenev1connect.NewLiveChatServiceClient(httpClient, baseURL, append(own, options...)...)}
}

// API makes all other calls, with the same token. A follower that is to show
// what a command did, before its stream does, is told with [Board.Apply].
func (c *Client) API() intervenev1connect.LiveChatServiceClient { return c.api }

// bearer adds a token to every call.
type bearer string

func (b bearer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		request.Header().Set("Authorization", "Bearer "+string(b))
		return next(ctx, request)
	}
}

func (b bearer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		conn.RequestHeader().Set("Authorization", "Bearer "+string(b))
		return conn
	}
}

// WrapStreamingHandler is there for the interface: no handler has one of these.
func (b bearer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}
