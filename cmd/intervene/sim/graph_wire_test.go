package sim

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/intervenehq/intervene/engine"
)

// graphWire carries one life's requests to the platform.
type graphWire struct{ world *world }

func (g *graphWire) RoundTrip(request *http.Request) (*http.Response, error) {
	s := g.world.sim
	if request.Method != http.MethodPost {
		return g.fetch(request)
	}
	if isUpload(request) {
		return g.bring(request)
	}
	if s.chance("refuse", s.plan.wire.refused) {
		return nil, errRefused
	}
	// Once any of it is read it may have been sent.
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	c := &call{life: g.world.life}
	if c.op, err = sendOf(body); err != nil {
		return nil, err
	}
	if c.op == (engine.MessageID{}) {
		s.sees("edge: told the platform what was read")
		return g.ask(request, body)
	}
	if !g.world.alive(func() { s.ledger.called(c) }) {
		return nil, errReset
	}
	defer s.ledger.hungUp(c)
	response, err := g.ask(request, body)
	if err != nil {
		return nil, err
	}
	if !g.world.alive(func() {}) || s.chance("lose", s.plan.wire.lost) {
		return nil, errReset
	}
	return response, nil
}

// ask has the platform answer.
func (g *graphWire) ask(request *http.Request, body []byte) (*http.Response, error) {
	return g.world.reach(g.world.sim.meta.Handler(), request, body)
}

// fetch asks for a file, or where it lies. What came otherwise than it was sent
// is noted.
func (g *graphWire) fetch(request *http.Request) (*http.Response, error) {
	s := g.world.sim
	if s.chance("fetch", s.plan.wire.refused+s.plan.wire.lost) {
		return nil, errReset
	}
	response, err := g.ask(request, nil)
	id := request.URL.Query().Get("mid")
	if err != nil || id == "" || response.StatusCode != http.StatusOK {
		return response, err
	}
	file, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(file))
	s.ledger.downloaded(id, sumOf(file))
	return response, nil
}

func sumOf(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])
}

// opaque is what a send carries along and a status brings back.
var opaque = regexp.MustCompile(`,"biz_opaque_callback_data":"[^"]*"`)

// statusOf finds the messages that statuses are about.
var statusOf = regexp.MustCompile(`\{"id":"([^"]*)","status":`)

const signatureHeader = "X-Hub-Signature-256"

// strip takes the op ids from a POST's statuses, and signs it anew if it was
// signed well: older statuses of Meta's came without.
func (s *sim) strip(request *http.Request) (*http.Request, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	stripped := request.Clone(request.Context())
	if stripped.Header.Get(signatureHeader) == sign(body) {
		for _, status := range statusOf.FindAllSubmatch(body, -1) {
			s.ledger.strip(strings.ReplaceAll(string(status[1]), `\/`, "/"))
		}
		body = opaque.ReplaceAll(body, nil)
		stripped.Header.Set(signatureHeader, sign(body))
	}
	stripped.Body, stripped.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return stripped, nil
}

func sign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write(body) // never fails
	return "sha256=" + strings.ToLower(hex.EncodeToString(mac.Sum(nil)))
}
