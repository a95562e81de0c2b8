package journal

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/intervenehq/intervene/engine"
)

// bodies are one of each kind of event.
var bodies = []engine.Body{
	engine.Opened{},
	engine.ContactChanged{},
	engine.MessageReceived{},
	engine.MessageQueued{},
	engine.DeliveryChanged{},
	engine.Moved{},
	engine.TurnEnded{},
	engine.TurnAccepted{},
	engine.BotDiscarded{},
	engine.MarkedRead{},
	engine.NoteAdded{},
	engine.Tagged{},
	engine.WindowLapsed{},
	engine.TimerArmed{},
	engine.Noted{},
	engine.Amended{},
	engine.EchoReceived{},
	engine.ContactLinked{},
	engine.ConsentChanged{},
	engine.MediaChanged{},
	engine.Trimmed{},
	engine.Erased{},
}

// TestBodiesAreComplete fails when package engine has a kind that the tests
// below do not see.
func TestBodiesAreComplete(t *testing.T) {
	seen := make(map[engine.EventKind]bool)
	for _, b := range bodies {
		seen[b.Kind()] = true
	}
	kinds := 0
	for k := engine.EventKind(1); k.String() != "unknown"; k++ {
		kinds++
		if !seen[k] {
			t.Errorf("kind %s: got no body, want one", k)
		}
	}
	if kinds != len(bodies) {
		t.Errorf("got %d kinds, want %d", kinds, len(bodies))
	}
}

// filler puts another value into every field, so that a field which the record
// does not carry, or confuses with another, shows.
type filler struct{ n int64 }

func (f *filler) fill(v reflect.Value) {
	f.n++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d \xff\x00", f.n)) // strings need not be valid UTF-8
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(f.n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(f.n))
	case reflect.Float64:
		v.SetFloat(float64(f.n) + 0.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0))
		f.fill(v.Index(1))
	case reflect.Array:
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Interface:
		// Filled by whoever knows what belongs there.
	default:
		panic(fmt.Sprintf("no value for a %s", v.Kind()))
	}
}

// filled is a T of which every field is set.
func filled[T any]() T {
	var value T
	(&filler{}).fill(reflect.ValueOf(&value).Elem())
	return value
}

// testTrace has every sort of byte.
const testTrace engine.Trace = "0123456789abcde\x00\xff\xfe\x80spans\x01"

func TestEventRoundTrip(t *testing.T) {
	for _, zero := range bodies {
		for _, body := range []engine.Body{zero, filledBody(zero)} {
			for _, endsAppend := range []bool{false, true} {
				want := filled[engine.Event]()
				want.Trace, want.Body = testTrace, body
				value, err := appendEvent(nil, &want, endsAppend)
				if err != nil {
					t.Fatalf("%s: encode: got error %v, want none", body.Kind(), err)
				}
				got, gotEnds, err := decodeEvent(want.Version, value)
				if err != nil || gotEnds != endsAppend {
					t.Errorf("%s: got %t, error %v, want %t", body.Kind(), gotEnds, err, endsAppend)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: got another event than wanted (-want +got):\n%s", body.Kind(), diff)
				}
				if kind, err := eventKind(value); kind != body.Kind() || err != nil {
					t.Errorf("kind: got %s, error %v, want %s", kind, err, body.Kind())
				}
			}
		}
	}
}

func filledBody(zero engine.Body) engine.Body {
	v := reflect.New(reflect.TypeOf(zero)).Elem()
	(&filler{}).fill(v)
	body, _ := v.Interface().(engine.Body)
	return body
}

// TestVariablesRoundTrip: no variables leave them, an empty list clears them.
func TestVariablesRoundTrip(t *testing.T) {
	for _, want := range []engine.TurnEnded{{}, {Variables: []engine.Variable{}}, {Variables: []engine.Variable{{Name: "a"}}}} {
		e := engine.Event{Version: 1, Body: want}
		value, err := appendEvent(nil, &e, true)
		if err != nil {
			t.Fatalf("encode: got error %v, want none", err)
		}
		got, _, err := decodeEvent(1, value)
		if err != nil || !reflect.DeepEqual(got.Body, want) {
			t.Errorf("got %#v, error %v, want %#v", got.Body, err, want)
		}
	}
}

