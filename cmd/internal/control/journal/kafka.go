package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/consumer"
	"kinesis-destination/consumer/connect"
)

// DefaultTopic is that of the journal where nobody names another.
const DefaultTopic = "kinesis-destination.control"

const (
	fetchBytes  = 4 << 20
	metadataTTL = 3 * time.Second
	// emptyFetches is how often a leader must have nothing at an offset, and more
	// behind it, until that is believed.
	emptyFetches = 3
)

// Kafka says where the topic of a journal is.
type Kafka struct {
	Brokers []string
	TLS     connect.TLS
	SASL    connect.SASL
	// Topic; empty: DefaultTopic.
	Topic string
	// Dial opens connections; nil: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// OpenKafka opens the store of a topic, and makes the topic where there is none.
func OpenKafka(ctx context.Context, k Kafka, o Options) (*Store, error) {
	return open(ctx, newKafkaLog(k), o)
}

// kafkaLog is an appendLog in a topic.
type kafkaLog struct {
	topic     string
	addr      net.Addr
	transport *kafka.Transport
	client    *kafka.Client
	empty     atomic.Int32 // fetches in a row that brought nothing, where there is more
}

func newKafkaLog(k Kafka) *kafkaLog {
	if k.Topic == "" {
		k.Topic = DefaultTopic
	}
	addr := kafka.TCP(k.Brokers...)
	transport := &kafka.Transport{
		Dial:           connect.New(k.Dial, k.TLS, k.SASL, k.Brokers).Connect,
		DialTimeout:    connect.ConnectTimeout,
		ClientID:       connect.ClientID,
		MetadataTTL:    metadataTTL,
		MetadataTopics: []string{k.Topic},
	}
	return &kafkaLog{topic: k.Topic, addr: addr, transport: transport, client: &kafka.Client{Addr: addr, Transport: transport}}
}

// Bounds implements appendLog.
func (k *kafkaLog) Bounds(ctx context.Context) (first, end int64, err error) {
	res, err := k.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		k.topic: {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)},
	}})
	if err != nil {
		return 0, 0, fmt.Errorf("look up the ends of topic %s: %w", k.topic, k.missingRight(err, "DESCRIBE"))
	}
	found := res.Topics[k.topic]
	if len(found) != 1 {
		return 0, 0, fmt.Errorf("look up the ends of topic %s: the answer is not about it", k.topic)
	}
	if found[0].Error != nil {
		return 0, 0, fmt.Errorf("look up the ends of topic %s: %w", k.topic, k.missingRight(found[0].Error, "READ"))
	}
	if found[0].FirstOffset < 0 || found[0].LastOffset < found[0].FirstOffset {
		return 0, 0, fmt.Errorf("look up the ends of topic %s: it is said to be from %d to %d", k.topic, found[0].FirstOffset, found[0].LastOffset)
	}
	return found[0].FirstOffset, found[0].LastOffset, nil
}

// Read implements appendLog.
func (k *kafkaLog) Read(ctx context.Context, from int64) ([]Record, error) {
	bounded, cancel := context.WithTimeout(ctx, pollWait+appendWait)
	defer cancel()
	res, err := k.client.Fetch(bounded, &kafka.FetchRequest{
		Topic: k.topic, Offset: from, MinBytes: 1, MaxBytes: fetchBytes, MaxWait: pollWait,
	})
	if err != nil {
		return nil, fmt.Errorf("read topic %s: %w", k.topic, k.missingRight(err, "READ"))
	}
	switch {
	case errors.Is(res.Error, kafka.OffsetOutOfRange):
		return nil, errOutside
	case res.Error != nil:
		return nil, fmt.Errorf("read topic %s at offset %d: %w", k.topic, from, k.missingRight(res.Error, "READ"))
	}
	records, err := readRecords(res.Records, from)
	if err != nil {
		return nil, fmt.Errorf("read topic %s at offset %d: %w", k.topic, from, err)
	}
	if len(records) > 0 || res.HighWatermark <= from {
		k.empty.Store(0)
	} else if k.empty.Add(1) >= emptyFetches {
		return nil, &stop{offset: from, why: fmt.Sprintf("topic %s holds nothing here, and more behind it: it was compacted", k.topic)}
	}
	return records, nil
}

// readRecords copies what a fetch brought from an offset on. Broken ends are left
// to the next fetch.
func readRecords(in kafka.RecordReader, from int64) ([]Record, error) {
	var records []Record
	for {
		r, err := in.ReadRecord()
		if errors.Is(err, io.EOF) || err != nil && len(records) > 0 {
			return records, nil
		}
		if err != nil {
			return nil, err
		}
		value, err := readBytesOf(r)
		if err != nil {
			return nil, err
		}
		if r.Offset >= from {
			records = append(records, Record{Offset: r.Offset, Value: value})
		}
	}
}

func readBytesOf(r *kafka.Record) ([]byte, error) {
	if r.Key != nil {
		_ = r.Key.Close() // it is memory
	}
	if r.Value == nil {
		return nil, nil
	}
	value, err := kafka.ReadAll(r.Value)
	value = bytes.Clone(value)
	return value, errors.Join(err, r.Value.Close())
}

// Append implements appendLog. Each record has its entry's id as its key, so that
// a topic that someone sets to compact loses none.
func (k *kafkaLog) Append(ctx context.Context, keys []string, records [][]byte) error {
	out := make([]kafka.Record, len(records))
	now := time.Now()
	for i, r := range records {
		out[i] = kafka.Record{Time: now, Key: kafka.NewBytes([]byte(keys[i])), Value: kafka.NewBytes(r)}
	}
	res, err := k.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: k.topic, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(out...),
	})
	if err == nil {
		err = res.Error
	}
	if err == nil {
		return nil
	}
	return k.unwritten(fmt.Errorf("write to topic %s: %w", k.topic, k.missingRight(err, "WRITE")))
}

// unwritten says what an error tells of what was to be written. A broker that
// is no longer the leader may have written it, and so may one that does not answer.
func (k *kafkaLog) unwritten(err error) error {
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

// missingRight names the right that an answer is about, where it says that the user lacks
// one, and leaves out which function of kafka-go says so.
func (k *kafkaLog) missingRight(err error, right string) error {
	if within := errors.Unwrap(err); within != nil && strings.HasPrefix(err.Error(), "kafka.(*Client).") {
		err = within
	}
	if !errors.Is(err, kafka.TopicAuthorizationFailed) && !errors.Is(err, kafka.ClusterAuthorizationFailed) {
		return err
	}
	return fmt.Errorf("the user lacks the right %s on topic %s: %w", right, k.topic, err)
}

// Truncate implements appendLog.
func (k *kafkaLog) Truncate(ctx context.Context, before int64) error {
	if err := consumer.Erase(ctx, k.transport, k.addr, k.topic, 0, before); err != nil {
		return k.missingRight(err, "DELETE")
	}
	return nil
}

// Close implements appendLog.
func (k *kafkaLog) Close() error {
	k.transport.CloseIdleConnections()
	return nil
}
