package serve

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/intervenehq/intervene/rpc"
	"github.com/intervenehq/intervene/rpc/bot/chatwoot"
)

// WebhookPath is where Meta's apps deliver.
const WebhookPath = "/webhooks/whatsapp/{app}"

// adminTimeout bounds reading and answering on the admin listener; a profile
// of the CPU takes 30 s unless asked otherwise.
const adminTimeout = 2 * time.Minute

func (e *Engine) listen(webhook http.Handler) error {
	mux := http.NewServeMux()
	mux.Handle(WebhookPath, webhook)
	mux.Handle("/", e.edge.Handler())
	e.console.Handle(mux)
	if e.bots.chatwoot != nil {
		mux.Handle(chatwoot.Prefix, e.bots.chatwoot)
	}
	e.public = rpc.NewHTTPServer(mux)
	e.public.RegisterOnShutdown(e.edge.Drain)
	e.admin = &http.Server{Handler: e.adminMux(), ReadTimeout: adminTimeout, WriteTimeout: adminTimeout}

	listeners := make([]net.Listener, 0, 2)
	for _, address := range []string{e.config.Listen, e.config.AdminListen} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			for _, open := range listeners {
				err = errors.Join(err, open.Close())
			}
			return err
		}
		listeners = append(listeners, l)
	}
	e.publicAddr, e.adminAddr = listeners[0].Addr(), listeners[1].Addr()
	e.serve(e.public, listeners[0])
	e.serve(e.admin, listeners[1])
	return nil
}

func (e *Engine) serve(server *http.Server, l net.Listener) {
	server.ErrorLog = slog.NewLogLogger(e.log.Handler(), slog.LevelWarn)
	e.group.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			e.failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
	})
}

func (e *Engine) adminMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, Registry: e.registry}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !e.router.Ready() {
			say(w, http.StatusServiceUnavailable, "draining\n")
			return
		}
		say(w, http.StatusOK, "ok\n")
	})
	e.operate(mux)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the prober went away: it will ask again
}