func TestConversationRoundTrip(t *testing.T) {
	for _, want := range []engine.Conversation{{}, filled[engine.Conversation]()} {
		value, err := appendRecord(nil, snapshot(&want))
		if err != nil {
			t.Fatalf("encode: got error %v, want none", err)
		}
		got, err := decodeSnapshot(want.ID, value)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, error %v, want %+v", got, err, want)
		}
	}
}

func TestHeadRoundTrip(t *testing.T) {
	c := filled[engine.Conversation]()
	want := c.Card()
	if v := reflect.ValueOf(want); !everySet(v) {
		t.Fatalf("got a card with a zero field, want all set: %+v", want)
	}
	got, projection, err := decodeCard(c.ID, appendHead(nil, &c))
	if err != nil || projection != projectionVersion || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v of projection %d, error %v, want %+v", got, projection, err, want)
	}
}

func everySet(v reflect.Value) bool {
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			return false
		}
	}
	return true
}

func TestChangeRoundTrip(t *testing.T) {
	full := filled[logged]()
	full.Before.Due[0], full.After.Due[0] = 0, 0 // unused
	first, same := full, full
	first.Before = engine.Index{}
	same.Before = same.After
	for name, want := range map[string]logged{"full": full, "first": first, "same": same} {
		got, err := decodeChange(want.Offset, appendChange(nil, &want))
		if err != nil || got != want {
			t.Errorf("%s: got %+v, error %v, want %+v", name, got, err, want)
		}
	}
}

func TestBoardRowRoundTrip(t *testing.T) {
	for _, column := range []engine.Column{engine.Active, engine.Requesting, engine.Intervened, engine.History} {
		index := filled[engine.Index]()
		index.Column = column
		id := filled[engine.ConversationID]()
		got, err := decodeRow(rowKey(nil, 3, id, &index), appendBoardRow(nil, &index))
		if want := (engine.BoardRow{Conversation: id, Index: placed(&index)}); err != nil || got != want {
			t.Errorf("got %+v, error %v, want %+v", got, err, want)
		}
	}
}

func TestDeliveryRoundTrip(t *testing.T) {
	want := filled[engine.Delivery]()
	if got, err := decodeDelivery(appendDelivery(nil, &want)); err != nil || got != want {
		t.Errorf("got %+v, error %v, want %+v", got, err, want)
	}
}

func TestAmendmentsRoundTrip(t *testing.T) {
	for _, want := range []engine.Amendments{{}, {Edit: &engine.Content{}}, filled[engine.Amendments]()} {
		if got, err := decodeAmendments(appendAmendments(nil, &want)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got error %v and others than wanted (-want +got):\n%s", err, cmp.Diff(want, got))
		}
	}
}

func TestMediaStatusRoundTrip(t *testing.T) {
	want := filled[engine.MediaStatus]()
	if got, err := decodeMediaStatus(appendMediaStatus(nil, &want)); err != nil || got != want {
		t.Errorf("got %+v, error %v, want %+v", got, err, want)
	}
}

func TestParkedRoundTrip(t *testing.T) {
	full := filled[engine.Inbound]()
	for _, item := range []engine.Inbound{
		{Message: full.Message}, {Status: full.Status}, {Amend: full.Amend}, {Echo: full.Echo}, {Change: full.Change}, {Consent: full.Consent},
	} {
		want := engine.Parked{Conversation: full.Status.Op.Conversation, At: 7, Item: item}
		want.Item.Workspace, want.Item.Channel = "ws", "ch"
		onChannel(&want.Item)
		value, err := appendParked(nil, &want)
		if err != nil {
			t.Fatalf("encode: got error %v, want none", err)
		}
		if got, err := decodeParked(parkedKey(&want), value); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got error %v and another item than wanted (-want +got):\n%s", err, cmp.Diff(want, got))
		}
	}
}

