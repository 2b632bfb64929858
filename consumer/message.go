package consumer

import (
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/trace"
)

// Message arrived from Kafka. Key, Value and Headers are valid until it is at
// rest: whoever keeps them longer copies them. Those of a [Consumer] are overwritten by
// other messages then.
type Message struct {
	Topic     string
	Partition int
	Offset    int64
	Key       []byte
	Value     []byte // nil: a tombstone
	Headers   []Header
	// Omitted is what was left out, as the message is too large to be kept; nil: nothing, or
	// the headers of a tombstone.
	Omitted *Omitted
	// Fetch is the span of the fetch that brought the message; nil: it is not traced.
	Fetch *trace.SpanContext
	// Time is when it was written, as its producer or the broker says; see Timed.
	Time time.Time

	Ack
}

// Ack tells what became of a message. A copy serves as well as the message's own: whoever
// settles many messages, long after they were read, need not look at them again.
type Ack struct {
	claim *claim
	seq   uint64
	part  *part
}

// Omitted tells of a message that is too large to be kept, or has too many
// headers: it has neither value nor headers, and its key only where that is short.
type Omitted struct {
	Length int64    // of its value, in bytes
	SHA256 [32]byte // of its value
}

// Header is one header of a message, as those have it who write messages: what
// goes on to a dead-letter topic need not be copied.
type Header = kafka.Header

// Settle tells that the message is at rest: delivered, filtered, or
// acknowledged by the dead-letter topic. It counts once; exactly one of Settle
// and Withdraw is called for a message.
func (a Ack) Settle() { a.claim.settle(a) }

// Withdraw gives the message back unsent, because its claim has ended. It will
// be read again by the partition's next owner.
func (a Ack) Withdraw() { a.claim.withdraw(a) }

// Revoked is closed when the claim under which the message was handed out ended;
// nil where it was not handed out by a [Consumer].
func (m *Message) Revoked() <-chan struct{} {
	if m.claim == nil {
		return nil
	}
	return m.claim.revoked
}

// TopicID is the id of the topic that the message was read from; zero where the
// broker does not say, or the message was handed out by neither a [Consumer] nor [History.Read].
func (m *Message) TopicID() (id [16]byte) {
	if m.part != nil {
		id = m.part.topic
	}
	return id
}

// Timed tells whether it is known when the message was written. Producers may leave
// the time out, which Kafka keeps as -1, and some write 0; no message is from 1970.
func (m *Message) Timed() bool { return timed(m.Time) }

func timed(at time.Time) bool { return at.UnixMilli() > 0 }
