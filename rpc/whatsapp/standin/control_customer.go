package standin

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// routeCustomers serves what customers do, and what is done to them.
func (g *Graph) routeCustomers(mux *http.ServeMux) {
	const customer = "POST /_standin/customers/{customer}/"
	mux.HandleFunc(customer+"messages", serveCustomer(g,
		func(ctx context.Context, who Customer, does writes) (WAMID, error) {
			return g.Write(ctx, who, does.Message, does.At)
		}))
	mux.HandleFunc(customer+"echoes", serveCustomer(g,
		func(ctx context.Context, who Customer, does writes) (WAMID, error) {
			return g.Echo(ctx, who, does.Message, does.At)
		}))
	mux.HandleFunc(customer+"identity", serveCustomer(g,
		func(ctx context.Context, who Customer, does changesIdentity) (WAMID, error) {
			return g.ChangeIdentity(ctx, who, does.To, does.At)
		}))
	mux.HandleFunc(customer+"marketing", serveCustomer(g,
		func(ctx context.Context, who Customer, does setsMarketing) (WAMID, error) {
			if does.Wanted == nil {
				return "", fmt.Errorf("%w: wanted is true or false", ErrInvalid)
			}
			return "", g.SetMarketing(ctx, who, *does.Wanted, does.At)
		}))
}

// who is what a request says of the customer beside the identity in its path.
// PhoneNumberID may be left out when there is only one number.
type who struct {
	PhoneNumberID PhoneNumberID `json:"phone_number_id"`
	Name          string        `json:"name"`
	Username      string        `json:"username"`
	UserID        Identity      `json:"user_id"` // beside a wa_id in the path
	ParentUserID  Identity      `json:"parent_user_id"`
	At            time.Time     `json:"at"`
}

type writes struct {
	who
	Message
}

type changesIdentity struct {
	who
	To IdentityChange `json:"to"`
}

type setsMarketing struct {
	who
	Wanted *bool `json:"wanted"`
}

func (w who) customer(g *Graph, name string) (Customer, error) {
	identity, ok := ParseIdentity(name)
	if !ok {
		return Customer{}, fmt.Errorf("%w: neither a wa_id nor a user ID", ErrInvalid)
	}
	customer := Customer{
		PhoneNumberID: g.onlyNumber(w.PhoneNumberID), WAID: identity,
		UserID: w.UserID, ParentUserID: w.ParentUserID, Name: w.Name, Username: w.Username,
	}
	if identity.IsUserID() {
		customer.WAID, customer.UserID = "", identity
	}
	return customer, nil
}

// serveCustomer reads what a customer does, does it, and answers the WAMID, if
// there is one.
func serveCustomer[T interface {
	customer(g *Graph, name string) (Customer, error)
}](g *Graph, do func(context.Context, Customer, T) (WAMID, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var does T
		if err := readControl(w, r, &does); err != nil {
			g.writeProblem(w, err)
			return
		}
		customer, err := does.customer(g, r.PathValue("customer"))
		if err != nil {
			g.writeProblem(w, err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), controlWait)
		defer cancel()
		wamid, err := do(ctx, customer, does)
		switch {
		case err != nil:
			g.writeProblem(w, err)
		case wamid == "":
			w.WriteHeader(http.StatusNoContent)
		default:
			g.writeControl(w, http.StatusOK, map[string]WAMID{"id": wamid})
		}
	}
}
