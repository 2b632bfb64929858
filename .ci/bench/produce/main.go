// Command produce fills a topic with the events of the benchmark: lz4, by the
// Java client's partitioner, in batches of about a hundred. The producer is
// idempotent: whoever reads the topic counts on each event being there once.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kinesis-destination/.ci/bench/event"
)

// limit bounds the filling of a topic.
const limit = 10 * time.Minute

func main() {
	brokers := flag.String("brokers", "", "Kafka's addresses, separated by commas")
	topic := flag.String("topic", "", "the topic")
	events := flag.Int("events", 0, "how many")
	identities := flag.Int("identities", 0, "of how many identities")
	rate := flag.Int("rate", 0, "how many a second, each with the time as its serial; 0: as fast as it goes")
	flag.Parse()
	fill := produce
	if *rate > 0 {
		fill = func(brokers []string, topic string, events, identities int) error {
			return pace(brokers, topic, events, identities, *rate)
		}
	}
	if err := fill(strings.Split(*brokers, ","), *topic, *events, *identities); err != nil {
		fmt.Fprintln(os.Stderr, "produce:", err)
		os.Exit(1)
	}
}

const (
	// portion is how many events are made up before they are written.
	portion = 20_000
	// batchBytes is a hundred events, not compressed.
	batchBytes = 100 << 10
)

func produce(brokers []string, topic string, events, identities int) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	maker, err := event.NewMaker()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // by murmur2, as all events have keys
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerBatchMaxBytes(batchBytes), kgo.ProducerLinger(20*time.Millisecond))
	if err != nil {
		return fmt.Errorf("make a producer: %w", err)
	}
	defer client.Close()
	random := rand.New(rand.NewPCG(1, uint64(identities)))
	serials := make([]int64, identities)
	records, bytes := make([]*kgo.Record, 0, portion), 0
	for number := range events {
		identity := random.IntN(identities)
		serials[identity]++
		value, err := maker.Make(number, identity, serials[identity])
		if err != nil {
			return err
		}
		bytes += len(value)
		records = append(records, &kgo.Record{Key: []byte(event.Key(identity)), Value: value})
		if len(records) == portion || number == events-1 {
			if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
				return fmt.Errorf("write to %s: %w", topic, err)
			}
			records = records[:0]
		}
	}
	if events > 0 {
		fmt.Fprintf(os.Stderr, "%d events of %d bytes\n", events, bytes/events)
	}
	return nil
}
