package demo

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// hostileNetwork is what the stand-in does to an engine that must not mind.
func hostileNetwork(seed uint64, l *ledger) standin.Config {
	network := calmNetwork(seed)
	network.OnAck = l.acknowledged
	network.Webhook.Shuffle = true
	network.Faults = []standin.Rule{
		{Name: "repeated", Fault: standin.FaultDuplicate, Probability: 0.05, Delay: 2 * time.Second},
		{Name: "late", Fault: standin.FaultReorder, Probability: 0.05, Delay: 300 * time.Millisecond},
		{Name: "forged", Fault: standin.FaultBadSignature, Probability: 0.01},
		{Name: "number too fast", Fault: standin.FaultError, Code: 130429, Probability: 0.02},
		{Name: "contact too fast", Fault: standin.FaultError, Code: 131056, Probability: 0.005},
		{Name: "undeliverable", Fault: standin.FaultError, Code: 131026, Probability: 0.003},
		// These two leave the engine in doubt for good: no status will ever come.
		{Name: "broken before", Fault: standin.FaultServerError, HTTPStatus: http.StatusBadGateway, Probability: 0.003},
		{Name: "reset before", Fault: standin.FaultResetBefore, Probability: 0.002},
		// This one only until the status comes.
		{Name: "reply lost", Fault: standin.FaultResetAfter, Probability: 0.02},
		{Name: "slow", Fault: standin.FaultStall, Probability: 0.01, Delay: 400 * time.Millisecond},
		{Name: "failed later", Fault: standin.FaultFail, Probability: 0.003},
	}
	return network
}

// calmNetwork is a network on a good day.
func calmNetwork(seed uint64) standin.Config {
	return standin.Config{
		Seed: seed,
		Webhook: standin.WebhookConfig{
			Gather: 20 * time.Millisecond, MaxBatch: 20, Parallelism: 16,
			RedeliveryFirst: 200 * time.Millisecond, RedeliveryLongest: 2 * time.Second,
		},
		Statuses: []standin.StatusStep{
			{Status: standin.StatusSent, After: 10 * time.Millisecond, Jitter: 20 * time.Millisecond},
			{Status: standin.StatusDelivered, After: 60 * time.Millisecond, Jitter: 100 * time.Millisecond},
			{Status: standin.StatusRead, After: 300 * time.Millisecond, Jitter: 500 * time.Millisecond, SkipShare: 0.5},
		},
	}
}

// lossy is a connection on which answers get lost: the engine did what it was
// asked, and the caller never hears of it.
type lossy struct{ http.RoundTripper }

type loseKey struct{}

// losingAnswer makes the call of ctx one whose answer is lost.
func losingAnswer(ctx context.Context) context.Context {
	return context.WithValue(ctx, loseKey{}, true)
}

func (l lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(r)
	if err != nil || r.Context().Value(loseKey{}) == nil {
		return response, err
	}
	// To its end: the answer was there.
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return nil, err
	}
	if err := response.Body.Close(); err != nil {
		return nil, err
	}
	return nil, io.ErrUnexpectedEOF
}

// streamLife bounds the age of a board's stream on a fraying network.
const streamLife = 8 * time.Second

// fraying is a network on which a board's stream breaks once it is half of
// streamLife old, or later, and has to be resumed.
type fraying struct{ http.RoundTripper }

func (f fraying) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != intervenev1connect.LiveChatServiceWatchBoardProcedure {
		return f.RoundTripper.RoundTrip(r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), streamLife/2+rand.N(streamLife/2))
	response, err := f.RoundTripper.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	response.Body = frayingBody{response.Body, cancel}
	return response, nil
}

type frayingBody struct {
	io.ReadCloser
	release context.CancelFunc
}

func (b frayingBody) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}
