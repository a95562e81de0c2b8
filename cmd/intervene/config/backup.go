package config

import (
	"strconv"
	"time"
)

// What of scheduled backups is when the file does not say.
const (
	DefaultBackupEvery = 24 * time.Hour
	DefaultBackupKeep  = 7
)

const (
	// MinBackupEvery keeps one backup from following on the heels of the other.
	MinBackupEvery = time.Minute
	MaxBackupKeep  = 1000
)

// Backup is when backups are made, and where.
type Backup struct {
	Folder string
	Every  time.Duration
	Keep   int // the newest of them
}

func (p *parser) backup(v value) *Backup {
	if !v.present() {
		return nil
	}
	f := p.mapping(v, "folder", "every", "keep")
	known := len(p.problems)
	b := &Backup{Every: p.duration(f["every"], DefaultBackupEvery), Keep: DefaultBackupKeep}
	if b.Every < MinBackupEvery && len(p.problems) == known {
		p.report(f["every"], "must be at least %s", MinBackupEvery)
	}
	if p.required(f["folder"]) {
		b.Folder = p.path(f["folder"], "")
	}
	if text, set := p.text(f["keep"]); set {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > MaxBackupKeep {
			p.report(f["keep"], "must be a number from 1 to %d", MaxBackupKeep)
		}
		b.Keep = n
	}
	return b
}
