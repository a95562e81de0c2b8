package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/intervenehq/intervene/bench/measure"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// callsPerConnection is how many calls share a connection: what a browser's
// tabs and a reverse proxy do, and what HTTP/2 servers allow at least.
const callsPerConnection = 100

// commandsCommand is the load of what agents do.
type commandsCommand struct {
	options
	Rate     float64 `help:"Commands a second, in an open loop; 0 keeps so many in flight instead."`
	InFlight []int   `default:"1,16,256,4096" help:"How many wait for their answers at once."`
	Mix      string  `default:"desk" enum:"desk,tags" help:"desk: request, intervene, tag, note, send, resolve, in turn. tags: one kind."`
}

// commandsStep is one level.
type commandsStep struct {
	InFlight int     // 0: an open loop
	Rate     float64 // of an open loop
	Load     *measure.Load
	Kinds    map[string]measure.Summary
	Cost     cost
}

type commandsFound struct {
	Mix   string
	Steps []commandsStep
}

// Run measures one level after the other.
func (c *commandsCommand) Run(ctx context.Context) error {
	r, err := c.begin(ctx, len(c.InFlight))
	if err != nil {
		return err
	}
	found, err := c.measure(ctx, r)
	if err == nil {
		err = r.report("commands", found)
	}
	return errors.Join(err, r.end())
}

// conversationsPerCaller are each caller's own, so that nobody is refused.
const conversationsPerCaller = 2

