package sink

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/sink/deadletter"
	"kinesis-destination/sink/embeddedkinesis"
)

// parked makes a world with deadLetter.park.
func parked(o worldOptions) worldOptions {
	before := o.options
	o.options = func(opts *Options) {
		opts.DeadLetter.Park = true
		if before != nil {
			before(opts)
		}
	}
	return o
}

// from gives the sink the next record of a key, of one source partition.
func (w *world) from(partition int, key string, size int) *tracked {
	w.t.Helper()
	tr := w.oracle.record(key, size, nil)
	tr.rec.origin().Partition = partition
	if err := tr.put(w.t.Context(), w.sink); err != nil {
		w.t.Fatalf("put: %v", err)
	}
	return tr
}

func headerOf(m kafka.Message, key string) []byte {
	for _, h := range m.Headers {
		if h.Key == key {
			return h.Value
		}
	}
	return nil
}

const tooLarge = 1<<20 + 1

func TestLaterEventsOfAnIdentityFollowItsDeadOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, parked(worldOptions{}))
		before := w.from(1, "k", 0)
		dead := w.from(1, "k", tooLarge)
		queued := w.from(1, "k", 0) // behind it in the lane
		other := w.from(1, "other", 0)
		w.oracle.await()
		late := w.from(1, "k", 0) // long after it
		elsewhere := w.from(2, "k", 0)
		w.oracle.await()
		for _, c := range []struct {
			*tracked
			outcome Outcome
			reason  string
		}{
			{before, Delivered, ""},
			{dead, DeadLettered, ReasonRecordTooLarge},
			{queued, DeadLettered, ReasonParked},
			{other, Delivered, ""},
			{late, DeadLettered, ReasonParked},
			{elsewhere, Delivered, ""}, // order between partitions is not promised
		} {
			if c.tracked.outcome != c.outcome || c.tracked.reason != c.reason {
				t.Errorf("%s/%d: %v %q, want %v %q", c.key, c.seq, c.tracked.outcome, c.tracked.reason, c.outcome, c.reason)
			}
		}
		letters := w.letters()
		if len(letters) != 3 {
			t.Fatalf("%d letters", len(letters))
		}
		key := hashOf("k")
		for i, want := range []*tracked{dead, queued, late} {
			if !bytes.Equal(letters[i].Value, want.rec.origin().Value) || !bytes.Equal(headerOf(letters[i], deadletter.HeaderParkedKey), key[:]) {
				t.Errorf("letter %d is %q", i, letters[i].Value)
			}
		}
		st := w.sink.Stats()
		if st.Parked != 1 || len(st.Parking) != 1 || st.Parking[0].Letters != 3 || st.Parking[0].First != (deadletter.Place{Partition: 1, Offset: 0}) || st.Parking[0].Newest != (deadletter.Place{Partition: 1, Offset: 2}) {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestParkedIdentityIsReleasedWithItsNewestLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, parked(worldOptions{}))
		w.from(0, "k", tooLarge)
		w.from(0, "k", 0)
		w.oracle.await()
		if n := w.sink.Parking().Release(func(at deadletter.Place) bool { return at.Offset < 1 }); n != 0 {
			t.Fatalf("%d released while a letter was left", n)
		}
		still := w.from(0, "k", 0)
		still.wait()
		if still.reason != ReasonParked {
			t.Fatalf("%v %q", still.outcome, still.reason)
		}
		if n := w.sink.Parking().Release(func(at deadletter.Place) bool { return at.Offset <= 2 }); n != 1 {
			t.Fatalf("%d released", n)
		}
		free := w.from(0, "k", 0)
		free.wait()
		if free.outcome != Delivered {
			t.Errorf("%v %q", free.outcome, free.reason)
		}
	})
}

func TestALetterThatIsWithdrawnParksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, parked(worldOptions{options: func(o *Options) { o.Brokers = []string{"localhost:1"} }}))
		revoked := make(chan struct{})
		tr := w.oracle.record("k", tooLarge, revoked)
		if err := tr.put(t.Context(), w.sink); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		close(revoked)
		w.sink.Withdraw()
		tr.wait()
		if !tr.withdrawn || w.sink.Parking().Count() != 0 {
			t.Errorf("withdrawn %v, %d parked", tr.withdrawn, w.sink.Parking().Count())
		}
	})
}

func TestAFullParkingHoldsFurtherLettersUntilThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, parked(worldOptions{}))
		for i := range parkingLimit {
			key := hashOf(fmt.Sprint("someone-", i))
			w.sink.Parking().Note(testTopic, 0, key[:], deadletter.Place{Partition: 0, Offset: int64(i)}, time.Now())
		}
		known := w.from(0, "someone-7", 0)
		known.wait()
		if known.reason != ReasonParked {
			t.Fatalf("%v %q", known.outcome, known.reason)
		}
		held := w.from(0, "k", tooLarge)
		<-time.After(time.Hour)
		if held.resting() || w.sink.Stats().Hold != HoldParkingFull {
			t.Fatalf("at rest %v, hold %q", held.resting(), w.sink.Stats().Hold)
		}
		w.sink.Parking().Release(func(at deadletter.Place) bool { return at.Offset == 9 })
		held.wait()
		if held.outcome != DeadLettered || held.reason != ReasonRecordTooLarge || w.sink.Parking().Count() != parkingLimit {
			t.Errorf("%v %q, %d parked", held.outcome, held.reason, w.sink.Parking().Count())
		}
		synctest.Wait()
		if got := w.reported(); !slices.Equal(got, []string{HoldParkingFull, ""}) {
			t.Errorf("holds %q", got)
		}
	})
}

// The model: of each identity and source partition, everything before the first
// dead event is delivered, and everything behind it is parked.
func TestParkingAgreesWithASimpleModel(t *testing.T) {
	for _, aggregation := range []string{AggregationNone, AggregationKPL} {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(aggregation, " seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 0))
				w := newWorld(t, parked(worldOptions{
					config:  func(c *Config) { c.Aggregation = aggregation },
					kinesis: embeddedkinesis.Options{Seed: seed, Script: embeddedkinesis.Random(seed, embeddedkinesis.Rates{Throttle: .1, Internal: .05, LostBefore: .05, LostAfter: .05})},
				}))
				type identity struct {
					partition int
					key       string
				}
				dead := map[identity]bool{}
				want := map[*tracked]string{}
				expected := map[identity][]string{} // letters, in order
				for range 600 {
					id := identity{random.IntN(2), fmt.Sprint("key-", random.IntN(12))}
					size := 0
					if random.IntN(60) == 0 {
						size = tooLarge
					}
					tr := w.from(id.partition, id.key, size)
					switch {
					case dead[id]:
						want[tr] = ReasonParked
					case size > 0:
						want[tr], dead[id] = ReasonRecordTooLarge, true
					}
					if dead[id] {
						expected[id] = append(expected[id], string(tr.rec.origin().Value))
					}
					if random.IntN(20) == 0 {
						<-time.After(time.Duration(random.IntN(300)) * time.Millisecond)
					}
				}
				w.oracle.await()
				w.check()
				for _, tr := range w.oracle.all {
					if tr.reason != want[tr] || (tr.outcome == DeadLettered) != (want[tr] != "") {
						t.Errorf("%s/%d of %d: %v %q, want %q", tr.key, tr.seq, tr.rec.origin().Partition, tr.outcome, tr.reason, want[tr])
					}
				}
				got := map[identity][]string{}
				for _, m := range w.letters() {
					id := identity{m.Partition, string(m.Key)}
					got[id] = append(got[id], string(m.Value))
				}
				for id, letters := range expected {
					if !slices.Equal(got[id], letters) {
						t.Errorf("letters of %v: %q, want %q", id, got[id], letters)
					}
				}
				if len(expected) == 0 || w.sink.Parking().Count() != len(dead) {
					t.Errorf("%d parked, want %d", w.sink.Parking().Count(), len(dead))
				}
			})
		})
	}
}
