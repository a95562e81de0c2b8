package measure

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressInterval is how often progress is drawn.
const progressInterval = 200 * time.Millisecond

// Progress shows how far a run has come, on a terminal alone.
type Progress struct {
	bar *progressbar.ProgressBar // nil: nobody watches
}

// NewProgress shows so many steps on the standard error.
func NewProgress(steps int) *Progress {
	info, err := os.Stderr.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &Progress{}
	}
	return &Progress{bar: progressbar.NewOptions(steps,
		progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetPredictTime(true), progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(progressInterval), progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(true),
	)}
}

// Begin says what comes next.
func (p *Progress) Begin(what string) {
	if p.bar != nil {
		p.bar.Describe(what)
	}
}

// Step is one step done. More than there should be are no error.
func (p *Progress) Step() {
	if p.bar != nil && p.bar.State().CurrentNum < p.bar.State().Max {
		_ = p.bar.Add(1) // what is not drawn is not worth failing for
	}
}

// End takes the bar away.
func (p *Progress) End() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
