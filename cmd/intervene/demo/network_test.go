package demo

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
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

// deadlines is a network that tells how long each of its calls may last.
type deadlines struct{ left []time.Duration }

func (d *deadlines) RoundTrip(r *http.Request) (*http.Response, error) {
	left := time.Duration(0)
	if deadline, limited := r.Context().Deadline(); limited {
		left = time.Until(deadline)
	}
	d.left = append(d.left, left)
	return &http.Response{Body: http.NoBody}, nil
}

// TestFrayingBreaksBoardsAlone: no command is lost to it.
func TestFrayingBreaksBoardsAlone(t *testing.T) {
	calls := new(deadlines)
	for _, procedure := range []string{
		intervenev1connect.LiveChatServiceWatchBoardProcedure, intervenev1connect.LiveChatServiceInterveneProcedure,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://edge.test"+procedure, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := fraying{calls}.RoundTrip(request)
		if err != nil {
			t.Fatalf("%s: got error %v, want an answer", procedure, err)
		}
		if err := response.Body.Close(); err != nil {
			t.Errorf("close the answer: %v", err)
		}
	}
	if board, command := calls.left[0], calls.left[1]; board <= 0 || board > streamLife || command != 0 {
		t.Errorf("got a board for %v and a command for %v, want a board for at most %v and a command for ever", board, command, streamLife)
	}
}
