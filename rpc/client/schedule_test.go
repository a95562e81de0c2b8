package client_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/client"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	// A world goes through some schedules, of so many random steps each, and comes
	// to rest after each of them.
	worlds, soakWorlds = 6, 1000
	schedules          = 10
	steps              = 20
	customers          = 7
	// idle is longer than anything that a board waits for.
	idle = 2 * time.Minute
	// longestStall is longer than a server waits for a caller that does not read.
	longestStall = 20 * time.Second
	maxReaders   = 3
)

// TestBoardThroughFaultsIsTheEngines: whatever happens to streams, servers and
// disks on the way, at rest what was followed is the engine's, nobody is ever
// shown what the journal does not hold, and nobody sees a conversation go back.
//
// INTERVENE_SOAK=1 makes them many, from INTERVENE_SEED on, which alone is one
// world. What is drawn repeats with its seed; how goroutines take turns does not.
func TestBoardThroughFaultsIsTheEngines(t *testing.T) {
	first, count := uint64(0), uint64(worlds)
	if seed := os.Getenv("INTERVENE_SEED"); seed != "" {
		var err error
		if first, err = strconv.ParseUint(seed, 10, 64); err != nil {
			t.Fatalf("INTERVENE_SEED: got %q, want a number", seed)
		}
		count = 1
	}
	if os.Getenv("INTERVENE_SOAK") != "" {
		count = soakWorlds
	}
	var all tally
	for seed := first; seed < first+count; seed++ {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			run(t, func(t *testing.T, w *world) { newSchedule(t, w, &all, rand.New(rand.NewPCG(seed, 'c'))).play() })
		})
		if !ok {
			return // one is enough to look at
		}
	}
	t.Logf("%d schedules: %v", count*schedules, all.counts)
	if count == 1 {
		return
	}
	for _, what := range []string{
		"crashes", "restores", "losses", "stalls", "bursts", "rebuilds", "answers applied", "cards judged", "events judged", "leases",
		"boards TOKEN_UNKNOWN", "boards TOO_FAR_BEHIND", "boards REBUILT", "conversations TOKEN_UNKNOWN",
		"_resets_total RESET_REASON_TOKEN_UNKNOWN", "_resets_total RESET_REASON_TOO_FAR_BEHIND", "_resets_total RESET_REASON_REBUILT",
		"s_ended_total drain", "s_ended_total caller", "s_ended_total stalled",
	} {
		if all.counts[what] == 0 {
			t.Errorf("%s: got none in all schedules, want some: they do not reach it", what)
		}
	}
}

// schedule is a random one, with those who watch it.
type schedule struct {
	*world
	t     *testing.T
	dice  *rand.Rand
	tally *tally
	tap   *tap
	judge *judge
	lobby lobby

	agents   []*agent
	watchers []*watcher
	readers  []*reader
	copied   map[string][]byte // the newest backup; nil: none
	looking  context.Context
	done     context.CancelFunc
	// all are those who look, acts what was begun and not waited for.
	all, acts sync.WaitGroup
}

// agent is one who works, in a protocol of their own.
type agent struct {
	*client.Client
	id   engine.AgentID
	gate *gate
}

func newSchedule(t *testing.T, w *world, all *tally, dice *rand.Rand) *schedule {
	w.tally, w.dice = all, rand.New(rand.NewPCG(dice.Uint64(), 'd'))
	w.patient = true
	w.restart(false, 0)
	s := &schedule{world: w, t: t, dice: dice, tally: all, tap: newTap(), lobby: newLobby()}
	var err error
	if s.judge, err = newJudge(w.tokens); err != nil {
		t.Fatalf("make the judge: %v", err)
	}
	s.agents = []*agent{
		s.agent("asha", ashaToken, true),
		s.agent("sam", samToken, false, connect.WithProtoJSON()),
		s.agent("ben", benToken, true, connect.WithGRPC()),
	}
	s.looking, s.done = context.WithCancel(t.Context())
	s.watch(s.agents[0], client.BoardQuery{})
	s.watch(s.agents[0], client.BoardQuery{Window: 1, IncludeMine: true})
	s.watch(s.agents[dice.IntN(3)], client.BoardQuery{Columns: []intervenev1.Column{requesting, active}, Window: 1, IncludeMine: true, Presence: true})
	for range 4 {
		s.watch(s.agents[dice.IntN(3)], s.query())
	}
	return s
}

