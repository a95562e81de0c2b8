//go:build linux

package main

import (
	"bytes"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const clientPreface = http2.ClientPreface

// talker speaks HTTP/2 frame by frame, as nobody honest does.
type talker struct {
	*http2.Framer
	conn    net.Conn
	encoder *hpack.Encoder
	block   bytes.Buffer
	stream  uint32
}

// talk opens a connection. Unless deaf, what the engine says is read and thrown away.
func (v *target) talk(t *testing.T, deaf bool, settings ...http2.Setting) *talker {
	t.Helper()
	k, err := v.begin(t, deaf, settings...)
	if err != nil {
		t.Fatalf("begin HTTP/2: %v", err)
	}
	return k
}

// begin is talk for attackers: they run beside the test's goroutine, which alone
// may end it.
func (v *target) begin(t *testing.T, deaf bool, settings ...http2.Setting) (*talker, error) {
	c, err := v.connect(t)
	if err != nil {
		return nil, err
	}
	k := &talker{Framer: http2.NewFramer(c, c), conn: c, stream: 1}
	k.encoder = hpack.NewEncoder(&k.block)
	if _, err := io.WriteString(c, clientPreface); err != nil {
		return nil, err
	}
	if err := k.WriteSettings(settings...); err != nil {
		return nil, err
	}
	if !deaf {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(io.Discard, c)
		}()
		t.Cleanup(func() {
			_ = c.Close()
			<-done
		})
	}
	return k, nil
}

// headersOf is the block of a call with a token.
func (k *talker) headersOf(v *target, path, contentType, agent string) []byte {
	k.block.Reset()
	for _, field := range [][2]string{
		{":method", "POST"},
		{":scheme", "http"},
		{":authority", "engine"},
		{":path", path},
		{"content-type", contentType},
		{"authorization", "Bearer " + v.members[agent].token},
	} {
		_ = k.encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}) // into memory
	}
	return k.block.Bytes()
}

// call begins a call and sends all of its body.
func (k *talker) call(v *target, path, contentType, agent string, body []byte) error {
	err := k.WriteHeaders(http2.HeadersFrameParam{StreamID: k.stream, BlockFragment: k.headersOf(v, path, contentType, agent), EndHeaders: true})
	if err == nil {
		err = k.WriteData(k.stream, true, body)
	}
	k.stream += 2
	return err
}

// malformed sends what is no HTTP/2: the connection is closed, and that is all.
func (v *target) malformed(t *testing.T) {
	settings := "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	broken := map[string]string{
		"half a preface":               clientPreface[:10] + "\r\n\r\n",
		"garbage":                      clientPreface + strings.Repeat("\xff\x00\xaa", 1000),
		"no settings":                  clientPreface + "\x00\x00\x08\x06\x00\x00\x00\x00\x00ping-me!",
		"settings of another length":   clientPreface + "\x00\x00\x05\x04\x00\x00\x00\x00\x00abcde",
		"settings on a stream":         clientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x01",
		"settings with a large window": clientPreface + "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\xff\xff\xff\xff",
		"a frame of 16 MiB":            clientPreface + settings + "\xff\xff\xff\x00\x00\x00\x00\x00\x01",
		"data of no stream":            clientPreface + settings + "\x00\x00\x01\x00\x01\x00\x00\x00\x00x",
		"headers that cannot be read":  clientPreface + settings + "\x00\x00\x04\x01\x05\x00\x00\x00\x01\xff\xff\xff\xff",
		"an even stream":               clientPreface + settings + "\x00\x00\x01\x01\x05\x00\x00\x00\x02\x82",
		"a continuation of nothing":    clientPreface + settings + "\x00\x00\x01\x09\x04\x00\x00\x00\x01\x82",
		"a push":                       clientPreface + settings + "\x00\x00\x05\x05\x04\x00\x00\x00\x01\x00\x00\x00\x02\x82",
		"a window beyond all":          clientPreface + settings + "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\xff\xff",
		"a client hello of TLS":        "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + strings.Repeat("\x00", 200) + "\r\n\r\n",
	}
	names := slices.Sorted(maps.Keys(broken))
	each(8*v.scale*len(names), func(n int) {
		name := names[n%len(names)]
		c, err := v.connect(t)
		if err != nil {
			t.Errorf("%s: dial the engine: %v", name, err)
			return
		}
		_, _ = io.WriteString(c, broken[name]) // it may be cut off
		if _, err := io.Copy(io.Discard, c); isTimeout(err) {
			t.Errorf("%s: got a connection that stays open, want it closed", name)
		}
	})
	// A header that never ends is given up long before it is large.
	each(4*v.scale, func(int) {
		k, err := v.begin(t, false)
		if err != nil {
			t.Errorf("begin HTTP/2: %v", err)
			return
		}
		err = k.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: k.headersOf(v, listPath, "application/json", agentNames[3])})
		sent := 0
		for filler := bytes.Repeat([]byte{0x00, 0x01, 'x', 0x01, 'y'}, 3000); err == nil && sent < 64<<20; sent += len(filler) {
			err = k.WriteContinuation(1, false, filler)
		}
		if err == nil {
			t.Errorf("continuations: got %d bytes taken, want the connection closed", sent)
		}
	})
}

