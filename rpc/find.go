package rpc

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	// maxFindScanned and maxFindTime bound what one page looks at, findStep what it
	// takes from a column at a time.
	maxFindScanned = 20_000
	maxFindTime    = time.Second
	findStep       = 500
	// maxFindWait is how long a call waits for its turn.
	maxFindWait = 2 * time.Second
)

// maxFinds is how many look at once: half of the processors, so that those who
// look leave the others room.
func maxFinds() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// Identities knows whose an identity is.
type Identities interface {
	// ByIdentity is the conversation with whom channel knows under identity, or
	// false. What it answers is durable.
	ByIdentity(channel engine.ChannelID, identity engine.Identity) (engine.ConversationID, bool, error)
}

// findColumns are all, those first where somebody waits.
var findColumns = [...]engine.Column{engine.Requesting, engine.Intervened, engine.Active, engine.History}

// FindConversations implements the service. No index of names is kept: erasing a
// contact would have to find it there, too. A card is read and held against the
// query in a few microseconds, and a page looks at a bounded number of them.
func (s service) FindConversations(ctx context.Context, r *intervenev1.FindConversationsRequest) (*intervenev1.FindConversationsResponse, error) {
	wanted, ok := parseFindQuery(r.GetQuery())
	if !ok {
		return nil, invalid("query", "must hold a letter or a digit")
	}
	f := &find{
		server: s.Server, workspace: callerOf(ctx).Workspace, wanted: wanted, size: pageSize(r.GetPageSize()),
		at: findPlace{column: findColumns[0]},
	}
	first := r.GetPageToken() == ""
	if !first {
		if f.at, ok = s.cursors.findPlace(r.GetPageToken(), f.workspace, wanted.text); !ok {
			return nil, invalid("page_token", "must be the next_page_token of a page of this query")
		}
	}
	if err := s.finds.acquire(ctx); err != nil {
		return nil, err
	}
	defer s.finds.release()
	if err := f.exact(first); err != nil {
		return nil, err
	}
	return f.page(ctx)
}

// findPlace is the row after which to look on.
type findPlace struct {
	column engine.Column
	after  engine.BoardRow
}

// next is the beginning of the column after p's; false: there is none.
func (p findPlace) next() (findPlace, bool) {
	for i, column := range findColumns[:len(findColumns)-1] {
		if column == p.column {
			return findPlace{column: findColumns[i+1]}, true
		}
	}
	return findPlace{}, false
}

// find is one page on its way.
type find struct {
	server    *Server
	workspace engine.WorkspaceID
	wanted    *findQuery
	size      int

	at      findPlace
	found   []engine.Card
	scanned int
	// known are those that have exactly the number: they come first, and once.
	known map[engine.ConversationID]bool
}

// exact finds who has exactly the number that is wanted, on whichever channel.
func (f *find) exact(show bool) error {
	numbers := f.wanted.numbers()
	if len(numbers) == 0 {
		return nil
	}
	f.known = make(map[engine.ConversationID]bool)
	for _, channel := range f.server.served.Load().channelsOf[f.workspace] {
		for _, number := range numbers {
			id, ok, err := f.server.options.Identities.ByIdentity(channel, engine.Identity{Kind: engine.IdentityWaID, Value: number})
			if err != nil {
				return fmt.Errorf("look a number up: %w", err)
			}
			if !ok || f.known[id] {
				continue
			}
			card, ok, err := f.card(id)
			if err != nil {
				return err
			}
			if f.known[id] = ok; ok && show {
				f.found = append(f.found, card)
			}
		}
	}
	return nil
}

// card is that of a conversation which may be found: one of this workspace that was
// not erased.
func (f *find) card(id engine.ConversationID) (card engine.Card, ok bool, err error) {
	card, err = f.server.options.Conversations.Card(id)
	if engine.CodeOf(err) == engine.CodeNotFound {
		return engine.Card{}, false, nil
	}
	if err != nil {
		return engine.Card{}, false, fmt.Errorf("read card: %w", err)
	}
	return card, card.Workspace == f.workspace && card.Column != 0, nil
}

// page looks on until it has found enough, has looked for long enough, or has
// seen everything.
func (f *find) page(ctx context.Context) (*intervenev1.FindConversationsResponse, error) {
	began := time.Now()
	more := true
	for more && len(f.found) < f.size && f.scanned < maxFindScanned && time.Since(began) < maxFindTime {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows, err := f.server.options.Conversations.BoardPage(f.workspace, f.at.column, f.at.after, findStep)
		if err != nil {
			return nil, fmt.Errorf("read board page: %w", err)
		}
		if err := f.look(rows); err != nil {
			return nil, err
		}
		if len(f.found) < f.size && len(rows) < findStep {
			f.at, more = f.at.next()
		}
	}
	answer := &intervenev1.FindConversationsResponse{Scanned: uint32(f.scanned)}
	for i := range f.found {
		answer.Cards = append(answer.Cards, cardOf(&f.found[i]))
	}
	if more {
		answer.NextPageToken = f.server.cursors.findToken(f.workspace, f.wanted.text, f.at)
	}
	return answer, nil
}

// look takes what is wanted of rows, until there is enough.
func (f *find) look(rows []engine.BoardRow) error {
	for i := range rows {
		if len(f.found) >= f.size {
			return nil
		}
		row := &rows[i]
		f.at.after = *row
		f.scanned++
		if f.known[row.Conversation] {
			continue
		}
		card, ok, err := f.card(row.Conversation)
		if err != nil {
			return err
		}
		if ok && f.wanted.matches(&card) {
			f.found = append(f.found, card)
		}
	}
	return nil
}

// findLimiter lets few look at once.
type findLimiter chan struct{}

func (l findLimiter) acquire(ctx context.Context) error {
	wait := time.NewTimer(maxFindWait)
	defer wait.Stop()
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return &engine.Error{Code: engine.CodeOverloaded}
	}
}

func (l findLimiter) release() { <-l }
