package journaltest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/intervenehq/intervene/engine"
)

var boardTests = []test{
	{"columns come in their order, in pages", testBoardPages},
	{"a page goes on from where a row was", testBoardCursor},
	{"workspaces do not see each other", testBoardWorkspaces},
	{"board rows are the three columns as of an offset", testBoardRows},
	{"due work comes in order and goes when it is done", testDue},
	{"due work of long ago is found", testDueEarlier},
}

// row is what a board holds of the conversation.
func (w *Writer) row() engine.BoardRow {
	row := engine.BoardRow{Conversation: w.Conversation.ID, Index: w.Conversation.Index()}
	clear(row.Index.Due[:])
	return row
}

// column reads a whole column in pages.
func column(t *testing.T, j Journal, ws engine.WorkspaceID, c engine.Column, size int) []engine.BoardRow {
	t.Helper()
	var rows []engine.BoardRow
	var after engine.BoardRow
	for {
		page, err := j.BoardPage(ws, c, after, size)
		if err != nil {
			t.Fatalf("board page: got error %v, want none", err)
		}
		if len(page) == 0 {
			return rows
		}
		if len(page) > size {
			t.Fatalf("board page: got %d rows, want at most %d", len(page), size)
		}
		rows = append(rows, page...)
		after = page[len(page)-1]
	}
}

// place brings a conversation to a column.
func (w *Writer) place(t *testing.T, c engine.Column) {
	t.Helper()
	w.Do(t, Customer, w.Receive("hello"))
	switch c {
	case engine.Requesting:
		w.Do(t, Bot, engine.RequestAgent{Reason: "please"})
	case engine.Intervened:
		w.Do(t, Bot, engine.RequestAgent{Reason: "please"})
		w.Now = w.Now.Add(time.Second)
		w.Do(t, Agent, engine.Intervene{})
	case engine.History:
		w.Answer(t, "hi")
		w.Deliver(t)
		w.Now = w.Now.Add(25 * time.Hour)
		w.Do(t, Engine, engine.FireTimer{Timer: engine.DueWindow})
	}
	if w.Conversation.Column != c {
		t.Fatalf("place: got column %s, want %s", w.Conversation.Column, c)
	}
}

func testBoardPages(t *testing.T, s Store) {
	const each = 7
	j := open(t, s)
	n := uint64(0)
	for _, c := range []engine.Column{engine.Active, engine.Requesting, engine.Intervened, engine.History} {
		var want []engine.BoardRow
		for i := range each {
			n++
			w := NewWriter(j, n)
			w.Now = Start.Add(time.Duration(i) * 10 * time.Minute)
			w.place(t, c)
			w.Do(t, Agent, engine.SetTags{Tags: []string{"x", "y"}})
			if c == engine.Active || c == engine.History {
				want = append([]engine.BoardRow{w.row()}, want...)
			} else {
				want = append(want, w.row())
			}
		}
		for _, size := range []int{1, 3, each, each + 1} {
			if diff := cmp.Diff(want, column(t, j, Workspace, c, size)); diff != "" {
				t.Errorf("%s in pages of %d: got other rows than wanted (-want +got):\n%s", c, size, diff)
			}
		}
	}
	if _, err := j.BoardPage(Workspace, 9, engine.BoardRow{}, 10); engine.CodeOf(err) != engine.CodeInvalid {
		t.Errorf("page of no column: got error %v, want code %q", err, engine.CodeInvalid)
	}
}

func testBoardCursor(t *testing.T, s Store) {
	j := open(t, s)
	var writers []*Writer
	for n := range uint64(6) {
		w := NewWriter(j, n)
		w.Now = Start.Add(time.Duration(n) * time.Minute)
		w.place(t, engine.Requesting)
		writers = append(writers, w)
	}
	page, err := j.BoardPage(Workspace, engine.Requesting, engine.BoardRow{}, 3)
	if err != nil || len(page) != 3 {
		t.Fatalf("board page: got %d rows, error %v, want 3", len(page), err)
	}
	writers[2].Do(t, Agent, engine.Intervene{}) // the cursor's own row leaves
	writers[4].Do(t, Agent, engine.Intervene{})
	page, err = j.BoardPage(Workspace, engine.Requesting, page[2], 10)
	if err != nil {
		t.Fatalf("board page: got error %v, want none", err)
	}
	want := []engine.BoardRow{writers[3].row(), writers[5].row()}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Errorf("got other rows than wanted (-want +got):\n%s", diff)
	}
}

func testBoardWorkspaces(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.place(t, engine.Active)
	other := NewWriter(j, 2)
	other.Workspace, other.Channel = Other, OtherChan // acme2 begins like acme
	other.place(t, engine.Active)
	for ws, want := range map[engine.WorkspaceID]*Writer{Workspace: w, Other: other} {
		if diff := cmp.Diff([]engine.BoardRow{want.row()}, column(t, j, ws, engine.Active, 10)); diff != "" {
			t.Errorf("%s: got other rows than wanted (-want +got):\n%s", ws, diff)
		}
	}
	if rows := column(t, j, "acm", engine.Active, 10); len(rows) != 0 {
		t.Errorf("a workspace without conversations: got %d rows, want none", len(rows))
	}
}

