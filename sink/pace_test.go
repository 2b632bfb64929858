package sink

import (
	"fmt"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-destination/sink/embeddedkinesis"
)

// stopwatch is an owner that measures how long records take.
type stopwatch struct {
	mu    sync.Mutex
	times []time.Duration
	open  sync.WaitGroup
}

type timed struct {
	*stopwatch
	began time.Time
}

// Done implements Owner.
func (s timed) Done(Outcome, string) {
	s.mu.Lock()
	s.times = append(s.times, time.Since(s.began))
	s.mu.Unlock()
	s.open.Done()
}

// Withdrawn implements Owner.
func (s timed) Withdrawn() { s.open.Done() }

func (s *stopwatch) quantile(q float64) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.times)
	return s.times[int(float64(len(s.times)-1)*q)]
}

func (s *stopwatch) count() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.times) }

// feed puts records at a rate for a while. It falls behind if Put blocks.
func (s *stopwatch) feed(t *testing.T, w *world, rate int, d time.Duration, key func(i int) string) {
	data := []byte(`{"padding":"0123456789012345678901234567890123456789"}`)
	began := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := 0; time.Since(began) < d; <-tick.C {
		for due := int(time.Since(began).Seconds() * float64(rate)); i < due; i++ {
			s.open.Add(1)
			if err := w.sink.Put(t.Context(), &Record{PartitionKey: key(i), Data: data, Owner: timed{s, time.Now()}}); err != nil {
				t.Error(err)
				return
			}
			if time.Since(began) >= d {
				return
			}
		}
	}
}

// slow answers each call after 20 ms, a usual round trip and service time.
func slow(embeddedkinesis.Call) embeddedkinesis.Action {
	return embeddedkinesis.Action{DelayAnswer: 20 * time.Millisecond}
}

func TestThrottlesStayBelowOnePercentAtNinetyFivePercentOfCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{kinesis: embeddedkinesis.Options{EnforceShardLimits: true, Script: slow}})
		<-time.After(time.Second)
		var watch stopwatch
		const d = 3 * time.Second
		began := time.Now()
		watch.feed(t, w, 4*950, d, func(i int) string { return fmt.Sprint("key-", i) })
		watch.open.Wait()
		rate := float64(watch.count()) / time.Since(began).Seconds()
		throttled := w.stream.Counters()["ProvisionedThroughputExceededException"]
		share := float64(throttled) / float64(throttled+watch.count())
		t.Logf("%.0f records/s of 4,000 the stream takes, %d of %d attempts throttled (%.3f %%), median %v, p99 %v",
			rate, throttled, throttled+watch.count(), 100*share, watch.quantile(0.5), watch.quantile(0.99))
		if share >= 0.01 || rate < 3600 {
			t.Error("too many throttles, or too slow")
		}
	})
}

func TestBucketsOfAHotStreamUseItsCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{kinesis: embeddedkinesis.Options{EnforceShardLimits: true, Script: slow}})
		<-time.After(time.Second)
		var watch stopwatch
		began := time.Now()
		watch.feed(t, w, 9000, 2*time.Second, func(i int) string { return fmt.Sprint("key-", i) })
		watch.open.Wait()
		rate := float64(watch.count()) / time.Since(began).Seconds()
		if watch.count() <= 4000*3 {
			t.Fatal("the shards' burst took it all: nothing was shown")
		}
		throttled := w.stream.Counters()["ProvisionedThroughputExceededException"]
		t.Logf("offered 9,000/s: %.0f records/s of 4,000 delivered, %d throttled", rate, throttled)
		if rate < 3700 || throttled > watch.count()/100 {
			t.Error("the stream's capacity is not used, or throttles are not below 1 %")
		}
	})
}

// Pacing must not be felt where nothing is throttled: a record waits for the call
// that its lane has under way, both of which may wait a moment for other lanes, and for
// nothing else.
func TestBelowTheLimitsARecordLeavesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{kinesis: embeddedkinesis.Options{EnforceShardLimits: true, Script: slow}})
		<-time.After(time.Second)
		var watch stopwatch
		watch.feed(t, w, 4*500, 5*time.Second, func(i int) string { return fmt.Sprint("key-", i) })
		watch.open.Wait()
		if p50, p99 := watch.quantile(.5), watch.quantile(.99); p50 > 30*time.Millisecond+2*hastyWait || p99 > 40*time.Millisecond+2*hastyWait {
			t.Errorf("at half of the limits, 20 ms a call: median %v, p99 %v", p50, p99)
		}
	})
}

