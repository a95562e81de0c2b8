package standin

import (
	"net/http"
	"time"
)

func (c Call) known() bool {
	switch c {
	case CallReceipt, CallUpload, CallMedia, CallDownload, CallTemplates:
		return true
	}
	return false
}

func (f Fault) ofCall() bool { return f.refuses() || f == FaultStall || f == FaultCorrupt }

// callPlan is what meets a call. Zero: nothing.
type callPlan struct {
	refusalPlan
	bare    bool // an error is answered by its status alone
	stall   time.Duration
	corrupt bool
}

// planCall: stalls add to what else strikes; the first refusal decides.
func (f *faults) planCall(call Call, number PhoneNumberID, key string) callPlan {
	f.mu.Lock()
	defer f.mu.Unlock()
	plan := callPlan{bare: call == CallDownload}
	for _, c := range f.rules {
		rule := c.Rule
		if rule.Call != call || (rule.PhoneNumberID != "" && rule.PhoneNumberID != number) ||
			!f.strikes(c, "call/"+string(call)+"/"+number.String()+"/"+key) {
			continue
		}
		switch {
		case rule.Fault == FaultStall:
			plan.stall = max(plan.stall, rule.Delay)
		case rule.Fault == FaultCorrupt:
			plan.corrupt = true
		default:
			plan.refusalPlan = rule.refusal()
			return plan
		}
	}
	return plan
}

// struck answers a call that a fault meets, and tells whether it did.
func (g *Graph) struck(w http.ResponseWriter, r *http.Request, plan callPlan) bool {
	if !g.hold(r.Context(), plan.stall) {
		g.dropConnection(w)
		return true
	}
	switch {
	case plan.reset:
		g.dropConnection(w)
	case plan.serverError != 0:
		g.writeServerError(w, plan.serverError)
	case plan.err != nil && plan.bare:
		g.refuseDownload(w, plan.err.Status)
	case plan.err != nil:
		g.writeError(w, plan.err)
	default:
		return false
	}
	return true
}
