package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// filler writes batches of the same number of events to all partitions. A client left to
// itself sends what there is of all partitions as soon as one has a whole batch: the more
// partitions there are, the smaller their batches would be.
type filler struct {
	client  *kgo.Client
	topic   string
	by      kgo.TopicPartitioner
	batch   int
	pending [][]*kgo.Record // by partition
	waits   []bool          // by partition: a batch of it is to be flushed
	batches atomic.Int64    // that were written

	mu     sync.Mutex
	failed error // guarded by mu
}

func newFiller(brokers []string, topic string, partitions, batch int) (*filler, error) {
	f := &filler{
		topic: topic, by: kgo.StickyKeyPartitioner(nil).ForTopic(topic), // by murmur2, as all events have keys
		batch: batch, pending: make([][]*kgo.Record, partitions), waits: make([]bool, partitions),
	}
	var err error
	f.client, err = kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.WithHooks(f),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ManualFlushing(), kgo.MaxBufferedRecords(partitions*batch))
	if err != nil {
		return nil, fmt.Errorf("make a producer: %w", err)
	}
	return f, nil
}

// OnProduceBatchWritten counts batches, see [kgo.HookProduceBatchWritten].
func (f *filler) OnProduceBatchWritten(kgo.BrokerMetadata, string, int32, kgo.ProduceBatchMetrics) {
	f.batches.Add(1)
}

// add hands the client the batch that an event completes.
func (f *filler) add(ctx context.Context, r *kgo.Record) error {
	p := f.by.Partition(r, len(f.pending))
	r.Partition = int32(p)
	f.pending[p] = append(f.pending[p], r)
	if len(f.pending[p]) < f.batch {
		return nil
	}
	return f.write(ctx, p)
}

// write hands the client what there is of a partition, once it has nothing else of it: it
// would make one batch of both.
func (f *filler) write(ctx context.Context, p int) error {
	if f.waits[p] {
		if err := f.flush(ctx); err != nil {
			return err
		}
	}
	for _, r := range f.pending[p] {
		f.client.Produce(ctx, r, f.done)
	}
	f.pending[p], f.waits[p] = f.pending[p][:0], true
	return nil
}

func (f *filler) done(_ *kgo.Record, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == nil { // the first says enough
		f.failed = err
	}
}

func (f *filler) flush(ctx context.Context) error {
	err := f.client.Flush(ctx)
	clear(f.waits)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := errors.Join(err, f.failed); err != nil {
		return fmt.Errorf("write to %s: %w", f.topic, err)
	}
	return nil
}

// rest writes what is left of all partitions.
func (f *filler) rest(ctx context.Context) error {
	for p := range f.pending {
		if err := f.write(ctx, p); err != nil {
			return err
		}
	}
	return f.flush(ctx)
}
