// Command produce fills a topic with the events of the benchmark: lz4, by the
// Java client's partitioner, in batches of about the same number. The producer is
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
	partitions := flag.Int("partitions", 1, "how many the topic has")
	batch := flag.Int("batch", 100, "how many of them are in a batch, about")
	rate := flag.Int("rate", 0, "how many a second, each with the time as its serial; 0: as fast as it goes")
	flag.Parse()
	to := strings.Split(*brokers, ",")
	var err error
	if *rate > 0 {
		err = pace(to, *topic, *events, *identities, *rate)
	} else {
		err = produce(to, *topic, *events, *identities, *batch, max(leastPortion, *partitions**batch*2))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "produce:", err)
		os.Exit(1)
	}
}

const (
	// leastPortion is how many events are made up, at least, before they are written. Of many
	// partitions it is two batches of each, as they are by chance: of fewer events the batches
	// would be smaller the more partitions there are.
	leastPortion = 20_000
	// eventBytes is what one event takes of a batch, not compressed.
	eventBytes = 1 << 10
)

func produce(brokers []string, topic string, events, identities, batch, portion int) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	maker, err := event.NewMaker()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // by murmur2, as all events have keys
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerBatchMaxBytes(int32(batch*eventBytes)),
		kgo.ProducerLinger(time.Second), kgo.MaxBufferedRecords(portion+1))
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
