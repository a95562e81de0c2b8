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

// readSend reads a send's body and notes in c which it is.
func readSend(request *http.Request, c *call) ([]byte, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	var send struct {
		Op string `json:"biz_opaque_callback_data"`
	}
	if err := json.Unmarshal(body, &send); err != nil {
		return nil, fmt.Errorf("read a send: %w", err)
	}
	c.op, err = engine.ParseMessageID(send.Op)
	return body, err
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
