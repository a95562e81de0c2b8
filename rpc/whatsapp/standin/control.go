package standin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	maxControlBytes = 1 << 20
	controlWait     = 10 * time.Second // for room in the queue
)

// ControlHandler serves the stand-in's own endpoints, for use by hand. They
// ask for no token and show message text: listen on loopback.
//
//	POST   /_standin/customers/{wa_id}/messages  a customer writes
//	GET    /_standin/deliveries?to=              accepted sends
//	GET    /_standin/offers                      webhook items
//	GET    /_standin/receipts                    read receipts
//	GET    /_standin/faults                      rules and what they did
//	POST   /_standin/faults                      add a rule
//	DELETE /_standin/faults                      remove all rules
//	GET    /_standin/health
func (g *Graph) ControlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /_standin/customers/{wa_id}/messages", g.controlWrite)
	mux.HandleFunc("GET /_standin/deliveries", g.controlDeliveries)
	mux.HandleFunc("GET /_standin/offers", func(w http.ResponseWriter, _ *http.Request) {
		g.writeControl(w, http.StatusOK, map[string]any{"offers": g.Offers()})
	})
	mux.HandleFunc("GET /_standin/receipts", func(w http.ResponseWriter, _ *http.Request) {
		g.writeControl(w, http.StatusOK, map[string]any{"receipts": notNil(g.Receipts())})
	})
	mux.HandleFunc("GET /_standin/faults", g.controlFaults)
	mux.HandleFunc("POST /_standin/faults", g.controlAddFault)
	mux.HandleFunc("DELETE /_standin/faults", func(w http.ResponseWriter, _ *http.Request) {
		g.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_standin/health", func(w http.ResponseWriter, _ *http.Request) {
		g.writeControl(w, http.StatusOK, map[string]any{
			"status": "ok", "seed": fmt.Sprint(g.Seed()), "stats": g.Stats(),
		})
	})
	return mux
}

// customerWrites is a customer's message. One of Text, Button, Row and Message
// is set. PhoneNumberID may be left out when there is only one number.
type customerWrites struct {
	PhoneNumberID PhoneNumberID   `json:"phone_number_id"`
	Name          string          `json:"name"`
	Text          string          `json:"text"`
	Button        *controlReply   `json:"button"`
	Row           *controlReply   `json:"row"`
	Message       json.RawMessage `json:"message"` // a message object as Meta sends it
	At            time.Time       `json:"at"`
}

type controlReply struct {
	To          WAMID  `json:"to"`
	ID          string `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

func (g *Graph) controlWrite(w http.ResponseWriter, r *http.Request) {
	var writes customerWrites
	if err := readControl(w, r, &writes); err != nil {
		g.writeProblem(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), controlWait)
	defer cancel()
	wamid, err := g.writeAs(ctx, r.PathValue("wa_id"), writes)
	if err != nil {
		g.writeProblem(w, err)
		return
	}
	g.writeControl(w, http.StatusOK, map[string]WAMID{"id": wamid})
}

func (g *Graph) writeAs(ctx context.Context, name string, writes customerWrites) (WAMID, error) {
	identity, ok := ParseIdentity(name)
	if !ok {
		return "", fmt.Errorf("%w: neither a wa_id nor a user ID", ErrInvalid)
	}
	customer := Customer{PhoneNumberID: writes.PhoneNumberID, Name: writes.Name}
	if identity.IsUserID() {
		customer.UserID = identity
	} else {
		customer.WAID = identity
	}
	if customer.PhoneNumberID == "" && len(g.config.Numbers) == 1 {
		customer.PhoneNumberID = g.config.Numbers[0].ID
	}
	switch {
	case writes.Text != "":
		return g.WriteText(ctx, customer, writes.Text, writes.At)
	case writes.Button != nil:
		return g.PressButton(ctx, customer, Reply(*writes.Button), writes.At)
	case writes.Row != nil:
		return g.ChooseRow(ctx, customer, Reply(*writes.Row), writes.At)
	case writes.Message != nil:
		return g.WriteObject(ctx, customer, writes.Message, writes.At)
	}
	return "", fmt.Errorf("%w: one of text, button, row and message is needed", ErrInvalid)
}

func (g *Graph) controlDeliveries(w http.ResponseWriter, r *http.Request) {
	deliveries := g.Deliveries
	if to := r.URL.Query().Get("to"); to != "" {
		identity, ok := ParseIdentity(to)
		if !ok {
			g.writeProblem(w, fmt.Errorf("%w: neither a wa_id nor a user ID", ErrInvalid))
			return
		}
		deliveries = func() []Delivery { return g.DeliveriesTo(identity) }
	}
	g.writeControl(w, http.StatusOK, map[string]any{"deliveries": notNil(deliveries())})
}

// controlRule is a Rule as JSON, with durations such as "1.5s".
type controlRule struct {
	Name          string        `json:"name,omitempty"`
	Fault         Fault         `json:"fault"`
	PhoneNumberID PhoneNumberID `json:"phone_number_id,omitempty"`
	Contact       Identity      `json:"contact,omitempty"`
	Type          string        `json:"type,omitempty"`
	Item          ItemKind      `json:"item,omitempty"`
	Status        Status        `json:"status,omitempty"`
	Always        bool          `json:"always,omitempty"`
	Next          int           `json:"next,omitempty"`
	Every         int           `json:"every,omitempty"`
	Probability   float64       `json:"probability,omitempty"`
	Code          int           `json:"code,omitempty"`
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
		Code: c.Code, HTTPStatus: c.HTTPStatus,
		RetryAfter: time.Duration(c.RetryAfter), Delay: time.Duration(c.Delay), Copies: c.Copies,
	}
}

func newControlRule(count FaultCount) controlRule {
	r := count.Rule
	return controlRule{
		Name: r.Name, Fault: r.Fault,
		PhoneNumberID: r.PhoneNumberID, Contact: r.Contact, Type: r.Type, Item: r.Item, Status: r.Status,
		Always: r.Always, Next: r.Next, Every: r.Every, Probability: r.Probability,
		Code: r.Code, HTTPStatus: r.HTTPStatus,
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
