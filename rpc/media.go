package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/engine"
)

// The paths of files, which stand in the access table and in metrics as they
// are here.
const (
	mediaDownload = "/v1/media/{message_id}"
	mediaUpload   = "/v1/conversations/{conversation_id}/media"
)

const (
	// transferTimeout bounds one file on its way, transferPause how long it may
	// stand still.
	transferTimeout = 5 * time.Minute
	transferPause   = 30 * time.Second
	// transferBytes is what is copied at a time.
	transferBytes = 64 << 10
	// mediaMaxAge is how long a caller's browser may keep a file: it never
	// changes, but its conversation may be erased.
	mediaMaxAge = 24 * time.Hour
	// mediaRetry is when a file that is being downloaded may be there.
	mediaRetry = 5 * time.Second
)

// transfer serves one path of files as connect serves a procedure: the same
// gate before anything of the body is read, the same limits, the same errors in
// the same JSON, the same counts.
func (s *Server) transfer(procedure string, serve func(*mediaTransfer) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		t := &mediaTransfer{server: s, w: w, r: r, start: start, procedure: procedure}
		err := t.admit()
		if err == nil {
			err = t.serve(serve)
		}
		ctx := t.r.Context()
		answered := answering{s}.answer(ctx, procedure, err)
		s.metrics.duration.WithLabelValues(procedure).Observe(time.Since(start).Seconds())
		switch {
		case answered == nil:
		case t.answered:
			panic(http.ErrAbortHandler) // the caller must not take it for the whole
		default:
			t.refuse(answered)
		}
	})
}

// mediaTransfer is one file on its way. Its goroutine owns it.
type mediaTransfer struct {
	server    *Server
	w         http.ResponseWriter
	r         *http.Request
	call      *call
	start     time.Time
	procedure string
	// answered: the status is sent, so that no error can be told any more.
	answered bool
}

func (t *mediaTransfer) admit() error {
	c, ok := callOf(t.r.Context())
	if !ok {
		return errors.New("transfer file: the call did not come through Server.Handler")
	}
	t.call = c
	who, err := t.server.admit(t.r.Context(), t.server.options.Tokens.table(), t.procedure, t.r.Header)
	if err != nil {
		return err
	}
	t.r = t.r.WithContext(context.WithValue(t.r.Context(), callerKey{}, who))
	return nil
}

// serve holds a transfer to the limits of streams: it may last as long.
func (t *mediaTransfer) serve(serve func(*mediaTransfer) error) (err error) {
	who := callerOf(t.r.Context()).Principal
	if !t.server.streams.acquire(who) {
		return tooManyStreams()
	}
	defer t.server.streams.release(who)
	t.call.leave()
	t.server.metrics.streamsOpen.WithLabelValues(t.procedure).Inc()
	defer t.server.metrics.streamsOpen.WithLabelValues(t.procedure).Dec()
	defer func() { err = recovered(recover(), err) }()
	return serve(t)
}

// refuse tells of err as connect does.
func (t *mediaTransfer) refuse(err error) {
	header := t.w.Header()
	for _, name := range []string{"Etag", "Content-Disposition"} {
		header.Del(name)
	}
	header.Set("Cache-Control", "no-store")
	if connect.CodeOf(err) == connect.CodeUnavailable {
		header.Set("Retry-After", strconv.Itoa(int(mediaRetry.Seconds())))
	}
	// A caller that is gone is not told, which is nobody's fault here.
	if writeErr := errorWriter.Write(t.w, t.r, err); writeErr != nil {
		t.server.log.DebugContext(t.r.Context(), "a refusal was not read", "procedure", t.procedure, "error", writeErr)
	}
}

var errorWriter = connect.NewErrorWriter()

// progress gives what is read or written next its time.
func (t *mediaTransfer) progress() error {
	left := time.Until(t.start.Add(transferTimeout))
	if left <= 0 {
		return fmt.Errorf("transfer file: %w", context.DeadlineExceeded)
	}
	return t.call.limit(min(left, transferPause), t.r.ProtoMajor)
}

