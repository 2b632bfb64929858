package sink

import (
	"encoding/binary"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// letter is a record on its way to the dead-letter topic.
type letter struct {
	rec     *Record
	failure Failure
	at      time.Time // when it failed
	done    func(Outcome)
}

// Headers of a dead letter. Those with the prefix kafka_dlt are Spring's, which
// other tools know too: numbers are binary, big-endian.
const (
	HeaderTopic     = "kafka_dlt-original-topic"
	HeaderPartition = "kafka_dlt-original-partition"
	HeaderOffset    = "kafka_dlt-original-offset"
	HeaderTimestamp = "kafka_dlt-original-timestamp"
	HeaderGroup     = "kafka_dlt-original-consumer-group"
	HeaderMessage   = "kafka_dlt-exception-message"

	HeaderDestination = "x-destination"
	HeaderStage       = "x-stage"
	HeaderReason      = "x-reason"
	HeaderAttempts    = "x-attempts"
	HeaderFailedAt    = "x-failed-at"
	// HeaderParkedKey is the MD5 of the partition key, with deadLetter.park: what
	// an identity is known by after a restart.
	HeaderParkedKey = "x-parked-key"
)

// message makes the Kafka record: key, value and headers of the source as they
// were, then the headers that say what happened. Its time is now and not the
// source's, or the topic's retention could end it at once; the source's is in a
// header.
func (l *letter) message(destination, group string, now time.Time, parks bool) kafka.Record {
	o := &l.rec.Origin
	headers := make([]kafka.Header, len(o.Headers), len(o.Headers)+12)
	copy(headers, o.Headers)
	text := func(key, value string) { headers = append(headers, kafka.Header{Key: key, Value: []byte(value)}) }
	binary := func(key string, value []byte) { headers = append(headers, kafka.Header{Key: key, Value: value}) }
	text(HeaderTopic, o.Topic)
	binary(HeaderPartition, big32(o.Partition))
	binary(HeaderOffset, big64(o.Offset))
	binary(HeaderTimestamp, big64(o.Time.UnixMilli()))
	text(HeaderGroup, group)
	text(HeaderMessage, l.failure.Message)
	text(HeaderDestination, destination)
	text(HeaderStage, l.failure.Stage)
	text(HeaderReason, l.failure.Reason)
	text(HeaderAttempts, strconv.Itoa(l.failure.Attempts))
	text(HeaderFailedAt, l.at.UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	if parks && l.rec.PartitionKey != "" {
		key := hashOf(l.rec.PartitionKey)
		binary(HeaderParkedKey, key[:])
	}
	return kafka.Record{Key: kafka.NewBytes(o.Key), Value: kafka.NewBytes(o.Value), Headers: headers, Time: now}
}

func big32(n int) []byte   { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
func big64(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// size is about what the letter takes on the wire.
func (l *letter) size() int { return l.rec.held() - l.rec.size() + 1024 }

// partition returns where a letter goes: the partition it came from when the
// topics have as many, so that order and key stay as they were; else the one
// that producers choose for its key; without a key, one by its source.
func (l *letter) partition(source, letters int) int {
	switch o := &l.rec.Origin; {
	case source == letters && o.Partition < letters:
		return o.Partition
	case o.Key == nil:
		return o.Partition % letters
	default:
		all := make([]int, letters)
		for i := range all {
			all[i] = i
		}
		return kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: o.Key}, all...)
	}
}
