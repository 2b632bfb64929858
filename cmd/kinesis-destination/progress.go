package main

import (
	"fmt"
	"io"
	"time"

	"github.com/cheggaaa/pb/v3"

	"kinesis-destination/cmd/internal/terminal"
)

// progressInterval is how often a line tells how far it is.
const progressInterval = 2 * time.Second

// barTemplate is the progress bar on a terminal.
const barTemplate pb.ProgressBarTemplate = `{{counters . }} {{bar . }} {{percent . }} {{speed . "%s/s" }} {{rtime . "%s left"}}`

// progress tells how far something is: as a bar on a terminal, else line by line.
type progress struct {
	w           io.Writer
	what        string // is counted
	bar         *pb.ProgressBar
	began, told time.Time
	first       int64 // what was done before
}

func newProgress(w io.Writer, what string) *progress {
	p := &progress{w: w, what: what, began: time.Now(), told: time.Now(), first: -1}
	if isTerminal(w) {
		p.bar = barTemplate.New(0).SetWriter(terminal.File(w))
	}
	return p
}

// set tells how much is done. The total may change meanwhile.
func (p *progress) set(done, total int64) {
	if p.first < 0 {
		p.first = done
		if p.bar != nil {
			p.bar.SetTotal(total).SetCurrent(done).Start()
		}
	}
	if p.bar != nil {
		p.bar.SetTotal(total).SetCurrent(done)
		return
	}
	now := time.Now()
	if now.Sub(p.told) < progressInterval {
		return
	}
	p.told = now
	rate := float64(done-p.first) / now.Sub(p.began).Seconds()
	left := "?"
	if rate > 0 {
		left = time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second).String()
	}
	fmt.Fprintf(p.w, "%d of %d %s (%.0f %%), %.0f/s, %s left\n", done, total, p.what, 100*float64(done)/float64(max(1, total)), rate, left)
}

// end draws the bar for the last time.
func (p *progress) end() {
	if p.bar != nil && p.bar.IsStarted() {
		p.bar.Finish()
	}
}
