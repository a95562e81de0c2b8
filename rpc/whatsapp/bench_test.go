//go:build unix

package whatsapp_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/rpc/whatsapp"
)

const (
	benchSecret = "bench-secret"
	// benchSenders are the connections that deliver.
	benchSenders = 1_024
	benchItems   = 4_096
	// offeredRate is what one upgraded number may bring, with statuses.
	offeredRate = 4_000
	// ackLimit is what Meta asks of half of all acks; here 99 of 100 must keep it.
	ackLimit = 250 * time.Millisecond
	// sustained is how long a rate must be kept up.
	sustained = 5 * time.Second
)

// BenchmarkWebhook compares webhooks of one message each, to the fsync behind
// the answer, with a bare net/http handler that verifies the same signatures.
// Both take turns in one run and pay for their senders, in this process.
//
//	go test -run '^$' -bench 'Webhook$' -benchtime 10s ./rpc/whatsapp
func BenchmarkWebhook(b *testing.B) {
	whole, bare := connect(b, wholeWebhook(b)), connect(b, serve(b, http.HandlerFunc(verifyOnly)))
	var wholeTook, bareTook, wholeCPU, bareCPU time.Duration
	count := 0
	for b.Loop() {
		list := webhooks(count, benchItems, 1)
		count += benchItems
		cpu, began := cpuTime(), time.Now()
		whole.offer(b, list, 0)
		wholeTook, wholeCPU = wholeTook+time.Since(began), wholeCPU+cpuTime()-cpu
		cpu, began = cpuTime(), time.Now()
		bare.offer(b, list, 0)
		bareTook, bareCPU = bareTook+time.Since(began), bareCPU+cpuTime()-cpu
	}
	b.ReportMetric(0, "ns/op") // an operation is a slice of both: it says nothing
	b.ReportMetric(float64(count)/wholeTook.Seconds(), "webhooks/s")
	b.ReportMetric(float64(count)/bareTook.Seconds(), "bare/s")
	b.ReportMetric(bareTook.Seconds()/wholeTook.Seconds(), "of-bare")
	b.ReportMetric(float64(wholeCPU.Nanoseconds())/1e3/float64(count), "cpu-µs")
	b.ReportMetric(float64(bareCPU.Nanoseconds())/1e3/float64(count), "bare-cpu-µs")
}

// batches are how many messages a POST holds: few when little comes, several
// when much does.
var batches = []int{1, 10}

// BenchmarkWebhookOffered offers messages at a fixed rate, whether the ones
// before are answered or not, and reports how long after its time each POST was.
//
//	go test -run '^$' -bench WebhookOffered -benchtime 10x ./rpc/whatsapp
func BenchmarkWebhookOffered(b *testing.B) {
	for _, batch := range batches {
		b.Run(fmt.Sprintf("messages=%d", batch), func(b *testing.B) {
			whole := connect(b, wholeWebhook(b))
			var took []time.Duration
			count, refused := 0, 0
			var used time.Duration
			for b.Loop() {
				list := webhooks(count, offeredRate, batch)
				count += offeredRate
				cpu := cpuTime()
				acks, no := whole.offer(b, list, offeredRate/batch)
				used += cpuTime() - cpu
				took, refused = append(took, acks...), refused+no
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ms(percentile(took, 50)), "p50-ms")
			b.ReportMetric(ms(percentile(took, 99)), "p99-ms")
			b.ReportMetric(float64(refused), "refused")
			b.ReportMetric(float64(used.Nanoseconds())/1e3/float64(count), "cpu-µs/message")
		})
	}
}

