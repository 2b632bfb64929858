package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/segmentio/kafka-go"
)

type exporter struct {
	reader  *kafka.Reader
	decoder *decoder
	api     *kinesis.Client
	metrics *metrics
	stream  string
}

const (
	most      = 500     // entries of one PutRecords call
	mostBytes = 9 << 20 // of them; the service takes 10 MiB
	linger    = 50 * time.Millisecond
)

// work exports the messages of one partition in their order, in calls that are
// full or that have waited long enough.
func (e *exporter) work(ctx context.Context, queue <-chan kafka.Message) error {
	var batch []types.PutRecordsRequestEntry
	var times []time.Time
	var last kafka.Message
	bytes, open := 0, false
	timer := time.NewTimer(linger)
	defer timer.Stop()
	flush := func() error {
		if !open {
			return nil
		}
		if err := e.put(ctx, batch, times); err != nil {
			return err
		}
		batch, times, bytes, open = batch[:0], times[:0], 0, false
		// With an interval it only notes the offset.
		if err := e.reader.CommitMessages(context.WithoutCancel(ctx), last); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		return nil
	}
	for {
		select {
		case m, ok := <-queue:
			if !ok {
				return flush()
			}
			if !open {
				timer.Reset(linger)
			}
			last, open = m, true
			key, document, err := e.decoder.transform(ctx, m.Value)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				e.metrics.events.WithLabelValues("failed").Inc()
				continue
			case document == nil:
				e.metrics.events.WithLabelValues("filtered").Inc()
				continue
			}
			batch, times = append(batch, types.PutRecordsRequestEntry{PartitionKey: aws.String(key), Data: document}), append(times, m.Time)
			if bytes += len(key) + len(document); len(batch) < most && bytes < mostBytes {
				continue
			}
		case <-timer.C:
		}
		if err := flush(); err != nil {
			return err
		}
	}
}

// put sends a batch, and what was refused of it again.
func (e *exporter) put(ctx context.Context, batch []types.PutRecordsRequestEntry, times []time.Time) error {
	for wait := 100 * time.Millisecond; len(batch) > 0; wait = min(2*wait, 30*time.Second) {
		began := time.Now()
		out, err := e.api.PutRecords(context.WithoutCancel(ctx), &kinesis.PutRecordsInput{StreamName: &e.stream, Records: batch})
		if err != nil {
			return fmt.Errorf("put records: %w", err)
		}
		now := time.Now()
		e.metrics.calls.Observe(now.Sub(began).Seconds())
		var refused []types.PutRecordsRequestEntry
		var refusedTimes []time.Time
		for i, r := range out.Records {
			if r.ErrorCode != nil {
				refused, refusedTimes = append(refused, batch[i]), append(refusedTimes, times[i])
				continue
			}
			e.metrics.events.WithLabelValues("delivered").Inc()
			e.metrics.age.Observe(now.Sub(times[i]).Seconds())
		}
		if batch, times = refused, refusedTimes; len(batch) > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return nil
			}
		}
	}
	return nil
}
