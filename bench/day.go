package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/intervenehq/intervene/bench/measure"
	"github.com/intervenehq/intervene/rpc/client"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

const (
	// handOff of chats ask for a person.
	handOff = 0.4
	// shortestPause and longestPause lie between two things that somebody does.
	shortestPause, longestPause = time.Second, 3 * time.Second
	// daySenders are the webhook's connections.
	daySenders = 128
	// dayEnd is how long what has begun may take to end.
	dayEnd = 30 * time.Second
	// platformLook is how often the stand-in is asked what it accepted.
	platformLook = time.Second
)

// dayCommand is a day at a desk, in a hurry.
type dayCommand struct {
	options
	Rate    float64 `default:"100" help:"New chats a second, as independent customers come."`
	Streams int     `default:"200" help:"Agents who watch the board."`
}

// dayFound is what customers and agents noticed.
type dayFound struct {
	Rate    float64
	Streams int
	Load    *measure.Load // of the chats' webhooks
	// Answer is from a customer's message to the bot's answer at the Graph API,
	// Shown from the message that asks for a person to the card on a desk's
	// Requesting, Command of what agents do.
	Answer, Shown, Command     measure.Summary
	Chats, HandedOff, Answered int64
	Unanswered                 int64 // messages that got no answer of the bot
	Deliveries                 float64
	Failed                     int64
	Cost                       cost
}

// Run plays a day.
func (c *dayCommand) Run(ctx context.Context) error {
	r, err := c.begin(ctx, 1)
	if err != nil {
		return err
	}
	r.progress.Begin("day")
	found, err := c.measure(ctx, r)
	if err == nil {
		err = r.report("day", found)
	}
	return errors.Join(err, r.end())
}

// long is longer than a step: a chat takes some ten seconds.
func (c *dayCommand) long() time.Duration { return 3 * c.step() }

// day is one that is under way.
type day struct {
	site       *site
	workspace  *workspace
	api        intervenev1connect.LiveChatServiceClient
	connection chan *sender

	answer, shown, command *measure.Latencies
	handedOff, failed      atomic.Int64
	working                sync.WaitGroup // agents with a conversation

	mu sync.Mutex
	// asked is when a customer asked for a person, by name; wrote when one wrote to
	// the bot, by number, until it has answered.
	asked, wrote map[string]time.Time
}

func (c *dayCommand) measure(ctx context.Context, r *run) (found *dayFound, err error) {
	s, err := r.site(ctx, 1, c.Streams, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	connections, err := openSenders(s, daySenders)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, connections.close()) }()
	d := &day{
		site: s, workspace: s.workspaces[0], api: newAPI(s.url()), connection: make(chan *sender, daySenders),
		answer: measure.NewLatencies(), shown: measure.NewLatencies(), command: measure.NewLatencies(),
		asked: make(map[string]time.Time), wrote: make(map[string]time.Time),
	}
	for _, connection := range connections {
		d.connection <- connection
	}
	subscribers, err := watchers(s, newDriver(s), c.Streams, 1, crowdWindow)
	if err != nil {
		return nil, err
	}
	crowd, err := openFleet(ctx, subscribers)
	if err != nil {
		return nil, err
	}
	defer crowd.close()
	return c.play(ctx, d, crowd)
}

