package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressInterval is how often progress is drawn.
const progressInterval = 100 * time.Millisecond

// progress shows how far something has come, to whoever watches.
type progress struct {
	to  io.Writer
	bar *progressbar.ProgressBar // nil: nobody watches
}

// newProgress shows it only on a terminal. About as many bytes as expected are
// shown as all of it; -1: nobody knows.
func newProgress(to io.Writer, what string, expected int64) *progress {
	file, ok := to.(*os.File)
	if !ok {
		return &progress{}
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &progress{}
	}
	return &progress{to: to, bar: progressbar.NewOptions64(expected,
		progressbar.OptionSetWriter(to), progressbar.OptionSetDescription(what), progressbar.OptionShowBytes(true),
		progressbar.OptionThrottle(progressInterval), progressbar.OptionSetPredictTime(true), progressbar.OptionSetWidth(30),
	)}
}

// Write counts bytes and never fails.
func (p *progress) Write(data []byte) (int, error) {
	if p.bar != nil {
		// What is expected is an estimate: more than that is no error.
		if state := p.bar.State(); state.Max > 0 && state.CurrentNum+int64(len(data)) > state.Max {
			p.bar.ChangeMax64(state.CurrentNum + int64(len(data)))
		}
		_ = p.bar.Add(len(data)) // what is not drawn is not worth failing for
	}
	return len(data), nil
}

// end goes to the next line, and fills the bar if nothing went wrong.
func (p *progress) end(err error) error {
	if p.bar == nil {
		return nil
	}
	if err == nil {
		if err := p.bar.Finish(); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(p.to)
	return err
}
