package standin

import (
	"net/http"
	"sync/atomic"
)

// Stats counts what the stand-in did since New.
type Stats struct {
	Accepted    uint64 `json:"accepted"`     // sends
	Refused     uint64 `json:"refused"`      // requests answered with an error
	RepliesLost uint64 `json:"replies_lost"` // accepted, connection broken instead of an answer

	Posts        uint64 `json:"posts"`        // webhook POSTs that came to an end
	Unanswered   uint64 `json:"unanswered"`   // of these
	Offered      uint64 `json:"offered"`      // items, each offer counted
	Acknowledged uint64 `json:"acknowledged"` // of these, answered 200
	GivenUp      uint64 `json:"given_up"`     // items

	ForgedOffered  uint64 `json:"forged_offered"`  // items under a wrong signature
	ForgedAccepted uint64 `json:"forged_accepted"` // of these, answered 2xx

	AnswersUnread uint64 `json:"answers_unread"` // clients that left before their answer
	AnswersCut    uint64 `json:"answers_cut"`    // webhook answers not read to their end

	Pending    int    `json:"pending"`     // webhook items queued or in flight
	LogDropped uint64 `json:"log_dropped"` // entries that the delivery log no longer has
}

type counters struct {
	accepted, refused, repliesLost                 atomic.Uint64
	posts, unanswered, offered, acknowledged       atomic.Uint64
	givenUp, forgedOffered, forgedAccepted         atomic.Uint64
	answersUnread, answersCut, traces, changesMade atomic.Uint64
	uploads, templateLists                         atomic.Uint64
}

// Stats reads the counters; they are not of one instant.
func (g *Graph) Stats() Stats {
	c := &g.counters
	stats := Stats{
		Accepted:       c.accepted.Load(),
		Refused:        c.refused.Load(),
		RepliesLost:    c.repliesLost.Load(),
		Posts:          c.posts.Load(),
		Unanswered:     c.unanswered.Load(),
		Offered:        c.offered.Load(),
		Acknowledged:   c.acknowledged.Load(),
		GivenUp:        c.givenUp.Load(),
		ForgedOffered:  c.forgedOffered.Load(),
		ForgedAccepted: c.forgedAccepted.Load(),
		AnswersUnread:  c.answersUnread.Load(),
		AnswersCut:     c.answersCut.Load(),
	}
	for _, d := range g.apps {
		d.mu.Lock()
		stats.Pending += d.pending
		d.mu.Unlock()
	}
	g.log.mu.Lock()
	stats.LogDropped = g.log.dropped
	g.log.mu.Unlock()
	return stats
}

func (c *counters) countPost(p *parcel, status int) {
	items := uint64(len(p.items))
	c.posts.Add(1)
	if p.forged {
		c.forgedOffered.Add(items)
		if status/100 == 2 {
			c.forgedAccepted.Add(items)
		}
		return
	}
	c.offered.Add(items)
	if status == http.StatusOK {
		c.acknowledged.Add(items)
	}
}
