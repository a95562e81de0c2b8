package rpc

import (
	"fmt"
	"net/http"
	"time"

	connectcors "connectrpc.com/cors"
	"github.com/rs/cors"
)

// preflightAge is how long a browser may remember what a page of another origin
// may do; the longest that Chromium does.
const preflightAge = 2 * time.Hour

// crossOrigin guards next: pages of other origins may not call it, but for those
// of allowed, which are told by CORS that they may. No cookie goes with their
// calls: they bring a bearer token.
func crossOrigin(allowed []string, next http.Handler) (http.Handler, error) {
	guard := http.NewCrossOriginProtection()
	for _, origin := range allowed {
		if err := guard.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("allowed origin: %w", err)
		}
	}
	next = guard.Handler(next)
	if len(allowed) == 0 {
		return next, nil
	}
	return cors.New(cors.Options{
		AllowedOrigins: allowed,
		AllowedMethods: connectcors.AllowedMethods(),
		AllowedHeaders: append(connectcors.AllowedHeaders(), "Authorization"),
		ExposedHeaders: append(connectcors.ExposedHeaders(), "ETag", "Retry-After"),
		MaxAge:         int(preflightAge.Seconds()),
	}).Handler(next), nil
}
