package sink

import (
	"context"
	"log/slog"
	"net"
	"time"

	"kinesis-destination/sink/deadletter"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/trace"
)

// Limits of the service that no stream can raise.
// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
const (
	maxBatchRecords = 500
	maxBatchBytes   = 10 << 20 // data and partition keys
	maxKeyRunes     = 256
	// defaultRecordBytes holds until the stream says what it takes.
	defaultRecordBytes = 1 << 20
)

const (
	// DefaultLanes gives 16 × 500 records a round trip: 400,000 a second at
	// 20 ms, above what one process encodes.
	DefaultLanes = 16
	// requestTimeout is above the service's slowest healthy answers, and lets a
	// process that is told to end await what is in flight within the 15 s that
	// it has.
	requestTimeout = 7 * time.Second
	// leaseMargin is kept between a request's deadline and the end of the
	// lease, for what is already on its way.
	leaseMargin = time.Second
	// minLease is what must be left before the margin to begin a request.
	minLease = time.Second
	// leasePoll is how often a lane with work looks for a renewed lease.
	leasePoll = 250 * time.Millisecond
)

// Options are what the composition gives a sink besides its configuration.
// Only DeadLetter.Topic and Brokers are required.
type Options struct {
	// Destination names it in metrics and dead letters, Group in dead letters.
	Destination, Group string

	// DeadLetter says where records go that cannot be delivered.
	DeadLetter deadletter.Config
	// Brokers and KafkaTransport reach its cluster.
	Brokers        []string
	KafkaTransport kafka.RoundTripper
	// SourceTopics shape the dead-letter topic when it is created: it gets their
	// partition count and room for their largest message. Empty: the topic of
	// the first letter.
	SourceTopics []string

	// Dial connects to AWS. Nil: the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Lease tells until when this process surely owns its partitions; a time that
	// has passed, the zero time included: it owns none. Nil: there is no lease, as
	// for a command that works beside the group.
	Lease func() time.Time
	// Hold hears of each change of the stream-wide hold: why deliveries stand
	// still, and an empty reason when they work again. Calls do not overlap,
	// come from a goroutine of the sink and must not call it back.
	Hold func(reason string, err error)

	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Tracer gets a span for each PutRecords call; nil: none.
	Tracer trace.Tracer
	// Lanes is how many requests may be in flight; 0: DefaultLanes.
	Lanes int
	// Seed makes the jitter repeatable; 0: random.
	Seed uint64
}

func (o Options) withDefaults() Options {
	if o.Lanes <= 0 {
		o.Lanes = DefaultLanes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if o.Hold == nil {
		o.Hold = func(string, error) {}
	}
	if o.DeadLetter.OnExhausted == "" {
		o.DeadLetter.OnExhausted = deadletter.OnExhaustedHold
	}
	return o
}
