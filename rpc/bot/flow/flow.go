package flow

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// Flow answers turns as its file says. It never changes, so any number of turns
// may run at once.
type Flow struct {
	id        string
	version   string
	languages []string
	// calling is how numbers begin, and the language that is then assumed.
	calling   map[string]int
	variables []variable

	nodes    []*node // as the file has them
	byID     map[string]*node
	start    *node
	returned *node // nil: nothing is said when an agent gives the conversation back

	keywords []phrase // in order of precedence
	misses   int
	fallback *node
	pardon   text
	waiting  text
	changed  text
	hours    *hours // nil: always open

	options Options
	client  *http.Client
}

// Options are what a flow does not read from its file; each may be left out.
type Options struct {
	// Now is the clock.
	Now func() time.Time
	// Transport carries calls. The default one refuses private addresses.
	Transport http.RoundTripper
	// Locale is the customers' language where nothing else tells it, as en or pt-BR.
	Locale string
	// Environment finds the tokens of calls.
	Environment func(name string) (string, bool)
}

// With is f with other options.
func (f *Flow) With(o Options) *Flow {
	with := *f
	with.options = o
	if o.Now == nil {
		with.options.Now = time.Now
	}
	if o.Environment == nil {
		with.options.Environment = os.LookupEnv
	}
	with.client = newClient(o.Transport)
	return &with
}

// ID is what the file calls the flow.
func (f *Flow) ID() string { return f.id }

// Version tells one content of the file from any other.
func (f *Flow) Version() string { return f.version }

// Turn answers r. It fails when ctx ends, and else never.
func (f *Flow) Turn(ctx context.Context, r engine.TurnRequest) (engine.TurnAnswer, error) {
	run := newRun(ctx, f, &r)
	if r.Returned {
		run.forget()
		if len(r.Messages) == 0 {
			run.from(f.returned)
		}
	}
	if len(r.Messages) > 0 {
		run.hear(r.Messages)
	}
	if err := ctx.Err(); err != nil && run.called {
		return engine.TurnAnswer{}, err // it is asked again, under the same keys
	}
	return run.end(), nil
}

// kind is what sort of node it is, as the schema calls it. It stands in
// journals, beside the id of a node that waits.
type kind string

const (
	kindSay     kind = "say"
	kindMenu    kind = "menu"
	kindAsk     kind = "ask"
	kindBranch  kind = "branch"
	kindGoto    kind = "goto"
	kindRequest kind = "request_agent"
	kindSet     kind = "set"
	kindCall    kind = "call"
	kindEnd     kind = "end"
)

// waits reports whether the flow stops at such a node until the customer writes.
func (k kind) waits() bool { return k == kindMenu || k == kindAsk }

// stops reports whether a turn ends there.
func (k kind) stops() bool { return k.waits() || k == kindRequest || k == kindEnd }

// node is one step. Its kind tells which of the last fields is set.
type node struct {
	id        string
	kind      kind
	next      *node // also of a goto
	otherwise *node // nil: the fallback's next

	say      []content
	menu     *menu
	ask      *ask
	branch   []branch
	request  *request
	set      []assignment
	call     *call
	withdraw bool // of an end
}

// content makes one message.
type content func(r *run) engine.Content

type branch struct {
	when condition
	next *node
}

type request struct {
	text    text // empty: nothing is said
	reason  text
	summary text
}

type variable struct{ name, initial string }

// Summary is what the file holds, in one line.
func (f *Flow) Summary() string {
	counts := make(map[kind]int)
	for _, n := range f.nodes {
		counts[n.kind]++
	}
	summary := fmt.Sprintf("%d nodes", len(f.nodes))
	for _, k := range []kind{kindMenu, kindAsk, kindCall, kindRequest} {
		if counts[k] > 0 {
			summary += fmt.Sprintf(", %d %s", counts[k], k)
		}
	}
	if f.languages[0] != "" {
		summary += ", in " + strings.Join(f.languages, ", ")
	}
	return summary
}
