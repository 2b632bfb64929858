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
	// paceTurn is how far apart the turns are that an empty bucket gives, at the
	// shard's limits: what comes meanwhile, 40 records, makes a call worth its cost.
	// Of a shard that takes less they are further apart, up to paceTurnMost.
	paceTurn     = 40 * time.Millisecond
	paceTurnMost = 120 * time.Millisecond
)

// bucket paces one shard for all lanes: tokens for records and for bytes, which
// come at the shard's limits times the rate that its refusals leave. While they
// are short, lanes take turns in the order in which they asked. It is safe for
// concurrent use and takes the time as an argument.
type bucket struct {
	mu      sync.Mutex
	at      time.Time
	records float64
	bytes   float64
	rate    rateControl

	last   time.Time // the last turn that was given
	saving time.Time // whose turn it is then saves for a record, and nobody takes from that
}

func newBucket() *bucket {
	return &bucket{rate: newRateControl(), records: shardRecords * paceBurst, bytes: shardBytes * paceBurst}
}

// take asks for room; turn is the one that the asker was given, if it was given
// one that it has not used. Otherwise take says when the asker's next turn is.
func (b *bucket) take(now, turn time.Time, records, size int) (ok bool, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(now)
	// A record above the burst needs a full bucket and leaves it in debt.
	need := min(float64(size), shardBytes*paceBurst)
	short := max((float64(records)-b.records)/shardRecords, (need-b.bytes)/shardBytes) // in seconds of the limits
	if short <= 0 && b.may(now, turn) {
		b.records -= float64(records)
		b.bytes -= float64(size)
		b.rate.took(max(float64(records)/shardRecords, float64(size)/shardBytes))
		return true, time.Time{}
	}
	large := need > shardBytes*paceTurn.Seconds()
	return false, b.wait(now, turn, short, large)
}

// may says whether it is the asker's turn, or nobody's. Where much is saved up,
// whoever has a turn has no use for it.
func (b *bucket) may(now, turn time.Time) bool {
	if now.Before(b.saving) && !turn.Equal(b.saving) {
		return false
	}
	if !turn.IsZero() && !now.Before(turn) {
		return true
	}
	return !now.Before(b.last) || (b.records >= shardRecords*paceBurst/2 && b.bytes >= shardBytes*paceBurst/2)
}

// wait gives the next turn. A record that is larger than what comes in a turn has
// the bucket save for it, or the small ones of others would always be before it.
func (b *bucket) wait(now, turn time.Time, short float64, large bool) time.Time {
	seconds := func(s float64) time.Duration { return time.Duration(s / b.rate.share * float64(time.Second)) }
	// One nanosecond more, or rounding would leave the bucket short of it.
	enough := now.Add(max(seconds(short), 0) + 1)
	if large && !turn.IsZero() && !now.Before(turn) && !now.Before(b.saving) {
		b.saving = enough
		if b.last.Before(enough) {
			b.last = enough
		}
		return enough
	}
	from := now
	if from.Before(b.last) {
		from = b.last
	}
	at := from.Add(min(seconds(paceTurn.Seconds()), paceTurnMost))
	if at.Before(enough) {
		at = enough
	}
	b.last = at
	return at
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
	b.records = min(b.records+passed*shardRecords*b.rate.share, shardRecords*paceBurst)
	b.bytes = min(b.bytes+passed*shardBytes*b.rate.share, shardBytes*paceBurst)
	if b.rate.advance(now) {
		b.records, b.bytes = min(b.records, 0), min(b.bytes, 0)
	}
}

// answered notes what became of records of a call that was put together at a time.
func (b *bucket) answered(now, sent time.Time, records, refused int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(now)
	b.rate.answered(sent, records, refused)
}
