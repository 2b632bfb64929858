package sink

import (
	"errors"

	"kinesis-destination/sink/deadletter"

	"go.opentelemetry.io/otel/trace"
)

// ErrClosed says that the sink takes no more records.
var ErrClosed = errors.New("sink is closed")

// ErrRevoked says that a record's claim ended before the sink took it.
var ErrRevoked = errors.New("the record's claim has ended")

// Record is one document on its way to the stream.
type Record struct {
	// PartitionKey is what the stream orders by.
	PartitionKey string
	// Data is the JSON document. It is nil once Put has taken the record. One of
	// [CopiedAtMost] bytes was copied; a larger one is the sink's until the Owner hears.
	Data []byte
	// Source is the message that it comes from; nil: there is none.
	Source Source
	// Revoked is closed when the claim on the source partition has ended. Nil: never.
	Revoked <-chan struct{}
	// Owner hears what became of the record.
	Owner Owner
	// Links are the spans that the record comes from; nil when nothing is traced.
	Links []trace.Link

	hash    hashKey // of the key; the sink finds it once, as it does all that follows
	length  int     // of the document
	cost    int     // what it counts in the queue's memory, see held
	room    *room   // that it is queued in
	written []byte  // what goes in a request, or, if raw, the document as it is; empty in a letter
	raw     bool
}

// Source is the message that a record comes from. It is asked until the Owner hears.
type Source interface {
	// Origin tells of the message, for its dead letter: few records need that.
	Origin() *deadletter.Origin
	// Held is about how much memory the message keeps that nobody else counts.
	Held() int
}

// Owner hears of a record exactly once, by one of the two methods. They are
// called from a goroutine of the sink and must not block.
type Owner interface {
	// Done says that the record is at rest. The reason is empty or one of the
	// dead-letter reasons.
	Done(outcome Outcome, reason string)
	// Withdrawn says that the record is given back unsent: its claim or the
	// sink ended, and the partition's next owner will read it again.
	Withdrawn()
}

// Outcome is where a record came to rest.
type Outcome int

// The outcomes. The zero value is none of them.
const (
	_ Outcome = iota
	// Delivered: the stream acknowledged it.
	Delivered
	// DeadLettered: the dead-letter topic acknowledged it.
	DeadLettered
	// AtRest: it cannot be delivered, and stood on a dead-letter topic before.
	AtRest
)

// String returns the outcome as users see it.
func (o Outcome) String() string {
	switch o {
	case Delivered:
		return "delivered"
	case DeadLettered:
		return "dead_lettered"
	case AtRest:
		return "filtered"
	}
	return "none"
}

// StageSink is the stage of failures that this package finds.
const StageSink = "sink"

// The reasons for which this package dead-letters a record.
const (
	ReasonRecordTooLarge      = "record-too-large"
	ReasonInvalidPartitionKey = "invalid-partition-key"
	ReasonRejected            = "rejected"
	ReasonRetriesExhausted    = "retries-exhausted"
	ReasonParked              = "parked" // it follows an earlier dead letter of its identity
	// ReasonLetterOfALetter is that of the outcome AtRest.
	ReasonLetterOfALetter = "dead-letter-of-a-dead-letter"
)

const (
	// keepWritten is how large a buffer is kept for the next documents of a record: what is
	// written of one that is copied.
	keepWritten = 2 * CopiedAtMost
	// slackWritten is how much more than twice of what it holds a buffer may have that
	// waits with it, and counts.
	slackWritten = 1 << 10
)

// Reset makes the record empty, for another document. Nobody has it any more.
func (r *Record) Reset() {
	written := r.written[:0]
	if cap(written) > keepWritten {
		written = nil
	}
	*r = Record{written: written}
}

// fit is an empty buffer with room for so many bytes: the one that the record has, unless
// that is too small, or far too large.
func (r *Record) fit(need int) []byte {
	if kept := cap(r.written); kept < need || excessive(kept, need) {
		return make([]byte, 0, need)
	}
	return r.written[:0]
}

// excessive says that a buffer has far more than what waits in it needs.
func excessive(kept, need int) bool { return kept > 2*need+slackWritten }

// held is about how much memory the record keeps until it is at rest: of what is written
// the whole buffer.
func (r *Record) held() int {
	n := recordCost + len(r.PartitionKey) + cap(r.written)
	if r.Source != nil {
		n += r.Source.Held()
	}
	return n
}

// sent is how many bytes the record takes of a request's body; of one that is raw, about.
func (r *Record) sent(w *wire) int {
	if r.raw {
		return w.room(r.length, len(r.PartitionKey))
	}
	return len(r.written) + len(w.separator)
}

// size is what the service counts of a record.
func (r *Record) size() int { return r.length + len(r.PartitionKey) }

func (r *Record) origin() *deadletter.Origin {
	if r.Source == nil {
		return &deadletter.Origin{}
	}
	return r.Source.Origin()
}

func (r *Record) revoked() bool { return ended(r.Revoked) }
