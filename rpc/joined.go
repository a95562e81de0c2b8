package rpc

import (
	"net/http"
	"sync"
)

// prefixBytes begin each message of a stream in all three protocols: its flags and length.
const prefixBytes = 5

// maxJoinBytes bounds the buffers that are kept.
const maxJoinBytes = 64 << 10

// joined writes a message's prefix and the message in one piece. Connect writes them
// one after the other, and the few bytes of the prefix, which net/http keeps, made it
// cut what follows into frames of 4 KB instead of 16.
type joined struct {
	http.ResponseWriter
	held   [prefixBytes]byte
	prefix bool // held has one that waits for its message
}

// joins are buffers for a prefix and its message.
var joins = sync.Pool{New: func() any { return new([]byte) }}

func (j *joined) Write(p []byte) (int, error) {
	if !j.prefix {
		if len(p) == prefixBytes {
			copy(j.held[:], p)
			j.prefix = true
			return len(p), nil
		}
		return j.ResponseWriter.Write(p)
	}
	j.prefix = false
	room, _ := joins.Get().(*[]byte)
	whole := append(append((*room)[:0], j.held[:]...), p...)
	n, err := j.ResponseWriter.Write(whole)
	// A write that failed may go on behind its back: net/http still has the bytes then,
	// which must not become another caller's.
	if *room = whole; err == nil && cap(whole) <= maxJoinBytes {
		joins.Put(room)
	}
	return max(0, n-prefixBytes), err
}

// end writes what was no prefix after all, as nothing followed on it.
func (j *joined) end() {
	if j.prefix {
		j.prefix = false
		_, _ = j.ResponseWriter.Write(j.held[:]) // it fails where nobody is left to read it
	}
}

// Flush sends what was written; a prefix alone goes with its message.
func (j *joined) Flush() {
	if f, ok := j.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap is how http.ResponseController finds the deadlines.
func (j *joined) Unwrap() http.ResponseWriter { return j.ResponseWriter }
