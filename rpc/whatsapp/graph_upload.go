package whatsapp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/intervenehq/intervene/engine"
)

const (
	// UploadTimeout bounds one upload, UploadWait what a send waits for it: the
	// send that finds its file still under way is put off and asks again.
	UploadTimeout = 10 * time.Minute
	UploadWait    = 10 * time.Second
	// MaxUploads are under way at once; others wait their turn.
	MaxUploads = 16
	// MaxKnownUploads bounds the uploads that are remembered, UploadRetention for
	// how long: Meta keeps a file for 30 days
	// (developers.facebook.com/docs/whatsapp/cloud-api/reference/media).
	MaxKnownUploads = 16_384
	UploadRetention = 29 * 24 * time.Hour
	// uploadPause is how soon a send asks again for a file that is under way.
	uploadPause = 2 * time.Second
)

// Files opens what was uploaded here, to be sent.
//
// Open answers an error of code NotFound for a file that is not there any more.
// It is called concurrently.
type Files interface {
	Open(conversation engine.ConversationID, blob engine.BlobID) (io.ReadCloser, error)
}

// uploads are the files that the Graph API was given. A file goes there once for
// each channel, however many sends want it, until it is forgotten.
type uploads struct {
	store  Files
	ctx    context.Context // ends what is under way
	cancel context.CancelFunc
	group  sync.WaitGroup
	slots  chan struct{}

	mu      sync.Mutex
	known   *simplelru.LRU[uploadKey, uploaded]
	running map[uploadKey]*upload
}

type uploadKey struct {
	channel      engine.ChannelID
	conversation engine.ConversationID
	blob         engine.BlobID
	mime         string
}

type uploaded struct {
	id string
	at time.Time
}

// upload is one that is under way; id and problem are set once done is closed.
type upload struct {
	done    chan struct{}
	id      string
	problem *unprepared
}

// unprepared says why a send cannot go because of its files.
type unprepared struct {
	pending bool        // they are under way
	gone    bool        // they are not there any more
	broken  error       // they cannot be read
	answer  graphAnswer // else what the Graph API made of them
}

func newUploads(store Files) (*uploads, error) {
	known, err := simplelru.NewLRU[uploadKey, uploaded](MaxKnownUploads, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &uploads{
		store: store, ctx: ctx, cancel: cancel, slots: make(chan struct{}, MaxUploads),
		known: known, running: make(map[uploadKey]*upload),
	}, nil
}

func (u *uploads) stop() {
	u.cancel()
	u.group.Wait()
}

// files are those of o's content, as the Graph API knows them.
func (g *Graph) files(ctx context.Context, channel graphChannel, o engine.Outbound) ([]graphFile, *unprepared) {
	var files []graphFile
	for _, media := range mediaOf(&o.Content) {
		if media.Blob == "" {
			files = append(files, graphFile{id: media.ID, link: media.Link})
			continue
		}
		id, problem := g.uploaded(ctx, channel, uploadKey{channel.id, o.ID.Conversation, media.Blob, media.MIME})
		if problem != nil {
			return nil, problem
		}
		files = append(files, graphFile{id: id})
	}
	return files, nil
}

// uploaded waits a little for the upload that key names, and begins it if there
// is none.
func (g *Graph) uploaded(ctx context.Context, channel graphChannel, key uploadKey) (string, *unprepared) {
	id, running := g.uploads.find(key, func(up *upload) {
		up.id, up.problem = g.upload(channel, key)
	})
	if running == nil {
		return id, nil
	}
	timer := time.NewTimer(UploadWait)
	defer timer.Stop()
	select {
	case <-running.done:
		return running.id, running.problem
	case <-timer.C:
	case <-ctx.Done():
	}
	return "", &unprepared{pending: true}
}

// find answers the ID of a known upload, or the one under way, which it begins
// with run when there is none.
func (u *uploads) find(key uploadKey, run func(*upload)) (string, *upload) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if known, ok := u.known.Get(key); ok && time.Since(known.at) < UploadRetention {
		return known.id, nil
	}
	if up, ok := u.running[key]; ok {
		return "", up
	}
	up := &upload{done: make(chan struct{})}
	u.running[key] = up
	u.group.Go(func() {
		u.inTurn(func() { run(up) }, up)
		u.finish(key, up)
	})
	return "", up
}

