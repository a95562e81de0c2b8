package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	natsStart = 30 * time.Second
	// natsConnections share the callers.
	natsConnections = 4
	natsStream      = "commands"
)

// stream is NATS JetStream: a subject per conversation, a message per command,
// which must be the next of its subject, synced before it is acknowledged.
type stream struct {
	dir     string
	server  *server.Server
	clients []*nats.Conn
	streams []jetstream.JetStream
	// last is the sequence of the newest message, by conversation: its worker's.
	last [hot]uint64
}

func startStream(ctx context.Context, dir string) (s *stream, err error) {
	s = new(stream)
	if s.dir, err = os.MkdirTemp(dir, "nats-"); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	s.server, err = server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: s.dir, SyncAlways: true, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make a NATS server: %w", err)
	}
	s.server.Start()
	if !s.server.ReadyForConnections(natsStart) {
		return nil, errors.New("the NATS server does not answer")
	}
	for range natsConnections {
		conn, err := nats.Connect(s.server.ClientURL())
		if err != nil {
			return nil, fmt.Errorf("connect to NATS: %w", err)
		}
		s.clients = append(s.clients, conn)
		js, err := jetstream.New(conn)
		if err != nil {
			return nil, fmt.Errorf("use JetStream: %w", err)
		}
		s.streams = append(s.streams, js)
	}
	_, err = s.streams[0].CreateStream(ctx, jetstream.StreamConfig{
		Name: natsStream, Subjects: []string{"c.*"}, Storage: jetstream.FileStorage, Replicas: 1, Duplicates: 2 * time.Minute,
	})
	if err != nil {
		return nil, fmt.Errorf("make a stream: %w", err)
	}
	return s, nil
}

// write publishes event and head as one message: there is no row to update.
func (s *stream) write(ctx context.Context, e *entry) error {
	message := nats.NewMsg("c." + strconv.FormatUint(e.conversation, 10))
	message.Data = append(append(message.Data, e.event...), e.head...)
	if !e.due.IsZero() {
		message.Data = strconv.AppendInt(message.Data, e.due.UnixNano(), 10)
	}
	options := []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(s.last[e.conversation])}
	if e.hash != nil {
		options = append(options, jetstream.WithMsgID(hex.EncodeToString(e.hash)))
	}
	ack, err := s.streams[e.conversation%natsConnections].PublishMsg(ctx, message, options...)
	if err != nil {
		return fmt.Errorf("publish to NATS: %w", err)
	}
	s.last[e.conversation] = ack.Sequence
	return nil
}

func (s *stream) close() error {
	for _, conn := range s.clients {
		conn.Close()
	}
	if s.server != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
	}
	return os.RemoveAll(s.dir)
}
