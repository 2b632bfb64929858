package sink

import (
	"context"
	"errors"
	"fmt"

	"kinesis-destination/sink/deadletter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// CheckLetters looks whether the dead-letter topic is there or may be created, and changes nothing.
func CheckLetters(ctx context.Context, opts Options) error {
	if err := deadletter.Check(ctx, opts.LetterOptions()); err != nil {
		return fmt.Errorf("deadLetter: %w", err)
	}
	return nil
}

// CheckStream looks, without changing anything, whether the credentials work, and the stream is there, takes records
// and honours partition keys. Of the Options it uses those that say how to connect.
func CheckStream(ctx context.Context, cfg Config, opts Options) error {
	if err := checkStream(ctx, cfg, opts.withDefaults()); err != nil {
		return fmt.Errorf("target.kinesis: %w", err)
	}
	return nil
}

func checkStream(ctx context.Context, cfg Config, opts Options) error {
	c, err := newClient(ctx, cfg, opts)
	if err != nil {
		return err
	}
	defer c.close()
	st := &stream{client: c, logger: opts.Logger}
	st.recordLimit.Store(defaultRecordBytes)
	st.target.Store(&cfg.Stream)
	_, err = st.describe(ctx)
	return err
}

// DefaultRecordBytes is what a stream takes of a record, key included, unless it
// was told to take more.
const DefaultRecordBytes = defaultRecordBytes

// Unfit says why a stream that takes so many bytes of a record, key included, would
// never take this one; nil: it would.
func Unfit(partitionKey string, data []byte, limit int) *deadletter.Failure {
	return checkRecord(&Record{PartitionKey: partitionKey, length: len(data)}, limit)
}

// RecordLimit asks the stream how many bytes of a record it takes, key included.
func RecordLimit(ctx context.Context, cfg Config, opts Options) (int, error) {
	opts = opts.withDefaults()
	c, err := newClient(ctx, cfg, opts)
	if err != nil {
		return 0, err
	}
	defer c.close()
	st := &stream{client: c, logger: opts.Logger}
	st.recordLimit.Store(defaultRecordBytes)
	st.target.Store(&cfg.Stream)
	_, err = st.describe(ctx)
	return int(st.recordLimit.Load()), err
}

// Capacity is what a stream takes.
type Capacity struct {
	Shards   int // open ones
	OnDemand bool
}

// Seconds is how long records of so many bytes in all, keys included, take at the
// limits of its shards, spread evenly and with nothing else on them; 0: not known.
func (c Capacity) Seconds(records, bytes int64) float64 {
	if c.Shards == 0 {
		return 0
	}
	return max(float64(records)/shardRecords, float64(bytes)/shardBytes) / float64(c.Shards)
}

// The list prices of Kinesis Data Streams in us-east-1, in November 2025: other
// regions cost up to twice as much (aws.amazon.com/kinesis/data-streams/pricing).
const (
	PutUnitBytes  = 25 << 10 // a provisioned stream charges for units of so many
	USDPerPutUnit = 0.014 / 1e6
	USDPerGBIn    = 0.08 // on-demand standard, each record rounded up to 1 KiB
	ListPrices    = "list prices of us-east-1, standard modes; what is charged by the hour not included"
)

// USD is what Kinesis charges for putting records of so many bytes in all, keys
// included, each as large as the next.
func (c Capacity) USD(records, bytes int64) float64 {
	if records == 0 {
		return 0
	}
	each := (bytes + records - 1) / records
	if c.OnDemand {
		return float64(records*((each+1<<10-1)>>10)) / (1 << 20) * USDPerGBIn
	}
	return float64(records*((each+PutUnitBytes-1)/PutUnitBytes)) * USDPerPutUnit
}

// Measure asks the stream for its capacity.
func Measure(ctx context.Context, cfg Config, opts Options) (Capacity, error) {
	if err := validate(&cfg, &opts.DeadLetter); err != nil {
		return Capacity{}, err
	}
	c, err := newClient(ctx, cfg, opts.withDefaults())
	if err != nil {
		return Capacity{}, err
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	in := &kinesis.DescribeStreamSummaryInput{}
	in.StreamName, in.StreamARN = target(cfg.Stream)
	out, err := c.api.DescribeStreamSummary(ctx, in)
	if err != nil {
		_, err = c.classify("describe the stream", err)
		return Capacity{}, err
	}
	d := out.StreamDescriptionSummary
	if d == nil {
		return Capacity{}, c.addressed(errors.New("describe the stream: the answer is empty"))
	}
	return Capacity{
		Shards:   int(aws.ToInt32(d.OpenShardCount)),
		OnDemand: d.StreamModeDetails != nil && d.StreamModeDetails.StreamMode == types.StreamModeOnDemand,
	}, nil
}
