// Command conformance lets connectrpc's conformance suite call the Connect edge:
// it serves the suite's own service as a [rpc.Service] of a real edge, over the
// server, the mux, the gate, the interceptors and the limits that agents meet.
// make conformance runs the suite against it.
//
// It is a module of its own, so that nothing of the suite is a dependency of the
// binary, and it never has an engine: nobody calls LiveChatService here.
package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/rpc"
	conformancev1 "github.com/intervenehq/intervene/rpc/conformance/gen/connectrpc/conformance/v1"
)

// maxOrderBytes bounds what the suite says of the server that it wants: two
// certificates and a key.
const maxOrderBytes = 1 << 20

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// run serves one server that the suite ordered, until ctx ends: then the suite
// waits for no answer any more.
func run(ctx context.Context, in io.Reader, out io.Writer) error {
	order := new(conformancev1.ServerCompatRequest)
	if err := readSized(in, order); err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	edge, err := newEdge()
	if err != nil {
		return err
	}
	defer edge.Close()
	server := rpc.NewHTTPServer(withToken(edge.Handler()))
	listener, err := listen(server, order)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	address := listener.Addr().(*net.TCPAddr)
	ready := &conformancev1.ServerCompatResponse{
		Host: address.IP.String(), Port: uint32(address.Port), PemCert: order.GetServerCreds().GetCert(),
	}
	if err := writeSized(out, ready); err != nil {
		return errors.Join(fmt.Errorf("say where the server is: %w", err), server.Close(), ended(<-served))
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
		return errors.Join(server.Close(), ended(<-served))
	}
}

// listen opens the loopback, behind the suite's own certificate if it wants one.
func listen(server *http.Server, order *conformancev1.ServerCompatRequest) (net.Listener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil || !order.GetUseTls() {
		return listener, err
	}
	certificate, err := tls.X509KeyPair(order.GetServerCreds().GetCert(), order.GetServerCreds().GetKey())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the suite's certificate: %w", err), listener.Close())
	}
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}}
	return tls.NewListener(listener, server.TLSConfig), nil
}

// ended is what Serve returned, if that is not how it always ends.
func ended(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// readSized reads a message as the suite frames them: after its size, in four bytes.
func readSized(r io.Reader, message proto.Message) error {
	var size uint32
	if err := binary.Read(r, binary.BigEndian, &size); err != nil {
		return fmt.Errorf("read size: %w", err)
	}
	if size > maxOrderBytes {
		return fmt.Errorf("message has %d bytes, want at most %d", size, maxOrderBytes)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	return proto.Unmarshal(data, message)
}

func writeSized(w io.Writer, message proto.Message) error {
	data, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...))
	return err
}
