package sink

import (
	"sync"
	"time"

	"kinesis-destination/sink/deadletter"
)

// Sources of holds. Each has one reason at a time.
const (
	fromStream     = iota // what the stream says of itself
	fromPut               // how it answers
	fromExhausted         // records that outlived their retry
	fromDeadLetter        // the dead-letter topic
	holdSources
)

// holds turns the states of several sources into one: the reason of the first
// source that has one. It reports each change of that reason once.
type holds struct {
	report func(reason string, err error)

	mu     sync.Mutex
	states [holdSources]holdState
	shown  string
	since  time.Time
}

type holdState struct {
	reason string
	err    error
}

// Set gives a source a reason; an empty one ends its hold.
func (h *holds) Set(source int, reason string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.states[source] = holdState{reason, err}
	var now holdState
	for _, s := range h.states {
		if s.reason != "" {
			now = s
			break
		}
	}
	if now.reason == h.shown && !deadletter.Denied(now.err) { // rights are granted one after the other
		return
	}
	if h.shown == "" {
		h.since = time.Now()
	}
	h.shown = now.reason
	h.report(now.reason, now.err)
}

// Current returns the reason that holds, and since when anything does.
func (h *holds) Current() (reason string, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shown == "" {
		return "", time.Time{}
	}
	return h.shown, h.since
}