// agent calls on connections that can be stalled.
func (s *schedule) agent(id engine.AgentID, token string, http2 bool, options ...connect.ClientOption) *agent {
	g := s.wire.gate()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(http2)
	protocols.SetHTTP1(!http2)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return s.wire.connect(ctx, g) }
	transport := &http.Transport{DialContext: dial, Protocols: protocols}
	s.t.Cleanup(transport.CloseIdleConnections)
	options = append(options, connect.WithInterceptors(s.tap))
	return &agent{client.New(&http.Client{Transport: transport}, edgeURL, token, options...), id, g}
}

// query draws one.
func (s *schedule) query() client.BoardQuery {
	q := client.BoardQuery{
		Window: []uint32{0, 0, 1, 2, 3}[s.dice.IntN(5)], IncludeMine: s.dice.IntN(3) == 0, Presence: s.dice.IntN(3) == 0,
	}
	for _, column := range []intervenev1.Column{active, requesting, intervened} {
		if s.dice.IntN(3) == 0 {
			q.Columns = append(q.Columns, column)
		}
	}
	if s.dice.IntN(3) > 0 {
		q.Filter = &intervenev1.Filter{Mine: s.dice.IntN(4) == 0, Unassigned: s.dice.IntN(4) == 0}
		if s.dice.IntN(3) == 0 {
			q.Filter.Tag = "vip"
		}
		if s.dice.IntN(3) == 0 {
			q.Filter.ChannelId = string([]engine.ChannelID{channel, otherChannel}[s.dice.IntN(2)])
		}
	}
	return q
}

func (s *schedule) play() {
	defer s.end()
	for range schedules {
		for range steps {
			s.step()
			if s.dice.IntN(3) > 0 {
				time.Sleep(time.Duration(s.dice.Int64N(int64(2 * time.Second))))
			}
		}
		s.rest()
	}
}

// end waits for all who look.
func (s *schedule) end() {
	s.done()
	s.all.Wait()
	s.acts.Wait()
	for reason, n := range s.tap.boards {
		s.tally.add("boards "+reason.String()[len("RESET_REASON_"):], n)
	}
	for reason, n := range s.tap.conversations {
		s.tally.add("conversations "+reason.String()[len("RESET_REASON_"):], n)
	}
}

// rest lets everything come to its end, and compares.
func (s *schedule) rest() {
	s.wire.heal()
	time.Sleep(idle)
	s.acts.Wait()
	s.compare()
	s.meet()
	s.verdict()
	s.tap.forget(s.generation)
}

func (s *schedule) compare() {
	s.t.Helper()
	want := s.truth()
	for _, w := range s.watchers {
		w.compare(want)
	}
	for _, r := range s.readers {
		r.compare(want)
	}
	s.readers = deleteEnded(s.readers)
}

// verdict holds everything that was shown against the journal.
func (s *schedule) verdict() {
	s.t.Helper()
	for _, problem := range s.judge.judge(s.t.Context(), s.journal, s.generation, s.tap, s.tally) {
		s.t.Errorf("shown, and not held: %s", problem)
	}
}

func (s *schedule) step() {
	switch share := s.dice.IntN(1000); {
	case share < 300:
		s.says(s.dice.IntN(customers))
	case share < 330:
		if id := s.any(); !id.IsZero() && len(s.readers) < maxReaders {
			s.read(s.agents[s.dice.IntN(len(s.agents))], id)
		}
	case share < 720:
		s.command()
	case share < 760:
		s.attend()
	case share < 820:
		s.wire.cut(false)
	case share < 850:
		s.wire.cut(true)
	case share < 890:
		s.wire.heal()
	case share < 920:
		s.stall()
	case share < 955:
		time.Sleep(time.Duration(s.dice.Int64N(int64(2 * time.Minute))))
	default:
		s.upheave(share - 955)
	}
}

// upheave does what is rare, one of 45.
func (s *schedule) upheave(share int) {
	down := time.Duration(s.dice.Int64N(int64(30 * time.Second)))
	switch {
	case share < 8:
		s.restart(s.dice.IntN(2) == 0, down)
	case share < 20:
		for range s.dice.IntN(4) {
			s.command()
		}
		time.Sleep(time.Duration(s.dice.Int64N(int64(3 * time.Millisecond))))
		s.crash(down)
		s.tally.add("crashes", 1)
	case share < 25:
		s.copied = s.backup()
	case share < 30:
		if s.copied != nil {
			s.renew(func() { s.restore(s.copied) })
			s.tally.add("restores", 1)
		}
	case share < 33:
		s.copied = nil
		s.renew(s.lose)
		s.tally.add("losses", 1)
	case share < 37:
		s.tail.behind.Store(true)
		s.tally.add("rebuilds", 1)
	case share < 41:
		s.bursts.bursts.Store(1 + s.dice.Int64N(3))
		s.tally.add("bursts", 1)
	default:
		if err := s.tokens.Replace(tokens()); err != nil {
			s.t.Errorf("Replace: %v", err)
		}
	}
}

