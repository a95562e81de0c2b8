package whatsapp

import (
	"errors"
	"io"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// MaxWebhookBytes is the largest body that is read; Meta's reach 3 MB.
	MaxWebhookBytes = 4 << 20
	// MaxInflightBytes bounds the bodies held in memory at once, signed or not.
	// Parsing costs about four times a body besides.
	MaxInflightBytes = 64 << 20
	// MaxInflightDeliveries bounds the signed POSTs that wait for the Inbox. It
	// is taken after the signature, so that strangers cannot use it up. At 15,000
	// a second it outlasts a disk that pauses for 0.13 s.
	MaxInflightDeliveries = 2048

	firstReadBytes = 8 << 10
)

var (
	errTooLarge = errors.New("body is larger than a webhook's may be")
	errFull     = errors.New("too much is in flight already")
)

// budget is a bounded amount of something that is in flight.
type budget struct {
	limit int64
	used  atomic.Int64
	gauge prometheus.Gauge
}

func (b *budget) take(n int64) bool {
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		return false
	}
	b.gauge.Add(float64(n))
	return true
}

func (b *budget) give(n int64) {
	b.used.Add(-n)
	b.gauge.Sub(float64(n))
}

// readBody reads r to its end, at most MaxWebhookBytes, and answers how much of
// b it holds, error or not. It takes what has arrived and not what a header
// promises: whoever wants to use b up has to send it.
func readBody(r io.Reader, b *budget) (body []byte, held int64, err error) {
	body = make([]byte, 0, firstReadBytes)
	for {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		space := body[len(body):cap(body)]
		n, err := r.Read(space[:min(len(space), MaxWebhookBytes+1-len(body))])
		body = body[:len(body)+n]
		if !b.take(int64(n)) {
			return nil, held, errFull
		}
		held += int64(n)
		switch {
		case len(body) > MaxWebhookBytes:
			return nil, held, errTooLarge
		case err == io.EOF:
			return body, held, nil
		case err != nil:
			return nil, held, err
		}
	}
}