// onChannel gives what stands in an item the item's channel.
func onChannel(i *engine.Inbound) {
	switch {
	case i.Message != nil:
		i.Message.Channel = i.Channel
	case i.Amend != nil:
		i.Amend.Channel = i.Channel
	case i.Echo != nil:
		i.Echo.Channel = i.Channel
	case i.Change != nil:
		i.Change.Channel = i.Channel
	case i.Consent != nil:
		i.Consent.Channel = i.Channel
	}
}

func TestReferenceRoundTrip(t *testing.T) {
	want := filled[engine.MessageID]()
	if got, err := decodeReference("test", appendReference(nil, want.Conversation, want.Version)); err != nil || got != want {
		t.Errorf("got %+v, error %v, want %+v", got, err, want)
	}
}

// TestDecodeRefuses what it does not know, in every place.
func TestDecodeRefuses(t *testing.T) {
	e := engine.Event{Version: 1, Body: engine.Opened{Workspace: "w", Contact: engine.Contact{Name: "n"}}}
	whole, err := appendEvent(nil, &e, true)
	if err != nil {
		t.Fatalf("encode: got error %v, want none", err)
	}
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 900, protowire.VarintType), 1)
	contact := protowire.AppendBytes(protowire.AppendTag(nil, 3, protowire.BytesType), unknown)
	opened := protowire.AppendBytes(protowire.AppendTag(nil, 16, protowire.BytesType), contact)
	for name, value := range map[string][]byte{
		"empty":                    {},
		"record version":           append([]byte{recordVersion + 1}, whole[1:]...),
		"kind":                     append([]byte{recordVersion, 99}, whole[2:]...),
		"another kind":             append([]byte{recordVersion, byte(engine.KindNoted)}, whole[2:]...),
		"no kind":                  {recordVersion},
		"no body":                  {recordVersion, byte(engine.KindOpened)},
		"garbage":                  {recordVersion, byte(engine.KindOpened), 0xff, 0xff},
		"field of the event":       append(append([]byte{}, whole...), unknown...),
		"field deep within":        append(append([]byte{}, whole...), opened...),
		"cut short":                whole[:len(whole)-1],
		"command of another size":  append(append([]byte{}, whole...), protowire.AppendBytes(protowire.AppendTag(nil, 3, protowire.BytesType), []byte("short"))...),
		"trace of another size":    append(append([]byte{}, whole...), protowire.AppendBytes(protowire.AppendTag(nil, 6, protowire.BytesType), []byte("short"))...),
		"body of an unknown event": protowire.AppendBytes(protowire.AppendTag([]byte{recordVersion, 99}, 99, protowire.BytesType), nil),
	} {
		if _, _, err := decodeEvent(1, value); engine.CodeOf(err) != engine.CodeCorrupt {
			t.Errorf("%s: got error %v, want code %q", name, err, engine.CodeCorrupt)
		} else if strings.Contains(err.Error(), "text") {
			t.Errorf("%s: got error %v, want no content in it", name, err)
		}
	}
}

func TestKeysKeepOrder(t *testing.T) {
	id := filled[engine.ConversationID]()
	var keys []string
	for _, at := range []engine.Instant{-1 << 62, -5, -1, 0, 1, 255, 256, 1 << 40, 1 << 62} {
		keys = append(keys, string(dueKey(nil, 1, engine.DueTurn, at, id)))
		if item, ok := parseDueKey([]byte(keys[len(keys)-1])); !ok || item.At != at || item.Conversation != id || item.Kind != engine.DueTurn {
			t.Errorf("parse: got %+v, %t, want instant %d", item, ok, at)
		}
	}
	for i := range keys[1:] {
		if keys[i] >= keys[i+1] {
			t.Errorf("key %d: got it not below the next, want it so", i)
		}
	}
}
