package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/intervenehq/intervene/bench/measure"
	"github.com/intervenehq/intervene/rpc/client"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	drainBoards        = 1000
	drainConversations = 150
	// drainRate is how much changes while the engine is stopped and started.
	drainRate = 200
	// underLoad is how long the load lasts before the stop, and after the return.
	underLoad = 5 * time.Second
)

// drainResult is what a restart under load came to.
type drainResult struct {
	Boards int
	// Stop is how long the engine took to end, Start to serve again, and HalfLive and
	// AllLive, after that, until so many boards showed the present again.
	Stop, Start, HalfLive, AllLive time.Duration
	Changes                        int64 // answered, before and after
	Failed                         int64 // while there was no engine
	// Equal boards showed at rest what the engine lists.
	Equal int
}

func (r *drainResult) table() measure.Table {
	t := measure.Table{
		Title:   fmt.Sprintf("Streams, a restart: %d boards under %d changes/s", r.Boards, drainRate),
		Columns: []string{"stopped after s", "serving after s", "half live after s", "all live after s", "changes", "failed meanwhile", "boards equal to ListConversations"},
	}
	t.Add(r.Stop.Seconds(), r.Start.Seconds(), r.HalfLive.Seconds(), r.AllLive.Seconds(), r.Changes, r.Failed, fmt.Sprintf("%d of %d", r.Equal, r.Boards))
	return t
}

func (c *streamsCommand) drain(ctx context.Context, dir string) (result *drainResult, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st := &stage{crowd: crowd{Name: "drain", Subscribers: drainBoards, Workspaces: 1, Conversations: drainConversations}, command: c}
	defer func() { err = errors.Join(err, st.close()) }()
	if err := st.set(ctx, dir); err != nil {
		return nil, err
	}
	boards := follow(ctx, st.site, drainBoards)
	defer boards.close()
	if _, err := boards.live(ctx); err != nil {
		return nil, err
	}
	load, stop := context.WithCancel(ctx)
	driven := make(chan struct{})
	go func() {
		defer close(driven)
		st.driver.drive(load, drainRate)
	}()
	defer func() {
		stop()
		<-driven
	}()
	r := &drainResult{Boards: drainBoards}
	if err := st.restart(ctx, boards, r); err != nil {
		return nil, err
	}
	stop()
	<-driven
	r.Changes, r.Failed = st.driver.made.Load(), st.driver.failed.Load()
	if err := boards.rest(ctx, st.site, st.driver); err != nil {
		return nil, err
	}
	r.Equal = len(boards.all)
	return r, nil
}

// restart stops the engine under load and starts it anew.
func (st *stage) restart(ctx context.Context, boards *boards, r *drainResult) error {
	if err := rest(ctx, underLoad); err != nil {
		return err
	}
	signal := time.Now()
	if err := st.site.stop(); err != nil {
		return err
	}
	r.Stop = time.Since(signal)
	stopped := time.Now()
	if err := st.site.start(ctx); err != nil {
		return err
	}
	served := time.Now()
	r.Start = served.Sub(stopped)
	took, err := boards.live(ctx)
	if err != nil {
		return err
	}
	r.HalfLive, r.AllLive = took[len(took)/2], took[len(took)-1]
	return rest(ctx, underLoad)
}

// boards are followed as frontends do, each on a connection of its own.
type boards struct {
	all        []*client.Board
	transports []*http.Transport
}

func follow(ctx context.Context, s *site, n int) *boards {
	b := new(boards)
	w := s.workspaces[0]
	for i := range n {
		transport := plainHTTP2()
		b.transports = append(b.transports, transport)
		c := client.New(&http.Client{Transport: transport}, s.url(), w.agents[i%len(w.agents)])
		b.all = append(b.all, c.FollowBoard(ctx, client.BoardQuery{Window: crowdWindow}))
	}
	return b
}

func (b *boards) close() {
	var closing sync.WaitGroup
	for i, board := range b.all {
		closing.Go(func() {
			board.Close()
			b.transports[i].CloseIdleConnections()
		})
	}
	closing.Wait()
}

// live waits until every board shows the present, and tells how long each took.
func (b *boards) live(ctx context.Context) ([]time.Duration, error) {
	start := time.Now()
	var took []time.Duration
	for waiting := b.all; len(waiting) > 0; {
		var still []*client.Board
		for _, board := range waiting {
			if err := board.Err(); err != nil {
				return nil, fmt.Errorf("follow a board: %w", err)
			}
			if shown := board.Snapshot(); shown.Whole && shown.Interrupted == nil {
				took = append(took, time.Since(start))
				continue
			}
			still = append(still, board)
		}
		waiting = still
		if len(waiting) > 0 && time.Since(start) > settleTimeout {
			return nil, fmt.Errorf("%d boards are not live after %s: %w", len(waiting), settleTimeout, waiting[0].Snapshot().Interrupted)
		}
		if err := rest(ctx, settlePause); err != nil {
			return nil, err
		}
	}
	return took, nil
}

// rest waits until every board shows what the engine lists, and nothing else.
func (b *boards) rest(ctx context.Context, s *site, d *driver) error {
	for deadline := time.Now().Add(settleTimeout); ; {
		want := make(map[string]uint64)
		for _, column := range []intervenev1.Column{intervenev1.Column_COLUMN_ACTIVE, intervenev1.Column_COLUMN_REQUESTING, intervenev1.Column_COLUMN_INTERVENED} {
			cards, err := list(d.api, s.workspaces[0], column)
			if err != nil {
				return err
			}
			for _, card := range cards {
				want[card.GetConversationId()] = card.GetVersion()
			}
		}
		if len(want) != drainConversations {
			return fmt.Errorf("the engine lists %d conversations, want %d", len(want), drainConversations)
		}
		different := slices.IndexFunc(b.all, func(board *client.Board) bool { return !maps.Equal(versionsOf(board), want) })
		if different < 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("board %d shows something else than the engine lists %s after the last change", different, settleTimeout)
		}
		if err := rest(ctx, settlePause); err != nil {
			return err
		}
	}
}

func versionsOf(board *client.Board) map[string]uint64 {
	versions := make(map[string]uint64)
	for _, column := range board.Snapshot().Columns {
		for _, card := range column.Cards {
			versions[card.GetConversationId()] = card.GetVersion()
		}
	}
	return versions
}
