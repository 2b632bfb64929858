package status

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/control/topic"
)

// DefaultTopic is that of status records where nobody names another.
const DefaultTopic = "kinesis-destination.status"

const (
	cleanupPolicy   = "cleanup.policy"
	minInSync       = "min.insync.replicas"
	maxMessageBytes = "max.message.bytes"
	// segmentTime and segmentBytes have the log cleaned soon: the newest segment never is,
	// and whoever begins reads all of it.
	segmentTime, segmentBytes = "segment.ms", "segment.bytes"
	// messageBytes is a broker's default, with room for the largest record.
	messageBytes = 1048588
)

// kafkaTopic keeps records in a compacted topic.
type kafkaTopic struct {
	*topic.Client
	next, until int64 // what is read next, and up to where it was there at first; -1: not known yet
}

func newKafkaTopic(k topic.Kafka) *kafkaTopic {
	if k.Topic == "" {
		k.Topic = DefaultTopic
	}
	return &kafkaTopic{Client: topic.New(k), next: -1}
}

// Check implements shared.
func (k *kafkaTopic) Check(ctx context.Context) error {
	brokers, found, err := k.LookUp(ctx)
	if errors.Is(err, kafka.UnknownTopicOrPartition) {
		if err := k.create(ctx, brokers); err != nil {
			return fmt.Errorf("create topic %s: %w", k.Topic, err)
		}
		brokers, found, err = k.LookUp(ctx)
	}
	if err != nil {
		return fmt.Errorf("look up topic %s: %w", k.Topic, k.MissingRight(err, "DESCRIBE"))
	}
	settings, err := k.Settings(ctx, cleanupPolicy, maxMessageBytes, minInSync)
	if errors.Is(err, kafka.TopicAuthorizationFailed) {
		return &unfit{err.Error() + ": nothing else tells that it keeps what is written to it"}
	}
	if err != nil {
		return err
	}
	var wrong []string
	if n := len(found.Partitions); n != 1 {
		wrong = append(wrong, fmt.Sprintf("it has %d partitions, and must have 1", n))
	}
	if settings[cleanupPolicy] != "compact" {
		wrong = append(wrong, fmt.Sprintf("%s is %s, and must be compact", cleanupPolicy, settings[cleanupPolicy]))
	}
	if n, err := strconv.Atoi(settings[maxMessageBytes]); err != nil || n < messageBytes {
		wrong = append(wrong, fmt.Sprintf("%s is %s, and must be %d at least", maxMessageBytes, settings[maxMessageBytes], messageBytes))
	}
	if brokers >= topic.Replicas && len(found.Partitions) > 0 && len(found.Partitions[0].Replicas) < topic.Replicas {
		wrong = append(wrong, fmt.Sprintf("it has %d replicas, and must have %d where there are as many brokers", len(found.Partitions[0].Replicas), topic.Replicas))
	}
	if len(wrong) > 0 {
		return &unfit{fmt.Sprintf("topic %s does not keep the last record of each key: %s", k.Topic, strings.Join(wrong, "; "))}
	}
	return nil
}

func (k *kafkaTopic) create(ctx context.Context, brokers int) error {
	settings := []kafka.ConfigEntry{
		{ConfigName: cleanupPolicy, ConfigValue: "compact"},
		{ConfigName: maxMessageBytes, ConfigValue: strconv.Itoa(messageBytes)},
		{ConfigName: segmentTime, ConfigValue: strconv.FormatInt(time.Hour.Milliseconds(), 10)},
		{ConfigName: segmentBytes, ConfigValue: strconv.Itoa(64 << 20)},
	}
	if brokers >= topic.Replicas {
		settings = append(settings, kafka.ConfigEntry{ConfigName: minInSync, ConfigValue: strconv.Itoa(topic.InSync)})
	}
	return k.Create(ctx, brokers, settings)
}

// Read implements shared.
func (k *kafkaTopic) Read(ctx context.Context) (arrived, error) {
	var a arrived
	if k.next < 0 {
		first, end, err := k.Bounds(ctx)
		if err != nil {
			return a, err
		}
		k.next, k.until = first, end
	}
	records, end, err := k.Client.Read(ctx, k.next)
	switch {
	case errors.Is(err, topic.ErrOutside):
		k.next, a.anew = -1, true
		return a, nil
	case err != nil:
		return a, err
	}
	if n := len(records); n > 0 {
		k.next = records[n-1].Offset + 1
	}
	a.records = records
	// The end of a compacted log may hold nothing.
	a.whole = k.next >= k.until || len(records) == 0 && end >= k.until
	return a, nil
}

// Append implements shared.
func (k *kafkaTopic) Append(ctx context.Context, records []topic.Record) error {
	out := make([]kafka.Record, len(records))
	for i, r := range records {
		out[i] = kafka.Record{Time: time.Now(), Key: kafka.NewBytes(r.Key)}
		if r.Value != nil {
			out[i].Value = kafka.NewBytes(r.Value)
		}
	}
	return k.Client.Append(ctx, out)
}

// Close implements shared.
func (k *kafkaTopic) Close() error {
	k.Client.Close()
	return nil
}
