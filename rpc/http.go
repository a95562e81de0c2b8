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
		Handler:           handler,
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
