package whatsapp

import (
	"bytes"
	"errors"
	"sync/atomic"
)

var errSealed = errors.New("request was given up before it was written")

// onceBody is a request's body that goes out at most once, and knows whether
// any of it can have gone out.
//
// Meta acts on a whole body only. So as long as the transport has not begun to
// read it, the request has had no effect, whatever became of the connection,
// the headers or TLS. httptrace cannot say as much: it reports a request as
// written while all of it still stands in a buffer.
//
// It is of no type that http.NewRequest knows, so that Request.GetBody stays
// nil: with GetBody the transport would write a request again, by itself, when
// a reused connection breaks under it.
type onceBody struct {
	state   atomic.Int32
	content *bytes.Reader
}

const (
	bodyUntouched int32 = iota
	bodyRead
	bodySealed
)

func newOnceBody(content []byte) *onceBody {
	return &onceBody{content: bytes.NewReader(content)}
}

func (b *onceBody) Read(p []byte) (int, error) {
	if !b.state.CompareAndSwap(bodyUntouched, bodyRead) && b.state.Load() == bodySealed {
		return 0, errSealed
	}
	return b.content.Read(p)
}

func (b *onceBody) Close() error { return nil }

// seal reports whether nothing of b was ever read, and sees to it that nothing
// will be: the transport may still hold it after a round trip that failed.
func (b *onceBody) seal() bool {
	return b.state.CompareAndSwap(bodyUntouched, bodySealed) || b.state.Load() == bodySealed
}