// BenchmarkWebhookSustained finds the highest rate of messages that is kept up
// with nothing refused and 99 of 100 acks within ackLimit.
//
//	go test -run '^$' -bench WebhookSustained -benchtime 1x ./rpc/whatsapp
func BenchmarkWebhookSustained(b *testing.B) {
	for _, batch := range batches {
		b.Run(fmt.Sprintf("messages=%d", batch), func(b *testing.B) {
			whole := connect(b, wholeWebhook(b))
			count := 0
			keeps := func(rate int) bool {
				n := int(sustained.Seconds()) * rate
				n -= n % batch
				list := webhooks(count, n, batch)
				count += n
				took, refused := whole.offer(b, list, rate/batch)
				p99 := percentile(took, 99)
				b.Logf("%d messages/s: p50 %v, p99 %v, %d refused", rate, percentile(took, 50), p99, refused)
				return p99 <= ackLimit && refused == 0
			}
			for b.Loop() {
				highest := 0
				for low, high := 0, 32_000; high-low > 1_000; {
					if rate := (low + high) / 2; keeps(rate) {
						low, highest = rate, rate
					} else {
						high = rate
					}
				}
				b.ReportMetric(float64(highest), "messages/s")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func percentile(took []time.Duration, p int) time.Duration {
	slices.Sort(took)
	return took[len(took)*p/100]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// cpuTime is what this process has used of the processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func verifyOnly(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 3<<20))
	if err != nil || !hmac.Equal([]byte(signature(body)), []byte(r.Header.Get("X-Hub-Signature-256"))) {
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func signature(body []byte) string {
	mac := hmac.New(sha256.New, []byte(benchSecret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// webhook is a signed POST as it goes over the wire: the senders share this
// machine, and should cost it little.
type webhook struct{ request []byte }

// webhooks are n messages from the first on, of 10,000 customers in turn, batch
// of them in a POST.
func webhooks(first, n, batch int) []webhook {
	list := make([]webhook, 0, n/batch)
	for from := first; from < first+n; from += batch {
		var contacts, messages []string
		for i := from; i < from+batch; i++ {
			contact, message := messageOf(fmt.Sprintf("99900%06d", i%10_000), i)
			contacts, messages = append(contacts, contact), append(messages, message)
		}
		list = append(list, newWebhook(contacts, messages))
	}
	return list
}

// messageOf is the nth message, of one customer.
func messageOf(customer string, n int) (contact, message string) {
	return fmt.Sprintf(`{"profile":{"name":"a customer"},"wa_id":"%s"}`, customer),
		fmt.Sprintf(`{"from":"%s","id":"wamid.HBgLMTU1NTA.%d","timestamp":"%d","type":"text",`+
			`"text":{"body":"a question of the usual length, about an order"}}`, customer, n, time.Now().Unix())
}

func newWebhook(contacts, messages []string) webhook {
	body := fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{`+
		`"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550100","phone_number_id":"1001"},`+
		`"contacts":[%s],"messages":[%s]}}]}]}`, strings.Join(contacts, ","), strings.Join(messages, ","))
	return webhook{fmt.Appendf(nil, "POST /webhooks/whatsapp/main HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n"+
		"X-Hub-Signature-256: %s\r\nContent-Length: %d\r\n\r\n%s", signature(body), len(body), body)}
}

func wholeWebhook(b *testing.B) string {
	b.Helper()
	j, err := journal.Open(b.TempDir(), journal.Options{Create: true, Fatal: func(err error) { panic(err) }})
	if err != nil {
		b.Fatalf("open journal: %v", err)
	}
	router := actors.NewRouter(actors.RouterOptions{Store: j})
	b.Cleanup(func() {
		router.Stop()
		if err := j.Close(); err != nil {
			b.Errorf("close journal: %v", err)
		}
	})
	handler, err := whatsapp.NewWebhook(whatsapp.Config{
		Apps: []whatsapp.App{{ID: "main", VerifyToken: "verify", AppSecrets: []whatsapp.Secret{benchSecret}}},
		Channels: []whatsapp.Channel{
			{ID: "acme-main", Workspace: "acme", App: "main", PhoneNumberID: "1001", AccessToken: "token"},
		},
	}, actors.NewInbox(router, j, j, 0), slog.New(slog.DiscardHandler), whatsapp.NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		b.Fatalf("make webhook: %v", err)
	}
	mux := http.NewServeMux()
	mux.Handle(whatsapp.WebhookPattern, handler)
	return serve(b, mux)
}

// serve listens on the loopback and says where.
func serve(b *testing.B, handler http.Handler) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatalf("listen: %v", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(l); err != http.ErrServerClosed {
			b.Errorf("serve: %v", err)
		}
	})
	b.Cleanup(func() {
		if err := server.Close(); err != nil {
			b.Errorf("close server: %v", err)
		}
		serving.Wait()
	})
	return l.Addr().String()
}

// senders are connections to one server.
type senders struct{ connections []*sender }

type sender struct {
	net.Conn
	answers *bufio.Reader
}

func connect(b *testing.B, address string) *senders {
	b.Helper()
	s := &senders{}
	for range benchSenders {
		c, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatalf("dial: %v", err)
		}
		b.Cleanup(func() {
			if err := c.Close(); err != nil {
				b.Errorf("close: %v", err)
			}
		})
		s.connections = append(s.connections, &sender{c, bufio.NewReaderSize(c, 512)})
	}
	return s
}

// deliver delivers w and reports whether it was taken.
func (s *sender) deliver(w *webhook) (bool, error) {
	if _, err := s.Write(w.request); err != nil {
		return false, err
	}
	answer, err := http.ReadResponse(s.answers, nil)
	if err != nil {
		return false, err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return false, err
	}
	switch answer.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusServiceUnavailable:
		return false, nil
	}
	return false, fmt.Errorf("status %d, want 200 or 503", answer.StatusCode)
}

// offer delivers rate webhooks in a second, each at its time if a connection is
// free then, and tells how long after its time each was answered; with rate 0,
// as fast as they are answered. What was refused counts as answered.
func (s *senders) offer(b *testing.B, list []webhook, rate int) (took []time.Duration, refused int) {
	took = make([]time.Duration, len(list))
	due := func(began time.Time, i int) time.Time {
		if rate == 0 {
			return began
		}
		return began.Add(time.Duration(i) * time.Second / time.Duration(rate))
	}
	var next, refusals atomic.Int64
	var sending sync.WaitGroup
	began := time.Now()
	for _, c := range s.connections {
		sending.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(list); i = int(next.Add(1)) - 1 {
				time.Sleep(time.Until(due(began, i)))
				ok, err := c.deliver(&list[i])
				if err != nil {
					b.Errorf("deliver: got error %v, want none", err)
					return
				}
				if !ok {
					refusals.Add(1)
				}
				took[i] = time.Since(due(began, i))
			}
		})
	}
	sending.Wait()
	return took, int(refusals.Load())
}
