package config

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// DefaultTraceSample is the share of traces that is recorded when the file does
	// not say.
	DefaultTraceSample = 0.01
	// MaxTraceHeaders bounds what goes along to the collector.
	MaxTraceHeaders = 16
)

// headerForm is the name of an HTTP header, in lower case.
var headerForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// Traces is where traces go, and how many.
type Traces struct {
	Endpoint string  // the base URL of a collector that takes OTLP over HTTP
	Sample   float64 // above 0, up to 1
	Headers  map[string]Secret
}

func (p *parser) traces(v value) *Traces {
	if !v.present() {
		return nil
	}
	f := p.mapping(v, "endpoint", "sample", "headers")
	t := &Traces{Sample: DefaultTraceSample, Headers: p.headers(f["headers"])}
	if p.required(f["endpoint"]) {
		t.Endpoint = p.url(f["endpoint"], "")
	}
	if text, set := p.text(f["sample"]); set {
		share, err := strconv.ParseFloat(text, 64)
		if t.Sample = share; err != nil || !(share > 0 && share <= 1) {
			p.report(f["sample"], "must be a number above 0, at most 1")
		}
	}
	return t
}

// headers reads a mapping from names to secrets.
func (p *parser) headers(v value) map[string]Secret {
	if !v.present() {
		return nil
	}
	if v.node.Kind != yaml.MappingNode {
		p.report(v, "must be a mapping from headers to secrets")
		return nil
	}
	if len(v.node.Content)/2 > MaxTraceHeaders {
		p.report(v, "must hold at most %d", MaxTraceHeaders)
		return nil
	}
	headers := make(map[string]Secret)
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key := at(v.node.Content[i], join(v.path, "?"))
		name := ""
		if key.present() {
			name = strings.ToLower(key.node.Value)
		}
		if !headerForm.MatchString(name) {
			p.report(key, "must be the name of a header") // not a secret written in its place
			continue
		}
		if _, repeated := headers[name]; repeated {
			p.report(key, "is set already")
			continue
		}
		headers[name] = p.secret(at(v.node.Content[i+1], join(v.path, name)))
	}
	return headers
}
