package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"
)

func TestWebhook(t *testing.T) {
	s := &site{secret: "s", address: "127.0.0.1:1"}
	made, err := s.webhook(&workspace{number: "10000"}, []said{
		{customer: "1555", name: "Nora", text: "Hello", at: time.Unix(7, 0)}, {customer: "1556", name: "Ben", text: "Hi", at: time.Unix(8, 0)},
	})
	if err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(made)))
	if err != nil {
		t.Fatalf("read: got error %v, want none", err)
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		t.Fatalf("read: got error %v, want none", err)
	}
	mac := hmac.New(sha256.New, []byte("s"))
	mac.Write(body)
	if got, want := request.Header.Get("X-Hub-Signature-256"), "sha256="+hex.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("got signature %q, want %q", got, want)
	}
	var content struct {
		Entry []struct {
			Changes []struct {
				Value struct {
					Messages []struct{ From, Timestamp string }
				}
			}
		}
	}
	if err := json.Unmarshal(body, &content); err != nil {
		t.Fatalf("got error %v of %s, want JSON", err, body)
	}
	messages := content.Entry[0].Changes[0].Value.Messages
	if len(messages) != 2 || messages[1].From != "1556" || messages[1].Timestamp != "8" {
		t.Errorf("got messages %v, want two, the second of 1556 at 8", messages)
	}
}

func TestParseWritten(t *testing.T) {
	got, err := parseWritten("rchar: 1\nwchar: 2\nwrite_bytes: 4096\ncancelled_write_bytes: 7\n")
	if got != 4096 || err != nil {
		t.Errorf("got %d, %v, want 4096", got, err)
	}
	for _, wrong := range []string{"wchar: 2\n", "write_bytes: many\n"} {
		if got, err := parseWritten(wrong); err == nil {
			t.Errorf("got %d of %q, want an error", got, wrong)
		}
	}
}
