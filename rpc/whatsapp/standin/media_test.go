package standin_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// form writes an upload; empty fields are left out.
func form(t *testing.T, product, kind, mimeType string, data []byte) (contentType string, body []byte) {
	t.Helper()
	var buffer bytes.Buffer
	writer := multipart.NewWriter(&buffer)
	for name, value := range map[string]string{"messaging_product": product, "type": kind} {
		if value != "" {
			if err := writer.WriteField(name, value); err != nil {
				t.Fatalf("write form: got %v, want no error", err)
			}
		}
	}
	if data != nil {
		header := textproto.MIMEHeader{}
		header.Set("Content-Disposition", `form-data; name="file"; filename="photo.png"`)
		if mimeType != "" {
			header.Set("Content-Type", mimeType)
		}
		part, err := writer.CreatePart(header)
		if err != nil {
			t.Fatalf("write form: got %v, want no error", err)
		}
		if _, err := part.Write(data); err != nil {
			t.Fatalf("write form: got %v, want no error", err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatalf("write form: got %v, want no error", err)
	}
	return writer.FormDataContentType(), buffer.Bytes()
}

// exchange is one request with any body; an answer lost is an error.
func exchange(t *testing.T, g *standin.Graph, method, path, bearer, contentType string, body []byte) (*http.Response, []byte, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, bytes.NewReader(body))
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	r.Header.Set("Content-Type", contentType)
	response, err := inMemory{g.Handler()}.RoundTrip(r)
	if err != nil {
		return nil, nil, err
	}
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("read answer: got %v, want no error", err)
	}
	return response, answer, nil
}

func upload(t *testing.T, g *standin.Graph, mimeType string, data []byte) standin.MediaID {
	t.Helper()
	contentType, body := form(t, "whatsapp", mimeType, mimeType, data)
	_, answer, err := exchange(t, g, http.MethodPost, "/v25.0/101/media", token, contentType, body)
	var uploaded struct{ ID standin.MediaID }
	if err != nil || json.Unmarshal(answer, &uploaded) != nil || uploaded.ID == "" {
		t.Fatalf("upload: got %s and %v, want an ID", answer, err)
	}
	return uploaded.ID
}

type mediaAnswer struct {
	URL      string
	MIMEType string `json:"mime_type"`
	SHA256   string
	FileSize int `json:"file_size"`
	ID       standin.MediaID
}

// resolve asks where media is, and answers the path to download it from.
func resolve(t *testing.T, g *standin.Graph, id standin.MediaID) (mediaAnswer, string) {
	t.Helper()
	_, answer, err := exchange(t, g, http.MethodGet, "/v25.0/"+id.String(), token, "", nil)
	var media mediaAnswer
	if err != nil || json.Unmarshal(answer, &media) != nil || media.URL == "" {
		t.Fatalf("GET media: got %s and %v, want a URL", answer, err)
	}
	return media, pathOf(t, media.URL)
}

func pathOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("parse %s: got %v, want no error", address, err)
	}
	return u.RequestURI()
}

func download(t *testing.T, g *standin.Graph, path, bearer string) (int, string) {
	t.Helper()
	response, answer, err := exchange(t, g, http.MethodGet, path, bearer, "", nil)
	if err != nil {
		t.Fatalf("download: got %v, want an answer", err)
	}
	return response.StatusCode, string(answer)
}

func TestUploadAndDownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, newConfig(), &receiver{})
		data := []byte("as good as a picture")
		id := upload(t, g, "image/png", data)
		media, path := resolve(t, g, id)
		sum := sha256.Sum256(data)
		if media.ID != id || media.MIMEType != "image/png" || media.FileSize != len(data) || media.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("media: got %+v, want what was uploaded", media)
		}
		if status, got := download(t, g, path, token); status != http.StatusOK || got != string(data) {
			t.Errorf("download: got %d %q, want 200 with the bytes", status, got)
		}
		for bearer, want := range map[string]int{"": 401, "stolen": 401, otherToken: 403} {
			if status, _ := download(t, g, path, bearer); status != want {
				t.Errorf("download with token %q: got %d, want %d", bearer, status, want)
			}
		}
		if status, _ := download(t, g, strings.Replace(path, "hash=", "hash=x", 1), token); status != http.StatusNotFound {
			t.Errorf("download of a made-up URL: got %d, want 404", status)
		}
		time.Sleep(5*time.Minute + time.Second)
		if status, _ := download(t, g, path, token); status != http.StatusNotFound {
			t.Errorf("download after five minutes: got %d, want 404", status)
		}
		_, again := resolve(t, g, id)
		if status, _ := download(t, g, again, token); status != http.StatusOK {
			t.Errorf("download once resolved again: got %d, want 200", status)
		}
		files := g.MediaFiles()
		if len(files) != 1 || files[0].ID != id || files[0].Downloads != 2 || files[0].Filename != "photo.png" || files[0].Received {
			t.Errorf("media files: got %+v, want one with 2 downloads", files)
		}
		if got, ok := g.MediaData(id); !ok || !bytes.Equal(got, data) {
			t.Errorf("MediaData: got %q %v, want the bytes", got, ok)
		}
		time.Sleep(30 * 24 * time.Hour)
		if got := request(t, g, http.MethodGet, "/v25.0/"+id.String(), token, ""); got.Error.Subcode != 33 {
			t.Errorf("after thirty days: got %s, want no such object", got.body)
		}
	})
}

