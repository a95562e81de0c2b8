package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

const (
	// warmUp precedes each measured slice, under the same load.
	warmUp = 1500 * time.Millisecond
	// calm is how long nothing happens before memory is measured.
	calm = 2 * time.Second
	// memoryTick is how often memory is looked at under load.
	memoryTick = 200 * time.Millisecond
	// stalledShare: for so many subscribers who read, one comes in every other
	// slice who does not.
	stalledShare = 10
	// crowdWindow is what subscribers ask for, in cards per column.
	crowdWindow = 200
)

// crowd is a scenario: subscribers who read, and sometimes a tenth more who do
// not. Those who read are the same with and without.
type crowd struct {
	Name                                   string
	Subscribers, Workspaces, Conversations int
}

// stage is what a crowd stands on.
type stage struct {
	crowd
	command *streamsCommand
	site    *site
	driver  *driver
	raw     *raw
	// subscribers are of the engine; there are as many of the raw server.
	subscribers, rawReaders *fleet
}

// measure plays a scenario. It is over when everything it started is.
func (c *streamsCommand) measure(ctx context.Context, scenario crowd, dir string) (result *crowdResult, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st := &stage{crowd: scenario, command: c}
	defer func() { err = errors.Join(err, st.close()) }()
	if err := st.set(ctx, dir); err != nil {
		return nil, err
	}
	if st.raw, err = startRaw(ctx); err != nil {
		return nil, err
	}
	r := &crowdResult{Crowd: scenario, Rate: c.Rate, PerConnection: c.PerConnection}
	if r.Base, err = st.slice(ctx, nil); err != nil {
		return nil, err
	}
	if err := st.fill(ctx, r); err != nil {
		return nil, err
	}
	for range c.Rounds {
		if err := st.round(ctx, r); err != nil {
			return nil, err
		}
	}
	if err := st.profile(ctx); err != nil {
		return nil, err
	}
	m, err := fetchMetrics(ctx, st.site.admin())
	if err != nil {
		return nil, err
	}
	r.count(m)
	st.leave()
	if err := rest(ctx, calm); err != nil {
		return nil, err
	}
	after, err := st.slice(ctx, nil)
	if err != nil {
		return nil, err
	}
	r.Base = r.Base.and(after)
	r.Shed, r.Failed = st.driver.shed.Load(), st.driver.failed.Load()
	return r, nil
}

// set starts the engine with its workspaces and conversations.
func (st *stage) set(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	var err error
	if st.site, err = newSite(st.command.Binary, dir, st.Workspaces, st.Subscribers); err != nil {
		return err
	}
	if err := st.site.start(ctx); err != nil {
		return err
	}
	if err := populate(ctx, st.site, st.Conversations); err != nil {
		return err
	}
	st.driver = newDriver(st.site)
	return nil
}

func (st *stage) leave() {
	for _, f := range []**fleet{&st.subscribers, &st.rawReaders} {
		if *f != nil {
			(*f).close()
		}
		*f = nil
	}
}

func (st *stage) close() error {
	st.leave()
	var err error
	if st.raw != nil {
		err = st.raw.process.terminate()
	}
	if st.site != nil {
		err = errors.Join(err, st.site.close())
	}
	return err
}

// fill lets the subscribers in, and measures what they cost while nothing
// changes.
func (st *stage) fill(ctx context.Context, r *crowdResult) error {
	before, err := st.memory(ctx)
	if err != nil {
		return err
	}
	subscribers, err := watchers(st.site, st.driver, st.Subscribers, st.command.PerConnection, crowdWindow)
	if err != nil {
		return err
	}
	if st.subscribers, err = openFleet(ctx, subscribers); err != nil {
		return err
	}
	if err := rest(ctx, calm); err != nil {
		return err
	}
	st.subscribers.sizes.wanted.Store(false)
	first := 0 // all that came until now: hello and a snapshot
	for _, size := range st.subscribers.sizes.take() {
		first += size
	}
	if st.rawReaders, err = openFleet(ctx, rawReaders(st.raw, st.Subscribers, st.Workspaces, st.command.PerConnection, first)); err != nil {
		return err
	}
	after, err := st.memory(ctx)
	if err != nil {
		return err
	}
	r.Memory = after.each(before, st.Subscribers)
	return nil
}

// memory is that of both servers, at rest.
func (st *stage) memory(ctx context.Context) (memory, error) {
	if err := rest(ctx, calm); err != nil {
		return memory{}, err
	}
	var got memory
	m, err := fetchMetrics(ctx, st.site.admin())
	if err != nil {
		return got, err
	}
	got.Engine = m.used()
	if got.Raw, err = st.raw.used(ctx); err != nil {
		return got, err
	}
	if got.Engine.Resident, err = residentOf(st.site.engine.pid()); err != nil {
		return got, err
	}
	got.Raw.Resident, err = residentOf(st.raw.process.pid())
	return got, err
}

