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
