package actors

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/engine"
)

const (
	// MediaHands is how many files are downloaded at once.
	MediaHands = 16
	// MediaTimeout bounds one download.
	MediaTimeout = 5 * time.Minute
	// MediaRetry is before the second attempt; it doubles with each, up to MediaRetryLongest.
	MediaRetry        = 5 * time.Second
	MediaRetryLongest = 6 * time.Hour
)

// MediaOptions are what the downloads work with; Log and Registerer are optional.
type MediaOptions struct {
	Router     *Router
	Agenda     Agenda
	Outbox     Outbox
	Source     MediaSource
	Blobs      Blobs
	Registerer prometheus.Registerer
	Log        *slog.Logger
}

// Media downloads the files of messages that came, behind the messages' back: a
// message is there whether its file is or not. A file stays pending in the
// journal until it is stored, or until it is known that it never will be.
type Media struct {
	*worker
	router *Router
	outbox Outbox
	source MediaSource
	blobs  Blobs
	counts *mediaMetrics
}

// StartMedia starts the downloads; Stop ends them.
func StartMedia(o MediaOptions) *Media {
	m := &Media{
		worker: newWorker(engine.DueMedia, o.Agenda, newWorkerMetrics(o.Registerer), logger(o.Log)),
		router: o.Router, outbox: o.Outbox, source: o.Source, blobs: o.Blobs, counts: newMediaMetrics(o.Registerer),
	}
	m.router.bells[engine.DueMedia].Store(&bell{m.worker})
	m.start(MediaHands, m.download)
	return m
}

// Stop begins no more downloads and waits for those under way.
func (m *Media) Stop(ctx context.Context) { m.halt(ctx) }

// download gets the files of one conversation that are due. A crash leaves them
// pending, and at most a file that nothing names and that the next download of
// it replaces.
func (m *Media) download(ctx context.Context, id engine.ConversationID) {
	waits, err := m.router.work(ctx, id)
	if err != nil {
		return // the sweep comes back to it
	}
	now := engine.InstantOf(time.Now())
	for _, pending := range waits.media {
		if pending.NotBefore > now {
			continue
		}
		if ctx.Err() != nil {
			return
		}
		m.attempt(ctx, waits.channel, engine.MessageID{Conversation: id, Version: pending.Message}, pending.Attempt+1)
	}
}

// attempt downloads one file, and records how far it has got.
func (m *Media) attempt(ctx context.Context, channel engine.ChannelID, id engine.MessageID, attempt uint32) {
	content, event, err := m.content(id)
	ctx, span := m.router.after(ctx, spanDownload, event.Trace)
	body := engine.RecordMedia{Message: id.Version, Attempt: attempt, State: engine.MediaFailed}
	if err == nil && content.Media != nil {
		err = m.get(ctx, channel, id.Conversation, &content, event.At, &body)
	}
	if err != nil {
		m.log.WarnContext(ctx, "file of a message is not stored yet", slog.String("conversation", id.Conversation.String()), slog.Any("error", err))
	}
	if span != nil {
		span.Set(slog.String(attrConversation, id.Conversation.String()), slog.Int(attrAttempt, int(attempt)), slog.String(attrState, body.State.String()))
		defer span.End(err)
	}
	if ctx.Err() == nil { // else it was given up, and did not fail
		m.record(ctx, id.Conversation, body)
	}
}

// get makes one attempt, says in body how it ended, and answers why if it did not
// end well.
func (m *Media) get(
	ctx context.Context, channel engine.ChannelID, id engine.ConversationID, content *engine.Content, at engine.Instant, body *engine.RecordMedia,
) error {
	ctx, cancel := context.WithTimeout(ctx, MediaTimeout)
	defer cancel()
	blob, size, err := m.store(ctx, channel, id, content)
	switch engine.CodeOf(err) {
	case 0:
		if err == nil {
			body.State, body.Blob, body.Bytes = engine.MediaStored, blob, size
			return nil
		}
	case engine.CodeNotFound:
		body.State = engine.MediaExpired
		return err
	case engine.CodeInvalid:
		return err
	}
	now := engine.InstantOf(time.Now())
	if now > at.Add(engine.MediaExpiry) {
		body.State = engine.MediaExpired
		return err
	}
	body.State, body.RetryAt = engine.MediaPending, now.Add(mediaPause(body.Attempt)) // unless it was tried too often
	return err
}

// content is what the message says, and the event that brought it.
func (m *Media) content(id engine.MessageID) (engine.Content, engine.Event, error) {
	message, err := m.outbox.Message(id)
	if err != nil {
		return engine.Content{}, engine.Event{}, fmt.Errorf("read message: %w", err)
	}
	switch b := message.Event.Body.(type) {
	case engine.MessageReceived:
		return b.Content, message.Event, nil
	case engine.EchoReceived:
		return b.Content, message.Event, nil
	}
	return engine.Content{}, message.Event, engine.Errorf(engine.CodeCorrupt, "event %d brought no message", id.Version)
}

func (m *Media) store(
	ctx context.Context, channel engine.ChannelID, id engine.ConversationID, content *engine.Content,
) (blob engine.BlobID, size int64, err error) {
	file, err := m.source.Fetch(ctx, channel, *content.Media)
	if err != nil {
		return "", 0, fmt.Errorf("fetch file: %w", err)
	}
	defer func() {
		if closed := file.Close(); err == nil && closed != nil {
			err = fmt.Errorf("fetch file: %w", closed)
		}
	}()
	blob, size, err = m.blobs.Put(id, file, content.Kind.MaxFileBytes(), content.Media.SHA256)
	if err != nil {
		return "", 0, fmt.Errorf("store file: %w", err)
	}
	return blob, size, nil
}

func mediaPause(attempt uint32) time.Duration {
	return min(MediaRetry<<min(attempt-1, 20), MediaRetryLongest)
}

// record tells the conversation. When it was erased meanwhile, the file goes too.
func (m *Media) record(ctx context.Context, id engine.ConversationID, body engine.RecordMedia) {
	answer := m.router.result(context.WithoutCancel(ctx), id, engineCommand(body))
	m.counts.downloads.WithLabelValues(body.State.String()).Inc()
	if engine.CodeOf(answer.err) != engine.CodeNotFound {
		return // anything else is found again by the sweep
	}
	if err := m.blobs.Remove(id); err != nil {
		m.log.ErrorContext(ctx, "file of an erased conversation cannot be removed", slog.String("conversation", id.String()), slog.Any("error", err))
	}
}
