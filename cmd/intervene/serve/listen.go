package serve

import (
	"errors"
	"fmt"
	"io"
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

// adminHeaderTimeout and adminHeaderBytes bound a request's header there.
const (
	adminHeaderTimeout = 10 * time.Second
	adminHeaderBytes   = 32 << 10
)

func (e *Engine) listen() error {
	c := e.config.Load()
	mux := http.NewServeMux()
	mux.Handle(WebhookPath, e.traced(e.webhook))
	mux.Handle("/", e.edge.Handler())
	e.console.Handle(mux)
	mux.Handle(chatwoot.Prefix, e.bots.gateway)
	e.public = rpc.NewHTTPServer(mux)
	e.public.RegisterOnShutdown(e.edge.Drain)
	if c.TLS != nil {
		e.public.TLSConfig = e.certificate.config()
		e.certificate.register(e.registry)
		e.warnOfExpiry()
	}
	e.admin = &http.Server{
		Handler: e.adminMux(), ReadHeaderTimeout: adminHeaderTimeout, ReadTimeout: adminTimeout, WriteTimeout: adminTimeout, MaxHeaderBytes: adminHeaderBytes,
	}

	listeners := make([]net.Listener, 0, 2)
	for _, address := range []string{c.Listen, c.AdminListen} {
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
	metrics := newConnectionMetrics(e.registry)
	public, admin := connectionLimits(filesOf())
	e.public.ErrorLog, e.admin.ErrorLog = metrics.faultLog(e.log, "public"), metrics.faultLog(e.log, "admin")
	e.serve(e.public, metrics.bound(listeners[0], "public", public))
	e.serve(e.admin, metrics.bound(listeners[1], "admin", admin))
	return nil
}

func (e *Engine) serve(server *http.Server, l net.Listener) {
	serve := server.Serve
	if server.TLSConfig != nil {
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	e.group.Go(func() {
		if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
			e.failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
	})
}

func (e *Engine) adminMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, Registry: e.registry}))
	mux.HandleFunc("GET /livez", e.serveLive)
	mux.HandleFunc("GET /readyz", e.serveReady)
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
