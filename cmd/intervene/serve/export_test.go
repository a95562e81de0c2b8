package serve

import "github.com/prometheus/client_golang/prometheus"

// Registry has the metrics of e.
func (e *Engine) Registry() *prometheus.Registry { return e.registry }