func (c *commandsCommand) measure(ctx context.Context, r *run) (found *commandsFound, err error) {
	if c.Rate > 0 {
		c.InFlight = []int{0}
	}
	most := maxInFlight
	for _, n := range c.InFlight {
		most = max(most, n)
	}
	s, err := r.site(ctx, 1, 1, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := populate(ctx, s, most*conversationsPerCaller); err != nil {
		return nil, err
	}
	found = &commandsFound{Mix: c.Mix}
	desks := newDesks(s, c.Mix)
	for _, inFlight := range c.InFlight {
		r.progress.Begin(fmt.Sprintf("commands, %d in flight", inFlight))
		step, err := c.level(ctx, r, s, desks, inFlight)
		if err != nil {
			return nil, err
		}
		found.Steps = append(found.Steps, *step)
		r.progress.Step()
	}
	return found, nil
}

func (c *commandsCommand) level(ctx context.Context, r *run, s *site, desks *desks, inFlight int) (*commandsStep, error) {
	desks.begin(max(inFlight, maxInFlight))
	before, err := usageOf(ctx, s)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	step := &commandsStep{InFlight: inFlight, Rate: c.Rate}
	if inFlight == 0 {
		step.Load = measure.OpenLoop{Rate: c.Rate, For: r.step(), Workers: maxInFlight, Poisson: true}.Run(ctx, desks.do)
	} else {
		step.Load = measure.Closed(ctx, inFlight, r.step(), desks.do)
	}
	if step.Cost, err = costSince(ctx, s, before, began, step.Load.Done); err != nil {
		return nil, err
	}
	if step.Load.Done == 0 {
		return nil, fmt.Errorf("no command was answered: %w", step.Load.Err)
	}
	step.Kinds = desks.summaries()
	return step, nil
}

// deskKinds are what an agent does with a conversation, in turn.
var deskKinds = []string{"request", "intervene", "tag", "note", "send", "resolve"}

// desks are agents, each with conversations of its own.
type desks struct {
	site  *site
	mix   string
	apis  []intervenev1connect.LiveChatServiceClient
	desks []desk
	kinds map[string]*measure.Latencies
}

type desk struct {
	conversations []*deskConversation
	turn          int
}

// deskConversation stands before deskKinds[next].
type deskConversation struct {
	id   string
	next int
}

func newDesks(s *site, mix string) *desks {
	d := &desks{site: s, mix: mix}
	for range s.workspaces[0].conversations[:len(s.workspaces[0].conversations)/conversationsPerCaller/callsPerConnection+1] {
		d.apis = append(d.apis, newAPI(s.url()))
	}
	all := make([]*deskConversation, len(s.workspaces[0].conversations))
	for i, id := range s.workspaces[0].conversations {
		all[i] = &deskConversation{id: id, next: 1} // they stand on Requesting
	}
	d.desks = []desk{{conversations: all}}
	return d
}

// begin deals the conversations out to so many callers.
func (d *desks) begin(callers int) {
	var all []*deskConversation
	for i := range d.desks {
		all = append(all, d.desks[i].conversations...)
	}
	d.desks = make([]desk, callers)
	for i, c := range all {
		to := &d.desks[i%callers]
		to.conversations = append(to.conversations, c)
	}
	d.kinds = make(map[string]*measure.Latencies)
	for _, kind := range deskKinds {
		d.kinds[kind] = measure.NewLatencies()
	}
}

// do gives the next command of a caller.
func (d *desks) do(worker, n int) error {
	mine := &d.desks[worker]
	c := mine.conversations[mine.turn%len(mine.conversations)]
	mine.turn++
	kind := "tag"
	if d.mix == "desk" {
		kind = deskKinds[c.next%len(deskKinds)]
	}
	began := time.Now()
	if err := d.give(d.apis[worker%len(d.apis)], kind, c.id, n); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	d.kinds[kind].Record(worker, time.Since(began))
	c.next++
	return nil
}

func (d *desks) give(api intervenev1connect.LiveChatServiceClient, kind, id string, n int) error {
	ctx, command := as(d.site.workspaces[0].driver), uuid.NewString()
	var err error
	switch kind {
	case "request":
		_, err = api.RequestAgent(ctx, &intervenev1.RequestAgentRequest{ConversationId: id, CommandId: command, Reason: "bench"})
	case "intervene":
		_, err = api.Intervene(ctx, &intervenev1.InterveneRequest{ConversationId: id, CommandId: command})
	case "tag":
		_, err = api.SetTags(ctx, &intervenev1.SetTagsRequest{ConversationId: id, CommandId: command, Tags: []string{fmt.Sprint(tagPrefix, n)}})
	case "note":
		_, err = api.AddNote(ctx, &intervenev1.AddNoteRequest{ConversationId: id, CommandId: command, Body: "she asks for the invoice of March"})
	case "send":
		_, err = api.SendMessage(ctx, &intervenev1.SendMessageRequest{
			ConversationId: id, CommandId: command,
			Content: &intervenev1.SendMessageRequest_Text{Text: &intervenev1.Text{Body: "Your parcel is on its way, it comes tomorrow."}},
		})
	case "resolve":
		_, err = api.Resolve(ctx, &intervenev1.ResolveRequest{ConversationId: id, CommandId: command})
	}
	return err
}

func (d *desks) summaries() map[string]measure.Summary {
	all := make(map[string]measure.Summary)
	for kind, latencies := range d.kinds {
		if s := latencies.Summary(); s.Count > 0 {
			all[kind] = s
		}
	}
	return all
}

func (f *commandsFound) tables() []measure.Table {
	t := measure.Table{
		Title:   "Commands over Connect (" + f.Mix + ")",
		Columns: []string{"in flight", "commands/s", "p50 ms", "p99 ms", "p99.9 ms", "failed", "engine CPUs", "µs CPU each", "appends per command", "fsyncs per command", "appends per fsync", "disk B per append", "RSS MB"},
	}
	kinds := measure.Table{Title: "The same by kind: p50 / p99 in ms", Columns: append([]string{"in flight"}, deskKinds...)}
	for _, s := range f.Steps {
		level := fmt.Sprint(s.InFlight)
		if s.InFlight == 0 {
			level = fmt.Sprintf("open loop, %.0f/s", s.Rate)
		}
		t.Add(level, s.Load.Rate(), s.Load.Latency.P50, s.Load.Latency.P99, s.Load.Latency.P999, s.Load.Failed+s.Load.Unsent,
			s.Cost.CPUs, s.Cost.CPUEach, s.Cost.AppendsPerCommand, s.Cost.FsyncsPerCommand, s.Cost.AppendsPerFsync, s.Cost.BytesEach, s.Cost.ResidentMB)
		row := []any{level}
		for _, kind := range deskKinds {
			row = append(row, fmt.Sprintf("%.1f / %.1f", s.Kinds[kind].P50, s.Kinds[kind].P99))
		}
		kinds.Add(row...)
	}
	if f.Mix != "desk" {
		return []measure.Table{t}
	}
	t.Notes = []string{"A send leads to more appends: its attempt, its acceptance, its statuses. Their CPU is in the command's."}
	return []measure.Table{t, kinds}
}

func (f *commandsFound) charts() []measure.Chart {
	rate := measure.Chart{Name: "commands", Title: "Commands over Connect", X: "in flight", Y: "commands/s", LogX: true}
	late := measure.Chart{Name: "commands-latency", Title: "Commands over Connect", X: "in flight", Y: "ms", LogX: true, LogY: true}
	var x, rates, p50, p99 []float64
	for _, s := range f.Steps {
		x, rates = append(x, float64(s.InFlight)), append(rates, s.Load.Rate())
		p50, p99 = append(p50, s.Load.Latency.P50), append(p99, s.Load.Latency.P99)
	}
	rate.Lines = []measure.Line{{Name: f.Mix, X: x, Y: rates}}
	late.Lines = []measure.Line{{Name: "p50", X: x, Y: p50}, {Name: "p99", X: x, Y: p99}}
	return []measure.Chart{rate, late}
}
