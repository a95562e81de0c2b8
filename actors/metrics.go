package actors

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/engine"
)

// Classic buckets, in seconds.
var (
	// durationBuckets suit what waits for a disk: 250 µs to 10 s.
	durationBuckets = []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	// turnBuckets suit a wait that is seldom any: 50 µs to 10 s.
	turnBuckets = []float64{.00005, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}
	// requestBuckets suit customers who wait for a person, holdBuckets the
	// people who talk to them.
	requestBuckets = []float64{1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400}
	holdBuckets    = []float64{10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400}
)

// histogramOpts asks for native buckets, which are bounded, beside the classic ones.
func histogramOpts(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
	}
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(histogramOpts(name, help, buckets))
}

func histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(histogramOpts(name, help, buckets), labels)
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
}

func gaugeOf(name, help string, value func() float64) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}

// routerMetrics are those of commands and of the actors that run them.
type routerMetrics struct {
	durable *prometheus.HistogramVec
	// accepted are of durable, as they are needed first.
	accepted     [len(commandNames)]atomic.Pointer[prometheus.Observer]
	codes        *prometheus.CounterVec
	transitions  *prometheus.CounterVec
	requestWait  prometheus.Histogram
	intervention prometheus.Histogram
	sends        map[engine.DeliveryState]prometheus.Counter

	mailboxWait  prometheus.Histogram
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
		durable: histograms("intervene_command_durable_duration_seconds",
			"Time from a command's arrival at the router until it is durable, or refused.", durationBuckets, "command", "outcome"),
		codes: counters("intervene_command_refusals_total",
			"Commands that were refused, or failed, by code.", "code"),
		transitions: counters("intervene_transitions_total",
			"Moves of conversations between columns, and between holders within one.", "from", "to", "cause"),
		requestWait: histogram("intervene_request_wait_seconds",
			"How long customers waited for a person: from the request until somebody intervened.", requestBuckets),
		intervention: histogram("intervene_intervention_duration_seconds",
			"How long people held a conversation: from intervening until it was resolved, whoever held it in between.", holdBuckets),
		mailboxWait: histogram("intervene_actor_mailbox_wait_seconds",
			"Time from a request's arrival at the router until it had its conversation's turn; 0 when nobody was before it.", turnBuckets),
		refused: counters("intervene_actor_refusals_total",
			"Requests not taken because too much waited or the engine was draining.", "reason"),
		activations:  counter("intervene_actor_activations_total", "Conversations brought into memory."),
		passivations: counter("intervene_actor_passivations_total", "Idle conversations let go of."),
		evictions: counters("intervene_actor_evictions_total",
			"Conversations let go of before they were idle for long: too many were resident, or memory was short.", "reason"),
		restarts: counter("intervene_actor_restarts_total", "Conversations loaded anew after a panic."),
		quarantined: gauge("intervene_actors_quarantined",
			"Conversations that cannot be loaded or panicked twice, and wait for an operator."),
		early:  counter("intervene_statuses_early_total", "Statuses that came before anybody knew their send, and were kept."),
		parked: counter("intervene_items_parked_total", "Items of quarantined conversations, kept for `journal repair`."),
	}
	results := counters("intervene_outbox_results_total",
		"Sends by what came of offering them to the platform; discarded ones were the bot's when a person intervened. One that is repeated counts again.", "result")
	m.sends = make(map[engine.DeliveryState]prometheus.Counter)
	for _, state := range [...]engine.DeliveryState{engine.Accepted, engine.Rejected, engine.Unknown, engine.Discarded} {
		m.sends[state] = results.WithLabelValues(state.String())
	}
	// From 0 on, or a rate would not see the first one. So it is below.
	for _, reason := range []string{evictedForRoom, evictedForMemory} {
		m.evictions.WithLabelValues(reason)
	}
	for _, code := range []engine.Code{engine.CodeOverloaded, engine.CodeUnavailable} {
		m.refused.WithLabelValues(code.String())
	}
	m.codes.WithLabelValues(codeNone)
	for code := range engine.Codes() {
		m.codes.WithLabelValues(code.String())
	}
	if registerer != nil {
		registerer.MustRegister(m.durable, m.codes, m.transitions, m.requestWait, m.intervention, results,
			m.mailboxWait, m.refused, m.activations, m.passivations, m.evictions, m.restarts, m.quarantined, m.parked, m.early,
			gaugeOf("intervene_actors_resident", "Conversations in memory.", func() float64 { return float64(r.Resident()) }),
			gaugeOf("intervene_actor_requests_waiting", "Requests taken and not yet answered.",
				func() float64 { return float64(r.waiting.Load()) }))
	}
	return m
}

