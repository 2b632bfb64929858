package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-destination/schemas/backoff"
)

// describeEvery is how often the stream is looked at. DescribeStreamSummary
// allows 20 calls a second an account, so a thousand pods are no trouble.
const describeEvery = 5 * time.Minute

// lookPause is kept between two looks, however many records ask for one: during
// a reshard each that goes elsewhere does.
const lookPause = time.Second

// errKeysIgnored explains the refusal of a stream that keeps no order.
var errKeysIgnored = errors.New("the stream's record distribution strategy is AUTO, so it ignores partition keys and keeps no order: set it to USER_PARTITION_KEY")

// stream is what is known of the target. Lanes send once it is usable.
type stream struct {
	client     *client
	retry      func(now time.Time) *backoff.Backoff
	holds      *holds
	errorStats *errorStats
	logger     *slog.Logger
	changed    func() // wakes the lanes
	look       chan struct{}

	usable      atomic.Bool
	answered    atomic.Bool // it was usable once
	recordLimit atomic.Int64
	target      atomic.Pointer[string] // name, or ARN once it is known
	shards      atomic.Pointer[shardMap]
	doubted     atomic.Pointer[shardMap] // the one that a record contradicted
	warned      bool                     // owned by the watching goroutine, as all below
	unlisted    string                   // why the shards could not be listed, once told
}

// watch looks at the stream until the context ends: often while it cannot be
// used, rarely then.
func (st *stream) watch(ctx context.Context) {
	var pace *backoff.Backoff
	var failing time.Time
	timer := time.NewTimer(describeEvery)
	defer timer.Stop()
	for {
		v, err := st.describe(ctx)
		if ctx.Err() != nil {
			return
		}
		now, wait := time.Now(), describeEvery
		if err == nil {
			pace, failing = nil, time.Time{}
			st.mapShards(ctx)
			st.use(true, "", nil)
		} else {
			if pace == nil {
				pace, failing = st.retry(now), now
			}
			wait, _ = pace.Next(now)
			st.errorStats.failed(v.reason, now)
			st.doubt(v, err, now.Sub(failing))
		}
		if !st.rest(ctx, timer, wait) {
			return
		}
	}
}

// rest waits for the next look, or for someone to ask for one. However many
// ask, looks are at least lookPause apart.
func (st *stream) rest(ctx context.Context, timer *time.Timer, wait time.Duration) bool {
	timer.Reset(min(wait, lookPause))
	for asked := (<-chan struct{})(nil); ; {
		select {
		case <-timer.C:
			if asked != nil || wait <= lookPause {
				return true
			}
			asked = st.look
			timer.Reset(wait - lookPause)
		case <-asked:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// mapShards learns where keys lie. Without that the stream is not paced, which
// only costs throttles.
func (st *stream) mapShards(ctx context.Context) {
	before := st.shards.Load()
	listed, err := st.client.listShards(ctx, *st.target.Load())
	var m *shardMap
	if err == nil {
		m, err = newShardMap(listed, before)
	}
	if err != nil {
		if ctx.Err() == nil && err.Error() != st.unlisted {
			st.unlisted = err.Error()
			st.logger.Warn("the stream's shards are not known: records are not paced by shard", "error", err)
		}
		return
	}
	st.unlisted = ""
	if !slices.Equal(m.ids, before.ids) {
		st.shards.Store(m)
		st.changed()
	}
}

// doubt decides whether a failed look stops the lanes. One that has been usable
// stays so unless the stream itself says otherwise: the lanes find out.
func (st *stream) doubt(v verdict, err error, since time.Duration) {
	switch {
	case v.reason == HoldStreamMissing, v.reason == HoldStreamNotActive, v.reason == HoldKeysIgnored:
		st.use(false, v.reason, err)
	case st.usable.Load():
	case v.action == hold:
		st.use(false, v.reason, err)
	case v.action == refuse:
		st.use(false, HoldConfiguration, err)
	case since >= suspectAfter:
		st.use(false, HoldUnavailable, err)
	}
}

func (st *stream) use(usable bool, reason string, err error) {
	if usable {
		st.answered.Store(true)
	}
	st.holds.Set(fromStream, reason, err)
	if st.usable.Swap(usable) != usable {
		st.changed()
	}
}

// refresh asks for a look soon.
func (st *stream) refresh() {
	select {
	case st.look <- struct{}{}:
	default:
	}
}

// describe asks the service once. A nil error means that lanes may send.
func (st *stream) describe(ctx context.Context) (verdict, error) {
	const act = "describe the stream"
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	in := &kinesis.DescribeStreamSummaryInput{}
	in.StreamName, in.StreamARN = target(*st.target.Load())
	out, err := st.client.api.DescribeStreamSummary(ctx, in)
	if err != nil {
		v, err := st.client.classify(act, err)
		if v.reason == "access-denied" && !errors.As(err, new(*credentialsError)) {
			if !st.warned {
				st.warned = true
				st.logger.Warn("kinesis:DescribeStreamSummary is not permitted: taking the default record limit, and not checking that the stream honours partition keys",
					"limit", st.recordLimit.Load())
			}
			return verdict{}, nil
		}
		return v, err
	}
	v, err := st.learn(act, out.StreamDescriptionSummary)
	if err != nil {
		err = st.client.addressed(err)
	}
	return v, err
}

func (st *stream) learn(act string, d *types.StreamDescriptionSummary) (verdict, error) {
	switch {
	case d == nil:
		return verdict{again, retryInternal, true}, fmt.Errorf("%s: the answer is empty", act)
	case d.RecordDistributionStrategy == types.RecordDistributionStrategyAuto:
		return verdict{hold, HoldKeysIgnored, true}, errKeysIgnored
	case d.StreamStatus != types.StreamStatusActive && d.StreamStatus != types.StreamStatusUpdating:
		return verdict{hold, HoldStreamNotActive, true}, fmt.Errorf("%s: its status is %s", act, d.StreamStatus)
	}
	if kib := aws.ToInt32(d.MaxRecordSizeInKiB); kib > 0 {
		st.recordLimit.Store(int64(kib) << 10)
	}
	if arn := aws.ToString(d.StreamARN); streamARN.MatchString(arn) {
		st.target.Store(&arn)
	}
	return verdict{}, nil
}
