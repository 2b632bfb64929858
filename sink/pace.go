package sink

import (
	"sync"
	"time"
)

// Limits of one shard.
// https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
const (
	shardRecords = 1000.0           // a second
	shardBytes   = float64(1 << 20) // a second, keys included
)

const (
	// paceBurst is how much a bucket saves up, in seconds of its rate. The
	// service counts by the second; more would let two seconds' worth into one.
	paceBurst = 0.2
	// pacePause is the least that an empty bucket is left alone, so that a shard
	// at its limit costs few wake-ups and not one a record.
	pacePause = 20 * time.Millisecond
	// Throttles lower a shard's rate by the share of its records that is refused,
	// as far as that is above what is tolerated, at most by a fifth and four times
	// a second; it recovers by a twentieth of the limit a second (additive
	// increase, multiplicative decrease). By the share and not by the throttle, or
	// a few scattered refusals would take most of a busy shard's rate.
	paceBackOff  = 0.2
	paceEvery    = 250 * time.Millisecond
	paceTolerate = 0.01
	paceRecovery = 0.05
	paceLeast    = 0.02
)

// bucket paces one shard for all lanes: tokens for records and for bytes, which
// come at the shard's limits times a factor that follows the throttles. It is
// safe for concurrent use and takes the time as an argument.
type bucket struct {
	mu      sync.Mutex
	at      time.Time
	records float64
	bytes   float64
	factor  float64

	since             time.Time // of the two counts
	attempts, refused int
}

func newBucket() *bucket {
	return &bucket{factor: 1, records: shardRecords * paceBurst, bytes: shardBytes * paceBurst}
}

// take asks for room. Otherwise it says when to ask again.
func (b *bucket) take(now time.Time, records, size int) (ok bool, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(now)
	// A record above the burst needs a full bucket and leaves it in debt.
	need := min(float64(size), shardBytes*paceBurst)
	if b.records >= float64(records) && b.bytes >= need {
		b.records -= float64(records)
		b.bytes -= float64(size)
		b.attempts += records
		return true, time.Time{}
	}
	wait := max((float64(records)-b.records)/(shardRecords*b.factor), (need-b.bytes)/(shardBytes*b.factor))
	// One nanosecond more, or rounding would leave the bucket short of it.
	return false, now.Add(max(pacePause, time.Duration(wait*float64(time.Second))+1))
}

func (b *bucket) refill(now time.Time) {
	if b.at.IsZero() {
		b.at = now
	}
	passed := now.Sub(b.at).Seconds()
	if passed <= 0 {
		return
	}
	b.at = now
	b.records = min(b.records+passed*shardRecords*b.factor, shardRecords*paceBurst)
	b.bytes = min(b.bytes+passed*shardBytes*b.factor, shardBytes*paceBurst)
	b.factor = min(b.factor+passed*paceRecovery, 1)
	if now.Sub(b.since) >= paceEvery {
		b.weigh(now)
	}
}

// weigh lowers the rate by what was refused since the last time.
func (b *bucket) weigh(now time.Time) {
	share := float64(b.refused)/float64(max(b.attempts, b.refused, 1)) - paceTolerate
	if share > 0 {
		b.factor = max(b.factor*(1-min(share, paceBackOff)), paceLeast)
		b.records, b.bytes = min(b.records, 0), min(b.bytes, 0)
	}
	b.since, b.attempts, b.refused = now, 0, 0
}

// throttle notes that the shard refused a record.
func (b *bucket) throttle(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(now)
	b.refused++
}