// Read reads the request's body, of which no pause may be too long.
func (t *mediaTransfer) Read(p []byte) (int, error) {
	if err := t.progress(); err != nil {
		return 0, err
	}
	n, err := t.r.Body.Read(p[:min(len(p), transferBytes)])
	t.count(n)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, &callerError{err}
	}
	return n, err
}

// Write writes the answer's body, of which no pause may be too long.
func (t *mediaTransfer) Write(p []byte) (int, error) {
	if err := t.progress(); err != nil {
		return 0, err
	}
	t.answered = true
	n, err := t.w.Write(p)
	t.count(n)
	if err != nil {
		return n, &callerError{err}
	}
	return n, nil
}

func (t *mediaTransfer) count(n int) {
	t.server.metrics.mediaBytes.WithLabelValues(t.procedure).Add(float64(n))
}

// callerError is that the caller went away or stood still: nobody's fault here,
// and to be told apart from the failure of a disk.
type callerError struct{ err error }

func (e *callerError) Error() string { return "caller is gone: " + e.err.Error() }

func (e *callerError) Unwrap() []error { return []error{e.err, context.Canceled} }

// sendMedia answers with the file of a message.
func (s *Server) sendMedia(t *mediaTransfer) error {
	blob, media, err := s.mediaOfMessage(t.r.Context(), t.r.PathValue("message_id"))
	if err != nil {
		return err
	}
	file, bytes, err := s.options.Media.Open(blob.conversation, blob.id)
	if err != nil {
		return fmt.Errorf("open file: %w", err)
	}
	err = t.send(file, bytes, blob.id, media)
	return errors.Join(err, file.Close())
}

