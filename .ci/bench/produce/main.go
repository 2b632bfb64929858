// Command produce fills a topic with the events of the benchmark: lz4, by the
// Java client's partitioner, in batches of up to a hundred.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/.ci/bench/event"
)

// limit bounds the filling of a topic.
const limit = 10 * time.Minute

func main() {
	brokers := flag.String("brokers", "", "Kafka's addresses, separated by commas")
	topic := flag.String("topic", "", "the topic")
	events := flag.Int("events", 0, "how many")
	identities := flag.Int("identities", 0, "of how many identities")
	flag.Parse()
	if err := produce(strings.Split(*brokers, ","), *topic, *events, *identities); err != nil {
		fmt.Fprintln(os.Stderr, "produce:", err)
		os.Exit(1)
	}
}

// portion is how many events are made up before they are written.
const portion = 20_000

func produce(brokers []string, topic string, events, identities int) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	maker, err := event.NewMaker()
	if err != nil {
		return err
	}
	writer := &kafka.Writer{
		Addr: kafka.TCP(brokers...), Topic: topic, Balancer: kafka.Murmur2Balancer{}, Compression: kafka.Lz4,
		BatchSize: 100, BatchTimeout: 20 * time.Millisecond, RequiredAcks: kafka.RequireAll,
	}
	defer func() {
		if closing := writer.Close(); err == nil {
			err = closing
		}
	}()
	random := rand.New(rand.NewPCG(1, uint64(identities)))
	serials := make([]int64, identities)
	messages, bytes := make([]kafka.Message, 0, portion), 0
	for number := range events {
		identity := random.IntN(identities)
		serials[identity]++
		value, err := maker.Make(number, identity, serials[identity])
		if err != nil {
			return err
		}
		bytes += len(value)
		messages = append(messages, kafka.Message{Key: []byte(event.Key(identity)), Value: value})
		if len(messages) == portion || number == events-1 {
			if err := writer.WriteMessages(ctx, messages...); err != nil {
				return fmt.Errorf("write to %s: %w", topic, err)
			}
			messages = messages[:0]
		}
	}
	if events > 0 {
		fmt.Fprintf(os.Stderr, "%d events of %d bytes\n", events, bytes/events)
	}
	return nil
}
