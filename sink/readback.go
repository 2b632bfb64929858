package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-destination/schemas/backoff"
	"kinesis-destination/sink/kpl"
)

// Stored is one document as it stands in the stream. The members of an aggregate
// come one by one, in their order.
type Stored struct {
	Shard          string
	SequenceNumber string
	PartitionKey   string
	Data           []byte
	Arrived        time.Time
}

// readPause keeps below five reads a second and shard, which other readers share.
// https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
const readPause = 250 * time.Millisecond

// ReadStream hands what a stream holds to each: from a time on, or from its
// beginning where from is zero, up to what was newest when a shard was reached.
// Parent shards come before their children, each shard in its own order.
func ReadStream(ctx context.Context, cfg Config, opts Options, from time.Time, each func(Stored) error) error {
	opts = opts.withDefaults()
	c, err := newClient(ctx, cfg, opts)
	if err != nil {
		return err
	}
	defer c.close()
	st := &stream{client: c, logger: opts.Logger}
	st.target.Store(&cfg.Stream)
	if _, err := st.describe(ctx); err != nil {
		return fmt.Errorf("look the stream up: %w", err)
	}
	r := reader{client: c, each: each, from: from}
	r.streamName, r.streamARN = target(*st.target.Load())
	shards, err := r.shards(ctx)
	if err != nil {
		return err
	}
	for _, id := range shards {
		if err := r.shard(ctx, id); err != nil {
			return fmt.Errorf("read %s: %w", id, err)
		}
	}
	return nil
}

// reader reads one stream.
type reader struct {
	client     *client
	streamName *string
	streamARN  *string
	from       time.Time
	each       func(Stored) error
}

// shards are the stream's shards, each after its parents.
func (r *reader) shards(ctx context.Context) ([]string, error) {
	found := map[string]types.Shard{}
	in := &kinesis.ListShardsInput{StreamName: r.streamName, StreamARN: r.streamARN}
	for {
		page, err := retried(ctx, func() (*kinesis.ListShardsOutput, error) { return r.client.api.ListShards(ctx, in) })
		if err != nil {
			_, err = r.client.classify("list the shards", err)
			return nil, err
		}
		for _, s := range page.Shards {
			found[aws.ToString(s.ShardId)] = s
		}
		if page.NextToken == nil {
			break
		}
		in = &kinesis.ListShardsInput{NextToken: page.NextToken, StreamARN: r.streamARN}
	}
	var ordered []string
	var place func(id string)
	place = func(id string) {
		s, known := found[id]
		if !known {
			return // it is gone with what it held
		}
		delete(found, id)
		place(aws.ToString(s.ParentShardId))
		place(aws.ToString(s.AdjacentParentShardId))
		ordered = append(ordered, id)
	}
	var ids []string
	for id := range found {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		place(id)
	}
	return ordered, nil
}

func (r *reader) shard(ctx context.Context, id string) error {
	in := &kinesis.GetShardIteratorInput{
		StreamName: r.streamName, StreamARN: r.streamARN, ShardId: &id, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	}
	if !r.from.IsZero() {
		in.ShardIteratorType, in.Timestamp = types.ShardIteratorTypeAtTimestamp, &r.from
	}
	iterator, err := retried(ctx, func() (*kinesis.GetShardIteratorOutput, error) { return r.client.api.GetShardIterator(ctx, in) })
	if err != nil {
		_, err = r.client.classify("find where to read", err)
		return err
	}
	for at := iterator.ShardIterator; at != nil; {
		page, err := retried(ctx, func() (*kinesis.GetRecordsOutput, error) {
			return r.client.api.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at, StreamARN: r.streamARN})
		})
		if err != nil {
			_, err = r.client.classify("read records", err)
			return err
		}
		for _, record := range page.Records {
			if err := r.report(id, record); err != nil {
				return err
			}
		}
		// A page may be empty before the end; only the distance tells.
		if len(page.Records) == 0 && aws.ToInt64(page.MillisBehindLatest) == 0 {
			return nil
		}
		at = page.NextShardIterator
	}
	return nil
}

func (r *reader) report(shard string, record types.Record) error {
	s := Stored{
		Shard: shard, SequenceNumber: aws.ToString(record.SequenceNumber), PartitionKey: aws.ToString(record.PartitionKey),
		Data: record.Data, Arrived: aws.ToTime(record.ApproximateArrivalTimestamp),
	}
	members, err := kpl.Unpack(s.Data)
	if errors.Is(err, kpl.ErrPlain) {
		return r.each(s)
	}
	if err != nil {
		return fmt.Errorf("take the aggregate at %s apart: %w", s.SequenceNumber, err)
	}
	for _, m := range members {
		s.PartitionKey, s.Data = m.Key, m.Data
		if err := r.each(s); err != nil {
			return err
		}
	}
	return nil
}

// mostRetried is how long what is throttled or away is asked again.
const mostRetried = time.Minute

// retried calls until an answer comes: what is throttled or away is asked again,
// for up to a minute.
func retried[T any](ctx context.Context, call func() (T, error)) (T, error) {
	wait := backoff.New(backoff.Config{Initial: readPause, Max: mostRetried, Elapsed: mostRetried}, time.Now())
	for {
		answer, err := call()
		var throttled *types.ProvisionedThroughputExceededException
		var limited *types.LimitExceededException
		if err == nil || !errors.As(err, &throttled) && !errors.As(err, &limited) {
			return answer, err
		}
		delay, exhausted := wait.Next(time.Now())
		if exhausted {
			return answer, err
		}
		if err := backoff.Sleep(ctx, delay); err != nil {
			return answer, err
		}
	}
}
