package demo

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// TestLossyLosesTheAnswerAlone: the server did what it was asked.
func TestLossyLosesTheAnswerAlone(t *testing.T) {
	var served atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	network := lossy{transport}

	request, err := http.NewRequestWithContext(losingAnswer(t.Context()), http.MethodPost, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := network.RoundTrip(request); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got answer %v and error %v, want none and %v", response, err, io.ErrUnexpectedEOF)
	}
	response, err := network.RoundTrip(request.WithContext(t.Context()))
	if err != nil {
		t.Fatalf("got error %v, want an answer", err)
	}
	if err := response.Body.Close(); err != nil {
		t.Errorf("close the answer: %v", err)
	}
	if got := served.Load(); got != 2 {
		t.Errorf("got %d requests served, want 2", got)
	}
}
