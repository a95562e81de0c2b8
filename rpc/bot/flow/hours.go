package flow

import (
	"slices"
	"time"
	_ "time/tzdata" // a machine without time zones still has business hours

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/bot/flow/schema"
)

// hours say when the business is open.
type hours struct {
	zone   *time.Location
	open7  [7][]span // by weekday
	closed map[string]bool
	away   text // empty: nothing is said, and the flow answers as ever
	// request: an agent is requested then.
	request bool
}

// span is from one minute of a day to before another.
type span struct{ from, to int }

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (c *compiler) hours(at place, s *schema.Hours) *hours {
	if s == nil {
		return nil
	}
	h := &hours{closed: make(map[string]bool), request: s.GetAway().GetThen() == "request_agent"}
	zone, err := time.LoadLocation(s.GetTimeZone())
	if err != nil || s.GetTimeZone() == "Local" {
		c.report(at.field("time_zone"), "%q is no time zone, as Europe/Madrid is", s.GetTimeZone())
		zone = time.UTC
	}
	h.zone = zone
	for i, o := range s.GetOpen() {
		at := at.field("open").item(i)
		opens := span{minute(o.GetFrom()), minute(o.GetTo())}
		if opens.from >= opens.to {
			c.report(at, "must open before it closes; what goes past midnight is two entries")
		}
		for _, name := range o.GetDays() {
			if day := slices.Index(weekdays, name); day >= 0 {
				h.open7[day] = append(h.open7[day], opens)
			}
		}
	}
	for i, date := range s.GetClosed() {
		if _, err := time.Parse(time.DateOnly, date); err != nil {
			c.report(at.field("closed").item(i), "%q is no day, as 2026-12-25 is", date)
		}
		h.closed[date] = true
	}
	h.away = c.text(at.field("away").field("text"), s.GetAway().GetText(), rule{most: engine.MaxTextRunes})
	return h
}

// minute is that of a day at which a clock shows hh:mm; 0 if it cannot.
func minute(clock string) int {
	if clock == "24:00" {
		return 24 * 60
	}
	t, err := time.Parse("15:04", clock)
	if err != nil {
		return 0 // the rules have refused it
	}
	return t.Hour()*60 + t.Minute()
}

// open reports whether the business is at an instant; without hours it always is.
func (h *hours) open(now time.Time) bool {
	if h == nil {
		return true
	}
	now = now.In(h.zone)
	if h.closed[day(now)] {
		return false
	}
	minute := now.Hour()*60 + now.Minute()
	return slices.ContainsFunc(h.open7[now.Weekday()], func(s span) bool { return s.from <= minute && minute < s.to })
}
