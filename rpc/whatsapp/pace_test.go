package whatsapp

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/intervenehq/intervene/engine"
)

func newTestPace(t *testing.T, perSecond int) *pace {
	t.Helper()
	config := testConfig()
	config.Channels[0].MessagesPerSecond = perSecond
	p, err := newPace(NewMetrics(nil))
	if err != nil {
		t.Fatalf("newPace: got error %v, want none", err)
	}
	p.serve(config.Channels, nil)
	p.draw = func(longest time.Duration) time.Duration { return longest }
	return p
}

const paced engine.ChannelID = "acme-main"

func contactNumber(n int) engine.Contact {
	return engine.Contact{WaID: "1555000" + string(rune('0'+n/100)) + string(rune('0'+n/10%10)) + string(rune('0'+n%10))}
}

func wantWait(t *testing.T, p *pace, to engine.Contact, want time.Duration) {
	t.Helper()
	if got := p.reserve(paced, to).Round(time.Millisecond); got != want {
		t.Errorf("wait: got %v, want %v", got, want)
	}
}

func TestPaceOfANumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPace(t, 20)
		for n := range 15 {
			wantWait(t, p, contactNumber(n), 0)
		}
		p.arrived(paced, 5) // what comes counts too
		wantWait(t, p, contactNumber(100), 50*time.Millisecond)
		wantWait(t, p, contactNumber(100), 50*time.Millisecond) // asking takes nothing
		time.Sleep(50 * time.Millisecond)
		wantWait(t, p, contactNumber(100), 0)
		p.arrived(paced, 1000) // a flood does not silence the number
		time.Sleep(50 * time.Millisecond)
		wantWait(t, p, contactNumber(102), 0)
		if got := p.reserve("acme-second", contactNumber(101)); got != 0 {
			t.Errorf("wait of another number: got %v, want none", got)
		}
	})
}

func TestPaceOfAPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPace(t, 1000)
		ana, ben := engine.Contact{UserID: "US.ana", WaID: "15550123"}, engine.Contact{WaID: "15550124"}
		for range PairBurst {
			wantWait(t, p, ana, 0)
		}
		wantWait(t, p, ana, PairInterval)
		wantWait(t, p, engine.Contact{UserID: "US.ana"}, PairInterval) // the same contact
		wantWait(t, p, ben, 0)
		time.Sleep(PairInterval)
		wantWait(t, p, ana, 0)
	})
}

func TestPaceAsMetaSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPace(t, 80)
		ana, ben := engine.Contact{WaID: "15550123"}, engine.Contact{WaID: "15550124"}
		p.tooFast(&engine.Outbound{Channel: paced, To: ana}, 16*time.Second, true)
		wantWait(t, p, ana, 16*time.Second)
		wantWait(t, p, ben, 0)
		p.tooFast(&engine.Outbound{Channel: paced, To: ana}, time.Minute, false)
		p.tooFast(&engine.Outbound{Channel: paced, To: ana}, time.Second, false) // sooner does not count
		wantWait(t, p, ben, time.Minute)
		time.Sleep(time.Minute)
		wantWait(t, p, ben, 0)
	})
}

func TestBreakerOpensAndProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPace(t, 1000)
		for range BreakerFailures - 1 {
			p.failed(paced)
		}
		p.served(paced) // one that went well begins the count anew
		for range BreakerFailures - 1 {
			p.failed(paced)
		}
		wantWait(t, p, contactNumber(1), 0)
		p.failed(paced)
		wantWait(t, p, contactNumber(1), 5*time.Second)
		p.failed(paced) // one that was on its way keeps it open for no longer
		wantWait(t, p, contactNumber(1), 5*time.Second)

		time.Sleep(5 * time.Second)
		wantWait(t, p, contactNumber(1), 0) // the probe
		wantWait(t, p, contactNumber(2), probePause)
		p.failed(paced)
		wantWait(t, p, contactNumber(2), 20*time.Second)
		time.Sleep(20 * time.Second)
		wantWait(t, p, contactNumber(1), 0)
		time.Sleep(ProbeTimeout) // a probe that nobody reports on is given up
		wantWait(t, p, contactNumber(2), 0)
		p.served(paced)
		wantWait(t, p, contactNumber(1), 0)
		wantWait(t, p, contactNumber(2), 0)
	})
}

func TestBreakerOfARefusedNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPace(t, 80)
		if got, want := p.paused(paced, 0), 5*time.Minute; got != want {
			t.Errorf("pause: got %v, want %v", got, want)
		}
		if got, want := p.paused(paced, 0), 5*time.Minute; got != want { // sent before the breaker opened
			t.Errorf("pause of a send that was under way: got %v, want %v", got, want)
		}
		wantWait(t, p, contactNumber(1), 5*time.Minute)
		time.Sleep(5 * time.Minute)
		wantWait(t, p, contactNumber(1), 0)
		if got, want := p.paused(paced, 0), 20*time.Minute; got != want {
			t.Errorf("pause after the probe: got %v, want %v", got, want)
		}
		if got, want := p.paused(paced, 3*time.Hour), 3*time.Hour+80*time.Minute; got != want {
			t.Errorf("pause that Meta asked for: got %v, want %v", got, want)
		}
	})
}

func TestRetryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPace(t, 80)
		for n := range RetryBurst {
			if !p.mayRetry(paced) {
				t.Fatalf("retry %d: got no, want the whole burst", n)
			}
		}
		if p.mayRetry(paced) {
			t.Error("retry past the budget: got yes, want no")
		}
		for range 11 { // 10 of them, and floating point
			p.served(paced)
		}
		if !p.mayRetry(paced) {
			t.Error("retry after ten sends: got no, want yes")
		}
		if p.mayRetry(paced) {
			t.Error("second retry after ten sends: got yes, want no")
		}
	})
}
