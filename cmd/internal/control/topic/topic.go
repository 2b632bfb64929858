// Package topic is a topic of one partition in which the control plane keeps something:
// its journal, or what its processes do. It speaks to Kafka and says which right lacks;
// what the records mean, and what the topic must be set to, is for whoever uses it.
//
// A Client has no goroutines of its own, and its methods may be called beside each other.
package topic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/consumer/connect"
)

const (
	// FetchBytes is about what one Read brings.
	FetchBytes = 4 << 20
	// PollWait is how long a Read waits where there is nothing, and requestWait what its
	// exchange takes besides.
	PollWait, requestWait = 500 * time.Millisecond, 3 * time.Second

	metadataTTL = 3 * time.Second
)

// Kafka says where a topic is.
type Kafka struct {
	Brokers []string
	TLS     connect.TLS
	SASL    connect.SASL
	// Topic; empty: the default of whoever opens it.
	Topic string
	// Dial opens connections; nil: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client reaches a topic.
type Client struct {
	Topic     string
	Addr      net.Addr
	Transport *kafka.Transport
	client    *kafka.Client
}

// New makes a client; it connects when it is used.
func New(k Kafka) *Client {
	addr := kafka.TCP(k.Brokers...)
	transport := &kafka.Transport{
		Dial:           connect.New(k.Dial, k.TLS, k.SASL, k.Brokers).Connect,
		DialTimeout:    connect.ConnectTimeout,
		ClientID:       connect.ClientID,
		MetadataTTL:    metadataTTL,
		MetadataTopics: []string{k.Topic},
	}
	return &Client{k.Topic, addr, transport, &kafka.Client{Addr: addr, Transport: transport}}
}

// Close closes what is not in use.
func (c *Client) Close() { c.Transport.CloseIdleConnections() }

// Bounds are the offsets of the first record and behind the last one.
func (c *Client) Bounds(ctx context.Context) (first, end int64, err error) {
	res, err := c.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		c.Topic: {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)},
	}})
	if err != nil {
		return 0, 0, fmt.Errorf("look up the ends of topic %s: %w", c.Topic, c.MissingRight(err, "DESCRIBE"))
	}
	found := res.Topics[c.Topic]
	if len(found) != 1 {
		return 0, 0, fmt.Errorf("look up the ends of topic %s: the answer is not about it", c.Topic)
	}
	if found[0].Error != nil {
		return 0, 0, fmt.Errorf("look up the ends of topic %s: %w", c.Topic, c.MissingRight(found[0].Error, "READ"))
	}
	if found[0].FirstOffset < 0 || found[0].LastOffset < found[0].FirstOffset {
		return 0, 0, fmt.Errorf("look up the ends of topic %s: it is said to be from %d to %d", c.Topic, found[0].FirstOffset, found[0].LastOffset)
	}
	return found[0].FirstOffset, found[0].LastOffset, nil
}

// Record is what stands at an offset. A nil Value is a tombstone.
type Record struct {
	Offset     int64
	Key, Value []byte
}

// ErrOutside says that the topic does not have the offset.
var ErrOutside = errors.New("the log does not have this offset")

// Read returns records from an offset on, and the offset behind the last one that there
// is. Where there is none it waits for a moment, and returns none.
func (c *Client) Read(ctx context.Context, from int64) (records []Record, end int64, err error) {
	bounded, cancel := context.WithTimeout(ctx, PollWait+requestWait)
	defer cancel()
	res, err := c.client.Fetch(bounded, &kafka.FetchRequest{
		Topic: c.Topic, Offset: from, MinBytes: 1, MaxBytes: FetchBytes, MaxWait: PollWait,
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read topic %s: %w", c.Topic, c.MissingRight(err, "READ"))
	}
	switch {
	case errors.Is(res.Error, kafka.OffsetOutOfRange):
		return nil, 0, ErrOutside
	case res.Error != nil:
		return nil, 0, fmt.Errorf("read topic %s at offset %d: %w", c.Topic, from, c.MissingRight(res.Error, "READ"))
	}
	records, err = readRecords(res.Records, from)
	if err != nil {
		return nil, 0, fmt.Errorf("read topic %s at offset %d: %w", c.Topic, from, err)
	}
	return records, res.HighWatermark, nil
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
		key, err := bytesOf(r.Key)
		if err != nil {
			return nil, err
		}
		value, err := bytesOf(r.Value)
		if err != nil {
			return nil, err
		}
		if r.Offset >= from {
			records = append(records, Record{r.Offset, key, value})
		}
	}
}

func bytesOf(b kafka.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	value, err := kafka.ReadAll(b)
	return bytes.Clone(value), errors.Join(err, b.Close())
}

// Append writes records, in order, and returns when all replicas that must have them do.
func (c *Client) Append(ctx context.Context, records []kafka.Record) error {
	res, err := c.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: c.Topic, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return fmt.Errorf("write to topic %s: %w", c.Topic, c.MissingRight(err, "WRITE"))
	}
	return nil
}

// MissingRight names the right that an answer is about, where it says that the user lacks
// one, and leaves out which function of kafka-go says so.
func (c *Client) MissingRight(err error, right string) error {
	if within := errors.Unwrap(err); within != nil && strings.HasPrefix(err.Error(), "kafka.(*Client).") {
		err = within
	}
	if !errors.Is(err, kafka.TopicAuthorizationFailed) && !errors.Is(err, kafka.ClusterAuthorizationFailed) {
		return err
	}
	return fmt.Errorf("the user lacks the right %s on topic %s: %w", right, c.Topic, err)
}
