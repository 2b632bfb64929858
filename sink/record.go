package sink

import (
	"errors"
	"time"
	"unsafe"

	"github.com/segmentio/kafka-go"
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
	// Data is the JSON document. The sink owns it until the Owner hears.
	Data []byte
	// Origin is the source message, for the dead letter.
	Origin Origin
	// Revoked is closed when the claim on the source partition has ended. Nil: never.
	Revoked <-chan struct{}
	// Owner hears what became of the record.
	Owner Owner
	// Links are the spans that the record comes from; nil when nothing is traced.
	Links []trace.Link
}

// Origin is the message that a record came from.
type Origin struct {
	Topic     string
	Partition int
	Offset    int64
	Time      time.Time
	Key       []byte
	Value     []byte
	Headers   []kafka.Header
	// Omitted tells of a value that was too large to be read; nil: it is Value.
	Omitted *Omitted
	// AtRest says that the message is a dead letter itself, of a topic that keeps
	// it: should it fail, no letter of it is written.
	AtRest bool
	// TopicID is that of the topic; zero: it is not known.
	TopicID [16]byte
	// Counted says that whoever hands the record out counts what the message takes
	// in memory, until the Owner hears.
	Counted bool
	// Redrives is how often the message was a dead letter and failed again.
	Redrives int
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

// Failure says why a record goes to the dead-letter topic.
type Failure struct {
	// Stage is decode, transform or sink.
	Stage string
	// Reason is a word of a fixed set.
	Reason string
	// Message explains it. It must hold no attribute, identity or credential, and
	// is cut to TextLimit.
	Message string
	// Attempts is how often delivery was tried.
	Attempts int
}

// size is what the service counts of a record.
func (r *Record) size() int { return len(r.Data) + len(r.PartitionKey) }

// held is about how much memory a record keeps while it is queued.
func (r *Record) held() int {
	n := recordCost + cap(r.Data) + len(r.PartitionKey)
	if r.Origin.Counted {
		return n + int(unsafe.Sizeof(kafka.Header{}))*len(r.Origin.Headers)
	}
	return n + len(r.Origin.Key) + len(r.Origin.Value) + headerBytes(r.Origin.Headers)
}

// headerCost is what a header takes in memory beside its text: on the wire an
// empty one is two bytes, and a message may have millions.
const headerCost = 40

func headerBytes(headers []kafka.Header) int {
	n := headerCost * len(headers)
	for _, h := range headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

func (r *Record) revoked() bool {
	select {
	case <-r.Revoked:
		return true
	default:
		return false
	}
}
