package rpc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/intervenehq/intervene/engine"
)

// platform is what the edge asks and tells a customer's platform.
type platform struct {
	mu        sync.Mutex
	templates []engine.TemplateInfo
	err       error // of Templates
	asked     int   // how often Templates was called
	told      []toldReceipt
	hold      chan struct{} // MarkRead waits until it is closed; nil: it does not
}

type toldReceipt struct {
	channel  engine.ChannelID
	external string
	typing   bool
}

func newPlatform() *platform {
	return &platform{templates: []engine.TemplateInfo{
		{Name: "sale", Language: "en_US", Category: engine.Marketing, Status: "APPROVED"},
		{
			Name: "order_update", Language: "en_US", Category: engine.Utility, Status: "APPROVED", ParameterFormat: "NAMED",
			Parts: []engine.TemplatePart{
				{Type: "HEADER", Format: "TEXT", Text: "Your order"},
				{Type: "BUTTONS", Buttons: []engine.TemplateButton{{Type: "URL", Text: "Track", URL: "https://shop.test/{{1}}"}}},
			},
		},
		{Name: "order_update", Language: "de", Category: engine.Utility, Status: "PAUSED"},
	}}
}

func (p *platform) Templates(context.Context, engine.ChannelID) ([]engine.TemplateInfo, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	return p.templates, p.err
}

func (p *platform) MarkRead(ctx context.Context, channel engine.ChannelID, external string, typing bool) error {
	p.mu.Lock()
	p.told = append(p.told, toldReceipt{channel, external, typing})
	hold := p.hold
	p.mu.Unlock()
	if hold == nil {
		return nil
	}
	select {
	case <-hold:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *platform) receipts() []toldReceipt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.told)
}

// files keeps them in memory.
type files struct {
	mu   sync.Mutex
	kept map[engine.ConversationID]map[engine.BlobID][]byte
}

func newFiles() *files {
	return &files{kept: make(map[engine.ConversationID]map[engine.BlobID][]byte)}
}

func (f *files) Open(id engine.ConversationID, blob engine.BlobID) (io.ReadCloser, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	content, ok := f.kept[id][blob]
	if !ok {
		return nil, 0, &engine.Error{Code: engine.CodeNotFound}
	}
	return io.NopCloser(bytes.NewReader(content)), int64(len(content)), nil
}

func (f *files) Put(id engine.ConversationID, r io.Reader, limit int64, _ string) (engine.BlobID, int64, error) {
	content, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return "", 0, fmt.Errorf("read: %w", err)
	case int64(len(content)) > limit:
		return "", 0, &engine.Error{Code: engine.CodeInvalid}
	}
	sum := sha256.Sum256(content)
	blob := engine.BlobID(hex.EncodeToString(sum[:]))
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kept[id] == nil {
		f.kept[id] = make(map[engine.BlobID][]byte)
	}
	f.kept[id][blob] = content
	return blob, int64(len(content)), nil
}

func (f *files) Remove(id engine.ConversationID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.kept, id)
	return nil
}

// put keeps content of a test.
func (f *files) put(id engine.ConversationID, content string) engine.BlobID {
	blob, _, err := f.Put(id, bytes.NewReader([]byte(content)), int64(len(content)), "")
	if err != nil {
		panic(err)
	}
	return blob
}