// play lets customers come, and everybody finish.
func (c *dayCommand) play(ctx context.Context, d *day, crowd *fleet) (*dayFound, error) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var desk sync.WaitGroup
	desk.Go(func() { d.sit(watching) })
	desk.Go(func() { d.listen(watching) })
	before, err := usageOf(ctx, d.site)
	if err != nil {
		return nil, err
	}
	received, began := crowd.received(), time.Now()
	load := d.chats(ctx, c.Rate, c.long())
	if err := d.settle(ctx); err != nil {
		return nil, err
	}
	after, err := usageOf(ctx, d.site)
	if err != nil {
		return nil, err
	}
	took, err := costSince(ctx, d.site, before, began, int64(after.appends-before.appends))
	seconds := time.Since(began).Seconds()
	stop()
	desk.Wait()
	d.working.Wait()
	answers := d.answer.Summary()
	return &dayFound{
		Rate: c.Rate, Streams: c.Streams, Load: load, Cost: took, Answer: answers, Shown: d.shown.Summary(), Command: d.command.Summary(),
		Chats: int64(d.workspace.customers), HandedOff: d.handedOff.Load(), Answered: answers.Count, Unanswered: int64(len(d.wrote)),
		Deliveries: float64(crowd.received().deliveries-received.deliveries) / seconds, Failed: d.failed.Load(),
	}, err
}

// chatStep is a message of a chat, at a time.
type chatStep struct {
	at             time.Duration
	customer, text string
	name           string
	forPerson      bool
}

// chats has customers come at a rate. All that they say has its time before
// anything is said: latencies count from it.
func (d *day) chats(ctx context.Context, rate float64, long time.Duration) *measure.Load {
	var plan measure.Plan[chatStep]
	for at := time.Duration(0); at < long; at += time.Duration(rand.ExpFloat64() / rate * float64(time.Second)) {
		step := chatStep{customer: d.workspace.customer(d.workspace.customers), name: fmt.Sprintf("Customer %d", d.workspace.customers), at: at}
		d.workspace.customers++
		texts := []string{"hello", "help"}
		if rand.Float64() < handOff {
			texts = []string{"hello", "I want to talk to a person", "it is about the parcel", "thanks"}
		}
		for i, text := range texts {
			step.text = text
			step.forPerson = i > 0 && len(texts) > 2
			plan.Add(step.at, step)
			step.at += pause()
		}
	}
	return plan.Run(ctx, daySenders, d.say)
}

func pause() time.Duration { return shortestPause + rand.N(longestPause-shortestPause) }

func (d *day) say(step chatStep, due time.Time) error {
	made, err := d.site.webhook(d.workspace, []said{{customer: step.customer, name: step.name, text: step.text, at: time.Now()}})
	if err != nil {
		return err
	}
	d.mu.Lock()
	if !step.forPerson {
		d.wrote[step.customer] = due
	} else if _, again := d.asked[step.name]; !again && strings.Contains(step.text, "person") {
		d.asked[step.name] = due
	}
	d.mu.Unlock()
	connection := <-d.connection
	defer func() { d.connection <- connection }()
	return connection.deliver(made)
}

// sit has an agent begin with each conversation that shows up on Requesting.
func (d *day) sit(ctx context.Context) {
	c := client.New(&http.Client{Transport: plainHTTP2()}, d.site.url(), d.workspace.driver)
	board := c.FollowBoard(ctx, client.BoardQuery{Window: crowdWindow})
	defer board.Close()
	taken := make(map[string]bool)
	for snapshot, err := board.Next(ctx, nil); err == nil; snapshot, err = board.Next(ctx, snapshot) {
		for _, card := range snapshot.Column(intervenev1.Column_COLUMN_REQUESTING).Cards {
			if taken[card.GetConversationId()] {
				continue
			}
			taken[card.GetConversationId()] = true
			d.handedOff.Add(1)
			d.mu.Lock()
			if asked, ok := d.asked[card.GetContact().GetName()]; ok {
				d.shown.Record(0, time.Since(asked))
			}
			d.mu.Unlock()
			d.working.Go(func() { d.help(card.GetConversationId()) })
		}
	}
}

