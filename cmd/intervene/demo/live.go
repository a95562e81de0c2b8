package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// usualPorts are where a live demo listens, unless somebody else does.
var usualPorts = ports{api: "127.0.0.1:8080", admin: "127.0.0.1:9090", graph: "127.0.0.1:9100"}

const (
	calmRate = 1.5 // arrivals per second
	// liveLog is how much the stand-in remembers: a live demo may run for days.
	liveLog = 20_000
	// newcomerWait bounds how long the waiting conversation may take to appear.
	newcomerWait = 20 * time.Second
	// newcomersCustomer is who waits for the newcomer: an ordinal beyond those
	// who come by themselves.
	newcomersCustomer = 0
	firstOrdinals     = 9_000_000
)

// Live are the options of a demo for somebody who watches and takes part.
type Live struct {
	DataDir string // empty: a temporary one
	Out     io.Writer
	Log     *slog.Logger
}

// Run plays until ctx ends.
func (v Live) Run(ctx context.Context) error {
	dir, remove := v.DataDir, func() error { return nil }
	if dir == "" {
		var err error
		if dir, remove, err = temporaryData(); err != nil {
			return err
		}
	}
	return errors.Join(v.run(ctx, dir, usualPorts), remove())
}

func (v Live) run(ctx context.Context, dir string, wanted ports) (err error) {
	p, moved := wanted.free()
	// Seeds are drawn: a journal that is there already must not see an old
	// message's ID on a new one.
	seed := rand.Uint64()
	network := calmNetwork(seed)
	network.LogLimit = liveLog
	s, err := openStage(p, dir, network, v.Log)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
		defer cancel()
		err = errors.Join(err, s.close(ctx))
	}()
	l := newLive(s, seed)
	defer l.close()
	id, err := l.welcome(ctx)
	if err != nil {
		return err
	}
	if err := writeGuide(v.Out, s, moved, id); err != nil {
		return err
	}
	return l.play(ctx, v.Out)
}

// free answers p with any free port for those in use, which it names.
func (p ports) free() (ports, []string) {
	var moved []string
	for _, address := range []*string{&p.api, &p.admin, &p.graph} {
		if listener, err := net.Listen("tcp", *address); err != nil || listener.Close() != nil {
			moved = append(moved, *address)
			*address = anyPort
		}
	}
	return p, moved
}

// live is a running live demo.
type live struct {
	stage *stage
	crowd *crowd
	floor *floor
}

func newLive(s *stage, seed uint64) *live {
	l := &live{
		stage: s,
		crowd: &crowd{seed: seed, rate: calmRate, graph: s.graph, first: 1 + rand.IntN(firstOrdinals)},
		floor: &floor{seed: seed, pace: calmPace, reserved: phoneOf(newcomersCustomer).String()},
	}
	call := func(m member) *caller { return newCaller(m, s.apiURL, nil, false) }
	for _, m := range s.cast.agents[:4] {
		l.floor.agents = append(l.floor.agents, call(m))
	}
	l.floor.supervisor, l.floor.bot = call(s.cast.supervisor), call(s.cast.bot)
	// One stream is enough for a floor that talks to itself.
	l.floor.supervisor.watch()
	return l
}

func (l *live) close() {
	for _, c := range append(l.floor.agents, l.floor.supervisor, l.floor.bot) {
		c.close()
	}
}

// welcome lets one customer ask for a person, and answers the conversation
// that waits for the newcomer. One that was left in somebody's hands by an
// earlier demo is given back first.
func (l *live) welcome(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, newcomerWait)
	defer cancel()
	customer := standin.Customer{PhoneNumberID: phoneNumberID, WAID: phoneOf(newcomersCustomer), Name: "Nora Newcomer"}
	write := func() error {
		_, err := l.stage.graph.WriteText(ctx, customer, "Hello! Can I talk to a person please?", time.Time{})
		return err
	}
	if err := write(); err != nil {
		return "", fmt.Errorf("let the first customer write: %w", err)
	}
	d := dice(l.crowd.seed, 'n')
	for rest(ctx, floorTick) {
		for _, card := range l.floor.supervisor.board.column(columnRequesting) {
			if card.GetContact().GetPhone() == l.floor.reserved {
				return card.GetConversationId(), nil
			}
		}
		for _, card := range l.floor.supervisor.board.column(columnIntervened) {
			if card.GetContact().GetPhone() != l.floor.reserved {
				continue
			}
			if _, err := l.floor.supervisor.resolve(ctx, d, card.GetConversationId()); err != nil {
				return "", fmt.Errorf("resolve what an earlier demo left: %w", err)
			}
			if err := write(); err != nil {
				return "", fmt.Errorf("let the first customer write again: %w", err)
			}
			rest(ctx, time.Second)
		}
	}
	return "", errors.New("no conversation came to wait for you")
}

func (l *live) play(ctx context.Context, out io.Writer) error {
	var everybody sync.WaitGroup
	defer everybody.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	everybody.Go(func() { l.crowd.run(ctx) })
	everybody.Go(func() { l.floor.work(ctx, ctx) })
	s := &screen{
		out: out, terminal: isTerminal(out), board: l.floor.supervisor.board,
		graph: l.stage.graph, wrote: l.crowd.wrote.Load,
	}
	return s.run(ctx)
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
