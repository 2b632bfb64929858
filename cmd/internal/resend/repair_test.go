package resend

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/transform"
)

// liveTopic is a partition that grows in virtual time, and the stream that a live pipeline and a
// repair deliver it to.
type liveTopic struct {
	keys   []string        // by offset
	at     []time.Duration // when each was written
	began  time.Time
	lag    time.Duration    // from the writing to the delivery
	size   int              // of an event's data
	put    map[string][]int // by key: the offsets as the stream took them, of the repair
	times  map[string][]time.Duration
	called int
}

func (l *liveTopic) now() time.Duration { return time.Since(l.began) }

func (l *liveTopic) end() int64 {
	n := 0
	for n < len(l.at) && l.at[n] <= l.now() {
		n++
	}
	return int64(n)
}

func (l *liveTopic) tail() *Tail {
	return &Tail{
		Next: map[TopicPartition]int64{{"t", 0}: 0},
		Bounds: func(_ context.Context, at []consumer.Progress) error {
			at[0].End = l.end()
			return nil
		},
		Read: func(_ context.Context, r consumer.Range, each func(m *consumer.Message) error) error {
			time.Sleep(3 * time.Millisecond)
			for offset := r.From; offset < r.To; offset++ {
				if err := each(&consumer.Message{Topic: "t", Offset: offset}); err != nil {
					return fmt.Errorf("at %d: %w", offset, err)
				}
			}
			return nil
		},
		Evaluate: func(_ context.Context, m *consumer.Message, _ transform.Source) (j rules.Evaluation, err error) {
			j.Outcome, j.PartitionKey, j.Data = transform.Export, l.keys[m.Offset], make([]byte, l.size)
			return j, nil
		},
		Leaves: func(Identity, int64) {},
	}
}

func (l *liveTopic) repair(t *testing.T, sent map[Identity]int64) {
	t.Helper()
	err := repair(t.Context(), l.tail(), sent, func(e *NewerEvent) error {
		time.Sleep(time.Millisecond)
		l.put[e.key], l.times[e.key] = append(l.put[e.key], int(e.Offset)), append(l.times[e.key], l.now())
		return nil
	}, func(context.Context) error {
		time.Sleep(20 * time.Millisecond)
		l.called++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// newest is the offset of a key's newest event.
func (l *liveTopic) newest(key string) int {
	for offset, k := range slices.Backward(l.keys) {
		if k == key {
			return offset
		}
	}
	return -1
}

// last is the offset that stands last in the stream, once live traffic has delivered all.
func (l *liveTopic) last(key string, sent int) int {
	last, when := sent, -time.Hour
	for offset, k := range l.keys {
		if at := l.at[offset] + l.lag; k == key && at >= when {
			last, when = offset, at
		}
	}
	for i, at := range l.times[key] {
		if at > when {
			last, when = l.put[key][i], at
		}
	}
	return last
}

// TestARepairEndsBesideLiveTraffic: events of every rate, of identities that were sent. It ends
// while they go on, puts each a few times at most, and leaves no old state as the last.
func TestARepairEndsBesideLiveTraffic(t *testing.T) {
	for range 50 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			l := &liveTopic{began: time.Now(), lag: time.Duration(rnd.IntN(60)) * time.Millisecond, put: map[string][]int{}, times: map[string][]time.Duration{}, size: 100}
			sent := map[Identity]int64{}
			var keys []string
			for i := range 1 + rnd.IntN(20) {
				keys = append(keys, fmt.Sprint("key", i))
				sent[Identity{TopicPartition{"t", 0}, HashKey(keys[i])}] = -1
			}
			every := time.Duration(1+rnd.IntN(200)) * time.Millisecond / time.Duration(1+rnd.IntN(20))
			for at := time.Duration(0); at < time.Minute; at += time.Duration(rnd.Int64N(int64(2*every) + 1)) {
				l.keys, l.at = append(l.keys, keys[rnd.IntN(len(keys))]), append(l.at, at)
			}
			time.Sleep(time.Duration(rnd.IntN(1000)) * time.Millisecond)
			began := l.now()
			l.repair(t, sent)
			if took := l.now() - began; took > 20*time.Second || len(sent) > 0 {
				t.Errorf("seed %d: an event each %v: %v, and %d are not safe", seed, every, took, len(sent))
			}
			for _, key := range keys {
				newest := l.newest(key)
				if last := l.last(key, -1); last != newest {
					t.Errorf("seed %d: of %s %d stands last, and %d is newer", seed, key, last, newest)
				}
			}
		})
	}
}

// TestARepairThatIsCutOffIsMadeAgain: the process is told to stop, or Kafka or the stream fails, at
// any moment of it. The next one puts what that one found and did not put.
func TestARepairThatIsCutOffIsMadeAgain(t *testing.T) {
	broken := errors.New("broken")
	for calls := 1; calls <= 12; calls++ {
		synctest.Test(t, func(t *testing.T) {
			l := &liveTopic{began: time.Now(), put: map[string][]int{}, times: map[string][]time.Duration{}, size: 100}
			sent := map[Identity]int64{}
			for i := range 3 {
				sent[Identity{TopicPartition{"t", 0}, HashKey(fmt.Sprint("key", i))}] = -1
			}
			for at := time.Duration(0); at < time.Second; at += 10 * time.Millisecond {
				l.keys, l.at = append(l.keys, fmt.Sprint("key", rand.IntN(3))), append(l.at, at)
			}
			time.Sleep(500 * time.Millisecond)
			tail, left := l.tail(), calls
			fail := func() error {
				if left--; left == 0 {
					return broken
				}
				return nil
			}
			read := tail.Read
			tail.Read = func(ctx context.Context, r consumer.Range, each func(m *consumer.Message) error) error {
				if err := fail(); err != nil {
					return err
				}
				return read(ctx, r, each)
			}
			put := func(e *NewerEvent) error {
				if err := fail(); err != nil {
					return err
				}
				l.put[e.key], l.times[e.key] = append(l.put[e.key], int(e.Offset)), append(l.times[e.key], l.now())
				return nil
			}
			idle := func(context.Context) error { return nil }
			err := repair(t.Context(), tail, sent, put, idle)
			if err != nil && !errors.Is(err, broken) {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if err := repair(t.Context(), tail, sent, put, idle); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				key := fmt.Sprint("key", i)
				newest := l.newest(key)
				if last := l.last(key, -1); last != newest || len(l.put[key]) == 0 {
					t.Errorf("broken at call %d: of %s %v were put, and %d is the newest", calls, key, l.put[key], newest)
				}
			}
		})
	}
}

// TestARepairKeepsLittleOfWhatIsNewer: while the stream was held the topic got far more than the
// process has room for. It is put bit by bit, and all of it in the end.
func TestARepairKeepsLittleOfWhatIsNewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const identities = 100
		l := &liveTopic{began: time.Now(), put: map[string][]int{}, times: map[string][]time.Duration{}, size: 1 << 20}
		sent := map[Identity]int64{}
		for i := range identities {
			l.keys, l.at = append(l.keys, fmt.Sprint("key", i)), append(l.at, 0)
			sent[Identity{TopicPartition{"t", 0}, HashKey(l.keys[i])}] = -1
		}
		l.repair(t, sent)
		if len(l.put) != identities || l.called < identities/5 {
			t.Errorf("%d of %d identities are put, in %d turns", len(l.put), identities, l.called)
		}
	})
}
