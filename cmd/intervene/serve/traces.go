package serve

import (
	"net/http"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/cmd/intervene/traces"
	"github.com/intervenehq/intervene/rpc/whatsapp"
)

// What follows gives each part what records its work, or nothing at all: without
// traces none of it knows that there could be some.

func (e *Engine) startTraces() error {
	c := e.config.Load().Traces
	if c == nil {
		return nil
	}
	e.log = traces.Logger(e.log)
	headers := make(map[string]string, len(c.Headers))
	for name, secret := range c.Headers {
		headers[name] = secret.Reveal()
	}
	var err error
	e.traces, err = traces.New(traces.Options{
		Endpoint: c.Endpoint, Share: c.Sample, Headers: headers, Version: Version(), Registerer: e.registry, Log: e.log,
	})
	return err
}

func (e *Engine) tracer() actors.Tracer {
	if e.traces == nil {
		return nil // and no interface that holds a nil
	}
	return e.traces
}

func (e *Engine) graphTracer() whatsapp.Tracer {
	if e.traces == nil {
		return nil
	}
	return e.traces
}

func (e *Engine) traced(webhook http.Handler) http.Handler {
	if e.traces == nil {
		return webhook
	}
	return e.traces.Webhook(webhook)
}

func (e *Engine) interceptors() []connect.Interceptor {
	if e.traces == nil {
		return nil
	}
	return []connect.Interceptor{e.traces.Interceptor()}
}

func (e *Engine) carrying(client *http.Client) *http.Client {
	if e.traces == nil {
		return client
	}
	return e.traces.Carry(client)
}
