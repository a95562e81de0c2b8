package demo

import (
	"reflect"
	"testing"
)

func TestScriptsComeFromTheSeed(t *testing.T) {
	texts := make(map[string]bool)
	asked, late := 0, 0
	const customers = 2000
	for ordinal := range customers {
		s := newScript(7, ordinal)
		if again := newScript(7, ordinal); !reflect.DeepEqual(s, again) {
			t.Fatalf("customer %d: got %+v and %+v from one seed, want the same", ordinal, s, again)
		}
		if got, ok := ordinalOf(s.customer.WAID.String()); !ok || got != ordinal {
			t.Errorf("customer %d: got ordinal %d, %v from the number", ordinal, got, ok)
		}
		if n := len(s.lines); n < 1 || n > maxMessages {
			t.Errorf("customer %d: got %d messages, want 1 to %d", ordinal, n, maxMessages)
		}
		for _, l := range s.lines {
			if texts[l.text] {
				t.Errorf("customer %d: got a message that was written before", ordinal)
			}
			texts[l.text] = true
		}
		if s.late {
			late++
		}
		for _, phrase := range person {
			if l := s.lines[0].text; len(l) > len(phrase) && l[:len(phrase)] == phrase {
				asked++
			}
		}
	}
	if late == 0 || asked < customers/10 {
		t.Errorf("got %d late customers and %d who ask at once, want some and many", late, asked)
	}
	if reflect.DeepEqual(newScript(7, 1).lines, newScript(8, 1).lines) {
		t.Error("got the same script from two seeds")
	}
}