func TestMediaOfAnotherBusiness(t *testing.T) {
	g := start(t, newConfig(), &receiver{})
	id := upload(t, g, "image/png", []byte("x"))
	for name, tc := range map[string]struct{ path, bearer string }{
		"other business":   {"/v25.0/" + id.String(), otherToken},
		"other number":     {"/v25.0/" + id.String() + "?phone_number_id=202", token},
		"media unknown":    {"/v25.0/17", token},
		"without a number": {"/latest/" + id.String(), token},
	} {
		if got := request(t, g, http.MethodGet, tc.path, tc.bearer, ""); got.Error.Code != 100 || got.Error.Subcode != 33 {
			t.Errorf("%s: got %s, want no such object", name, got.body)
		}
	}
}

func TestDeleteMedia(t *testing.T) {
	g := start(t, newConfig(), &receiver{})
	id := upload(t, g, "image/png", []byte("x"))
	_, path := resolve(t, g, id)
	if got := request(t, g, http.MethodDelete, "/v25.0/"+id.String(), token, ""); got.body != `{"success":true}` {
		t.Errorf("DELETE: got %s, want success", got.body)
	}
	if got := request(t, g, http.MethodDelete, "/v25.0/"+id.String(), token, ""); got.Error.Subcode != 33 {
		t.Errorf("DELETE again: got %s, want no such object", got.body)
	}
	if status, _ := download(t, g, path, token); status != http.StatusNotFound {
		t.Errorf("download: got %d, want 404", status)
	}
}

func TestUploadLimits(t *testing.T) {
	webp := func(size int, flags byte) []byte {
		data := make([]byte, size)
		copy(data, "RIFF....WEBPVP8X")
		data[20] = flags
		return data
	}
	const accepted = 0
	for name, tc := range map[string]struct {
		product, kind, mimeType string
		data                    []byte
		code                    int
	}{
		"static sticker at limit":   {"whatsapp", "image/webp", "image/webp", webp(100<<10, 0), accepted},
		"static sticker over limit": {"whatsapp", "image/webp", "image/webp", webp(100<<10+1, 0), 100},
		"moving sticker at limit":   {"whatsapp", "image/webp", "image/webp", webp(500<<10, 2), accepted},
		"moving sticker over limit": {"whatsapp", "image/webp", "image/webp", webp(500<<10+1, 2), 100},
		"type left out":             {"whatsapp", "", "image/png", []byte("x"), accepted},
		"type unknown":              {"whatsapp", "image/gif", "image/gif", []byte("x"), 100},
		"type with parameters":      {"whatsapp", "audio/ogg", "audio/ogg; codecs=opus", []byte("x"), 100},
		"file without a type":       {"whatsapp", "image/png", "", []byte("x"), 100},
		"product left out":          {"", "image/png", "image/png", []byte("x"), 100},
		"product other":             {"messenger", "image/png", "image/png", []byte("x"), 100},
		"file left out":             {"whatsapp", "image/png", "", nil, 100},
		"file empty":                {"whatsapp", "image/png", "image/png", []byte{}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, newConfig(), &receiver{})
			contentType, body := form(t, tc.product, tc.kind, tc.mimeType, tc.data)
			response, answer, err := exchange(t, g, http.MethodPost, "/v25.0/101/media", token, contentType, body)
			var got call
			if err != nil || json.Unmarshal(answer, &got) != nil {
				t.Fatalf("upload: got %s and %v, want JSON", answer, err)
			}
			if got.Error.Code != tc.code || (response.StatusCode == http.StatusOK) != (tc.code == accepted) {
				t.Errorf("got %d %s, want code %d", response.StatusCode, answer, tc.code)
			}
		})
	}
	g := start(t, newConfig(), &receiver{})
	if got := request(t, g, http.MethodPost, "/v25.0/101/media", token, "{}"); got.Error.Code != 100 {
		t.Errorf("no form: got %s, want code 100", got.body)
	}
	contentType, whole := form(t, "whatsapp", "image/png", "image/png", []byte("x"))
	response, answer, err := exchange(t, g, http.MethodPost, "/v25.0/101/media", token, contentType, whole[:len(whole)-10])
	if err != nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("half a form: got %s and %v, want 400", answer, err)
	}
}

