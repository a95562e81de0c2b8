package rpc

import (
	"net/http"
	"time"
)

// The limits of a server that carries the edge. Nothing but a stream's own
// deadlines bounds an answer in time: a server-wide WriteTimeout would end all
// streams, a ReadTimeout those on HTTP/1.1.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10
	// maxConcurrentStreams is per HTTP/2 connection: one agent's tabs, or one
	// proxy's callers.
	maxConcurrentStreams = 250
	// sendPingTimeout and pingTimeout find peers that vanished without a word.
	sendPingTimeout = 5 * time.Second
	pingTimeout     = 10 * time.Second
)

// NewHTTPServer is a server for handler that speaks HTTP/1.1 and, also without
// TLS, HTTP/2. Its owner sets Addr, registers [Server.Drain] with
// RegisterOnShutdown, and shuts it down.
func NewHTTPServer(handler http.Handler) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           bodiesInTime(handler),
		Protocols:         &protocols,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxConcurrentStreams,
			SendPingTimeout:      sendPingTimeout,
			PingTimeout:          pingTimeout,
		},
	}
}

// bodiesInTime bounds how long a body may take over HTTP/1.1, where net/http itself
// reads on behind a handler that left some of it: whoever refuses a request unread,
// under a path that nobody serves for one, would else wait for a slow one for ever.
// Handlers that take longer, or less, set deadlines of their own.
func bodiesInTime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && r.Body != http.NoBody {
			// A connection without deadlines is none of a server's.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(requestTimeout))
		}
		next.ServeHTTP(w, r)
	})
}
