package actors

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/engine"
)

// durationBuckets suit what waits for a disk: 250 µs to 10 s.
var durationBuckets = []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: durationBuckets, NativeHistogramBucketFactor: 1.1,
	}, labels)
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauge(name, help string, value func() float64) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}

// routerMetrics are those of commands and of the actors that run them.
type routerMetrics struct {
	durable *prometheus.HistogramVec
	// accepted are of durable, as they are needed first.
	accepted     [len(commandNames)]atomic.Pointer[prometheus.Observer]
	transitions  *prometheus.CounterVec
	refused      *prometheus.CounterVec
	activations  prometheus.Counter
	passivations prometheus.Counter
	evictions    *prometheus.CounterVec
	restarts     prometheus.Counter
	quarantined  prometheus.Gauge
	parked       prometheus.Counter
	early        prometheus.Counter
}

func newRouterMetrics(registerer prometheus.Registerer, r *Router) *routerMetrics {
	m := &routerMetrics{
		durable: histogram("intervene_command_durable_duration_seconds",
			"Time from a command's arrival at the router until it is durable, or refused.", "command", "outcome"),
		transitions: counter("intervene_transitions_total",
			"Moves of conversations between columns and holders.", "to", "cause"),
		refused: counter("intervene_actor_refusals_total",
			"Requests not taken because too much waited or the engine was draining.", "reason"),
		activations: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "intervene_actor_activations_total", Help: "Conversations brought into memory.",
		}),
		passivations: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "intervene_actor_passivations_total", Help: "Idle conversations let go of.",
		}),
		evictions: counter("intervene_actor_evictions_total",
			"Conversations let go of before they were idle for long: too many were resident, or memory was short.", "reason"),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "intervene_actor_restarts_total", Help: "Conversations loaded anew after a panic.",
		}),
		quarantined: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "intervene_actors_quarantined",
			Help: "Conversations that cannot be loaded or panicked twice, and wait for an operator.",
		}),
		early: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "intervene_statuses_early_total", Help: "Statuses that came before anybody knew their send, and were kept.",
		}),
		parked: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "intervene_items_parked_total", Help: "Items of quarantined conversations, kept for `journal repair`.",
		}),
	}
	for _, reason := range []string{evictedForRoom, evictedForMemory} {
		m.evictions.WithLabelValues(reason)
	}
	if registerer != nil {
		registerer.MustRegister(m.durable, m.transitions, m.refused, m.activations, m.passivations, m.evictions, m.restarts, m.quarantined, m.parked, m.early,
			gauge("intervene_actors_resident", "Conversations in memory.", func() float64 { return float64(r.Resident()) }),
			gauge("intervene_actor_requests_waiting", "Requests taken and not yet answered.",
				func() float64 { return float64(r.waiting.Load()) }))
	}
	return m
}

// observe counts an answered request.
func (m *routerMetrics) observe(q *request) {
	if q.ask != askNothing {
		return
	}
	m.durationOf(kindOf(q.command.Body), q.answer.err).Observe(time.Since(q.at).Seconds())
	for i := range q.answer.events {
		if b, ok := q.answer.events[i].Body.(engine.Moved); ok {
			m.transitions.WithLabelValues(b.To.String(), b.Cause.String()).Inc()
		}
	}
}

// durationOf finds the histogram of a command that ended with err. Those of
// accepted commands are at hand: looking one up by its labels costs more than
// to observe.
func (m *routerMetrics) durationOf(kind commandKind, err error) prometheus.Observer {
	if err != nil {
		return m.durable.WithLabelValues(commandNames[kind], outcomeName(err))
	}
	if o := m.accepted[kind].Load(); o != nil {
		return *o
	}
	o := m.durable.WithLabelValues(commandNames[kind], outcomeName(nil))
	m.accepted[kind].Store(&o)
	return o
}

func outcomeName(err error) string {
	if err == nil {
		return "ok"
	}
	if code := engine.CodeOf(err); code != 0 {
		return code.String()
	}
	return "error"
}

// commandKind numbers the commands for their metrics. It is on no disk and no wire.
type commandKind uint8

func kindOf(body engine.CommandBody) commandKind {
	switch body.(type) {
	case engine.Receive:
		return 1
	case engine.RecordStatus:
		return 2
	case engine.AnswerTurn:
		return 3
	case engine.FailTurn:
		return 4
	case engine.SendMessage:
		return 5
	case engine.RequestAgent:
		return 6
	case engine.WithdrawRequest:
		return 7
	case engine.Intervene:
		return 8
	case engine.TakeOver:
		return 9
	case engine.Transfer:
		return 10
	case engine.Resolve:
		return 11
	case engine.MarkRead:
		return 12
	case engine.AddNote:
		return 13
	case engine.SetTags:
		return 14
	case engine.FireTimer:
		return 15
	case engine.AttemptSend:
		return 16
	case engine.RecordAttempt:
		return 17
	case engine.AcceptTurn:
		return 18
	default:
		return 0
	}
}