// rapidResets begins calls and resets each at once (CVE-2023-44487).
func (v *target) rapidResets(t *testing.T) {
	const resets = 5000
	each(4*v.scale, func(n int) {
		k, err := v.begin(t, false)
		if err != nil {
			t.Errorf("begin HTTP/2: %v", err)
			return
		}
		done := 0
		for ; err == nil && done < resets; done++ {
			stream := k.stream
			if err = k.call(v, listPath, "application/json", agentNames[n%len(agentNames)], []byte(`{"column":"COLUMN_ACTIVE"}`)); err == nil {
				err = k.WriteRSTStream(stream, http2.ErrCodeCancel)
			}
		}
		t.Logf("%d calls reset, then %v", done, err)
	})
}

// controlFrames sends settings and pings that want an answer, and reads none.
func (v *target) controlFrames(t *testing.T) {
	const frames = 100_000
	each(4*v.scale, func(n int) {
		k, err := v.begin(t, true)
		if err != nil {
			t.Errorf("begin HTTP/2: %v", err)
			return
		}
		sent := 0
		for ; err == nil && sent < frames; sent++ {
			if n%2 == 0 {
				err = k.WritePing(false, [8]byte{1})
			} else {
				err = k.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(sent)})
			}
		}
		t.Logf("%d frames, then %v", sent, err)
		_ = k.conn.Close()
	})
}

// closedWindows asks for answers and never lets them be sent.
func (v *target) closedWindows(t *testing.T) {
	var talkers []*talker
	for range 4 * v.scale {
		k := v.talk(t, false, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		for n := range 200 {
			if err := k.call(v, listPath, "application/json", agentNames[n%len(agentNames)], []byte(`{"column":"COLUMN_ACTIVE"}`)); err != nil {
				t.Fatalf("call %d: got error %v, want it taken", n, err)
			}
		}
		talkers = append(talkers, k)
	}
	v.honest.waitFor(t, 50)
	for _, k := range talkers {
		_ = k.conn.Close()
	}
}

const (
	watchPath = "/intervene.v1.LiveChatService/WatchBoard"
	// stallTimeout is how long the engine lets a frame wait for its reader.
	stallTimeout = 10 * time.Second
)

// stalledStreams watches boards and reads next to nothing of them, while they
// change. In a soak it waits until the engine has closed them all.
func (v *target) stalledStreams(t *testing.T) {
	const connections, each = 6, 12
	const closed = `intervene_rpc_streams_ended_total{procedure="` + watchPath + `",reason="stalled"}`
	request := []byte("\x00\x00\x00\x00\x02{}")
	var talkers []*talker
	before, began := v.metrics(t)[closed], time.Now()
	for n := range connections {
		k := v.talk(t, false, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
		for range each {
			if err := k.call(v, watchPath, "application/connect+json", agentNames[n%len(agentNames)], request); err != nil {
				t.Fatalf("watch: got error %v, want it taken", err)
			}
		}
		talkers = append(talkers, k)
	}
	tag := v.tagging(t)
	for n := 0; n < 100*v.scale || time.Since(began) < time.Second; n++ {
		tag()
	}
	if v.scale == 1 {
		if got := v.metrics(t)[`intervene_rpc_streams_open{procedure="`+watchPath+`"}`]; got == 0 {
			t.Error("streams: got none open, want those that are stalled")
		}
	} else {
		v.closesStalled(t, closed, before+connections*each, began)
	}
	for _, k := range talkers {
		_ = k.conn.Close()
	}
}

// closesStalled waits until the engine counts so many streams as closed because
// they were stalled, which must be neither sooner nor much later than its limit.
func (v *target) closesStalled(t *testing.T, counter string, want float64, began time.Time) {
	t.Helper()
	for v.metrics(t)[counter] < want {
		if time.Since(began) > stallTimeout+recoverTimeout {
			t.Fatalf("stalled streams: got %v closed after %s, want %v", v.metrics(t)[counter], time.Since(began), want)
		}
		rest(t.Context(), settlePause)
	}
	took := time.Since(began)
	t.Logf("stalled streams: all closed %s after they began", took.Round(time.Millisecond))
	if took < stallTimeout {
		t.Errorf("stalled streams: got the last closed after %s, want %s or more", took, stallTimeout)
	}
}
