package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const customerName = "Nora of the interop check"

// frame is what a tool prints of one WatchBoardResponse: as much of protobuf's
// JSON as a story needs.
type frame struct {
	Hello         *struct{ AgentID string }
	SnapshotChunk *struct {
		Cards []card
		Last  bool
	}
	DeltaBatch *struct{ Upserts []card }
	GoAway     *struct{}
}

type card struct {
	Column  string
	Contact struct{ Name string }
}

// step is how far the story of a stream has come.
type step int

const (
	begun step = iota
	greeted
	shown
	asked
	sentAway
)

var stepNames = [...]string{"nothing", "hello", "the whole snapshot", "the customer who asks for a person", "go away"}

func (s step) String() string { return stepNames[s] }

// after is the step that a frame leads to. Frames that tell nothing of the story
// leave it where it is; one out of order is an error.
func (s step) after(f frame) (step, error) {
	switch {
	case f.Hello != nil:
		if s != begun || f.Hello.AgentID != "asha" {
			return s, fmt.Errorf("hello to %q after %v", f.Hello.AgentID, s)
		}
		return greeted, nil
	case f.SnapshotChunk != nil:
		if s != greeted || len(f.SnapshotChunk.Cards) > 0 {
			return s, fmt.Errorf("a snapshot of %d cards after %v", len(f.SnapshotChunk.Cards), s)
		}
		if f.SnapshotChunk.Last {
			return shown, nil
		}
	case f.DeltaBatch != nil:
		if s < shown {
			return s, fmt.Errorf("a change after %v", s)
		}
		for _, c := range f.DeltaBatch.Upserts {
			if c.Contact.Name == customerName && c.Column == "COLUMN_REQUESTING" {
				return max(s, asked), nil
			}
		}
	case f.GoAway != nil:
		return sentAway, nil
	}
	return s, nil
}

// watcher is one tool at work.
type watcher struct {
	child *child
	steps chan step
	err   error // why steps was closed; nil: the output ended
}

// startWatcher starts a tool, whose steps must be received.
func startWatcher(ctx context.Context, t tool) (*watcher, error) {
	c := newChild(ctx, t.name, t.command...)
	w := &watcher{child: c, steps: make(chan step, sentAway)}
	out := c.reader(&c.cmd.Stdout)
	if err := c.start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(w.steps)
		w.err = tell(out, w.steps)
		if _, err := io.Copy(io.Discard, out); err != nil {
			w.err = errors.Join(w.err, err)
		}
	}()
	return w, nil
}

// tell sends each step that the frames in out lead to.
func tell(out io.Reader, steps chan<- step) error {
	at := begun
	for frames := json.NewDecoder(out); ; {
		var f frame
		if err := frames.Decode(&f); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a frame as JSON: %w", err)
		}
		next, err := at.after(f)
		if err != nil {
			return err
		}
		if next != at {
			at = next
			steps <- at
		}
	}
}

// reach waits for a step.
func (w *watcher) reach(ctx context.Context, want step) error {
	last := begun
	for {
		select {
		case at, ok := <-w.steps:
			if !ok {
				return fmt.Errorf("%s ended, and told of %v last, want %v: %v\n%s", w.child.name, last, want, w.err, w.child.said.String())
			}
			if last = at; at >= want {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("%s told of %v last, want %v: %w\n%s", w.child.name, last, want, ctx.Err(), w.child.said.String())
		}
	}
}

// watchAll is the whole story, told to all tools at once.
func watchAll(ctx context.Context, s *site, tools []tool) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	var watchers []*watcher
	defer func() {
		cancel()
		for _, w := range watchers {
			<-w.child.done
		}
	}()
	for _, t := range tools {
		w, err := startWatcher(ctx, t)
		if err != nil {
			return err
		}
		watchers = append(watchers, w)
	}
	all := func(want step) error {
		for _, w := range watchers {
			if err := w.reach(ctx, want); err != nil {
				return err
			}
		}
		return nil
	}
	if err := all(shown); err != nil {
		return err
	}
	if err := s.ask(ctx); err != nil {
		return err
	}
	if err := all(asked); err != nil {
		return err
	}
	if err := s.drain(ctx); err != nil {
		return err
	}
	if err := all(sentAway); err != nil {
		return err
	}
	for _, w := range watchers {
		if err := w.child.exit(ctx); err != nil {
			return err
		}
	}
	return nil
}
