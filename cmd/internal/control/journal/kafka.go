package journal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/control/topic"
	"kinesis-destination/consumer"
	"kinesis-destination/consumer/connect"
)

// DefaultTopic is that of the journal where nobody names another.
const DefaultTopic = "kinesis-destination.control"

// emptyFetches is how often a leader must have nothing at an offset, and more
// behind it, until that is believed.
const emptyFetches = 3

// Kafka says where the topic of a journal is.
type Kafka = topic.Kafka

// OpenKafka opens the store of a topic, and makes the topic where there is none.
func OpenKafka(ctx context.Context, k Kafka, o Options) (*Store, error) {
	return open(ctx, newKafkaLog(k), o)
}

// kafkaLog is an appendLog in a topic.
type kafkaLog struct {
	*topic.Client
	empty atomic.Int32 // fetches in a row that brought nothing, where there is more
}

func newKafkaLog(k Kafka) *kafkaLog {
	if k.Topic == "" {
		k.Topic = DefaultTopic
	}
	return &kafkaLog{Client: topic.New(k)}
}

// Read implements appendLog.
func (k *kafkaLog) Read(ctx context.Context, from int64) ([]Record, error) {
	found, end, err := k.Client.Read(ctx, from)
	if errors.Is(err, topic.ErrOutside) {
		return nil, errOutside
	}
	if err != nil {
		return nil, err
	}
	if len(found) > 0 || end <= from {
		k.empty.Store(0)
	} else if k.empty.Add(1) >= emptyFetches {
		return nil, &stop{offset: from, why: fmt.Sprintf("topic %s holds nothing here, and more behind it: it was compacted", k.Topic)}
	}
	records := make([]Record, len(found))
	for i, r := range found {
		records[i] = Record{Offset: r.Offset, Value: r.Value}
	}
	return records, nil
}

// Append implements appendLog. Each record has its entry's id as its key, so that
// a topic that someone sets to compact loses none.
func (k *kafkaLog) Append(ctx context.Context, keys []string, records [][]byte) error {
	out := make([]kafka.Record, len(records))
	now := time.Now()
	for i, r := range records {
		out[i] = kafka.Record{Time: now, Key: kafka.NewBytes([]byte(keys[i])), Value: kafka.NewBytes(r)}
	}
	if err := k.Client.Append(ctx, out); err != nil {
		return unwritten(err)
	}
	return nil
}

// unwritten says what an error tells of what was to be written. A broker that
// is no longer the leader may have written it, and so may one that does not answer.
func unwritten(err error) error {
	for _, code := range []kafka.Error{
		kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.MessageSizeTooLarge, kafka.RecordListTooLarge,
		kafka.InvalidTopic, kafka.PolicyViolation,
	} {
		if errors.Is(err, code) {
			return fmt.Errorf("%w: %w", errRefused, err)
		}
	}
	var op *net.OpError
	unconnected, _ := errors.AsType[*connect.Error](err)
	if errors.Is(err, kafka.NotEnoughReplicas) || unconnected != nil || errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("%w: %w", errNotYet, err)
	}
	return err
}

// Truncate implements appendLog.
func (k *kafkaLog) Truncate(ctx context.Context, before int64) error {
	if err := consumer.Erase(ctx, k.Transport, k.Addr, k.Topic, 0, before); err != nil {
		return k.MissingRight(err, "DELETE")
	}
	return nil
}

// Close implements appendLog.
func (k *kafkaLog) Close() error {
	k.Client.Close()
	return nil
}