// commandNames are by commandKind.
var commandNames = [...]string{
	"unknown", "receive", "record_status", "answer_turn", "fail_turn", "send_message", "request_agent", "withdraw_request",
	"intervene", "take_over", "transfer", "resolve", "mark_read", "add_note", "set_tags", "fire_timer", "attempt_send",
	"record_attempt", "accept_turn",
}

// workerMetrics are those of courier, turns and timers, told apart by kind.
type workerMetrics struct {
	overflows *prometheus.CounterVec
	retries   *prometheus.CounterVec
	due       *prometheus.GaugeVec
	oldest    *prometheus.GaugeVec
	clockSkew prometheus.Gauge
}

func newWorkerMetrics(registerer prometheus.Registerer) *workerMetrics {
	m := &workerMetrics{
		overflows: counter("intervene_worker_overflows_total",
			"Offers that found no room in a worker's queue and wait for its next look into the journal.", "kind"),
		retries: counter("intervene_worker_record_retries_total",
			"Outcomes that the journal could not take at once.", "kind"),
		due: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "intervene_worker_due", Help: "Conversations whose work was due at the last look, at most one page.",
		}, []string{"kind"}),
		oldest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "intervene_worker_oldest_due_seconds", Help: "How long the longest waiting work was due at the last look.",
		}, []string{"kind"}),
		clockSkew: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "intervene_clock_skew_seconds",
			Help: "How far the wall clock has jumped since the start, while that holds timers back; else 0.",
		}),
	}
	if registerer == nil {
		return m
	}
	m.overflows = shared(registerer, m.overflows)
	m.retries = shared(registerer, m.retries)
	m.due = shared(registerer, m.due)
	m.oldest = shared(registerer, m.oldest)
	m.clockSkew = shared(registerer, m.clockSkew)
	return m
}

// botMetrics are those of the bots, which the configuration bounds: one for each
// workspace.
type botMetrics struct {
	turns     *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	retries   *prometheus.CounterVec
	overflows *prometheus.CounterVec
	running   *prometheus.GaugeVec
	open      *prometheus.GaugeVec
}

func newBotMetrics(registerer prometheus.Registerer) *botMetrics {
	m := &botMetrics{
		turns: counter("intervene_bot_turns_total", "Turns of bots by how they ended.", "workspace", "outcome"),
		duration: histogram("intervene_bot_turn_duration_seconds",
			"Time from asking a bot until what came of it is durable.", "workspace"),
		retries: counter("intervene_bot_retries_total", "Turns asked again because the bot surely had not begun with them.", "workspace"),
		overflows: counter("intervene_bot_overflows_total",
			"Turns that found too many waiting for their bot and wait for the next look into the journal.", "workspace"),
		running: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "intervene_bot_turns_running", Help: "Turns that a bot is being asked now.",
		}, []string{"workspace"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "intervene_bot_breaker_open", Help: "1 while a bot failed too often and its turns fail at once or are tried one by one, else 0.",
		}, []string{"workspace"}),
	}
	if registerer != nil {
		m.turns, m.duration = shared(registerer, m.turns), shared(registerer, m.duration)
		m.retries, m.overflows = shared(registerer, m.retries), shared(registerer, m.overflows)
		m.running, m.open = shared(registerer, m.running), shared(registerer, m.open)
	}
	return m
}

// mediaMetrics are those of the downloads.
type mediaMetrics struct{ downloads *prometheus.CounterVec }

func newMediaMetrics(registerer prometheus.Registerer) *mediaMetrics {
	m := &mediaMetrics{downloads: counter("intervene_media_downloads_total",
		"Attempts to download the file of a message that came, by what became of the file.", "state")}
	if registerer != nil {
		m.downloads = shared(registerer, m.downloads)
	}
	return m
}

// presenceMetrics are those of the leases of agents' sessions.
type presenceMetrics struct {
	sessions prometheus.Gauge
	ended    *prometheus.CounterVec
}

// How a lease ended: values of a metric's label.
const (
	leaseLeft      = "left"
	leaseExpired   = "expired"
	leaseDisplaced = "displaced"
)

func newPresenceMetrics(registerer prometheus.Registerer) *presenceMetrics {
	m := &presenceMetrics{
		sessions: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "intervene_presence_sessions", Help: "Sessions of agents that hold a lease.",
		}),
		ended: counter("intervene_presence_leases_ended_total",
			"Leases that ended: left by the agent, expired, or displaced because the agent had too many.", "reason"),
	}
	if registerer != nil {
		registerer.MustRegister(m.sessions, m.ended)
	}
	return m
}

// shared registers c, or finds the one that another worker registered before.
func shared[C prometheus.Collector](registerer prometheus.Registerer, c C) C {
	err := registerer.Register(c)
	if already, ok := err.(prometheus.AlreadyRegisteredError); ok {
		return already.ExistingCollector.(C)
	}
	if err != nil {
		panic(err) // two metrics of one name: a mistake in this file
	}
	return c
}

func (m *workerMetrics) observe(kind engine.DueKind, items []engine.DueItem) {
	m.due.WithLabelValues(kind.String()).Set(float64(len(items)))
	oldest := 0.0
	if len(items) > 0 {
		oldest = time.Since(items[0].At.Time()).Seconds()
	}
	m.oldest.WithLabelValues(kind.String()).Set(oldest)
}
