// Command produce fills a topic with the events of the benchmark: lz4, by the
// Java client's partitioner, in batches of -batch events, but for the last of each
// partition, however many partitions there are. The producer is idempotent: whoever reads
// the topic counts on each event being there once.
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
	batch := flag.Int("batch", 100, "how many of them are in a batch; with -rate none waits for others")
	rate := flag.Int("rate", 0, "how many a second, each with the time as its serial; 0: as fast as it goes")
	flag.Parse()
	to := strings.Split(*brokers, ",")
	var err error
	if *rate > 0 {
		err = pace(to, *topic, *events, *identities, *rate)
	} else {
		err = produce(to, *topic, *events, *identities, *partitions, *batch)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "produce:", err)
		os.Exit(1)
	}
}

func produce(brokers []string, topic string, events, identities, partitions, batch int) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	maker, err := event.NewMaker()
	if err != nil {
		return err
	}
	f, err := newFiller(brokers, topic, partitions, batch)
	if err != nil {
		return err
	}
	defer f.client.Close()
	random := rand.New(rand.NewPCG(1, uint64(identities)))
	serials := make([]int64, identities)
	bytes := 0
	for number := range events {
		identity := random.IntN(identities)
		serials[identity]++
		value, err := maker.Make(number, identity, serials[identity])
		if err != nil {
			return err
		}
		bytes += len(value)
		if err := f.add(ctx, &kgo.Record{Topic: topic, Key: []byte(event.Key(identity)), Value: value}); err != nil {
			return err
		}
	}
	if err := f.rest(ctx); err != nil || events == 0 {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d events of %d bytes in %d batches\n", events, bytes/events, f.batches.Load())
	return nil
}
