package serve_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// authority signs the certificates of a test.
type authority struct {
	t    *testing.T
	root *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.root, a.key = a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	})
	return a
}

func (a *authority) sign(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatalf("draw a key: %v", err)
	}
	parent, signer := a.root, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatalf("sign: %v", err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatalf("parse: %v", err)
	}
	return signed, key
}

// issue makes the certificate of the engine's address that is over at until.
func (a *authority) issue(serial int64, until time.Time) *config.TLS {
	leaf, key := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
	})
	return &config.TLS{Certificate: tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}}
}

// client trusts the authority, and speaks HTTP/1.1 or HTTP/2 alone.
func (a *authority) client(http2 bool) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(a.root)
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: &protocols}
	a.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestTLS: the public listener speaks HTTP/1.1 and HTTP/2 over TLS 1.2 and newer. After a
// reload it shows the next certificate, and a stream that is open lives on.
func TestTLS(t *testing.T) {
	w := newWorld(t)
	w.stop()
	ca := newAuthority(t)
	w.config.TLS = ca.issue(2, time.Now().Add(30*time.Minute).Truncate(time.Second))
	w.start()
	want := strconv.FormatFloat(float64(w.config.TLS.Certificate.Leaf.NotAfter.Unix()), 'g', -1, 64)
	if got := w.metric("intervene_tls_certificate_expiry_timestamp_seconds"); got != want {
		t.Errorf("expiry: got %s, want %s", got, want)
	}
	address := "https://" + w.engine.Addr().String()
	for _, tt := range []struct {
		http2 bool
		want  string
	}{{false, "HTTP/1.1"}, {true, "HTTP/2.0"}} {
		if got, serial := shown(t, ca.client(tt.http2), address); got != tt.want || serial != 2 {
			t.Errorf("got %s and certificate %d, want %s and 2", got, serial, tt.want)
		}
	}
	old := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if c, err := tls.Dial("tcp", w.engine.Addr().String(), old); err == nil {
		c.Close()
		t.Error("TLS 1.1: got a connection, want none")
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	line := ca.client(true)
	api := intervenev1connect.NewLiveChatServiceClient(&http.Client{Transport: bearing{tokenOf("asha"), line.Transport}}, address)
	stream, err := api.WatchBoard(ctx, &intervenev1.WatchBoardRequest{})
	if err != nil || !stream.Receive() {
		t.Fatalf("WatchBoard: got error %v, want a frame", err)
	}
	next := ca.issue(3, time.Now().Add(40*time.Minute))
	w.reloaded(func(c *config.Config) { c.TLS = next })
	if _, serial := shown(t, ca.client(true), address); serial != 3 {
		t.Errorf("new connection after the reload: got certificate %d, want 3", serial)
	}
	text := fmt.Sprintf(`"messages":[{"from":"16505550170","id":"wamid.tls","timestamp":"%d","type":"text","text":{"body":"hi"}}]`, time.Now().Unix())
	if got := w.deliverTo(line, address, webhook(change("messages", text))); got != http.StatusOK {
		t.Errorf("webhook over TLS: got %d, want 200", got)
	}
	for stream.Receive() {
		if upserts := stream.Msg().GetDeltaBatch().GetUpserts(); len(upserts) > 0 {
			break
		}
	}
	if err := stream.Err(); err != nil {
		t.Errorf("stream that was open: got error %v, want it open", err)
	}
	cancel()
	if err := stream.Close(); err != nil && connect.CodeOf(err) != connect.CodeCanceled {
		t.Errorf("close the stream: %v", err)
	}
	w.client.CloseIdleConnections()
}

// shown is what an address answers in, and the certificate that it shows.
func shown(t *testing.T, client *http.Client, address string) (protocol string, serial int64) {
	t.Helper()
	answer, err := client.Get(address + "/")
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Errorf("get: %v", err)
	}
	return answer.Proto, answer.TLS.PeerCertificates[0].SerialNumber.Int64()
}