func TestOneHotShardDoesNotSlowTheOthers(t *testing.T) {
	var cold, hot time.Duration
	for _, heat := range []int{0, 2000} {
		synctest.Test(t, func(t *testing.T) {
			// Five shards and 16 lanes: lanes lie across the borders of shards.
			w := newWorld(t, worldOptions{
				stream:  embeddedkinesis.Stream{Shards: 5},
				kinesis: embeddedkinesis.Options{EnforceShardLimits: true, Script: slow},
			})
			<-time.After(time.Second)
			m := w.sink.stream.shards.Load()
			if len(m.ids) != 5 {
				t.Fatalf("%d shards known", len(m.ids))
			}
			byShard := make([][]string, 5)
			for i := range 5000 {
				k := fmt.Sprint("key-", i)
				byShard[m.at(hashOf(k))] = append(byShard[m.at(hashOf(k))], k)
			}
			var others, burning stopwatch
			var feeding sync.WaitGroup
			for shard := 1; shard < 5; shard++ {
				feeding.Go(func() {
					others.feed(t, w, 300, 3*time.Second, func(i int) string { return byShard[shard][i%len(byShard[shard])] })
				})
			}
			feeding.Go(func() {
				if heat > 0 {
					burning.feed(t, w, heat, 3*time.Second, func(i int) string { return byShard[0][i%len(byShard[0])] })
				}
			})
			feeding.Wait()
			others.open.Wait()
			burning.open.Wait()
			p99 := others.quantile(0.99)
			t.Logf("hot shard offered %d/s, delivered %d in 3 s or more; the others: %d, median %v, p99 %v",
				heat, burning.count(), others.count(), others.quantile(0.5), p99)
			if heat == 0 {
				cold = p99
			} else {
				hot = p99
			}
		})
	}
	if hot > cold+100*time.Millisecond {
		t.Errorf("p99 of the others is %v beside a hot shard and %v without", hot, cold)
	}
}

func TestReshardIsNoticedByTheFirstRecordThatGoesElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		<-time.After(time.Second)
		for _, n := range []int{7, 3, 16} {
			w.stream.Reshard(testStream, n)
			for i := range 200 {
				w.put(fmt.Sprint("k", i%40), 0)
			}
			<-time.After(3 * time.Second)
			if got := len(w.sink.stream.shards.Load().ids); got != n {
				t.Errorf("%d shards known after a reshard to %d", got, n)
			}
		}
		w.oracle.await()
		w.delivered()
		if w.check() != 0 {
			t.Error("duplicates")
		}
		if n := w.stream.Counters()["ListShards"]; n > 10 {
			t.Errorf("%d calls of ListShards for three reshards", n)
		}
	})
}

func TestBucketIsReadyWhenItSaysSo(t *testing.T) {
	for _, size := range []int{1, 100, 10_000, 1 << 20, 10 << 20} {
		b, now := newBucket(), epoch.Add(time.Hour)
		var turn time.Time
		for range 1000 {
			ok, until := b.take(now, turn, 1, size)
			if ok {
				continue
			}
			if !until.After(now) {
				t.Fatalf("size %d: to be asked again at once", size)
			}
			if ok, _ = b.take(until, until, 1, size); !ok {
				t.Fatalf("size %d: no room at the time that was named", size)
			}
			now = until
		}
		if spent := now.Sub(epoch.Add(time.Hour)).Seconds(); float64(1000*size) > (spent+1)*shardBytes+float64(size) {
			t.Errorf("size %d: %d bytes in %.1f s", size, 1000*size, spent)
		}
	}
}

func TestShardMapAgreesWithASearchThroughAllRanges(t *testing.T) {
	space := new(big.Int).Lsh(big.NewInt(1), 128)
	for _, n := range []int64{1, 2, 3, 1000} {
		var shards []types.Shard
		for i := range n {
			from := new(big.Int).Div(new(big.Int).Mul(space, big.NewInt(i)), big.NewInt(n))
			to := new(big.Int).Sub(new(big.Int).Div(new(big.Int).Mul(space, big.NewInt(i+1)), big.NewInt(n)), big.NewInt(1))
			shards = append(shards, types.Shard{
				ShardId:      aws.String(fmt.Sprint("s", i)),
				HashKeyRange: &types.HashKeyRange{StartingHashKey: aws.String(from.String()), EndingHashKey: aws.String(to.String())},
			})
		}
		slices.Reverse(shards)
		m, err := newShardMap(shards, unmapped)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 500 {
			key := fmt.Sprint("key-", i)
			h := hashOf(key)
			at := new(big.Int).SetBytes(h[:])
			want := new(big.Int).Div(new(big.Int).Mul(at, big.NewInt(n)), space)
			got := m.ids[m.at(h)]
			if got != "s"+want.String() { // equal ranges, up to rounding at a border
				t.Fatalf("%d shards: %s lies in %s, not s%s", n, key, got, want)
			}
		}
	}
}

var benchShard atomic.Int64

// BenchmarkPacedQueue shows that a record costs the same on many shards.
func BenchmarkPacedQueue(b *testing.B) {
	for _, n := range []int{4, 1000} {
		b.Run(fmt.Sprintf("shards=%d", n), func(b *testing.B) {
			keys := make([]string, 4000)
			shard := make(map[string]int, len(keys))
			for i := range keys {
				keys[i] = fmt.Sprint("key-", i)
				shard[keys[i]] = i % n
			}
			buckets := make([]*bucket, n)
			for i := range buckets {
				buckets[i] = newBucket()
			}
			q := newQueue(func(r *Record) int { return shard[r.PartitionKey] })
			lim := limits{records: maxBatchRecords, bytes: maxBatchBytes, record: defaultRecordBytes}
			records := make([]*Record, len(keys))
			for i := range records {
				records[i] = taken(keys[i], make([]byte, 600))
			}
			now := time.Now()
			may := func(shard int, now, turn time.Time, records, bytes int) (bool, time.Time) {
				return buckets[shard].take(now, turn, records, bytes)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				q.Push(entry{rec: records[i%len(records)]})
				if i++; i%500 == 0 {
					now = now.Add(time.Second) // so that every shard has room: the cost of asking is measured
					for _, f := range q.Batch(now, lim, may) {
						q.Settle(f.chain)
					}
				}
			}
			benchShard.Add(int64(q.chains.n))
		})
	}
}