// observe counts an answered request.
func (m *routerMetrics) observe(q *request) {
	if q.ask != askNothing {
		return
	}
	kind, err := kindOf(q.command.Body), q.answer.err
	if err != nil {
		m.codes.WithLabelValues(codeName(err)).Inc()
	}
	m.durationOf(kind, err).Observe(time.Since(q.at).Seconds())
}

// durationOf finds the histogram of a command that ended with err. Those of
// accepted commands are at hand: looking one up by its labels costs more than
// to observe.
func (m *routerMetrics) durationOf(kind commandKind, err error) prometheus.Observer {
	if err != nil {
		return m.durable.WithLabelValues(commandNames[kind], outcomeOf(err))
	}
	if o := m.accepted[kind].Load(); o != nil {
		return *o
	}
	o := m.durable.WithLabelValues(commandNames[kind], outcomeOf(nil))
	m.accepted[kind].Store(&o)
	return o
}

// outcomeOf is coarse: a histogram for each code would be more than all other
// metrics together. The codes have a counter.
func outcomeOf(err error) string {
	switch engine.CodeOf(err) {
	case engine.CodeFenced, engine.CodeUnknownOutcome, engine.CodeFull, engine.CodeUnavailable, engine.CodeCorrupt, engine.CodeQuarantined:
		return "failed"
	case 0:
		if err == nil {
			return "ok"
		}
		return "failed"
	}
	return "refused"
}

// codeNone names an error that has no code.
const codeNone = "error"

func codeName(err error) string {
	if code := engine.CodeOf(err); code != 0 {
		return code.String()
	}
	return codeNone
}

// settled counts what events, which are durable, made of a conversation that stood
// as before says. Began asks when somebody intervened in it.
func (m *routerMetrics) settled(before *engine.Conversation, events []engine.Event, began func() (engine.Instant, bool)) {
	from, requested := before.Column, before.RequestedAt
	for i := range events {
		switch b := events[i].Body.(type) {
		case engine.Opened:
			from = engine.History
		case engine.DeliveryChanged:
			if sends, ok := m.sends[b.State]; ok {
				sends.Inc()
			}
		case engine.Moved:
			m.transitions.WithLabelValues(from.String(), b.To.String(), b.Cause.String()).Inc()
			switch at := events[i].At; {
			case from == engine.Requesting && b.To == engine.Intervened:
				m.requestWait.Observe(at.Sub(requested).Seconds())
			case from == engine.Intervened && b.To != engine.Intervened:
				if since, ok := began(); ok {
					m.intervention.Observe(at.Sub(since).Seconds())
				}
			case b.To == engine.Requesting:
				requested = at
			}
			from = b.To
		}
	}
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
		overflows: counters("intervene_worker_overflows_total",
			"Offers that found no room in a worker's queue and wait for its next look into the journal.", "kind"),
		retries: counters("intervene_worker_record_retries_total",
			"Outcomes that the journal could not take at once.", "kind"),
		due: gauges("intervene_worker_due",
			"Conversations whose work was due at the last look, at most one page.", "kind"),
		oldest: gauges("intervene_worker_oldest_due_seconds",
			"How long the longest waiting work was due at the last look.", "kind"),
		clockSkew: gauge("intervene_clock_skew_seconds",
			"How far the wall clock has jumped since the start, while that holds timers back; else 0."),
	}
	for _, kind := range engine.DueKinds {
		m.overflows.WithLabelValues(kind.String())
		m.retries.WithLabelValues(kind.String())
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
		turns: counters("intervene_bot_turns_total", "Turns of bots by how they ended.", "workspace", "outcome"),
		duration: histograms("intervene_bot_turn_duration_seconds",
			"Time from asking a bot until what came of it is durable.", durationBuckets, "workspace"),
		retries: counters("intervene_bot_retries_total", "Turns asked again because the bot surely had not begun with them.", "workspace"),
		overflows: counters("intervene_bot_overflows_total",
			"Turns that found too many waiting for their bot and wait for the next look into the journal.", "workspace"),
		running: gauges("intervene_bot_turns_running", "Turns that a bot is being asked now.", "workspace"),
		open: gauges("intervene_bot_breaker_open",
			"1 while a bot failed too often and its turns fail at once or are tried one by one, else 0.", "workspace"),
	}
	if registerer != nil {
		m.turns, m.duration = shared(registerer, m.turns), shared(registerer, m.duration)
		m.retries, m.overflows = shared(registerer, m.retries), shared(registerer, m.overflows)
		m.running, m.open = shared(registerer, m.running), shared(registerer, m.open)
	}
	return m
}

