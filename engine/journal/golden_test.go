package journal

import (
	"bufio"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/intervenehq/intervene/engine"
)

var rewriteGolden = flag.Bool("rewrite-golden", false, "write testdata/values.golden anew: only ever for a new record version")

const goldenFile = "testdata/values.golden"

// TestValuesKeepTheirBytes: what is on disks stays what is written. A value
// that changes needs a new record version.
func TestValuesKeepTheirBytes(t *testing.T) {
	got := goldenValues(t)
	if *rewriteGolden {
		if err := os.WriteFile(goldenFile, []byte(strings.Join(got, "")), 0o600); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	file, err := os.Open(goldenFile)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer func() {
		if err := file.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	lines := bufio.NewScanner(file)
	for _, want := range got {
		if !lines.Scan() {
			t.Fatalf("got %q, want no such value", strings.Fields(want)[0])
		}
		if line := lines.Text() + "\n"; line != want {
			t.Errorf("got  %swant %s", want, line)
		}
	}
	if lines.Scan() {
		t.Errorf("got no value, want %q", lines.Text())
	}
}

// goldenValues are the values of every sort, empty and with every field set, a
// line each.
func goldenValues(t *testing.T) []string {
	t.Helper()
	must := func(value []byte, err error) []byte {
		if err != nil {
			t.Fatalf("encode: got error %v, want none", err)
		}
		return value
	}
	var lines []string
	add := func(name string, value []byte) {
		lines = append(lines, fmt.Sprintf("%s %s\n", name, hex.EncodeToString(value)))
	}
	for _, zero := range bodies {
		e := engine.Event{Version: 1, Body: zero}
		add("event/"+zero.Kind().String()+"/zero", must(appendEvent(nil, &e, false)))
		e = filled[engine.Event]()
		e.Trace, e.Body = "", filledBody(zero)
		add("event/"+zero.Kind().String()+"/full", must(appendEvent(nil, &e, true)))
	}
	long := engine.Event{Version: 1, At: -1, Body: engine.NoteAdded{Body: strings.Repeat("long ", 4000)}}
	add("event/long", must(appendEvent(nil, &long, true)))
	for _, full := range []bool{false, true} {
		var l, same logged
		var c engine.Conversation
		var d engine.Delivery
		var a engine.Amendments
		var m engine.MediaStatus
		name := "zero"
		if full {
			name, l, c, d = "full", filled[logged](), filled[engine.Conversation](), filled[engine.Delivery]()
			a, m = filled[engine.Amendments](), filled[engine.MediaStatus]()
		}
		same = l
		same.Before = same.After
		add("head/"+name, appendHead(nil, &c))
		add("snapshot/"+name, must(appendRecord(nil, snapshot(&c))))
		add("change/"+name, appendChange(nil, &l))
		add("change/"+name+"/same", appendChange(nil, &same))
		add("delivery/"+name, appendDelivery(nil, &d))
		add("board/"+name, appendBoardRow(nil, &l.After))
		add("amendment/"+name, appendAmendments(nil, &a))
		add("media/"+name, appendMediaStatus(nil, &m))
	}
	traced := engine.Event{Version: 1, Trace: testTrace, Body: engine.Noted{}}
	add("event/traced", must(appendEvent(nil, &traced, true)))
	return lines
}
