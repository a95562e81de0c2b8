package serve_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"testing"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// pictureOf lets a customer send a picture, and waits for what became of its file.
func (w *world) pictureOf(conversation string, data []byte, waID standin.Identity, want intervenev1.MediaState) *intervenev1.Message {
	w.t.Helper()
	caption := "a picture of " + want.String() + " " + string(data[:3])
	w.writes(waID, standin.Message{Media: &standin.Media{Kind: "image", MIMEType: "image/png", Data: data, Caption: caption}})
	return w.message(conversation, want.String(), func(m *intervenev1.Message) bool {
		return m.GetContent().GetImage().GetCaption() == caption && m.GetMedia().GetState() == want
	})
}

// TestMedia: a file that a customer sends is downloaded behind the message's back
// and served to its workspace alone; one that is sent reaches the customer as it is.
func TestMedia(t *testing.T) {
	w := newWorld(t)
	conversation, _ := w.chat("16505550110")
	file := []byte("one " + strings.Repeat("picture ", 10_000))

	t.Run("comes", func(t *testing.T) {
		w.in(t)
		m := w.pictureOf(conversation, file, "16505550110", intervenev1.MediaState_MEDIA_STATE_STORED)
		if got := m.GetMedia().GetBytes(); got != int64(len(file)) {
			t.Errorf("size: got %d, want %d", got, len(file))
		}
		response, body := w.get("asha", "/v1/media/"+m.GetMessageId())
		if response.StatusCode != http.StatusOK || body != string(file) {
			t.Errorf("file: got %d and %d bytes, want 200 and the picture", response.StatusCode, len(body))
		}
		for header, want := range map[string]string{
			"Content-Type": "image/png", "Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "default-src 'none'; sandbox", "Vary": "Authorization, Cookie",
		} {
			if got := response.Header.Get(header); got != want {
				t.Errorf("%s: got %q, want %q", header, got, want)
			}
		}
		if response, body := w.get("zoe", "/v1/media/"+m.GetMessageId()); response.StatusCode != http.StatusNotFound || strings.Contains(body, "picture") {
			t.Errorf("another workspace: got %d %s, want 404", response.StatusCode, body)
		}
	})
	t.Run("comes corrupt", func(t *testing.T) {
		w.in(t)
		w.meets(standin.Rule{Name: "corrupt", Fault: standin.FaultCorrupt, Call: standin.CallDownload, Always: true})
		defer w.meta.RemoveFault("corrupt")
		m := w.pictureOf(conversation, slices.Concat([]byte("two "), file), "16505550110", intervenev1.MediaState_MEDIA_STATE_FAILED)
		if response, body := w.get("asha", "/v1/media/"+m.GetMessageId()); response.StatusCode != http.StatusNotFound || !strings.Contains(body, "MEDIA_FAILED") {
			t.Errorf("file: got %d %s, want 404 MEDIA_FAILED", response.StatusCode, body)
		}
	})
	t.Run("comes after its URL expired", func(t *testing.T) {
		w.in(t)
		w.meets(standin.Rule{Name: "expired", Fault: standin.FaultError, Code: 100, HTTPStatus: http.StatusNotFound, Call: standin.CallDownload, Next: 1})
		own := slices.Concat([]byte("three "), file)
		m := w.pictureOf(conversation, own, "16505550110", intervenev1.MediaState_MEDIA_STATE_STORED)
		if _, body := w.get("asha", "/v1/media/"+m.GetMessageId()); body != string(own) {
			t.Errorf("file: got %d bytes, want the picture", len(body))
		}
		for _, f := range w.meta.Faults() {
			if f.Injected != 1 {
				t.Errorf("fault: got it %d times, want once", f.Injected)
			}
		}
	})
	t.Run("is sent", func(t *testing.T) {
		w.in(t)
		own := slices.Concat([]byte("four "), file)
		blob := w.upload(conversation, "image/png", own)
		sent := w.says(conversation, picture(&intervenev1.Media{
			Source: &intervenev1.Media_BlobId{BlobId: blob}, MimeType: "image/png", Caption: "look",
		}))
		sum := sha256.Sum256(own)
		if got, want := w.delivery(sent).MediaHash, hex.EncodeToString(sum[:]); got != want {
			t.Errorf("delivered: got a file of hash %q, want %q", got, want)
		}
		if _, body := w.get("asha", "/v1/media/"+sent.GetMessageId()); body != string(own) {
			t.Errorf("own file: got %d bytes, want the picture", len(body))
		}
		if response, _ := w.do("zoe", http.MethodPost, "/v1/conversations/"+conversation+"/media", "image/png", own); response.StatusCode != http.StatusNotFound {
			t.Errorf("upload into another workspace: got %d, want 404", response.StatusCode)
		}
	})
}
