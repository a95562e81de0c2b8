package rpc

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/intervenehq/intervene/engine"
)

// TokenHash is the SHA-256 of a bearer token: all that is ever kept of one.
type TokenHash [sha256.Size]byte

// HashToken is the hash of what a caller sends.
func HashToken(token string) TokenHash { return sha256.Sum256([]byte(token)) }

// ParseTokenHash reads the 64 hexadecimal digits of a hash.
func ParseTokenHash(s string) (TokenHash, error) {
	var h TokenHash
	if len(s) != hex.EncodedLen(len(h)) {
		return TokenHash{}, fmt.Errorf("token hash has %d characters, want %d", len(s), hex.EncodedLen(len(h)))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return TokenHash{}, fmt.Errorf("token hash: %w", err)
	}
	return h, nil
}

func (h TokenHash) String() string { return hex.EncodeToString(h[:]) }

// Principal is who a token stands for. It is comparable.
type Principal struct {
	ID        engine.AgentID
	Name      string
	Workspace engine.WorkspaceID
	Role      Role
}

// party is who the engine sees: an administrator acts as a supervisor.
func (p Principal) party() engine.Party {
	switch p.Role {
	case RoleBot:
		return engine.Party{Kind: engine.Bot, ID: p.ID}
	case RoleAgent:
		return engine.Party{Kind: engine.Agent, ID: p.ID}
	default:
		return engine.Party{Kind: engine.Supervisor, ID: p.ID}
	}
}

// Token is one row of a token table.
type Token struct {
	Hash      TokenHash
	Principal Principal
}

// Tokens is the table of everybody who may call. It is replaced as a whole
// while calls run, and is safe for concurrent use. The zero value knows nobody.
type Tokens struct{ current atomic.Pointer[tokenTable] }

// tokenTable is one generation of Tokens and never changes.
type tokenTable struct {
	principals map[TokenHash]Principal
	humans     map[engine.WorkspaceID][]Principal // sorted by ID
	replaced   chan struct{}                      // closed by the generation after
}

// NewTokens makes a table of list.
func NewTokens(list []Token) (*Tokens, error) {
	var t Tokens
	if err := t.Replace(list); err != nil {
		return nil, err
	}
	return &t, nil
}

// Replace makes list the table. Streams whose token is not in it, or stands for
// somebody else, end; on an error the table stays as it was.
func (t *Tokens) Replace(list []Token) error {
	serve, err := t.Prepare(list)
	if err != nil {
		return err
	}
	serve()
	return nil
}

// Prepare makes list ready, and answers what makes it the table, as Replace does.
func (t *Tokens) Prepare(list []Token) (serve func(), err error) {
	next, err := newTokenTable(list)
	if err != nil {
		return nil, err
	}
	return func() {
		if last := t.current.Swap(next); last != nil {
			close(last.replaced)
		}
	}, nil
}

func newTokenTable(list []Token) (*tokenTable, error) {
	table := &tokenTable{
		principals: make(map[TokenHash]Principal, len(list)),
		humans:     make(map[engine.WorkspaceID][]Principal),
		replaced:   make(chan struct{}),
	}
	type key struct {
		workspace engine.WorkspaceID
		id        engine.AgentID
	}
	known := make(map[key]Principal)
	for _, token := range list {
		p := token.Principal
		if p.ID == "" || p.Workspace == "" || !p.Role.valid() {
			return nil, fmt.Errorf("token %q of workspace %q: id, workspace and role are required", p.ID, p.Workspace)
		}
		if _, twice := table.principals[token.Hash]; twice {
			return nil, fmt.Errorf("token %q of workspace %q: another one has the same hash", p.ID, p.Workspace)
		}
		table.principals[token.Hash] = p
		// One principal may have several tokens, while they are rotated.
		first, again := known[key{p.Workspace, p.ID}]
		if again && first != p {
			return nil, fmt.Errorf("token %q of workspace %q: another one has this id and a different name or role", p.ID, p.Workspace)
		}
		known[key{p.Workspace, p.ID}] = p
		if !again && p.Role.human() {
			table.humans[p.Workspace] = append(table.humans[p.Workspace], p)
		}
	}
	for _, humans := range table.humans {
		slices.SortFunc(humans, func(a, b Principal) int { return cmp.Compare(a.ID, b.ID) })
	}
	return table, nil
}

// never is the generation that follows none and knows nobody.
var never = &tokenTable{}

// table is the present generation.
func (t *Tokens) table() *tokenTable {
	if table := t.current.Load(); table != nil {
		return table
	}
	return never
}

// human finds who may hold a conversation of ws under id.
func (t *tokenTable) human(ws engine.WorkspaceID, id engine.AgentID) (Principal, bool) {
	humans := t.humans[ws]
	i, found := slices.BinarySearchFunc(humans, id, func(p Principal, id engine.AgentID) int { return cmp.Compare(p.ID, id) })
	if !found {
		return Principal{}, false
	}
	return humans[i], true
}
