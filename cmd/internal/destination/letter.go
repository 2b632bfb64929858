package destination

import (
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"kinesis-destination/consumer"
	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

// letterRedrives counts how often a letter was redriven and failed again. It
// stands between the source's headers and those that say what happened.
const letterRedrives = "x-redrives"

// Letter is one dead letter.
type Letter struct {
	Partition int               `json:"partition"` // of the dead-letter topic, as offset
	Offset    int64             `json:"offset"`
	Stage     string            `json:"stage"`
	Reason    string            `json:"reason"`
	FailedAt  time.Time         `json:"failedAt"`
	Attempts  int               `json:"attempts"`
	Redrives  int               `json:"redrives"`
	Message   string            `json:"message"`
	Origin    transform.Source  `json:"origin"`
	Written   time.Time         `json:"written"` // the source message's time
	parked    bool              // later events of its identity follow it to the topic
	headers   []consumer.Header // the source message's own
	message   *consumer.Message
}

// parseLetter reads a message of the dead-letter topic. Anything but a letter of
// this destination is nil.
func parseLetter(m *consumer.Message, destination string) *Letter {
	if string(header(m, sink.HeaderDestination)) != destination || header(m, sink.HeaderReason) == nil || len(header(m, sink.HeaderOffset)) != 8 {
		return nil
	}
	l := &Letter{
		Partition: m.Partition, Offset: m.Offset, Stage: string(header(m, sink.HeaderStage)), Reason: string(header(m, sink.HeaderReason)),
		Message: string(header(m, sink.HeaderMessage)), Origin: sourceOf(m), FailedAt: m.Time, Written: m.Time, message: m,
	}
	l.parked = header(m, sink.HeaderParkedKey) != nil
	l.Attempts, _ = strconv.Atoi(string(header(m, sink.HeaderAttempts))) // 0 where it does not say
	if at, err := time.Parse(time.RFC3339, string(header(m, sink.HeaderFailedAt))); err == nil {
		l.FailedAt = at
	}
	if at := header(m, sink.HeaderTimestamp); len(at) == 8 {
		l.Written = time.UnixMilli(int64(binary.BigEndian.Uint64(at)))
	}
	own := slices.IndexFunc(m.Headers, func(h consumer.Header) bool { return h.Key == sink.HeaderTopic })
	for i := own + 1; i < len(m.Headers); i++ { // the source may be a dead letter of someone else
		if m.Headers[i].Key == sink.HeaderTopic {
			own = i
		}
	}
	l.headers = m.Headers[:own]
	if n := len(l.headers); n > 0 && l.headers[n-1].Key == letterRedrives {
		l.Redrives, _ = strconv.Atoi(string(l.headers[n-1].Value)) // 0 for another's header
		l.headers = l.headers[:n-1]
	}
	return l
}

// LetterFilter chooses dead letters; its zero value chooses all.
type LetterFilter struct {
	Stages, Reasons []string
	Since, Until    time.Time // when they failed: from, included, to, not
	Identity        string    // partition key, profile id or Kafka key
	Partition       int       // of the dead-letter topic; with Offset
	Offset          int64     // the one letter there; see One
	One             bool
}

// Empty tells whether it chooses all.
func (f *LetterFilter) Empty() bool {
	return len(f.Stages)+len(f.Reasons) == 0 && f.Since.IsZero() && f.Until.IsZero() && f.Identity == "" && !f.One
}

// chooses judges by the headers alone; who it is about is another question.
func (f *LetterFilter) chooses(l *Letter) bool {
	switch {
	case f.One && (l.Partition != f.Partition || l.Offset != f.Offset),
		len(f.Stages) > 0 && !slices.Contains(f.Stages, l.Stage),
		len(f.Reasons) > 0 && !slices.Contains(f.Reasons, l.Reason),
		l.FailedAt.Before(f.Since),
		!f.Until.IsZero() && !l.FailedAt.Before(f.Until):
		return false
	}
	return true
}
