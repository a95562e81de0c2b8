package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// sendOf is the send that a request's body makes; zero: it makes none, and tells that
// something was read.
func sendOf(body []byte) (engine.MessageID, error) {
	var send struct {
		Op     string `json:"biz_opaque_callback_data"`
		Status string `json:"status"`
	}
	if err := json.Unmarshal(body, &send); err != nil {
		return engine.MessageID{}, fmt.Errorf("read a send: %w", err)
	}
	if send.Status == "read" {
		return engine.MessageID{}, nil
	}
	return engine.ParseMessageID(send.Op)
}

// reach has whoever is outside of the engine answer, unless the engine dies meanwhile.
func (w *world) reach(outside http.Handler, request *http.Request, body []byte) (*http.Response, error) {
	ctx, cancel := context.WithCancel(request.Context())
	defer cancel()
	go func() {
		select {
		case <-w.disk.cut:
			cancel()
		case <-ctx.Done():
		}
	}()
	return inMemory(outside, request.Clone(ctx), body)
}

// inMemory has handler answer a request. A handler that breaks the connection
// answers nothing.
func inMemory(handler http.Handler, request *http.Request, body []byte) (response *http.Response, err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			response, err = nil, errReset
		default:
			panic(p)
		}
	}()
	request.Body = io.NopCloser(bytes.NewReader(body))
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	return recorder.Result(), nil
}

func (l *ledger) called(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.begin = engine.InstantOf(time.Now())
	l.calls = append(l.calls, c)
	l.noteLocked("life %d calls the platform for %s.%d", c.life, short(c.op.Conversation), c.op.Version)
}

func (l *ledger) hungUp(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.end = engine.InstantOf(time.Now())
}