// renew puts another journal in place of this one, which can say nothing more
// then: it is the last moment to ask what it held.
func (s *schedule) renew(another func()) {
	s.wire.cut(true)
	synctest.Wait()
	s.verdict()
	another()
	for _, w := range s.watchers {
		w.expect(s.generation)
	}
	s.wire.heal()
}

func (s *schedule) stall() {
	g := s.agents[s.dice.IntN(len(s.agents))].gate
	g.set(false)
	s.tally.add("stalls", 1)
	d := time.Duration(s.dice.Int64N(int64(longestStall)))
	s.acts.Go(func() {
		time.Sleep(d)
		g.set(true)
	})
	// What comes and goes meanwhile is told as one.
	for range s.dice.IntN(12) {
		if s.dice.IntN(2) == 0 {
			s.says(s.dice.IntN(customers))
		} else {
			s.command()
		}
		time.Sleep(time.Duration(s.dice.Int64N(int64(200 * time.Millisecond))))
	}
}

// any is a conversation, or none when that customer has not written.
func (s *schedule) any() engine.ConversationID {
	if len(s.ids) == 0 {
		return engine.ConversationID{}
	}
	return s.ids[s.dice.IntN(len(s.ids))]
}

// command gives one, which mostly goes on beside what comes next.
func (s *schedule) command() {
	id := s.any()
	switch {
	case id.IsZero():
	case s.dice.IntN(3) == 0:
		_ = s.do(id, engine.Party{Kind: engine.Bot, ID: "robot"}, engine.RequestAgent{}) // refused in History alone
	default:
		own := rand.New(rand.NewPCG(s.dice.Uint64(), 'a'))
		s.acts.Go(func() { s.act(own, id) })
		if s.dice.IntN(2) == 0 {
			time.Sleep(time.Duration(s.dice.Int64N(int64(100 * time.Millisecond))))
		}
	}
}

// act gives a command as an agent, who lets boards know of its answer, now or
// later. Many are refused, or find the wire down.
func (s *schedule) act(dice *rand.Rand, id engine.ConversationID) {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
	defer cancel()
	card, err := call(ctx, dice, s.agents[dice.IntN(len(s.agents))], id.String(), uuid.NewString())
	if err != nil {
		return
	}
	generation := s.tap.generation(card)
	for _, n := range dice.Perm(len(s.watchers)) {
		if dice.IntN(3) == 0 {
			time.Sleep(time.Duration(dice.Int64N(int64(200 * time.Millisecond))))
		}
		if dice.IntN(3) > 0 {
			s.watchers[n].apply(card, generation)
		}
	}
}

func call(ctx context.Context, dice *rand.Rand, as *agent, id, command string) (*intervenev1.Card, error) {
	api := as.API()
	switch dice.IntN(8) {
	case 0, 1:
		r, err := api.Intervene(ctx, &intervenev1.InterveneRequest{ConversationId: id, CommandId: command})
		return r.GetCard(), err
	case 2:
		r, err := api.Resolve(ctx, &intervenev1.ResolveRequest{ConversationId: id, CommandId: command})
		return r.GetCard(), err
	case 3:
		to := []string{"asha", "sam", "ben"}[dice.IntN(3)]
		r, err := api.Transfer(ctx, &intervenev1.TransferRequest{ConversationId: id, CommandId: command, ToAgentId: to})
		return r.GetCard(), err
	case 4:
		r, err := api.AddNote(ctx, &intervenev1.AddNoteRequest{ConversationId: id, CommandId: command, Body: "seen"})
		return r.GetCard(), err
	case 5:
		r, err := api.MarkRead(ctx, &intervenev1.MarkReadRequest{ConversationId: id, CommandId: command})
		return r.GetCard(), err
	case 6:
		r, err := api.SendMessage(ctx, &intervenev1.SendMessageRequest{ConversationId: id, CommandId: command, Content: &intervenev1.SendMessageRequest_Text{
			Text: &intervenev1.Text{Body: "on it"},
		}})
		return r.GetCard(), err
	}
	r, err := api.SetTags(ctx, &intervenev1.SetTagsRequest{ConversationId: id, CommandId: command, Tags: []string{"vip"}[dice.IntN(2):]})
	return r.GetCard(), err
}