// help is an agent's part of a chat.
func (d *day) help(id string) {
	ctx := as(d.workspace.driver)
	send := func() error {
		_, err := d.api.SendMessage(ctx, &intervenev1.SendMessageRequest{
			ConversationId: id, CommandId: uuid.NewString(),
			Content: &intervenev1.SendMessageRequest_Text{Text: &intervenev1.Text{Body: "Your parcel is on its way, it comes tomorrow."}},
		})
		return err
	}
	for i, command := range []func() error{
		func() error {
			_, err := d.api.Intervene(ctx, &intervenev1.InterveneRequest{ConversationId: id, CommandId: uuid.NewString()})
			return err
		},
		send, send,
		func() error {
			_, err := d.api.Resolve(ctx, &intervenev1.ResolveRequest{ConversationId: id, CommandId: uuid.NewString()})
			return err
		},
	} {
		if i > 0 {
			time.Sleep(pause())
		}
		began := time.Now()
		if err := command(); err != nil {
			d.failed.Add(1)
			return
		}
		d.command.Record(i, time.Since(began))
	}
}

// listen asks the stand-in when the bot's answers came.
func (d *day) listen(ctx context.Context) {
	for after := uint64(0); rest(ctx, platformLook) == nil; {
		var page struct {
			Deliveries []struct {
				Seq        uint64    `json:"seq"`
				To         string    `json:"to"`
				AcceptedAt time.Time `json:"accepted_at"`
			} `json:"deliveries"`
		}
		url := "http://" + d.site.platformAddress + "/_standin/deliveries?after=" + strconv.FormatUint(after, 10)
		if err := fetch(ctx, url, func(r io.Reader) error { return json.NewDecoder(r).Decode(&page) }); err != nil {
			continue // it is asked again
		}
		d.mu.Lock()
		for _, delivery := range page.Deliveries {
			after = max(after, delivery.Seq)
			if wrote, ok := d.wrote[delivery.To]; ok && delivery.AcceptedAt.After(wrote) {
				d.answer.Record(0, delivery.AcceptedAt.Sub(wrote))
				delete(d.wrote, delivery.To)
			}
		}
		d.mu.Unlock()
	}
}

// settle waits until the bot has answered everybody.
func (d *day) settle(ctx context.Context) error {
	for deadline := time.Now().Add(dayEnd); time.Now().Before(deadline); {
		d.mu.Lock()
		waiting := len(d.wrote)
		d.mu.Unlock()
		if waiting == 0 {
			return nil
		}
		if err := rest(ctx, settlePause); err != nil {
			return err
		}
	}
	return nil // who waits still is counted
}

func (f *dayFound) tables() []measure.Table {
	what := measure.Table{
		Title:   fmt.Sprintf("A mixed chat day: %.0f new chats/s, %.0f %% of them handed off, %d boards watched", f.Rate, 100*handOff, f.Streams),
		Columns: []string{"what", "count", "p50 ms", "p99 ms", "p99.9 ms", "max ms"},
	}
	for _, line := range []struct {
		name string
		of   measure.Summary
	}{
		{"a customer's message to its ack (open loop)", f.Load.Latency},
		{"a customer's message to the bot's answer at the Graph API", f.Answer},
		{"asking for a person to the card on a desk", f.Shown},
		{"an agent's command", f.Command},
	} {
		what.Add(line.name, line.of.Count, line.of.P50, line.of.P99, line.of.P999, line.of.Max)
	}
	what.Notes = []string{fmt.Sprintf("Webhooks that failed: %d. Messages without an answer of the bot at the end: %d. Agents' commands that failed: %d.",
		f.Load.Failed+f.Load.Unsent, f.Unanswered, f.Failed)}
	took := measure.Table{
		Title:   "What the engine took for it",
		Columns: []string{"chats", "handed off", "durable appends/s", "engine CPUs", "µs CPU per append", "appends per fsync", "disk B per append", "stream deliveries/s", "RSS MB"},
	}
	took.Add(f.Chats, f.HandedOff, f.Cost.Appends, f.Cost.CPUs, f.Cost.CPUEach, f.Cost.AppendsPerFsync, f.Cost.BytesEach, f.Deliveries, f.Cost.ResidentMB)
	return []measure.Table{what, took}
}

// charts are none: a day is one point.
func (f *dayFound) charts() []measure.Chart { return nil }