func testBoardRows(t *testing.T, s Store) {
	j := open(t, s)
	want := make(map[engine.ConversationID]engine.BoardRow)
	n := uint64(0)
	for _, c := range []engine.Column{engine.Active, engine.Requesting, engine.Intervened, engine.History} {
		for range 3 {
			n++
			w := NewWriter(j, n)
			if n%2 == 0 {
				w.Workspace, w.Channel = Other, OtherChan
			}
			w.place(t, c)
			if c != engine.History {
				want[w.Conversation.ID] = w.row()
			}
		}
	}
	got := make(map[engine.ConversationID]engine.BoardRow)
	offset, err := j.BoardRows(func(row engine.BoardRow) error {
		got[row.Conversation] = row
		return nil
	})
	if err != nil || offset != j.Durable() {
		t.Errorf("board rows: got offset %d, error %v, want %d", offset, err, j.Durable())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("got other rows than wanted (-want +got):\n%s", diff)
	}
	wantCode(t, "board rows", second(j.BoardRows(func(engine.BoardRow) error { return &engine.Error{Code: engine.CodeOverloaded} })), engine.CodeOverloaded)
}

func second[A, B any](_ A, b B) B { return b }

func due(t *testing.T, j Journal, kind engine.DueKind, until engine.Instant, limit int) []engine.DueItem {
	t.Helper()
	items, err := j.Due(kind, engine.DueItem{}, until, limit)
	if err != nil {
		t.Fatalf("due: got error %v, want none", err)
	}
	return items
}

func testDue(t *testing.T, s Store) {
	j := open(t, s)
	var writers []*Writer
	var want []engine.DueItem
	for n := range uint64(5) {
		w := NewWriter(j, n)
		w.Now = Start.Add(time.Duration(n) * time.Second)
		w.Do(t, Customer, w.Receive("hello"))
		writers = append(writers, w)
		want = append(want, engine.DueItem{Kind: engine.DueTurn, At: w.Now, Conversation: w.Conversation.ID})
	}
	end := writers[4].Now
	for _, tt := range []struct {
		until engine.Instant
		limit int
		want  []engine.DueItem
	}{{end, 100, want}, {end, 2, want[:2]}, {end - 1, 100, want[:4]}, {Start - 1, 100, nil}} {
		if diff := cmp.Diff(tt.want, due(t, j, engine.DueTurn, tt.until, tt.limit)); diff != "" {
			t.Errorf("due until %d, at most %d: got other items than wanted (-want +got):\n%s", tt.until, tt.limit, diff)
		}
	}
	for i, item := range want {
		rest, err := j.Due(engine.DueTurn, item, end, 100)
		if err != nil {
			t.Fatalf("due after item %d: got error %v, want none", i, err)
		}
		if diff := cmp.Diff(want[i+1:], rest, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("due after item %d: got other items than wanted (-want +got):\n%s", i, diff)
		}
	}
	writers[0].Answer(t, "hi")
	writers[3].Answer(t, "hi")
	if diff := cmp.Diff([]engine.DueItem{want[1], want[2], want[4]}, due(t, j, engine.DueTurn, end, 100)); diff != "" {
		t.Errorf("due after two were answered: got other items than wanted (-want +got):\n%s", diff)
	}
	sends := due(t, j, engine.DueSend, end, 100)
	if len(sends) != 2 || sends[0].Conversation != writers[0].Conversation.ID || sends[1].Conversation != writers[3].Conversation.ID {
		t.Errorf("due sends: got %+v, want the two answers", sends)
	}
	if got := due(t, j, engine.DueAutoResolve, end, 100); len(got) != 0 {
		t.Errorf("due of a kind that nothing waits for: got %d, want none", len(got))
	}
	if got := due(t, j, engine.DueWindow, end.Add(engine.Window), 100); len(got) != 5 {
		t.Errorf("due windows: got %d, want 5", len(got))
	}
	_, err := j.Due(9, engine.DueItem{}, end, 10)
	wantCode(t, "due of no kind", err, engine.CodeInvalid)
}

// testDueEarlier makes work that is due before all that was done already.
func testDueEarlier(t *testing.T, s Store) {
	j := open(t, s)
	late := NewWriter(j, 1)
	late.Now = Start.Add(time.Hour)
	late.Do(t, Customer, late.Receive("hello"))
	if got := due(t, j, engine.DueTurn, late.Now, 10); len(got) != 1 {
		t.Fatalf("due: got %d, want 1", len(got))
	}
	late.Answer(t, "hi")
	if got := due(t, j, engine.DueTurn, late.Now, 10); len(got) != 0 {
		t.Fatalf("due after the answer: got %d, want none", len(got))
	}
	early := NewWriter(j, 2)
	early.Do(t, Customer, early.Receive("hello"))
	want := []engine.DueItem{{Kind: engine.DueTurn, At: Start, Conversation: early.Conversation.ID}}
	if diff := cmp.Diff(want, due(t, j, engine.DueTurn, late.Now, 10)); diff != "" {
		t.Errorf("due: got other items than wanted (-want +got):\n%s", diff)
	}
}