// begin has the counters of a workspace's bot at 0. Turns that end in a code have no
// series before: there would be as many as codes for each of perhaps a thousand bots.
func (m *botMetrics) begin(workspace string) {
	for _, outcome := range []string{outcomeAnswered, outcomeAccepted, outcomeFailed, outcomeLapsed} {
		m.turns.WithLabelValues(workspace, outcome)
	}
	m.retries.WithLabelValues(workspace)
	m.overflows.WithLabelValues(workspace)
}

// mediaMetrics are those of the downloads.
type mediaMetrics struct{ downloads *prometheus.CounterVec }

func newMediaMetrics(registerer prometheus.Registerer) *mediaMetrics {
	m := &mediaMetrics{downloads: counters("intervene_media_downloads_total",
		"Attempts to download the file of a message that came, by what became of the file.", "state")}
	for state := range engine.MediaStates() {
		m.downloads.WithLabelValues(state.String())
	}
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
		sessions: gauge("intervene_presence_sessions", "Sessions of agents that hold a lease."),
		ended: counters("intervene_presence_leases_ended_total",
			"Leases that ended: left by the agent, expired, or displaced because the agent had too many.", "reason"),
	}
	for _, reason := range []string{leaseLeft, leaseExpired, leaseDisplaced} {
		m.ended.WithLabelValues(reason)
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

// observe tells what was due at a look, and answers since when; 0: nothing was.
func (m *workerMetrics) observe(kind engine.DueKind, items []engine.DueItem) (oldest engine.Instant) {
	age := 0.0
	if len(items) > 0 {
		oldest = items[0].At
		age = time.Since(oldest.Time()).Seconds()
	}
	m.due.WithLabelValues(kind.String()).Set(float64(len(items)))
	m.oldest.WithLabelValues(kind.String()).Set(age)
	return oldest
}

// registerOutbox tells how long the oldest of c's sends waits. Oldest is as of the
// worker's last look, which is half a second ago at most while anything is due.
func registerOutbox(registerer prometheus.Registerer, c *Courier) {
	if registerer == nil {
		return
	}
	registerer.MustRegister(gaugeOf("intervene_outbox_oldest_age_seconds",
		"How long the longest waiting send is due, 0 when none is; those that wait for an operator since a restore do not count.",
		func() float64 { return ageOf(engine.Instant(c.oldest.Load())) }))
}

// ageOf is how long ago an instant was; 0 for none.
func ageOf(at engine.Instant) float64 {
	if at == 0 {
		return 0
	}
	return max(0, time.Since(at.Time()).Seconds())
}

// boardCollector reports how many conversations stand where, and who looks.
type boardCollector struct{ board *Board }

var (
	boardConversations = prometheus.NewDesc("intervene_board_conversations",
		"Conversations on each column, of all workspaces.", []string{"column"}, nil)
	boardOldest = prometheus.NewDesc("intervene_board_oldest_age_seconds",
		"How long the longest waiting conversation of the column has waited, of all workspaces: requesting since the request, intervened since its holder has it; 0 when there is none.",
		[]string{"column"}, nil)
	boardWatches = prometheus.NewDesc("intervene_board_watches",
		"Watches of boards that are open.", nil, nil)
	boardLooks = prometheus.NewDesc("intervene_board_looks_total",
		"Times that the window of a watch was taken from its board.", nil, nil)
)

// Describe lists the metrics.
func (c boardCollector) Describe(out chan<- *prometheus.Desc) {
	out <- boardConversations
	out <- boardOldest
	out <- boardWatches
	out <- boardLooks
}

// Collect reads the board: its columns are counted and ordered as they are.
func (c boardCollector) Collect(out chan<- prometheus.Metric) {
	c.board.mu.RLock()
	defer c.board.mu.RUnlock()
	for _, column := range engine.BoardColumns {
		n, oldest := 0, engine.Instant(0)
		for _, w := range c.board.workspaces {
			rows := w.columns[column].rows
			n += rows.Len()
			if first, ok := rows.Min(); ok && (oldest == 0 || first.Index.Order < oldest) {
				oldest = first.Index.Order
			}
		}
		out <- prometheus.MustNewConstMetric(boardConversations, prometheus.GaugeValue, float64(n), column.String())
		if column != engine.Active { // it stands newest first
			out <- prometheus.MustNewConstMetric(boardOldest, prometheus.GaugeValue, ageOf(oldest), column.String())
		}
	}
	watches := 0
	for _, ws := range c.board.watched {
		watches += len(ws.all)
	}
	out <- prometheus.MustNewConstMetric(boardWatches, prometheus.GaugeValue, float64(watches))
	out <- prometheus.MustNewConstMetric(boardLooks, prometheus.CounterValue, float64(c.board.looks.Load()))
}
