package whatsapp

import (
	"bytes"
	"strconv"
	"testing"
)

// BenchmarkParse is what a webhook of one plain text message costs, and one of
// a thousand of them.
//
//	go test -run '^$' -bench 'Parse$' ./rpc/whatsapp
func BenchmarkParse(b *testing.B) {
	one := []byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{` +
		`"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550100","phone_number_id":"1001"},` +
		`"contacts":[{"profile":{"name":"a customer"},"wa_id":"99900000001"}],"messages":[{"from":"99900000001","id":"wamid.HBgLMTU1NTA.0",` +
		`"timestamp":"1760000000","type":"text","text":{"body":"a question of the usual length, about an order"}}]}}]}]}`)
	texts := make([]string, 1000)
	for i := range texts {
		texts[i] = "message " + strconv.Itoa(i)
	}
	channels := mainChannels()
	for name, body := range map[string][]byte{"one": one, "thousand": textDelivery(texts...)} {
		b.Run(name, func(b *testing.B) {
			messages := bytes.Count(body, []byte(`"from"`))
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if d, err := parse(body, channels); err != nil || len(d.items) != messages {
					b.Fatalf("parse: got %d items and error %v, want %d and none", len(d.items), err, messages)
				}
			}
		})
	}
}
