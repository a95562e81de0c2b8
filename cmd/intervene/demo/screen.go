package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	// drawInterval is between two pictures on a terminal, lineInterval between
	// two lines elsewhere.
	drawInterval = 500 * time.Millisecond
	lineInterval = 5 * time.Second
	// rateSpan is the time over which messages per second are counted.
	rateSpan = 5 * time.Second
	// maxRows bounds the conversations that are shown of each column.
	maxRows = 8

	eraseBelow = "\x1b[J"
)

// screen shows how things stand: who waits, who holds what, how much flows. No
// name of a customer, no number and no word of theirs is on it.
type screen struct {
	out      io.Writer
	terminal bool
	board    *board
	graph    *standin.Graph
	wrote    func() int64 // customers' messages so far
	started  time.Time
	samples  []sample
	drawn    int // lines of the picture that stands there
}

// sample is what had been counted at one time.
type sample struct {
	at      time.Time
	in, out int64
}

// run draws until ctx ends. A writer that fails ends it too.
func (s *screen) run(ctx context.Context) error {
	every := lineInterval
	if s.terminal {
		every = drawInterval
	}
	s.started = time.Now()
	for {
		if err := s.draw(time.Now()); err != nil {
			return fmt.Errorf("draw the status: %w", err)
		}
		if !rest(ctx, every) {
			return nil
		}
	}
}

func (s *screen) draw(now time.Time) error {
	in, out := s.rates(now)
	if !s.terminal {
		_, err := io.WriteString(s.out, s.line(now, in, out)+"\n")
		return err
	}
	lines := s.picture(now, in, out)
	var text strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&text, "\x1b[%dA\r", s.drawn)
	}
	text.WriteString(eraseBelow)
	for _, line := range lines {
		text.WriteString(line + "\n")
	}
	s.drawn = len(lines)
	_, err := io.WriteString(s.out, text.String())
	return err
}

// rates are messages per second, from and to customers.
func (s *screen) rates(now time.Time) (in, out float64) {
	s.samples = append(s.samples, sample{now, s.wrote(), int64(s.graph.Stats().Accepted)})
	for len(s.samples) > 2 && now.Sub(s.samples[1].at) >= rateSpan {
		s.samples = s.samples[1:]
	}
	first, last := s.samples[0], s.samples[len(s.samples)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if seconds == 0 {
		return 0, 0
	}
	return float64(last.in-first.in) / seconds, float64(last.out-first.out) / seconds
}

func (s *screen) line(now time.Time, in, out float64) string {
	face := s.board.face()
	return fmt.Sprintf("%s  active %d  requesting %d  intervened %d  in %.1f/s  out %.1f/s  held by %s",
		clock(now.Sub(s.started)), face.count(columnActive), face.count(columnRequesting), face.count(columnIntervened), in, out, s.held())
}

func (s *screen) picture(now time.Time, in, out float64) []string {
	face := s.board.face()
	lines := []string{
		"",
		fmt.Sprintf("  ACTIVE %-6d REQUESTING %-6d INTERVENED %-6d up %s", face.count(columnActive), face.count(columnRequesting), face.count(columnIntervened), clock(now.Sub(s.started))),
		fmt.Sprintf("  messages: %.1f/s from customers, %.1f/s to them", in, out),
		"  held by: " + s.held(),
	}
	for _, column := range []intervenev1.Column{columnRequesting, columnIntervened} {
		lines = append(lines, rows(s.board.column(column), now)...)
	}
	return append(lines, "  Ctrl-C ends the demo")
}

func (s *screen) held() string {
	held := s.board.holders()
	if len(held) == 0 {
		return "nobody"
	}
	var who []string
	for _, id := range sortedKeys(held) {
		who = append(who, fmt.Sprintf("%s %d", id, held[id]))
	}
	return strings.Join(who, ", ")
}

// rows are one line for each of the longest waiting.
func rows(cards []*intervenev1.Card, now time.Time) []string {
	var lines []string
	for n, card := range cards {
		if n == maxRows {
			return append(lines, fmt.Sprintf("    and %d more", len(cards)-maxRows))
		}
		what := "waits for a person"
		if holder := card.GetHolderAgentId(); holder != "" {
			what = "with " + holder
		}
		lines = append(lines, fmt.Sprintf("    %s  %-20s %s  unread %d", card.GetConversationId(), what,
			clock(now.Sub(card.GetSince().AsTime())), card.GetUnreadCount()))
	}
	return lines
}

func clock(d time.Duration) string {
	d = max(d, 0).Truncate(time.Second)
	return fmt.Sprintf("%02d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}
