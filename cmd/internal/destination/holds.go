package destination

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"kinesis-destination/consumer"
)

// holds knows what is held and why. A hold is never a record's fault: it lasts
// until its cause is gone, nothing is lost meanwhile, and the process is not ready.
type holds struct {
	log *slog.Logger

	mu     sync.Mutex
	causes map[holdKey]Held
}

// holdKey is who holds what; without a topic it is the whole destination.
type holdKey struct {
	source    string
	topic     string
	partition int
}

// Held is one hold as /status shows it.
type Held struct {
	Reason    string    `json:"reason"`
	Cause     string    `json:"cause"`
	Topic     string    `json:"topic,omitempty"` // empty: the whole destination
	Partition int       `json:"partition"`       // -1: the whole topic, or destination
	Since     time.Time `json:"since"`
}

func newHolds(log *slog.Logger) *holds { return &holds{log: log, causes: map[holdKey]Held{}} }

// Set begins, changes or (with an empty reason) ends a hold. It logs a cause
// once, when the first partition is held for it, and once when the last is free.
func (h *holds) Set(key holdKey, reason string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before, was := h.causes[key]
	switch {
	case was && before.Reason == reason: // the words of the cause may differ by now
		if err != nil && before.Cause != err.Error() {
			if reason == consumer.ReasonAccessDenied && !h.heldBecause(err.Error()) {
				h.log.Error("still held: another right lacks", "topic", key.topic, "error", err)
			}
			before.Cause = err.Error()
			h.causes[key] = before
		}
		return
	case !was && reason == "":
		return
	}
	delete(h.causes, key)
	if was && !h.heldFor(before.Reason) {
		h.log.Info("no longer held", "reason", before.Reason, "after", time.Since(before.Since).Round(time.Millisecond))
	}
	if reason == "" {
		return
	}
	if !h.heldFor(reason) {
		h.log.Error("held: retrying until the cause is gone; nothing is lost", "reason", reason, "topic", key.topic, "error", err)
	}
	held := Held{Reason: reason, Topic: key.topic, Partition: key.partition, Since: time.Now()}
	if err != nil {
		held.Cause = err.Error()
	}
	h.causes[key] = held
}

func (h *holds) heldBecause(cause string) bool {
	for _, held := range h.causes {
		if held.Cause == cause {
			return true
		}
	}
	return false
}

func (h *holds) heldFor(reason string) bool {
	for _, held := range h.causes {
		if held.Reason == reason {
			return true
		}
	}
	return false
}

// reasons are the reason words of holds, each once, and what is held for them.
func reasons(held []Held) string {
	var words []string
	partitions := map[string][]string{}
	for _, h := range held {
		if !slices.Contains(words, h.Reason) {
			words = append(words, h.Reason)
		}
		switch {
		case h.Topic == "":
		case h.Partition < 0:
			partitions[h.Reason] = append(partitions[h.Reason], h.Topic)
		default:
			partitions[h.Reason] = append(partitions[h.Reason], fmt.Sprintf("%s/%d", h.Topic, h.Partition))
		}
	}
	for i, word := range words {
		if of := partitions[word]; len(of) > 0 {
			words[i] = word + " (" + strings.Join(of, ", ") + ")"
		}
	}
	return strings.Join(words, "; ")
}

// List returns the holds, the oldest first.
func (h *holds) List() []Held {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]Held, 0, len(h.causes))
	for _, held := range h.causes {
		list = append(list, held)
	}
	slices.SortFunc(list, func(a, b Held) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return list
}
