package standin

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Fault is one way in which the stand-in misbehaves.
type Fault string

// Faults of a send. The first three are decided before acceptance: the
// customer gets nothing. The others are drawn only for an accepted send.
const (
	FaultError       Fault = "error"        // answer Code, under HTTPStatus if set
	FaultServerError Fault = "server_error" // answer HTTPStatus (503 unless set) without a Graph body
	FaultResetBefore Fault = "reset_before" // break the connection; nothing was accepted
	FaultResetAfter  Fault = "reset_after"  // break the connection; the customer has the message
	FaultStall       Fault = "stall"        // hold the answer of an accepted send for Delay
	FaultFail        Fault = "fail"         // accept, then a failed status with Code
	FaultNoStatus    Fault = "no_status"    // accept, and never tell a status
)

// FaultCorrupt changes a byte of a download.
const FaultCorrupt Fault = "corrupt"

// Call is a request other than a send. A rule that names one meets it instead
// of sends, with error, server_error, reset_before, stall or corrupt.
type Call string

const (
	CallReceipt   Call = "receipt"   // mark as read, and typing
	CallUpload    Call = "upload"    // POST …/media
	CallMedia     Call = "media"     // GET /{media_id}
	CallDownload  Call = "download"  // the bytes; an error is answered by its HTTP status alone
	CallTemplates Call = "templates" // GET …/message_templates
)

// Faults of a webhook item.
const (
	FaultDuplicate    Fault = "duplicate"     // offer Copies more, each up to Delay later
	FaultReorder      Fault = "reorder"       // hold it back, up to Delay
	FaultBadSignature Fault = "bad_signature" // offer a forged twin beside it, wrongly signed
)

const (
	maxRules                              = 1_000
	maxCopies                             = 100
	maxFaultDelay                         = 24 * time.Hour
	lowestErrorStatus, highestErrorStatus = 400, 599
)

// Rule injects one fault into what it matches. Exactly one of Always, Next,
// Every and Probability is set. Next and Every count in order of arrival, which
// concurrent callers may change; Always and Probability do not depend on it.
type Rule struct {
	Name  string // drawn into its decisions; given when empty
	Fault Fault

	// What it meets. Empty fields meet everything.
	PhoneNumberID PhoneNumberID
	Contact       Identity
	Call          Call     // a request other than a send
	Type          string   // of a send
	Item          ItemKind // of a webhook item
	Status        Status   // of a webhook item

	Always      bool
	Next        int     // the next N matches
	Every       int     // every Nth match
	Probability float64 // drawn for each match

	Code       int
	Subcode    int    // of FaultError
	Details    string // of FaultError and FaultFail; empty: Meta's own
	HTTPStatus int
	RetryAfter time.Duration // told with FaultError
	Delay      time.Duration
	Copies     int // of FaultDuplicate; 1 unless set
}

// FaultCount is a rule with what it did.
type FaultCount struct {
	Rule     Rule
	Matched  int
	Injected int
}

// refusalPlan is what meets a send before acceptance. Zero: nothing.
type refusalPlan struct {
	reset       bool
	serverError int
	err         *graphError
}

// answerPlan is what meets an accepted send.
type answerPlan struct {
	lost     bool
	silent   bool
	stall    time.Duration
	failCode int

	failDetails string
}

// offerPlan is what meets a webhook item.
type offerPlan struct {
	delay     time.Duration
	copies    []time.Duration // how much later each more
	forgeries int
}

type faults struct {
	seed seed

	mu    sync.Mutex
	given int // rules named so far
	rules []*FaultCount
}

func newFaults(s seed) *faults { return &faults{seed: s} }

// AddFault adds a rule and answers its name.
func (g *Graph) AddFault(rule Rule) (string, error) { return g.faults.add(rule) }

// ClearFaults removes all rules.
func (g *Graph) ClearFaults() {
	g.faults.mu.Lock()
	defer g.faults.mu.Unlock()
	g.faults.rules = nil
}

// RemoveFault removes one rule, and tells whether it was there.
func (g *Graph) RemoveFault(name string) bool {
	g.faults.mu.Lock()
	defer g.faults.mu.Unlock()
	before := len(g.faults.rules)
	g.faults.rules = slices.DeleteFunc(g.faults.rules, func(c *FaultCount) bool { return c.Rule.Name == name })
	return len(g.faults.rules) < before
}

