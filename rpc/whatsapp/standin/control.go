package standin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	maxControlBytes = 32 << 20         // media in base64
	controlWait     = 10 * time.Second // for room in the queue
)

// ControlHandler serves the stand-in's own endpoints, for use by hand and from
// tests in any language. They ask for no token and show message text: listen on
// loopback. {customer} is a wa_id or a user ID.
//
//	POST   /_standin/customers/{customer}/messages   a customer writes
//	POST   /_standin/customers/{customer}/echoes     somebody wrote to them on the business's phone
//	POST   /_standin/customers/{customer}/identity   they have another number or user ID
//	POST   /_standin/customers/{customer}/marketing  they stop or resume marketing messages
//	POST   /_standin/changes                         any other webhook field
//	GET    /_standin/deliveries?to=&op=&after=       accepted sends
//	GET    /_standin/offers                          webhook items
//	GET    /_standin/receipts                        read receipts
//	GET    /_standin/media                           what was uploaded, and what customers sent
//	DELETE /_standin/media/{id}                      as if it had expired
//	GET    /_standin/templates
//	POST   /_standin/templates                       add or replace one
//	DELETE /_standin/templates/{name}
//	GET    /_standin/faults                          rules and what they did
//	POST   /_standin/faults                          add a rule
//	DELETE /_standin/faults                          remove all rules
//	DELETE /_standin/faults/{name}                   remove one
//	GET    /_standin/health                          seed and counts
func (g *Graph) ControlHandler() http.Handler {
	mux := http.NewServeMux()
	g.routeCustomers(mux)
	g.routeLists(mux)
	mux.HandleFunc("POST /_standin/changes", g.controlChange)
	mux.HandleFunc("POST /_standin/templates", g.controlSetTemplate)
	mux.HandleFunc("POST /_standin/faults", g.controlAddFault)
	mux.HandleFunc("DELETE /_standin/media/{id}", func(w http.ResponseWriter, r *http.Request) {
		g.writeRemoved(w, g.DeleteMedia(MediaID(r.PathValue("id"))))
	})
	mux.HandleFunc("DELETE /_standin/templates/{name}", func(w http.ResponseWriter, r *http.Request) {
		g.writeRemoved(w, g.RemoveTemplate(r.PathValue("name")) > 0)
	})
	mux.HandleFunc("DELETE /_standin/faults/{name}", func(w http.ResponseWriter, r *http.Request) {
		g.writeRemoved(w, g.RemoveFault(r.PathValue("name")))
	})
	mux.HandleFunc("DELETE /_standin/faults", func(w http.ResponseWriter, _ *http.Request) {
		g.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func (g *Graph) routeLists(mux *http.ServeMux) {
	for name, list := range map[string]func() any{
		"offers":    func() any { return notNil(g.Offers()) },
		"receipts":  func() any { return notNil(g.Receipts()) },
		"media":     func() any { return notNil(g.MediaFiles()) },
		"templates": func() any { return notNil(g.Templates()) },
	} {
		mux.HandleFunc("GET /_standin/"+name, func(w http.ResponseWriter, _ *http.Request) {
			g.writeControl(w, http.StatusOK, map[string]any{name: list()})
		})
	}
	mux.HandleFunc("GET /_standin/deliveries", g.controlDeliveries)
	mux.HandleFunc("GET /_standin/faults", g.controlFaults)
	mux.HandleFunc("GET /_standin/health", func(w http.ResponseWriter, _ *http.Request) {
		g.writeControl(w, http.StatusOK, map[string]any{
			"status": "ok", "seed": fmt.Sprint(g.Seed()), "stats": g.Stats(),
		})
	})
}

// controlDeliveries lists what was accepted, or of that what went to one
// contact, carried one op ID, or came after a place in the order of acceptance.
func (g *Graph) controlDeliveries(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	deliveries := g.Deliveries
	if to := query.Get("to"); to != "" {
		identity, ok := ParseIdentity(to)
		if !ok {
			g.writeProblem(w, fmt.Errorf("%w: neither a wa_id nor a user ID", ErrInvalid))
			return
		}
		deliveries = func() []Delivery { return g.DeliveriesTo(identity) }
	}
	after := uint64(0)
	if asked := query.Get("after"); asked != "" {
		var err error
		if after, err = strconv.ParseUint(asked, 10, 64); err != nil {
			g.writeProblem(w, fmt.Errorf("%w: after: %w", ErrInvalid, err))
			return
		}
	}
	op, found := query.Get("op"), []Delivery{}
	for _, delivery := range deliveries() {
		if delivery.Seq > after && (op == "" || delivery.CallbackData == op) {
			found = append(found, delivery)
		}
	}
	g.writeControl(w, http.StatusOK, map[string]any{"deliveries": found})
}

func (g *Graph) controlChange(w http.ResponseWriter, r *http.Request) {
	var change struct {
		PhoneNumberID PhoneNumberID   `json:"phone_number_id"`
		Field         string          `json:"field"`
		Value         json.RawMessage `json:"value"`
	}
	if err := readControl(w, r, &change); err != nil {
		g.writeProblem(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), controlWait)
	defer cancel()
	if err := g.EmitChange(ctx, g.onlyNumber(change.PhoneNumberID), change.Field, change.Value); err != nil {
		g.writeProblem(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (g *Graph) controlSetTemplate(w http.ResponseWriter, r *http.Request) {
	var template Template
	err := readControl(w, r, &template)
	if err == nil {
		err = g.SetTemplate(template)
	}
	if err != nil {
		g.writeProblem(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// onlyNumber stands in for a number that was left out where there is but one.
func (g *Graph) onlyNumber(id PhoneNumberID) PhoneNumberID {
	if id == "" && len(g.config.Numbers) == 1 {
		return g.config.Numbers[0].ID
	}
	return id
}

func (g *Graph) writeRemoved(w http.ResponseWriter, removed bool) {
	if !removed {
		g.writeControl(w, http.StatusNotFound, map[string]string{"error": "there is none"})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// controlRule is a Rule as JSON, with durations such as "1.5s".
type controlRule struct {
	Name          string        `json:"name,omitempty"`
	Fault         Fault         `json:"fault"`
	PhoneNumberID PhoneNumberID `json:"phone_number_id,omitempty"`
	Contact       Identity      `json:"contact,omitempty"`
	Call          Call          `json:"call,omitempty"`
	Type          string        `json:"type,omitempty"`
	Item          ItemKind      `json:"item,omitempty"`
	Status        Status        `json:"status,omitempty"`
	Always        bool          `json:"always,omitempty"`
	Next          int           `json:"next,omitempty"`
	Every         int           `json:"every,omitempty"`
	Probability   float64       `json:"probability,omitempty"`
	Code          int           `json:"code,omitempty"`
	Subcode       int           `json:"subcode,omitempty"`
	Details       string        `json:"details,omitempty"`
	HTTPStatus    int           `json:"http_status,omitempty"`
	RetryAfter    duration      `json:"retry_after,omitempty"`
	Delay         duration      `json:"delay,omitempty"`
	Copies        int           `json:"copies,omitempty"`
	Matched       int           `json:"matched"`  // answered only
	Injected      int           `json:"injected"` // answered only
}

func (c controlRule) rule() Rule {
	return Rule{
		Name: c.Name, Fault: c.Fault,
		PhoneNumberID: c.PhoneNumberID, Contact: c.Contact, Type: c.Type, Item: c.Item, Status: c.Status,
		Always: c.Always, Next: c.Next, Every: c.Every, Probability: c.Probability,
		Call: c.Call, Code: c.Code, Subcode: c.Subcode, Details: c.Details, HTTPStatus: c.HTTPStatus,
		RetryAfter: time.Duration(c.RetryAfter), Delay: time.Duration(c.Delay), Copies: c.Copies,
	}
}

func newControlRule(count FaultCount) controlRule {
	r := count.Rule
	return controlRule{
		Name: r.Name, Fault: r.Fault,
		PhoneNumberID: r.PhoneNumberID, Contact: r.Contact, Type: r.Type, Item: r.Item, Status: r.Status,
		Always: r.Always, Next: r.Next, Every: r.Every, Probability: r.Probability,
		Call: r.Call, Code: r.Code, Subcode: r.Subcode, Details: r.Details, HTTPStatus: r.HTTPStatus,
		RetryAfter: duration(r.RetryAfter), Delay: duration(r.Delay), Copies: r.Copies,
		Matched: count.Matched, Injected: count.Injected,
	}
}

type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = duration(parsed)
	return nil
}

func (g *Graph) controlFaults(w http.ResponseWriter, _ *http.Request) {
	rules := []controlRule{}
	for _, count := range g.Faults() {
		rules = append(rules, newControlRule(count))
	}
	g.writeControl(w, http.StatusOK, map[string]any{"faults": rules})
}

func (g *Graph) controlAddFault(w http.ResponseWriter, r *http.Request) {
	var wire controlRule
	if err := readControl(w, r, &wire); err != nil {
		g.writeProblem(w, err)
		return
	}
	name, err := g.AddFault(wire.rule())
	if err != nil {
		g.writeProblem(w, err)
		return
	}
	g.writeControl(w, http.StatusOK, map[string]string{"name": name})
}

// readControl takes any content type: by hand, curl -d sends a form's.
func readControl(w http.ResponseWriter, r *http.Request, target any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBytes))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		return fmt.Errorf("%w: read the request: %w", ErrInvalid, err)
	}
	return nil
}

func (g *Graph) writeProblem(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, ErrInvalid):
		status = http.StatusBadRequest
	case errors.Is(err, ErrUnknownNumber):
		status = http.StatusNotFound
	case errors.Is(err, ErrFull), errors.Is(err, ErrClosed), errors.Is(err, context.DeadlineExceeded):
		status = http.StatusServiceUnavailable
	}
	g.writeControl(w, status, map[string]string{"error": err.Error()})
}

func (g *Graph) writeControl(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(answer); err != nil {
		g.counters.answersUnread.Add(1)
	}
}

// notNil shows an empty list as one.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