// inTurn runs an upload once there is room for it.
func (u *uploads) inTurn(run func(), up *upload) {
	select {
	case u.slots <- struct{}{}:
		defer func() { <-u.slots }()
		run()
	case <-u.ctx.Done():
		up.problem = &unprepared{pending: true}
	}
}

func (u *uploads) finish(key uploadKey, up *upload) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.running, key)
	if up.problem == nil {
		u.known.Add(key, uploaded{up.id, time.Now()})
	}
	close(up.done)
}

// forget makes the next send upload the files of o again.
func (u *uploads) forget(o *engine.Outbound) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, media := range mediaOf(&o.Content) {
		u.known.Remove(uploadKey{o.Channel, o.ID.Conversation, media.Blob, media.MIME})
	}
}

// upload gives one file to the Graph API.
func (g *Graph) upload(channel graphChannel, key uploadKey) (string, *unprepared) {
	if g.uploads.store == nil {
		return "", &unprepared{gone: true}
	}
	file, err := g.uploads.store.Open(key.conversation, key.blob)
	if err != nil {
		if engine.CodeOf(err) == engine.CodeNotFound {
			return "", &unprepared{gone: true}
		}
		return "", &unprepared{broken: err}
	}
	start := time.Now()
	answer := g.postFile(channel, key, file)
	var named struct {
		ID lenientString `json:"id"`
	}
	if isSuccess(answer.status) && object(bytes.TrimSpace(answer.body), &named) && named.ID != "" {
		g.metrics.graphCall(operationUpload, answer, time.Since(start))
		return string(named.ID), nil
	}
	g.metrics.graphCall(operationUpload, answer, time.Since(start))
	if answer.failure != nil {
		g.logFailure(g.uploads.ctx, channel.id, "no answer from the Graph API to an upload", slog.Any("error", answer.failure))
	}
	return "", &unprepared{answer: answer}
}

// postFile closes file.
func (g *Graph) postFile(channel graphChannel, key uploadKey, file io.ReadCloser) graphAnswer {
	ctx, cancel := context.WithTimeout(g.uploads.ctx, UploadTimeout)
	defer cancel()
	reader, writer := io.Pipe()
	form := multipart.NewWriter(writer)
	var copying sync.WaitGroup
	copying.Go(func() {
		writer.CloseWithError(errors.Join(writeForm(form, key, file), file.Close()))
	})
	defer copying.Wait()
	defer reader.Close() // ends a copy that nobody reads any more
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, channel.mediaURL, reader)
	if err != nil {
		return graphAnswer{failure: fmt.Errorf("make the request: %w", withoutURL(err))}
	}
	request.Header.Set("Authorization", channel.authorization)
	request.Header.Set("Content-Type", form.FormDataContentType())
	request.Header.Set("Accept", contentJSON)
	response, err := g.client.Do(request)
	if err != nil {
		return graphAnswer{failure: withoutURL(err)}
	}
	return readAnswer(response)
}

func writeForm(form *multipart.Writer, key uploadKey, file io.Reader) error {
	for _, field := range [][2]string{{"messaging_product", "whatsapp"}, {"type", key.mime}} {
		if err := form.WriteField(field[0], field[1]); err != nil {
			return err
		}
	}
	part, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="file"; filename="file"`},
		"Content-Type":        {key.mime},
	})
	if err != nil {
		return err
	}
	if _, err := io.Copy(part, file); err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	return form.Close()
}

// unprepared is the outcome of an attempt whose files were not ready. Nothing
// of the message was sent.
func (g *Graph) unprepared(ctx context.Context, o engine.Outbound, problem *unprepared) (engine.AttemptResult, time.Duration) {
	switch {
	case problem.pending:
		return held(0), uploadPause
	case problem.gone:
		return engine.AttemptResult{State: engine.Rejected, Error: errorUploadFailed, Detail: "the file is not there any more"}, 0
	case problem.broken != nil:
		g.logFailure(ctx, o.Channel, "file to be sent cannot be read", slog.Any("error", problem.broken))
		return g.retry(o, graphAnswer{}, paceRetry)
	}
	answer := problem.answer
	answer.unsent = true
	if isSuccess(answer.status) { // taken, and not named
		return g.retry(o, answer, paceRetry)
	}
	return g.outcome(ctx, o, answer)
}

// errorUploadFailed is Meta's code for a file that cannot be had.
const errorUploadFailed = 131053