// Faults lists the rules with what they did, in the order they were added.
func (g *Graph) Faults() []FaultCount {
	g.faults.mu.Lock()
	defer g.faults.mu.Unlock()
	counts := make([]FaultCount, len(g.faults.rules))
	for i, rule := range g.faults.rules {
		counts[i] = *rule
	}
	return counts
}

func (f *faults) add(rule Rule) (string, error) {
	if err := rule.validate(); err != nil {
		return "", fmt.Errorf("add a fault: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rules) >= maxRules {
		return "", fmt.Errorf("add a fault: %w", ErrFull)
	}
	if rule.Name == "" {
		f.given++
		rule.Name = "rule-" + itoa(f.given)
	}
	if slices.ContainsFunc(f.rules, func(c *FaultCount) bool { return c.Rule.Name == rule.Name }) {
		return "", fmt.Errorf("add a fault: %w: rule %q is there already", ErrInvalid, rule.Name)
	}
	f.rules = append(f.rules, &FaultCount{Rule: rule})
	return rule.Name, nil
}

func (r Rule) validate() error {
	switch {
	case r.Call != "" && !r.Call.known():
		return fmt.Errorf("%w: call %q does not exist", ErrInvalid, r.Call)
	case r.Fault == FaultCorrupt && r.Call != CallDownload:
		return fmt.Errorf("%w: fault %q meets downloads alone", ErrInvalid, r.Fault)
	case r.Call != "" && !r.Fault.ofCall():
		return fmt.Errorf("%w: fault %q meets no call but sends", ErrInvalid, r.Fault)
	case r.Call != "" && (r.Type != "" || r.Contact != "" || r.Item != "" || r.Status != ""):
		return fmt.Errorf("%w: a rule of a call meets it by its number alone", ErrInvalid)
	case !r.Fault.ofSend() && !r.Fault.ofItem() && !r.Fault.ofCall():
		return fmt.Errorf("%w: fault %q does not exist", ErrInvalid, r.Fault)
	case r.Fault.ofSend() && (r.Item != "" || r.Status != ""):
		return fmt.Errorf("%w: fault %q meets sends, not webhook items", ErrInvalid, r.Fault)
	case r.Fault.ofItem() && r.Type != "":
		return fmt.Errorf("%w: fault %q meets webhook items, not sends", ErrInvalid, r.Fault)
	case r.whens() != 1:
		return fmt.Errorf("%w: exactly one of always, next, every and probability is needed", ErrInvalid)
	case r.Next < 0 || r.Every < 0 || !isShare(r.Probability):
		return fmt.Errorf("%w: next, every or probability is out of range", ErrInvalid)
	case r.Delay < 0 || r.Delay > maxFaultDelay || r.RetryAfter < 0:
		return fmt.Errorf("%w: delay is out of range", ErrInvalid)
	case r.Delay == 0 && (r.Fault == FaultStall || r.Fault == FaultReorder):
		return fmt.Errorf("%w: fault %q needs a delay", ErrInvalid, r.Fault)
	case r.Copies < 0 || r.Copies > maxCopies:
		return fmt.Errorf("%w: copies must be at most %d", ErrInvalid, maxCopies)
	case r.HTTPStatus != 0 && (r.HTTPStatus < lowestErrorStatus || r.HTTPStatus > highestErrorStatus):
		return fmt.Errorf("%w: HTTP status is not an error", ErrInvalid)
	case r.Code < 0:
		return fmt.Errorf("%w: code is negative", ErrInvalid)
	}
	return nil
}

func (r Rule) whens() int {
	set := 0
	for _, is := range []bool{r.Always, r.Next != 0, r.Every != 0, r.Probability != 0} {
		if is {
			set++
		}
	}
	return set
}

func (f Fault) refuses() bool {
	return f == FaultError || f == FaultServerError || f == FaultResetBefore
}

func (f Fault) ofSend() bool {
	return f.refuses() || f == FaultResetAfter || f == FaultStall || f == FaultFail || f == FaultNoStatus
}

func (f Fault) ofItem() bool {
	return f == FaultDuplicate || f == FaultReorder || f == FaultBadSignature
}

// planRefusal: the first rule that strikes decides, and spares the others.
func (f *faults) planRefusal(number PhoneNumberID, s send, attempt int) refusalPlan {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.rules {
		rule := c.Rule
		if !rule.Fault.refuses() || !rule.meetsSend(number, s) || !f.strikes(c, sendKey(number, s, attempt)) {
			continue
		}
		return rule.refusal()
	}
	return refusalPlan{}
}

// refusal is what a rule of FaultError and its like does.
func (r Rule) refusal() refusalPlan {
	switch r.Fault {
	case FaultResetBefore:
		return refusalPlan{reset: true}
	case FaultServerError:
		if r.HTTPStatus == 0 {
			return refusalPlan{serverError: http.StatusServiceUnavailable}
		}
		return refusalPlan{serverError: r.HTTPStatus}
	}
	e := codeError(r.Code, detailsOf(r.Code))
	e.Subcode, e.RetryAfter = r.Subcode, r.RetryAfter
	if r.Details != "" {
		e.Details = r.Details
	}
	if r.HTTPStatus != 0 {
		e.Status = r.HTTPStatus
	}
	return refusalPlan{err: e}
}

func (f *faults) planAnswer(number PhoneNumberID, s send, attempt int) answerPlan {
	f.mu.Lock()
	defer f.mu.Unlock()
	var plan answerPlan
	for _, c := range f.rules {
		rule := c.Rule
		if !rule.Fault.ofSend() || rule.Fault.refuses() || !rule.meetsSend(number, s) ||
			!f.strikes(c, sendKey(number, s, attempt)) {
			continue
		}
		switch rule.Fault {
		case FaultResetAfter:
			plan.lost = true
		case FaultNoStatus:
			plan.silent = true
		case FaultStall:
			plan.stall = max(plan.stall, rule.Delay)
		case FaultFail:
			plan.failCode, plan.failDetails = rule.Code, rule.Details
			if plan.failCode == 0 {
				plan.failCode = codeUndeliverable
			}
		}
	}
	return plan
}

func (f *faults) planOffer(it *item) offerPlan {
	f.mu.Lock()
	defer f.mu.Unlock()
	var plan offerPlan
	for _, c := range f.rules {
		rule := c.Rule
		if !rule.Fault.ofItem() || !rule.meetsItem(it) || !f.strikes(c, it.key) {
			continue
		}
		switch rule.Fault {
		case FaultDuplicate:
			for copyNo := range max(rule.Copies, 1) {
				later := f.seed.within(rule.Delay, "copy", rule.Name, itoa(copyNo), it.key)
				plan.copies = append(plan.copies, later)
			}
		case FaultReorder:
			plan.delay += f.seed.within(rule.Delay, "reorder", rule.Name, it.key)
		case FaultBadSignature:
			plan.forgeries++
		}
	}
	return plan
}

// strikes counts a match and decides it. Called with mu held.
func (f *faults) strikes(c *FaultCount, key string) bool {
	c.Matched++
	struck := false
	switch rule := c.Rule; {
	case rule.Always:
		struck = true
	case rule.Next > 0:
		struck = c.Injected < rule.Next
	case rule.Every > 0:
		struck = c.Matched%rule.Every == 0
	default:
		struck = f.seed.chance(rule.Probability, "fault", rule.Name, key)
	}
	if struck {
		c.Injected++
	}
	return struck
}

// sendKey names a send by what a caller repeats when it is run again: its
// contact and how many came before it.
func sendKey(number PhoneNumberID, s send, attempt int) string {
	return "send/" + number.String() + "/" + s.contact.String() + "/" + itoa(attempt)
}

func (r Rule) meetsSend(number PhoneNumberID, s send) bool {
	return r.Call == "" &&
		(r.PhoneNumberID == "" || r.PhoneNumberID == number) &&
		(r.Contact == "" || r.Contact == s.contact) &&
		(r.Type == "" || r.Type == s.kind)
}

// meetsItem reads only what never changes of the record once it is queued.
func (r Rule) meetsItem(it *item) bool {
	return (r.PhoneNumberID == "" || r.PhoneNumberID == it.number.ID) &&
		(r.Contact == "" || r.Contact == it.record.Contact) &&
		(r.Item == "" || r.Item == it.kind) &&
		(r.Status == "" || r.Status == it.record.Status)
}
