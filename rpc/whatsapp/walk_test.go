package whatsapp

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
)

// FuzzWalk holds what takes JSON apart against encoding/json; of what is no JSON
// it must only not run over the end.
func FuzzWalk(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, ` { } `, `[ ]`, `{"a":1}`, `{"a" : [1 , {"b":"]"}] , "c":null}`, `{"a":1,"a":2}`, `{"\u0061":"x","é":"\n"}`,
		`[1,-2.5e+3,true,false,null,"",{},[]]`, `["\"","\\","\\\"]","\ud83d\ude00","\ud800","` + "\xff" + `"]`, "\n[\t1\r]",
		`[[[[{"a":[{}]}]]]]`, `"text"`, `"x\u0000"`, `17`, `null`,
		``, `{`, `[`, `"`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `[1,`, `[,`, `{,}`, `]`, `{"a"}`, `[1 2]`, `"\`, `{:}`, `[:]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		raw := data[space(data, 0):]
		raw = raw[:value(raw, 0)]
		got := make(map[string]string)
		isObject := members(raw, func(name string, value json.RawMessage) { got[name] = string(value) })
		list, isArray := elements(raw)
		text, isText := unquote(raw)
		if !json.Valid(data) {
			return
		}
		var object map[string]json.RawMessage
		if want := raw[0] == '{' && json.Unmarshal(raw, &object) == nil; isObject != want {
			t.Fatalf("an object: got %v, want %v", isObject, want)
		}
		want := make(map[string]string, len(object))
		for name, value := range object {
			want[name] = string(value)
		}
		if !maps.Equal(got, want) {
			t.Errorf("members: got %q, want %q", got, want)
		}
		var array []json.RawMessage
		if want := raw[0] == '[' && json.Unmarshal(raw, &array) == nil; isArray != want {
			t.Fatalf("an array: got %v, want %v", isArray, want)
		}
		if !slices.EqualFunc(list, array, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
			t.Errorf("elements: got %q, want %q", list, array)
		}
		var wantText string
		if want := raw[0] == '"' && json.Unmarshal(raw, &wantText) == nil; isText && !want || want && text != wantText {
			t.Errorf("string: got %q, %v, want %q, %v", text, isText, wantText, want)
		}
	})
}
