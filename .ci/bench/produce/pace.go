package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kinesis-destination/.ci/bench/event"
)

// tick is how often events are written.
const tick = time.Millisecond

// pace writes so many events a second, each with the time as its serial. They are made
// before, as making them takes more of the machine than what is measured does. A producer
// that cannot keep the pace says so: what is measured would be its own lateness.
func pace(brokers []string, topic string, events, identities, rate int) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	maker, err := event.NewMaker()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerBatchMaxBytes(100<<10), kgo.ProducerLinger(0))
	if err != nil {
		return fmt.Errorf("make a producer: %w", err)
	}
	defer client.Close()
	made, err := makeAhead(maker, events, identities)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var failed error // guarded by mu
	began, late, before := time.Now(), time.Duration(0), int64(0)
	for number := range events {
		due := began.Add(time.Duration(number) * time.Second / time.Duration(rate)).Truncate(tick)
		time.Sleep(time.Until(due))
		late = max(late, time.Since(due))
		serial := max(before+1, time.Now().UnixMicro()) // rising
		before = serial
		e := &made[number]
		if err := e.Date(serial); err != nil {
			return err
		}
		client.Produce(ctx, &kgo.Record{Key: e.key, Value: e.Value}, func(_ *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
		})
	}
	if err := client.Flush(ctx); err != nil {
		return fmt.Errorf("write to %s: %w", topic, err)
	}
	fmt.Printf("%d\n", late.Milliseconds())
	mu.Lock()
	defer mu.Unlock()
	return failed
}

// ahead is an event that waits for its time.
type ahead struct {
	event.Dated
	key []byte
}

func makeAhead(maker *event.Maker, events, identities int) ([]ahead, error) {
	random := rand.New(rand.NewPCG(2, uint64(identities)))
	about := time.Now().UnixMicro()
	made := make([]ahead, events)
	for number := range made {
		identity := random.IntN(identities)
		dated, err := maker.MakeDated(number, identity, about)
		if err != nil {
			return nil, err
		}
		made[number] = ahead{dated, []byte(event.Key(identity))}
	}
	runtime.GC() // which would be due while they are written
	return made, nil
}
