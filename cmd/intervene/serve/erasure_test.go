package serve_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// traces are what a person leaves, each unlike anything that others say.
var traces = []string{
	"16505557318", "Nora Zephyrine", "my parcel came wet", "a wet parcel", "wet as can be", "PNG of a parcel",
	"We are so sorry", "PDF of a refund", "refund-7318.pdf", "she was angry", "🐙",
}

// TestErasure: an erased contact leaves no byte in the data directory, and
// whoever writes under the number is somebody new.
func TestErasure(t *testing.T) {
	w := newWorld(t)
	nora := customer("16505557318")
	nora.Name = "Nora Zephyrine"
	conversation := w.leaveTraces(nora)
	other, _ := w.chat("16505550120")

	// What stands in the log alone goes into tables, too.
	w.stop()
	w.start()
	var before directory
	w.until("tables to be there", func() (ok bool) {
		before, ok = bytesBelow(w.config.DataDir)
		return ok
	})
	for _, trace := range traces {
		if !before.hold(trace, "") {
			t.Errorf("before: got no file that holds %q, want one", trace)
		}
	}
	if !before.hold("my parcel came wet", ".sst") || !before.hold("16505557318", ".sst") {
		t.Error("before: got no table that holds the text and the number, want one")
	}

	if _, err := w.as("sue").EraseContact(t.Context(), erase(conversation)); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("EraseContact by a supervisor: got %v, want permission denied", err)
	}
	if _, err := w.as("adam").EraseContact(t.Context(), erase(conversation)); err != nil {
		t.Fatalf("EraseContact: %v", err)
	}
	if _, err := w.as("asha").ListMessages(t.Context(), &intervenev1.ListMessagesRequest{ConversationId: conversation}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("ListMessages of the erased: got %v, want not found", err)
	}
	w.until("the last byte to go", func() bool {
		now, ok := bytesBelow(w.config.DataDir)
		return ok && len(now.traces()) == 0
	})
	w.stop()
	if after, ok := bytesBelow(w.config.DataDir); !ok || len(after.traces()) > 0 || !after.hold("16505550120", "") {
		t.Errorf("after: got %q (all read: %v), want none of it, and still the other's number", after.traces(), ok)
	}
	wantTombstone(t, w.config.DataDir, conversation)

	w.start()
	w.writes("16505557318", standin.Message{Text: "Hello"})
	if got := w.card("16505557318"); got.GetConversationId() == conversation || got.GetContact().GetName() != "Nora" {
		t.Errorf("written anew: got %v, want another conversation", got)
	}
	if got := w.card("16505550120").GetConversationId(); got != other {
		t.Errorf("the other: got conversation %s, want %s", got, other)
	}
}

func erase(conversation string) *intervenev1.EraseContactRequest {
	return &intervenev1.EraseContactRequest{ConversationId: conversation, CommandId: uuid.NewString()}
}

// leaveTraces chats with a customer about all that can be chatted about.
func (w *world) leaveTraces(c standin.Customer) (conversation string) {
	w.t.Helper()
	says := func(m standin.Message) standin.WAMID {
		wamid, err := w.meta.Write(w.t.Context(), c, m, time.Time{})
		if err != nil {
			w.t.Fatalf("write: %v", err)
		}
		return wamid
	}
	first := says(standin.Message{Text: "my parcel came wet"})
	conversation = w.card(c.WAID.String()).GetConversationId()
	w.intervene(conversation)
	says(standin.Message{Media: &standin.Media{Kind: "image", MIMEType: "image/png", Data: []byte("PNG of a parcel"), Caption: "a wet parcel"}})
	w.message(conversation, "the picture", func(m *intervenev1.Message) bool {
		return m.GetMedia().GetState() == intervenev1.MediaState_MEDIA_STATE_STORED
	})
	says(standin.Message{Edit: &standin.Edit{To: first, Text: "wet as can be"}})
	blob := w.upload(conversation, "application/pdf", []byte("PDF of a refund"))
	w.says(conversation, file("document", &intervenev1.Media{
		Source: &intervenev1.Media_BlobId{BlobId: blob}, MimeType: "application/pdf", Filename: "refund-7318.pdf",
	}))
	sorry := w.becomes(w.says(conversation, text("We are so sorry")), intervenev1.Delivery_DELIVERY_DELIVERED)
	says(standin.Message{Reaction: &standin.Reaction{To: w.delivery(sorry).WAMID, Emoji: "🐙"}})
	w.message(conversation, "the reaction", func(m *intervenev1.Message) bool { return m.GetReaction() == "🐙" })
	w.message(conversation, "the edit", func(m *intervenev1.Message) bool { return m.GetEdit() != nil })
	if _, err := w.as("asha").AddNote(w.t.Context(), &intervenev1.AddNoteRequest{
		ConversationId: conversation, CommandId: uuid.NewString(), Body: "she was angry",
	}); err != nil {
		w.t.Fatalf("AddNote: %v", err)
	}
	return conversation
}

// directory is every byte below a directory, by the name of its file. Of tables
// it has what they hold as well, so that no compression hides anything.
type directory map[string][]byte

// bytesBelow reads it all, unless a file goes away or a table is being written.
func bytesBelow(root string) (all directory, ok bool) {
	all = make(directory)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && strings.HasSuffix(path, ".sst") {
			var rows []byte
			rows, err = tableRows(path)
			data = append(data, rows...)
		}
		all[path] = append([]byte(path), data...)
		return err
	})
	return all, err == nil
}

// tableRows are the keys and values of one of Pebble's tables.
func tableRows(path string) (rows []byte, err error) {
	file, err := vfs.Default.Open(path)
	if err != nil {
		return nil, err
	}
	readable, err := sstable.NewSimpleReadable(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	reader, err := sstable.NewReader(context.Background(), readable, sstable.ReaderOptions{})
	if err != nil {
		return nil, errors.Join(err, readable.Close())
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	iter, err := reader.NewIter(sstable.NoTransforms, nil, nil, sstable.AssertNoBlobHandles)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	for kv := iter.First(); kv != nil; kv = iter.Next() {
		value, _, err := kv.Value(nil)
		if err != nil {
			return nil, err
		}
		rows = append(append(append(rows, kv.K.UserKey...), value...), '\n')
	}
	return rows, nil
}

func (d directory) hold(text, suffix string) bool {
	for path, data := range d {
		if strings.HasSuffix(path, suffix) && bytes.Contains(data, []byte(text)) {
			return true
		}
	}
	return false
}

// traces are those that are there, with the file.
func (d directory) traces() (found []string) {
	for path, data := range d {
		for _, trace := range traces {
			if bytes.Contains(data, []byte(trace)) {
				found = append(found, filepath.Base(path)+" holds "+trace)
			}
		}
	}
	slices.Sort(found)
	return found
}

// wantTombstone: the history says that there was a conversation, who erased it,
// and nothing else.
func wantTombstone(t *testing.T, dir, conversation string) {
	t.Helper()
	id, err := engine.ParseConversationID(conversation)
	if err != nil {
		t.Fatalf("conversation: %v", err)
	}
	var dump bytes.Buffer
	if err := journal.Dump(dir, nil, id, &dump); err != nil {
		t.Fatalf("dump: %v", err)
	}
	if got := dump.String(); !strings.Contains(got, "adam") || strings.Count(got, "\n") != 1 {
		t.Errorf("dump: got %s, want one event, by adam", got)
	}
	report, err := journal.Verify(dir, nil)
	if err != nil || !report.OK() {
		t.Errorf("verify: got %+v (error %v), want clean", report.Findings, err)
	}
}
