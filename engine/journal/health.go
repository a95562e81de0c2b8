package journal

import "time"

// Health is what decides whether a journal takes appends.
type Health struct {
	// Dead: a write failed, or it is closed. It takes nothing any more.
	Dead bool
	// Full: there is too little room. It takes appends again once there is.
	Full bool
	// Oldest is how long the oldest write is under way. One that is unfinished after
	// ten seconds ends the process.
	Oldest time.Duration
}

// Health is the journal's at this moment. It reads nothing from the disk.
func (j *Journal) Health() Health {
	dead := j.isDead()
	select {
	case <-j.shut:
		dead = true
	default:
	}
	return Health{Dead: dead, Full: j.full.Load(), Oldest: j.age(now())}
}
