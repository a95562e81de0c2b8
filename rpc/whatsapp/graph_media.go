package whatsapp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"code.dny.dev/ssrf"

	"github.com/intervenehq/intervene/engine"
)

// MediaTimeout bounds the download of one file, from the question where it lies
// to its last byte.
const MediaTimeout = 5 * time.Minute

// newMediaClient fetches from allow-listed hosts, whose names might still lead
// inside: private addresses are refused when they are dialled, after the name
// was resolved. The configured Graph API itself may stand anywhere.
func (g *Graph) newMediaClient(instead http.RoundTripper) *http.Client {
	transport := newGraphTransport()
	guard := ssrf.New(ssrf.WithAnyPort())
	open := &net.Dialer{Timeout: graphDialTimeout, KeepAlive: graphKeepAlive}
	guarded := &net.Dialer{Timeout: graphDialTimeout, KeepAlive: graphKeepAlive, Control: guard.Safe}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if g.served.Load().trusted[address] {
			return open.DialContext(ctx, network, address)
		}
		return guarded.DialContext(ctx, network, address)
	}
	transport.Proxy = nil // a proxy would resolve the name where nobody looks
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if instead != nil {
		client.Transport = instead
	}
	return client
}

// hostPort is what is dialled for u.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// Fetch opens the file of a message that came. The caller reads it to its end,
// or to its own limit, closes it, and checks what it got: Fetch looks at neither
// length nor content. ctx bounds the reading too, which MediaTimeout ends as well.
//
// An error of code NotFound says that Meta has the file no more; Invalid that
// it lies where nobody may fetch it from; any other may pass.
func (g *Graph) Fetch(ctx context.Context, id engine.ChannelID, media engine.Media) (io.ReadCloser, error) {
	start := time.Now()
	channel, ok := g.served.Load().channel(id)
	if !ok {
		return nil, &engine.Error{Code: engine.CodeUnavailable, Err: errors.New("channel is not configured")}
	}
	ctx, cancel := context.WithTimeout(ctx, MediaTimeout)
	body, answer, err := g.fetch(ctx, channel, media.ID)
	g.metrics.graphCall(operationDownload, answer, time.Since(start))
	if err != nil {
		cancel()
		return nil, err
	}
	return &fetched{body, cancel}, nil
}

// fetched ends its context when it is closed.
type fetched struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (f *fetched) Close() error {
	defer f.cancel()
	return f.ReadCloser.Close()
}

// resolveTries: a URL is valid for five minutes, and one that is gone is asked for anew.
const resolveTries = 2

func (g *Graph) fetch(ctx context.Context, channel graphChannel, media string) (io.ReadCloser, graphAnswer, error) {
	var answer graphAnswer
	for range resolveTries {
		place, resolved, err := g.resolve(ctx, channel, media)
		if err != nil {
			return nil, resolved, err
		}
		response, err := g.get(ctx, operationDownload, g.media, channel, place)
		if err != nil {
			return nil, graphAnswer{failure: err}, &engine.Error{Code: engine.CodeUnavailable, Err: err}
		}
		answer = graphAnswer{status: response.StatusCode}
		if response.StatusCode == http.StatusOK {
			return response.Body, answer, nil
		}
		if err := response.Body.Close(); err != nil {
			return nil, answer, &engine.Error{Code: engine.CodeUnavailable, Err: withoutURL(err)}
		}
		if response.StatusCode != http.StatusNotFound {
			return nil, answer, engine.Errorf(engine.CodeUnavailable, "media host answers %d", response.StatusCode)
		}
	}
	return nil, answer, &engine.Error{Code: engine.CodeNotFound}
}

// resolve asks where a file lies.
func (g *Graph) resolve(ctx context.Context, channel graphChannel, media string) (*url.URL, graphAnswer, error) {
	if !pathSafe.MatchString(media) {
		return nil, graphAnswer{}, &engine.Error{Code: engine.CodeInvalid, Field: "media", Problem: "has a malformed id"}
	}
	response, err := g.get(ctx, operationDownload, g.client, channel, channel.baseURL.JoinPath(media)) // #nosec G125 -- pathSafe above
	if err != nil {
		return nil, graphAnswer{failure: err}, &engine.Error{Code: engine.CodeUnavailable, Err: err}
	}
	answer := readAnswer(response)
	var file struct {
		URL lenientString `json:"url"`
	}
	switch {
	case answer.failure != nil:
		return nil, answer, &engine.Error{Code: engine.CodeUnavailable, Err: answer.failure}
	case isSuccess(answer.status) && object(bytes.TrimSpace(answer.body), &file) && file.URL != "":
		place, err := channel.mediaPlace(string(file.URL))
		return place, answer, err
	case answer.status == http.StatusNotFound, answer.hasCode && actionOf(answer.code, answer.status) == actionPermanent:
		return nil, answer, &engine.Error{Code: engine.CodeNotFound} // 100: does not exist
	}
	return nil, answer, engine.Errorf(engine.CodeUnavailable, "the Graph API answers %d to where a file lies", answer.status)
}

// mediaPlace is address, if the access token may go there.
func (c *graphChannel) mediaPlace(address string) (*url.URL, error) {
	refused := &engine.Error{Code: engine.CodeInvalid, Field: "media", Problem: "lies on a host that is not allowed"}
	place, err := url.Parse(address)
	if err != nil || place.User != nil {
		return nil, refused // the parser's own text repeats the input
	}
	if place.Scheme == c.baseURL.Scheme && hostPort(place) == hostPort(c.baseURL) {
		return place, nil
	}
	if place.Scheme != "https" || (place.Port() != "" && place.Port() != "443") {
		return nil, refused
	}
	for _, allowed := range c.mediaHosts {
		if hostAllowed(place.Hostname(), allowed) {
			return place, nil
		}
	}
	return nil, refused
}

func hostAllowed(host, allowed string) bool {
	if end, ok := strings.CutPrefix(allowed, "*"); ok {
		return strings.HasSuffix(host, end)
	}
	return host == allowed
}

// get asks for address with the channel's token.
func (g *Graph) get(
	ctx context.Context, operation graphOperation, client *http.Client, channel graphChannel, address *url.URL,
) (response *http.Response, err error) {
	if g.tracer != nil {
		if answered := g.tracer.Request(ctx, string(operation)); answered != nil {
			defer func() { answered(statusOf(response)) }()
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", withoutURL(err))
	}
	request.Header.Set("Authorization", channel.authorization)
	response, err = client.Do(request)
	if err != nil {
		return nil, withoutURL(err)
	}
	return response, nil
}

// statusOf is 0 when no answer came.
func statusOf(response *http.Response) int {
	if response == nil {
		return 0
	}
	return response.StatusCode
}
