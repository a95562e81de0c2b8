package whatsapp

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/intervenehq/intervene/engine"
)

// wireProduct names one thing of a catalogue.
type wireProduct struct {
	Catalog  lenientString `json:"catalog_id"`
	Retailer lenientString `json:"product_retailer_id"`
}

// product is what raw names; nil if it names nothing.
func (r *reader) product(raw json.RawMessage) *engine.Product {
	var wire wireProduct
	if !object(raw, &wire) || wire == (wireProduct{}) {
		return nil
	}
	return &engine.Product{Catalog: r.clip(wire.Catalog, MaxNameBytes), Retailer: r.clip(wire.Retailer, MaxNameBytes)}
}

// order is a cart. A line that cannot be read is left out; if none can, the
// message is kept raw. Quantities and prices come as numbers and as strings.
func (r *reader) order(raw json.RawMessage) (engine.Content, bool) {
	var order struct {
		Catalog lenientString   `json:"catalog_id"`
		Text    lenientString   `json:"text"`
		Items   json.RawMessage `json:"product_items"`
	}
	if !object(raw, &order) {
		return engine.Content{}, false
	}
	lines, ok := list(order.Items)
	if !ok {
		return engine.Content{}, false
	}
	content := engine.Content{
		Kind: engine.ContentOrder, Text: r.clip(order.Text, MaxTextBytes),
		Order: &engine.Order{Catalog: r.clip(order.Catalog, MaxNameBytes)},
	}
	for _, raw := range few(r, lines, MaxOrderItems) {
		var line struct {
			wireProduct
			Quantity lenientString `json:"quantity"`
			Price    lenientString `json:"item_price"`
			Currency lenientString `json:"currency"`
		}
		if !object(raw, &line) {
			r.lost = true
			continue
		}
		product := engine.Product{Catalog: content.Order.Catalog, Retailer: r.clip(line.Retailer, MaxNameBytes)}
		if line.Catalog != "" {
			product.Catalog = r.clip(line.Catalog, MaxNameBytes)
		}
		content.Order.Items = append(content.Order.Items, engine.OrderItem{
			Product: product, Quantity: r.quantity(line.Quantity),
			Price: r.clip(line.Price, MaxNameBytes), Currency: r.clip(line.Currency, MaxNameBytes),
		})
	}
	return content, len(content.Order.Items) > 0
}

// quantity is a whole number, 0 if it is none: then a person has to ask.
func (r *reader) quantity(text lenientString) int64 {
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil || n != math.Trunc(n) || n < 0 || n > math.MaxInt32 {
		r.lost = true
		return 0
	}
	return int64(n)
}
