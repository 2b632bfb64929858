package hold

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"kinesis-destination/consumer"
	"kinesis-destination/sink/deadletter"
)

// Holds knows what is held and why. A hold is never a record's fault: it lasts
// until its cause is gone, nothing is lost meanwhile, and the process is not ready.
type Holds struct {
	log  *slog.Logger
	tell func(reason, cause string) // nil: nobody hears

	mu     sync.Mutex
	causes map[Key]Held
}

// Key is who holds what; without a topic it is the whole destination.
type Key struct {
	Source    string
	Topic     string
	Partition int
}

// where is what a log line says of what is held, as the first of its reason: its topic, and
// nothing where that is the whole destination, whose name each of its lines has.
func (k Key) where() []any {
	if k.Topic == "" {
		return nil
	}
	return []any{"topic", k.Topic}
}

// Held is one hold as /status shows it.
type Held struct {
	Reason    string    `json:"reason"`
	Cause     string    `json:"cause"`
	Topic     string    `json:"topic,omitempty"` // empty: the whole destination
	Partition int       `json:"partition"`       // -1: the whole topic, or destination
	Since     time.Time `json:"since"`
}

// New are no holds yet; what begins and ends is logged.
func New(log *slog.Logger) *Holds { return Telling(log, nil) }

// Telling are those of which tell hears, too, at each change: of the one that lasts the
// longest, and of an empty reason when nothing is held any more.
func Telling(log *slog.Logger, tell func(reason, cause string)) *Holds {
	return &Holds{log: log, tell: tell, causes: map[Key]Held{}}
}

// Waiting is heard by who retries something: as long as it fails, source is held for what
// the reason of its error is; of no error, no longer.
func (h *Holds) Waiting(source string, reason func(error) string) func(error) {
	key := Key{Source: source, Partition: -1}
	return func(err error) {
		if err == nil {
			h.Set(key, "", nil)
			return
		}
		h.Set(key, reason(err), err)
	}
}

// Set begins, changes or (with an empty reason) ends a hold. It logs a cause
// once, when the first partition is held for it, and once when the last is free.
func (h *Holds) Set(key Key, reason string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.set(key, reason, err) && h.tell != nil {
		var longest Held
		for _, held := range h.causes {
			if longest.Reason == "" || held.Since.Before(longest.Since) {
				longest = held
			}
		}
		h.tell(longest.Reason, longest.Cause)
	}
}

// set is Set with the lock, and tells whether anything is another now.
func (h *Holds) set(key Key, reason string, err error) bool {
	cause := ""
	if err != nil {
		cause = deadletter.Brief(err.Error())
	}
	before, was := h.causes[key]
	switch {
	case was && before.Reason == reason: // the words of the cause may differ by now
		if err != nil && before.Cause != cause {
			if reason == consumer.ReasonAccessDenied && !h.heldBecause(cause) {
				h.log.Error("still held: another right lacks", append(key.where(), "error", cause)...)
			}
			before.Cause = cause
			h.causes[key] = before
			return true
		}
		return false
	case !was && reason == "":
		return false
	}
	delete(h.causes, key)
	if was && !h.heldFor(before.Reason) {
		h.log.Info("no longer held", "reason", before.Reason, "after", time.Since(before.Since).Round(time.Millisecond))
	}
	if reason == "" {
		return true
	}
	if !h.heldFor(reason) {
		h.log.Error("held: retrying until the cause is gone; nothing is lost", append(key.where(), "reason", reason, "error", cause)...)
	}
	h.causes[key] = Held{Reason: reason, Cause: cause, Topic: key.Topic, Partition: key.Partition, Since: time.Now()}
	return true
}

func (h *Holds) heldBecause(cause string) bool {
	for _, held := range h.causes {
		if held.Cause == cause {
			return true
		}
	}
	return false
}

func (h *Holds) heldFor(reason string) bool {
	for _, held := range h.causes {
		if held.Reason == reason {
			return true
		}
	}
	return false
}

// BriefAttr cuts what a log line says to the limit of explanations; see deadletter.Brief.
// It is a slog.HandlerOptions.ReplaceAttr.
func BriefAttr(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(deadletter.Brief(v))
	case error:
		a.Value = slog.StringValue(deadletter.Brief(v.Error()))
	case []string:
		brief := make([]string, len(v))
		for i := range v {
			brief[i] = deadletter.Brief(v[i])
		}
		a.Value = slog.AnyValue(brief)
	}
	return a
}

// Reasons are the reason words of holds, each once, and what is held for them.
func Reasons(held []Held) string {
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
func (h *Holds) List() []Held {
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
