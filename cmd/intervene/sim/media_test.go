package sim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/media"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// picture of so many bytes that nobody else has.
func pictureOf(size, n int, name string) []byte {
	return append(fmt.Appendf(nil, "%0*d", size, n), name...)
}

// show is a picture of an agent's. Its bytes are uploaded when the command is given.
func (a *agent) show(text string) engine.SendMessage {
	file := pictureOf(100+a.rng.IntN(2000), a.made, string(a.party.ID))
	sum := sha256.Sum256(file)
	blob := engine.BlobID(hex.EncodeToString(sum[:]))
	a.sim.ledger.uploads(blob, file)
	return engine.SendMessage{Content: engine.Content{
		Kind: engine.ContentImage, Text: text, Media: &engine.Media{MIME: "image/jpeg", Blob: blob},
	}}
}

func (l *ledger) uploads(blob engine.BlobID, file []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.uploaded[blob] = file
}

// upload brings the file of what is to be sent to the engine, as the edge does.
func (w *world) upload(ctx context.Context, o *op) error {
	say, ok := o.body.(engine.SendMessage)
	if !ok || say.Content.Media == nil {
		return nil
	}
	l := w.sim.ledger
	l.mu.Lock()
	file := l.uploaded[say.Content.Media.Blob]
	l.mu.Unlock()
	if err := w.visible(o.conversation); err != nil {
		return err
	}
	blob, _, err := w.files.Put(o.conversation, bytes.NewReader(file), say.Content.Kind.MaxFileBytes(), "")
	if err == nil && blob != say.Content.Media.Blob {
		l.violate("media: what was uploaded to %s is named otherwise than its hash", o.conversation)
	}
	if err == nil {
		err = w.visible(o.conversation)
	}
	if engine.CodeOf(err) == engine.CodeNotFound { // it was erased meanwhile
		if removed := w.files.Remove(o.conversation); removed != nil {
			return removed
		}
	}
	if err == nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// visible reports whether a conversation is there and was not erased.
func (w *world) visible(id engine.ConversationID) error {
	card, err := w.journal.Card(id)
	if err == nil && card.Column == 0 {
		return &engine.Error{Code: engine.CodeNotFound}
	}
	return err
}

// uploads opens what was uploaded, as serve does.
type uploads struct{ files *media.Store }

func (u uploads) Open(id engine.ConversationID, blob engine.BlobID) (io.ReadCloser, error) {
	file, _, err := u.files.Open(id, blob)
	return file, err
}

func isUpload(request *http.Request) bool { return strings.HasSuffix(request.URL.Path, "/media") }

// bring carries a file to the platform.
func (g *graphWire) bring(request *http.Request) (*http.Response, error) {
	s := g.world.sim
	if s.chance("bring", s.plan.wire.refused) {
		return nil, errRefused
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	response, err := g.ask(request, body)
	if err != nil || !g.world.alive(func() {}) || s.chance("brought", s.plan.wire.lost) {
		return nil, errReset
	}
	return response, nil
}

// forget has the platform lose the file of a picture that was just sent.
func (c *customer) forget(sum string) {
	for _, file := range c.sim.meta.MediaFiles() {
		if file.Received && file.SHA256 == sum && c.sim.meta.DeleteMedia(file.ID) {
			c.sim.ledger.mu.Lock()
			c.sim.ledger.deleted[sum] = true
			c.sim.ledger.mu.Unlock()
		}
	}
}

// carries: the file of a send is the one that was uploaded. The ledger is held.
func (s *sim) carries(send *sending, d *standin.Delivery) bool {
	if send.content.Media == nil {
		return true
	}
	return d.MediaHash == string(send.content.Media.Blob)
}

// keeps: the file of a send is still here, until its conversation is erased or it
// is older than the workspace keeps it. The ledger is held.
func (c *chronicle) keeps(w *world, send *sending) {
	if send.content.Media == nil || send.content.Media.Blob == "" {
		return
	}
	if retention := c.plan.policies[c.workspace].Retention; retention > 0 && engine.InstantOf(time.Now()).Sub(send.at) >= retention {
		return
	}
	file, _, err := w.files.Open(c.id, send.content.Media.Blob)
	if err != nil {
		c.wrong("media", "the file of send %d cannot be opened: %v", send.version, err)
		return
	}
	content, err := io.ReadAll(file)
	if closed := file.Close(); err != nil || closed != nil || sumOf(content) != string(send.content.Media.Blob) {
		c.wrong("media", "the file of send %d is another one (error %v)", send.version, err)
	}
}
