package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"code.dny.dev/ssrf"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/bot/flow/schema"
)

const (
	callDialTimeout = 3 * time.Second
	callKeepAlive   = 30 * time.Second
	callIdleTimeout = 90 * time.Second
	callMaxIdle     = 32
)

// call asks an HTTP server for JSON.
type call struct {
	method   string
	url      text
	tokenEnv string
	body     func(r *run) any // nil: none
	timeout  time.Duration
	answer   []field
	onError  *node
}

// field is where in an answer the value of a variable stands.
type field struct {
	variable int
	path     []string
}

// newClient follows no redirect and dials no private address, whatever a name
// resolves to.
func newClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = guarded
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// guarded is shared by all flows, as are its connections. It knows no proxy, which
// would resolve the name where nobody looks.
var guarded = &http.Transport{
	DialContext: (&net.Dialer{
		Timeout: callDialTimeout, KeepAlive: callKeepAlive, Control: ssrf.New(ssrf.WithAnyPort()).Safe,
	}).DialContext,
	ForceAttemptHTTP2: true, MaxIdleConns: callMaxIdle, IdleConnTimeout: callIdleTimeout,
	TLSHandshakeTimeout: callDialTimeout,
}

func (c *compiler) call(at place, n *node, s *schema.Call) *call {
	compiled := &call{
		method: s.GetMethod(), tokenEnv: s.GetTokenEnv(), timeout: DefaultCallTimeout,
		onError: c.target(at.field("on_error"), s.GetOnError()),
	}
	if s.GetTimeout() != nil {
		compiled.timeout = s.GetTimeout().AsDuration()
	}
	if compiled.method == "" {
		compiled.method = http.MethodGet
		if s.GetBody() != nil {
			compiled.method = http.MethodPost
		}
	}
	if s.GetBody() != nil && compiled.method == http.MethodGet {
		c.report(at.field("body"), "means nothing with GET")
	}
	if s.GetBody() != nil {
		compiled.body = c.body(at.field("body"), structpb.NewStructValue(s.GetBody()))
	}
	if s.GetUrl() != "" {
		compiled.url = c.text(at.field("url"), &schema.Text{Plain: s.GetUrl()}, rule{most: engine.MaxURLRunes, url: true})
		c.allowed(at.field("url"), compiled.url)
	}
	for _, name := range sorted(s.GetAnswer()) {
		compiled.answer = append(compiled.answer, field{c.variables[name], strings.Split(s.GetAnswer()[name], ".")})
	}
	return compiled
}

// allowed holds a URL against the list of hosts.
func (c *compiler) allowed(at place, t text) {
	u, err := url.Parse(literalOf(t, 0))
	switch {
	case err != nil || u.Host == "": // told already
	case u.Scheme != "https":
		c.report(at, "must be an https URL")
	case !c.hosts[strings.ToLower(u.Host)]:
		c.report(at, "%s is not one of calls.hosts", u.Host)
	}
}

// body compiles JSON whose texts hold variables.
func (c *compiler) body(at place, v *structpb.Value) func(r *run) any {
	switch v := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		if v.StringValue == "" {
			return func(*run) any { return "" }
		}
		t, _ := c.pieces(at, v.StringValue)
		return func(r *run) any { return t.render(r, plain) }
	case *structpb.Value_StructValue:
		fields := make(map[string]func(r *run) any)
		for _, name := range sorted(v.StructValue.GetFields()) {
			fields[name] = c.body(at.field(name), v.StructValue.GetFields()[name])
		}
		return func(r *run) any {
			object := make(map[string]any, len(fields))
			for name, value := range fields {
				object[name] = value(r)
			}
			return object
		}
	case *structpb.Value_ListValue:
		var items []func(r *run) any
		for i, item := range v.ListValue.GetValues() {
			items = append(items, c.body(at.item(i), item))
		}
		return func(r *run) any {
			list := make([]any, len(items))
			for i, item := range items {
				list[i] = item(r)
			}
			return list
		}
	}
	constant := v.AsInterface()
	return func(*run) any { return constant }
}

// call makes the call of n and answers the node after it.
func (r *run) call(n *node) *node {
	if r.calls == MaxCalls {
		r.giveUp("flow: too many calls in a turn, at " + n.id)
		return nil
	}
	r.calls++
	r.called = true
	values, err := n.call.values(r, fmt.Sprintf("%s/%s/%d", r.request.ID, n.id, r.calls))
	if err != nil {
		return n.call.onError
	}
	for i, f := range n.call.answer {
		r.put(f.variable, values[i])
	}
	return n.next
}

var (
	errNoToken   = errors.New("the environment holds no token")
	errNotOK     = errors.New("the answer is not 2xx")
	errTooLong   = errors.New("the answer is too long")
	errNoText    = errors.New("the answer has no text there")
	errNotObject = errors.New("the answer is not JSON")
)

// values are those of the answer's fields. The key is the same when the turn is
// asked again, so that the server does it once.
func (c *call) values(r *run, key string) ([]string, error) {
	ctx, cancel := context.WithTimeout(r.ctx, c.timeout)
	defer cancel()
	request, err := c.request(ctx, r)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Idempotency-Key", key)
	response, err := r.flow.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("call: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, errNotOK
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, MaxCallBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case len(text) > MaxCallBytes:
		return nil, errTooLong
	case len(c.answer) == 0:
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // a number is kept as it is written
	var answer any
	if err := decoder.Decode(&answer); err != nil {
		return nil, errNotObject
	}
	values := make([]string, len(c.answer))
	for i, f := range c.answer {
		if values[i], err = textAt(answer, f.path); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func (c *call) request(ctx context.Context, r *run) (*http.Request, error) {
	var body io.Reader
	if c.body != nil {
		text, err := json.Marshal(c.body(r))
		if err != nil {
			return nil, fmt.Errorf("encode the call: %w", err)
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, c.method, c.url.url(r), body)
	if err != nil {
		return nil, fmt.Errorf("make the call: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "intervene")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.tokenEnv != "" {
		token, ok := r.flow.options.Environment(c.tokenEnv)
		if !ok || token == "" {
			return nil, errNoToken
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return request, nil
}

// textAt is what stands in v at a path: a text, a number, true or false; empty
// if nothing does.
func textAt(v any, path []string) (string, error) {
	for _, step := range path {
		switch at := v.(type) {
		case map[string]any:
			v = at[step]
		case []any:
			v = nil
			if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(at) {
				v = at[i]
			}
		default:
			v = nil
		}
	}
	text := ""
	switch v := v.(type) {
	case nil:
	case string:
		text = strings.TrimSpace(v)
	case json.Number:
		text = v.String()
	case bool:
		text = strconv.FormatBool(v)
	default:
		return "", errNoText
	}
	if utf8.RuneCountInString(text) > MaxValueRunes {
		return "", errTooLong
	}
	return text, nil
}