// round measures the same load without and with stalled ones, and then the raw
// server with what the former came to.
func (st *stage) round(ctx context.Context, r *crowdResult) error {
	healthy, err := st.slice(ctx, newLags())
	if err != nil {
		return err
	}
	absent, err := watchers(st.site, st.driver, st.Subscribers/stalledShare, st.command.PerConnection, crowdWindow)
	if err != nil {
		return err
	}
	deaf := openStalled(ctx, absent)
	among, err := st.slice(ctx, newLags())
	if err = errors.Join(err, deaf.close()); err != nil {
		return err
	}
	raw, err := st.rawSlice(ctx, healthy)
	if err != nil {
		return err
	}
	r.Rounds = append(r.Rounds, round{Healthy: healthy, WithStalled: among, Raw: raw})
	return nil
}

// slice measures the engine under load. Lags may be nil.
func (st *stage) slice(ctx context.Context, to *lags) (slice, error) {
	load, stop := context.WithCancel(ctx)
	driven := make(chan struct{})
	go func() {
		defer close(driven)
		st.driver.drive(load, st.command.Rate)
	}()
	defer func() {
		stop()
		<-driven
	}()
	if err := rest(ctx, warmUp); err != nil {
		return slice{}, err
	}
	if st.subscribers != nil {
		st.subscribers.lags.Store(to)
		st.subscribers.sizes.wanted.Store(true)
		defer st.subscribers.lags.Store(nil)
		defer st.subscribers.sizes.wanted.Store(false)
	}
	made := st.driver.made.Load()
	got, err := st.watch(ctx, st.site.engine.pid(), st.subscribers)
	got.Changes = float64(st.driver.made.Load()-made) / got.Seconds
	got.Lag = to.summary()
	return got, err
}

// rawSlice has the raw server send what subscribers of the engine got.
func (st *stage) rawSlice(ctx context.Context, like slice) (slice, error) {
	interval := time.Duration(float64(time.Second) * float64(st.Subscribers) / max(1, like.Deliveries))
	order := rawOrder{Interval: interval, Sizes: st.subscribers.sizes.take(), Groups: st.Workspaces}
	if err := st.raw.order(ctx, order); err != nil {
		return slice{}, err
	}
	if err := rest(ctx, warmUp); err != nil {
		return slice{}, err
	}
	got, err := st.watch(ctx, st.raw.process.pid(), st.rawReaders)
	return got, errors.Join(err, st.raw.order(ctx, rawOrder{}))
}

// watch measures what a server takes and subscribers get, if there are any, for
// the length of a slice.
func (st *stage) watch(ctx context.Context, pid int, readers *fleet) (slice, error) {
	var got slice
	read := func() (received, time.Duration, error) {
		var all received
		if readers != nil {
			all = readers.received()
		}
		cpu, err := cpuOf(pid)
		return all, cpu, err
	}
	start := time.Now()
	before, cpuBefore, err := read()
	if err != nil {
		return got, err
	}
	for time.Since(start) < st.command.Slice {
		if err := rest(ctx, memoryTick); err != nil {
			return got, err
		}
		resident, err := residentOf(pid)
		if err != nil {
			return got, err
		}
		got.Resident = max(got.Resident, resident)
	}
	after, cpuAfter, err := read()
	got.Seconds = time.Since(start).Seconds()
	got.CPU = (cpuAfter - cpuBefore).Seconds() / got.Seconds
	got.fill(after.minus(before))
	return got, err
}

// profile keeps what the engine does in a slice more.
func (st *stage) profile(ctx context.Context) error {
	dir := st.command.Profile
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	kept := make(chan error, 1)
	go func() {
		seconds := int(st.command.Slice.Seconds())
		err := keep(ctx, fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", st.site.admin(), seconds), filepath.Join(dir, st.Name+"-cpu.pprof"))
		err = errors.Join(err, keep(ctx, st.site.admin()+"/debug/pprof/heap", filepath.Join(dir, st.Name+"-heap.pprof")))
		kept <- err
	}()
	_, err := st.slice(ctx, nil)
	return errors.Join(err, <-kept)
}

func keep(ctx context.Context, url, path string) error {
	return fetch(ctx, url, func(r io.Reader) error {
		file, err := os.Create(path)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, r)
		return errors.Join(err, file.Close())
	})
}