func (t *mediaTransfer) send(file io.Reader, bytes int64, blob engine.BlobID, media *engine.Media) error {
	header := t.w.Header()
	etag := `"` + string(blob) + `"`
	header.Set("Etag", etag)
	header.Set("Cache-Control", fmt.Sprintf("private, max-age=%d, immutable", int(mediaMaxAge.Seconds())))
	header.Set("Vary", "Authorization, Cookie")
	if t.r.Header.Get("If-None-Match") == etag {
		t.answered = true
		t.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	// It is what a stranger sent: no browser may show it as a page of ours.
	header.Set("Content-Disposition", disposition(media.Filename))
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Content-Type", servedType(media.MIME))
	header.Set("Content-Length", strconv.FormatInt(bytes, 10))
	if t.r.Method == http.MethodHead {
		t.answered = true
		t.w.WriteHeader(http.StatusOK)
		return nil
	}
	// Exactly as much as was promised: a file that is cut short is an error.
	sent, err := io.CopyBuffer(onlyWriter{t}, io.LimitReader(file, bytes), make([]byte, transferBytes))
	if err == nil && sent < bytes {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("send file: %w", err)
	}
	return nil
}

// onlyWriter hides everything of a writer but that it is one.
type onlyWriter struct{ io.Writer }

func disposition(filename string) string {
	if filename == "" {
		return "attachment"
	}
	if d := mime.FormatMediaType("attachment", map[string]string{"filename": filename}); d != "" {
		return d
	}
	return "attachment"
}

// servedType is a type that WhatsApp takes; of all others a browser is told
// nothing that it could act on.
func servedType(contentType string) string {
	if written, _, ok := mediaTypeOf(contentType); ok {
		return written
	}
	return "application/octet-stream"
}

// storedBlob is a file in the folder of its conversation.
type storedBlob struct {
	conversation engine.ConversationID
	id           engine.BlobID
}

// mediaOfMessage finds the file of a message that the caller may know of.
func (s *Server) mediaOfMessage(ctx context.Context, message string) (storedBlob, *engine.Media, error) {
	id, err := engine.ParseMessageID(message)
	if err != nil {
		return storedBlob{}, nil, invalid("message_id", "must be the id of a message")
	}
	if _, err := s.visibleCard(ctx, id.Conversation); err != nil {
		return storedBlob{}, nil, err
	}
	m, err := s.options.Conversations.Message(id)
	if err != nil {
		return storedBlob{}, nil, fmt.Errorf("read message: %w", err)
	}
	media := fileOf(m.Event.Body)
	if media == nil || m.Amended.RevokedAt != 0 {
		return storedBlob{}, nil, noMedia.error(nil)
	}
	blob := storedBlob{id.Conversation, media.Blob}
	switch m.Media.State {
	case 0: // one of ours
	case engine.MediaStored:
		blob.id = m.Media.Blob
	case engine.MediaPending:
		return blob, nil, mediaPending.error(nil)
	case engine.MediaExpired:
		return blob, nil, mediaExpired.error(nil)
	default:
		return blob, nil, mediaFailed.error(nil)
	}
	if blob.id == "" {
		return blob, nil, noMedia.error(nil)
	}
	return blob, media, nil
}

var (
	noMedia      = answer{connect.CodeNotFound, "NOT_FOUND", "the message has no file here", 0}
	mediaPending = answer{connect.CodeUnavailable, "MEDIA_PENDING", "the file is being downloaded", mediaRetry}
	mediaFailed  = answer{connect.CodeNotFound, "MEDIA_FAILED", "the file could not be had", 0}
	mediaExpired = answer{connect.CodeNotFound, "MEDIA_EXPIRED", "the file could not be had while WhatsApp kept it", 0}
)

// fileOf is the file that a message carries; nil: none.
func fileOf(body engine.Body) *engine.Media {
	var c engine.Content
	switch b := body.(type) {
	case engine.MessageReceived:
		c = b.Content
	case engine.MessageQueued:
		c = b.Content
	case engine.EchoReceived:
		c = b.Content
	}
	if !c.Kind.IsMedia() {
		return nil
	}
	return c.Media
}

// receiveMedia keeps a file that is to be sent.
func (s *Server) receiveMedia(t *mediaTransfer) error {
	id, err := conversationID(t.r.PathValue("conversation_id"))
	if err != nil {
		return err
	}
	if _, err := s.visibleCard(t.r.Context(), id); err != nil {
		return err
	}
	contentType, kind, ok := mediaTypeOf(t.r.Header.Get("Content-Type"))
	if !ok {
		return invalid("content_type", "must be a type that WhatsApp takes")
	}
	limit := kind.MaxFileBytes()
	if t.r.ContentLength > limit {
		return tooLarge(limit)
	}
	limited := &limitedReader{from: t, limit: limit, tooLarge: tooLarge(limit)}
	blob, bytes, err := s.options.Media.Put(id, limited, limit, "")
	if err != nil {
		return fmt.Errorf("keep file: %w", err)
	}
	if err := s.keepNoneOfErased(t.r.Context(), id); err != nil {
		return err
	}
	return t.answer(uploaded{BlobID: blob, MIMEType: contentType, Bytes: bytes})
}

// keepNoneOfErased asks again whether a conversation is there: its files may have
// been removed just before another one came.
func (s *Server) keepNoneOfErased(ctx context.Context, id engine.ConversationID) error {
	_, err := s.visibleCard(ctx, id)
	if engine.CodeOf(err) != engine.CodeNotFound {
		return err
	}
	if removed := s.options.Media.Remove(id); removed != nil {
		return fmt.Errorf("remove file of an erased conversation: %w", removed)
	}
	return err
}

func tooLarge(limit int64) error {
	return invalid("body", fmt.Sprintf("must have at most %d bytes", limit))
}

// limitedReader fails where io.LimitReader would end, so that nobody takes a
// part for the whole, and fails over nothing at all.
type limitedReader struct {
	from     io.Reader
	read     int64
	limit    int64
	tooLarge error
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	l.read += int64(n)
	switch {
	case l.read > l.limit:
		return 0, l.tooLarge
	case l.read == 0 && errors.Is(err, io.EOF):
		return 0, invalid("body", "must not be empty")
	}
	return n, err
}

// uploaded is the answer to an upload.
type uploaded struct {
	BlobID   engine.BlobID `json:"blob_id"`
	MIMEType string        `json:"mime_type"`
	Bytes    int64         `json:"bytes"`
}

func (t *mediaTransfer) answer(u uploaded) error {
	body, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	if err := t.progress(); err != nil {
		return err
	}
	t.w.Header().Set("Content-Type", "application/json")
	t.answered = true
	if _, err := t.w.Write(body); err != nil {
		return &callerError{err}
	}
	return nil
}
