package consumer

import (
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Message arrived from Kafka. Key, Value and Headers are valid until it is at rest.
type Message struct {
	Topic     string
	Partition int
	Offset    int64
	Key       []byte
	Value     []byte // nil: a tombstone
	Headers   []Header
	Time      time.Time
	// Fetch is the span of the fetch that brought the message; nil: it is not traced.
	Fetch *trace.SpanContext

	claim *claim
	seq   uint64
	bytes int64
}

// Header is one header of a message.
type Header struct {
	Key   string
	Value []byte
}

// Settle tells that the message is at rest: delivered, filtered, or
// acknowledged by the dead-letter topic. It counts once; exactly one of Settle
// and Withdraw is called for a message.
func (m *Message) Settle() { m.claim.settle(m) }

// Withdraw gives the message back unsent, because its claim has ended. It will
// be read again by the partition's next owner.
func (m *Message) Withdraw() { m.claim.withdraw(m) }

// Revoked is closed when the claim under which the message was handed out ended.
func (m *Message) Revoked() <-chan struct{} { return m.claim.ctx.Done() }