func TestMediaStoreIsBounded(t *testing.T) {
	config := newConfig()
	config.MediaLimit = 10
	g := start(t, config, &receiver{})
	id := upload(t, g, "image/png", []byte("12345678"))
	contentType, body := form(t, "whatsapp", "image/png", "image/png", []byte("12345678"))
	if response, answer, err := exchange(t, g, http.MethodPost, "/v25.0/101/media", token, contentType, body); err != nil || response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("upload beyond the limit: got %s and %v, want 429", answer, err)
	}
	if !g.DeleteMedia(id) {
		t.Error("DeleteMedia: got false, want true")
	}
	if again := upload(t, g, "image/png", []byte("12345678")); again == id {
		t.Errorf("upload of the same bytes: got the ID of before, want another")
	}
}

func TestSendOfMedia(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		config := newConfig()
		config.CheckMedia = true
		g := start(t, config, r)
		data := []byte("as good as a picture")
		id := upload(t, g, "image/png", data)
		sum := sha256.Sum256(data)
		postSend(t, g, body(t, media("image", object{"id": id})))
		postSend(t, g, body(t, media("video", object{"id": id})))
		postSend(t, g, body(t, media("document", object{"id": id})))
		deliveries := g.Deliveries()
		if len(deliveries) != 3 {
			t.Fatalf("deliveries: got %d, want 3", len(deliveries))
		}
		for i, want := range []int{0, 131053, 0} {
			d := deliveries[i]
			if d.MediaID != id || d.MediaHash != hex.EncodeToString(sum[:]) || d.FailCode != want {
				t.Errorf("delivery as %s: got %+v, want the media's hash and fail code %d", d.Type, d, want)
			}
		}
		if got := postSend(t, g, body(t, media("image", object{"id": "17"}))); got.Error.Code != 100 ||
			!strings.Contains(got.Error.Message, "media attachment ID") {
			t.Errorf("unknown ID: got %s, want code 100", got.body)
		}
		time.Sleep(31 * 24 * time.Hour)
		if got := postSend(t, g, body(t, media("image", object{"id": id}))); got.Error.Code != 100 {
			t.Errorf("expired ID: got %s, want code 100", got.body)
		}
	})
}

func TestMediaFromACustomer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		config := newConfig()
		config.BaseURL = "http://graph.test"
		g := start(t, config, r)
		data := []byte("as good as a voice")
		customer := standin.Customer{PhoneNumberID: first, WAID: ada}
		_, err := g.Write(t.Context(), customer, standin.Message{Media: &standin.Media{
			Kind: "audio", MIMEType: "audio/ogg; codecs=opus", Data: data, Voice: true,
		}}, time.Time{})
		if err != nil {
			t.Fatalf("Write: got %v, want no error", err)
		}
		settle(t, g)
		var got struct {
			Type  string
			Audio struct {
				ID       standin.MediaID
				MIMEType string `json:"mime_type"`
				SHA256   string
				URL      string
				Voice    bool
			}
		}
		if err := json.Unmarshal(r.all()[0].envelope.Entry[0].Changes[0].Value.Messages[0], &got); err != nil {
			t.Fatalf("decode: got %v, want no error", err)
		}
		sum := sha256.Sum256(data)
		if got.Type != "audio" || got.Audio.MIMEType != "audio/ogg; codecs=opus" || !got.Audio.Voice ||
			got.Audio.SHA256 != base64.StdEncoding.EncodeToString(sum[:]) {
			t.Errorf("message: got %+v, want the voice message", got)
		}
		if status, answer := download(t, g, pathOf(t, got.Audio.URL), token); status != http.StatusOK || answer != string(data) {
			t.Errorf("download from the webhook's URL: got %d, want the bytes", status)
		}
		if _, path := resolve(t, g, got.Audio.ID); path == "" {
			t.Errorf("resolve: got no path, want one")
		}
		time.Sleep(7 * 24 * time.Hour)
		if got := request(t, g, http.MethodGet, "/v25.0/"+got.Audio.ID.String(), token, ""); got.Error.Subcode != 33 {
			t.Errorf("after seven days: got %s, want no such object", got.body)
		}
	})
}

func TestFaultsOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, newConfig(), &receiver{})
		id := upload(t, g, "image/png", []byte("as good as a picture"))
		_, path := resolve(t, g, id)
		rule := func(r standin.Rule) {
			r.Next = 1
			if _, err := g.AddFault(r); err != nil {
				t.Fatalf("AddFault: got %v, want no error", err)
			}
		}
		rule(standin.Rule{Call: standin.CallDownload, Fault: standin.FaultCorrupt})
		if status, got := download(t, g, path, token); status != http.StatusOK || got == "as good as a picture" || len(got) != 20 {
			t.Errorf("corrupt: got %d %q, want other bytes of the same length", status, got)
		}
		rule(standin.Rule{Call: standin.CallDownload, Fault: standin.FaultError, HTTPStatus: 404})
		if status, _ := download(t, g, path, token); status != http.StatusNotFound {
			t.Errorf("error of a download: got %d, want 404", status)
		}
		rule(standin.Rule{Call: standin.CallMedia, Fault: standin.FaultServerError})
		if got := request(t, g, http.MethodGet, "/v25.0/"+id.String(), token, ""); got.status != http.StatusServiceUnavailable {
			t.Errorf("server error of media: got %d, want 503", got.status)
		}
		rule(standin.Rule{Call: standin.CallTemplates, Fault: standin.FaultError, Code: 4, Subcode: 7, Details: "slower"})
		if got := request(t, g, http.MethodGet, "/v25.0/9001/message_templates", token, ""); got.Error.Code != 4 ||
			got.Error.Subcode != 7 || got.Error.ErrorData.Details != "slower" {
			t.Errorf("error of templates: got %s, want code 4, subcode 7 and details", got.body)
		}
		rule(standin.Rule{Call: standin.CallReceipt, Fault: standin.FaultResetBefore})
		if got := postSend(t, g, `{"messaging_product":"whatsapp","status":"read","message_id":"wamid.x"}`); got.err == nil || len(g.Receipts()) != 0 {
			t.Errorf("reset of a receipt: got %+v, want a broken connection and no receipt", got)
		}
		rule(standin.Rule{Call: standin.CallUpload, Fault: standin.FaultStall, Delay: time.Minute})
		began := time.Now()
		upload(t, g, "image/png", []byte("x"))
		if took := time.Since(began); took != time.Minute {
			t.Errorf("stall of an upload: got %v, want 1m", took)
		}
		if got := sendText(t, g, ada, "hi"); got.status != http.StatusOK {
			t.Errorf("send: got %d, want 200: no rule was for sends", got.status)
		}
		for _, bad := range []standin.Rule{
			{Call: "other", Fault: standin.FaultError},
			{Call: standin.CallUpload, Fault: standin.FaultResetAfter},
			{Call: standin.CallUpload, Fault: standin.FaultCorrupt},
			{Fault: standin.FaultCorrupt},
			{Call: standin.CallUpload, Fault: standin.FaultError, Type: "text"},
		} {
			bad.Always = true
			if _, err := g.AddFault(bad); err == nil {
				t.Errorf("AddFault(%+v): got no error, want ErrInvalid", bad)
			}
		}
	})
}

func TestBaseURL(t *testing.T) {
	g := start(t, newConfig(), &receiver{})
	id := upload(t, g, "image/png", []byte("x"))
	if media, _ := resolve(t, g, id); !strings.HasPrefix(media.URL, "http://example.com/") {
		t.Errorf("URL: got %s, want the host that was asked", media.URL)
	}
	if err := g.SetBaseURL("https://graph.test"); err != nil {
		t.Fatalf("SetBaseURL: got %v, want no error", err)
	}
	if media, _ := resolve(t, g, id); !strings.HasPrefix(media.URL, "https://graph.test/") {
		t.Errorf("URL: got %s, want the base URL", media.URL)
	}
	if err := g.SetBaseURL("graph.test"); !errors.Is(err, standin.ErrInvalid) {
		t.Errorf("SetBaseURL of no URL: got %v, want ErrInvalid", err)
	}
}

func TestMediaFromACustomerNeedsRoom(t *testing.T) {
	config := newConfig()
	config.MediaLimit = 1
	r := &receiver{}
	g := start(t, config, r)
	_, err := g.Write(t.Context(), standin.Customer{PhoneNumberID: first, WAID: ada}, standin.Message{
		Media: &standin.Media{Kind: "image", MIMEType: "image/png", Data: []byte("xx")},
	}, time.Time{})
	if !errors.Is(err, standin.ErrFull) {
		t.Errorf("Write: got %v, want ErrFull", err)
	}
	settle(t, g)
	if n := len(r.all()); n != 0 {
		t.Errorf("webhooks: got %d, want none", n)
	}
}

func TestSeedDecidesIDs(t *testing.T) {
	ids := func() (standin.MediaID, any) {
		g := start(t, templateConfig(), &receiver{})
		page := listTemplates(t, g, "/v25.0/9001/message_templates?limit=1")
		return upload(t, g, "image/png", []byte("x")), page.Data[0]["id"]
	}
	media, template := ids()
	mediaAgain, templateAgain := ids()
	if media != mediaAgain || template != templateAgain {
		t.Errorf("got %s and %s, %v and %v, want the same IDs from the same seed", media, mediaAgain, template, templateAgain)
	}
}
