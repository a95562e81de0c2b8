//go:build unix

package whatsapp_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

const (
	// floodRate is what one customer sends.
	floodRate = 1_000
	// floodTurn is how long calm and flood last before the other has its turn.
	floodTurn = 2 * time.Second
	// floodNeighbours are the customers whose acks are measured.
	floodNeighbours = 1_000
)

// BenchmarkWebhookFlood measures how soon other customers' messages are
// acknowledged while one customer floods their conversation, and while nobody
// does, in turns.
//
//	go test -run '^$' -bench WebhookFlood -benchtime 10x ./rpc/whatsapp
func BenchmarkWebhookFlood(b *testing.B) {
	for _, rate := range []int{500, 2_000} {
		b.Run(fmt.Sprintf("others=%d", rate), func(b *testing.B) { flood(b, rate) })
	}
}

func flood(b *testing.B, rate int) {
	address := wholeWebhook(b)
	others, flooder := connect(b, address), connect(b, address)
	var calm, flooded, flooding []time.Duration
	count, refused, refusedOthers := 0, 0, 0
	measure := func() []time.Duration {
		list := messagesOf(count, int(floodTurn.Seconds())*rate, func(n int) string { return fmt.Sprintf("99901%06d", n%floodNeighbours) })
		count += len(list)
		took, no := others.offer(b, list, rate)
		refusedOthers += no
		return took
	}
	measure() // everybody has a conversation
	for b.Loop() {
		calm = append(calm, measure()...)
		list := messagesOf(count, int(floodTurn.Seconds())*floodRate, func(int) string { return "99902000000" })
		count += len(list)
		var running sync.WaitGroup
		running.Go(func() {
			took, no := flooder.offer(b, list, floodRate)
			flooding, refused = append(flooding, took...), refused+no
		})
		flooded = append(flooded, measure()...)
		running.Wait()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(percentile(calm, 50)), "calm-p50-ms")
	b.ReportMetric(ms(percentile(calm, 99)), "calm-p99-ms")
	b.ReportMetric(ms(percentile(flooded, 50)), "flooded-p50-ms")
	b.ReportMetric(ms(percentile(flooded, 99)), "flooded-p99-ms")
	b.ReportMetric(float64(percentile(flooded, 99))/float64(percentile(calm, 99)), "p99-ratio")
	b.ReportMetric(float64(refused)/float64(len(flooding)), "flood-refused")
	b.ReportMetric(float64(refusedOthers), "others-refused")
}

// messagesOf are n POSTs of one message each.
func messagesOf(first, n int, customer func(n int) string) []webhook {
	list := make([]webhook, n)
	for i := range list {
		contact, message := messageOf(customer(first+i), first+i)
		list[i] = newWebhook([]string{contact}, []string{message})
	}
	return list
}
