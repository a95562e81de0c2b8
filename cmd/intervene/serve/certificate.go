package serve

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/config"
)

// expirySoon is how long before its end a certificate is warned of at each reload.
const expirySoon = 14 * 24 * time.Hour

// certificate is what the public listener shows to those who connect from now on.
// Connections that are open keep what they began with.
type certificate struct {
	current atomic.Pointer[tls.Certificate]
}

// set does nothing where there is no TLS: that waits for a restart.
func (c *certificate) set(t *config.TLS) {
	if t != nil {
		c.current.Store(&t.Certificate)
	}
}

// config is a server's, for the time that it serves.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if shown := c.current.Load(); shown != nil {
				return shown, nil
			}
			return nil, errors.New("there is no certificate")
		},
	}
}

// expiry is when the certificate is over.
func (c *certificate) expiry() time.Time { return c.current.Load().Leaf.NotAfter }

func (e *Engine) warnOfExpiry() {
	if e.config.Load().TLS == nil {
		return
	}
	if over := e.certificate.expiry(); time.Until(over) < expirySoon {
		e.log.Warn("the certificate is over soon, or already", slog.Time("not_after", over))
	}
}
