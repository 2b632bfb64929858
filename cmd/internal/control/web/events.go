package web

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"kinesis-destination/cmd/internal/control/api"
)

// The bounds of live pages: how often one is looked after, how long a connection is
// kept before the browser makes another, and how many there are.
const (
	liveEvery   = 2 * time.Second
	liveFor     = 5 * time.Minute
	liveWrite   = 10 * time.Second
	mostStreams = 200
)

// streams counts the connections of live pages.
type streams struct{ open atomic.Int64 }

// liveParts are the parts of a flow's page that change, by their places in it.
var liveParts = []string{"live", "job"}

// flowEvents sends the parts of a flow's page that have changed, as server-sent events:
// one of the name of each part, with its HTML.
func flowEvents(p *page) error {
	if p.h.streams.open.Add(1) > mostStreams {
		p.h.streams.open.Add(-1)
		return api.Refuse(api.CodeTooMany, "%d pages are live, which is as many as this server keeps: reload to see what is new", mostStreams)
	}
	defer p.h.streams.open.Add(-1)
	if _, err := p.findFlow(); err != nil {
		return err
	}
	control := http.NewResponseController(p.w)
	header := p.w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // a proxy that gathers answers would gather these for ever
	p.w.WriteHeader(http.StatusOK)
	sent := map[string]string{}
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	end := time.NewTimer(liveFor)
	defer end.Stop()
	for {
		text, err := p.events(sent)
		if err != nil {
			return nil //nolint:nilerr // the browser connects again, and has the reason then
		}
		_ = control.SetWriteDeadline(time.Now().Add(liveWrite)) // a writer without one has none to set
		if _, err := p.w.Write([]byte(text)); err != nil {
			return nil //nolint:nilerr // the browser has gone
		}
		if err := control.Flush(); err != nil {
			return nil //nolint:nilerr // likewise
		}
		select {
		case <-p.ctx().Done():
			return nil
		case <-end.C:
			return nil
		case <-p.h.closing:
			return nil
		case <-tick.C:
		}
	}
}

// events are the parts that differ from what was sent; a comment where none does, so
// that a connection that is gone is noticed.
func (p *page) events(sent map[string]string) (string, error) {
	f, err := p.findFlow()
	if err != nil {
		return "", err
	}
	letters, err := p.letters(f)
	if err != nil {
		return "", err
	}
	live, err := p.live(f, letters.Job)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, part := range liveParts {
		var data any = live
		if part == "job" {
			data = letters
		}
		text, err := p.part("flow", part, data)
		if err != nil {
			return "", err
		}
		if bare := withoutTime(text); sent[part] != bare {
			sent[part] = bare
			b.WriteString(event(part, text))
		}
	}
	if b.Len() == 0 {
		b.WriteString(": nothing new\n\n")
	}
	return b.String(), nil
}

// lineBreaks are the three that end a line of an event: what stands behind any of them
// would be taken for another field of it.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// event is a server-sent event of a name, with a text of lines.
func event(name, text string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "event: %s\n", name)
	for line := range strings.SplitSeq(lineBreaks.Replace(text), "\n") {
		fmt.Fprintf(&b, "data: %s\n", line)
	}
	b.WriteString("\n")
	return b.String()
}

// withoutTime is a part without when it was made, which is no news.
func withoutTime(text string) string {
	const begin, end = `<p class="as">`, `</p>`
	before, rest, found := strings.Cut(text, begin)
	if !found {
		return text
	}
	_, after, _ := strings.Cut(rest, end)
	return before + after
}

// part makes one part of a page.
func (p *page) part(page, name string, data any) (string, error) {
	var b bytes.Buffer
	if err := p.h.templates[p.lang][page].ExecuteTemplate(&b, name, data); err != nil {
		return "", fmt.Errorf("part %s: %w", name, err)
	}
	return b.String(), nil
}
