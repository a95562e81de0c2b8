package rpc

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pieces notes what is written, piece by piece.
type pieces struct {
	*httptest.ResponseRecorder
	written []string
}

func (p *pieces) Write(b []byte) (int, error) {
	p.written = append(p.written, string(b))
	return len(b), nil
}

func TestJoined(t *testing.T) {
	tests := []struct {
		name   string
		writes []string
		want   []string
	}{
		{"a prefix and its message", []string{"12345", "a message"}, []string{"12345a message"}},
		{"an empty message", []string{"12345", "", "12345", "next"}, []string{"12345", "12345next"}},
		{"a message as long as a prefix", []string{"12345", "hello"}, []string{"12345hello"}},
		{"no prefix", []string{"an answer", "of two"}, []string{"an answer", "of two"}},
		{"what was no prefix", []string{"error"}, []string{"error"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &pieces{ResponseRecorder: httptest.NewRecorder()}
			j := &joined{ResponseWriter: p}
			for _, w := range tt.writes {
				n, err := j.Write([]byte(w))
				if n != len(w) || err != nil {
					t.Errorf("Write(%q): got %d and error %v, want %d and none", w, n, err, len(w))
				}
				j.Flush()
			}
			j.end()
			if diff := cmp.Diff(tt.want, p.written); diff != "" {
				t.Errorf("got pieces with a difference (-want +got):\n%s", diff)
			}
			if err := http.NewResponseController(j).Flush(); err != nil || !p.Flushed {
				t.Errorf("flush: got error %v and flushed %t, want none and true", err, p.Flushed)
			}
		})
	}
}

// keeping holds on to what it was given, as net/http does with a stream that was closed.
type keeping struct {
	http.ResponseWriter
	kept []byte
}

func (k *keeping) Write(p []byte) (int, error) {
	k.kept = p
	return 0, http.ErrHandlerTimeout
}

// TestJoinedAfterFailure: what a write that failed may still be sending stays as it is.
func TestJoinedAfterFailure(t *testing.T) {
	f := &keeping{}
	write := func(to http.ResponseWriter, message string) error {
		j := &joined{ResponseWriter: to}
		_, err := j.Write([]byte("12345"))
		if err == nil {
			_, err = j.Write([]byte(message))
		}
		return err
	}
	if err := write(f, "of one"); err == nil {
		t.Fatal("got no error, want the writer's")
	}
	for range 100 {
		if err := write(httptest.NewRecorder(), "of two"); err != nil {
			t.Fatalf("got error %v, want none", err)
		}
	}
	if got, want := string(f.kept), "12345of one"; got != want {
		t.Errorf("got %q where a write failed, want %q", got, want)
	}
}
