package chatwoot

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/intervenehq/intervene/engine"
)

const (
	// maxKnown bounds the conversations that are remembered for their bots.
	maxKnown = 1 << 16
	// searchPause is between two searches for numbers that are not remembered: bots
	// may ask for numbers that there are none of.
	searchPause = time.Second
)

// numberOf is id as Chatwoot counts conversations: a whole number that JavaScript
// can hold, 53 of id's random bits, so that it is the same after every restart.
// Among a million conversations on the board two share one with a probability of
// 0.006 %; neither is then answered for the other.
func numberOf(id engine.ConversationID) int64 {
	return int64(binary.BigEndian.Uint64(id[8:]) >> 11)
}

// Board lists what stands on the columns: wherever a bot may speak.
type Board interface {
	BoardRows(yield func(engine.BoardRow) error) (offset uint64, err error)
}

// told is what a bot was told last of a conversation. Its lock makes one command
// follow the other.
type told struct {
	// id is zero for a number that two conversations share.
	id engine.ConversationID

	mu sync.Mutex
	// epoch is the one in which it was told; 0: it was not, by this process.
	epoch uint64
	// from and through are of the turn that it owes; 0: none.
	from, through uint64
}

// numbers finds conversations by their number. What it does not remember is looked
// for on the board.
type numbers struct {
	board Board

	mu       sync.Mutex
	known    *simplelru.LRU[key, *told]
	searched time.Time
}

// key is a conversation's number in its workspace.
type key struct {
	workspace engine.WorkspaceID
	number    int64
}

func newNumbers(board Board) *numbers {
	known, err := simplelru.NewLRU[key, *told](maxKnown, nil)
	if err != nil {
		panic(err) // its size is a constant
	}
	return &numbers{board: board, known: known}
}

// of is what is remembered of id, whose bot is about to be told.
func (n *numbers) of(workspace engine.WorkspaceID, id engine.ConversationID) (*told, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	k := key{workspace, numberOf(id)}
	t, ok := n.known.Get(k)
	if !ok {
		t = &told{id: id}
		n.known.Add(k, t)
	}
	if t.id != id {
		return nil, fmt.Errorf("conversation %s has the number of another one", id)
	}
	return t, nil
}

// find is the conversation of k, or nil.
func (n *numbers) find(k key) (*told, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t, ok := n.known.Get(k); ok {
		return t.orNone(), nil
	}
	if time.Since(n.searched) < searchPause {
		return nil, &engine.Error{Code: engine.CodeOverloaded}
	}
	// All of the workspace are learned at once: after a restart its bot goes on with
	// many of them.
	_, err := n.board.BoardRows(func(row engine.BoardRow) error {
		if row.Index.Workspace == k.workspace {
			n.learn(k.workspace, row.Conversation)
		}
		return nil
	})
	n.searched = time.Now()
	if err != nil {
		return nil, fmt.Errorf("search the board: %w", err)
	}
	t, _ := n.known.Get(k)
	return t.orNone(), nil
}

func (n *numbers) learn(workspace engine.WorkspaceID, id engine.ConversationID) {
	k := key{workspace, numberOf(id)}
	t, known := n.known.Get(k)
	switch {
	case !known:
		n.known.Add(k, &told{id: id})
	case t.id != id:
		n.known.Add(k, &told{})
	}
}

// orNone is t unless nobody can tell which conversation that is.
func (t *told) orNone() *told {
	if t == nil || t.id.IsZero() {
		return nil
	}
	return t
}
