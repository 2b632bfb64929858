package sink

import (
	"bytes"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kinesis-destination/sink/deadletter"
)

func TestLettersAreWithdrawnWhileTheTopicIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{options: func(o *Options) { o.Brokers = []string{"localhost:9999"} }})
		revoked := make(chan struct{})
		for i := range 50 {
			tr := w.oracle.record("k", 0, revoked)
			if i%2 == 0 {
				tr.rec.PartitionKey = ""
			}
			if err := w.sink.Reject(t.Context(), tr.rec, deadletter.Failure{Stage: "decode", Reason: "malformed"}); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Minute)
		close(revoked)
		began := time.Now()
		w.sink.Withdraw()
		w.oracle.await()
		if took := time.Since(began); took > letterTimeout {
			t.Errorf("withdrawing took %v", took)
		}
		if st := w.sink.Stats(); st.Queued != 0 || st.QueuedBytes != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestNothingFollowsALetterThatIsGivenBack: the next owner reads it again, and what follows it of
// its key. That must not be delivered here, whichever of them is given back first.
func TestNothingFollowsALetterThatIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{options: func(o *Options) { o.Brokers = []string{"localhost:9999"} }})
		revoked := make(chan struct{})
		head := w.oracle.record("k", 0, revoked)
		if err := w.sink.Reject(t.Context(), head.rec, deadletter.Failure{Stage: "decode", Reason: "malformed"}); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		var followers []*tracked
		for range 3 {
			tr := w.oracle.record("k", 0, revoked)
			if err := tr.put(t.Context(), w.sink); err != nil {
				t.Fatal(err)
			}
			followers = append(followers, tr)
		}
		other := w.oracle.record("k", 0, nil) // of a partition that stays
		if err := other.put(t.Context(), w.sink); err != nil {
			t.Fatal(err)
		}
		close(revoked)
		w.sink.letters.Withdraw() // before the lanes are told
		<-time.After(time.Minute)
		for _, tr := range followers {
			if !tr.resting() || !tr.withdrawn {
				t.Errorf("what followed the letter: at rest %v, given back %v, %v", tr.resting(), tr.withdrawn, tr.outcome)
			}
		}
		if other.wait(); other.outcome != Delivered {
			t.Errorf("what may be sent: %v", other.outcome)
		}
	})
}

// TestAWithdrawalWaitsForOneWriteOfLetters: a topic that answers slowly, and well, and a hundred
// requests full of letters: a rebalance has no time for all of them.
func TestAWithdrawalWaitsForOneWriteOfLetters(t *testing.T) {
	for _, ends := range []string{"claim", "sink"} {
		synctest.Test(t, func(t *testing.T) {
			const slow = 2 * time.Second
			w := newWorld(t, worldOptions{})
			var writes atomic.Int32
			w.kafka.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
				w.kafka.KeepControl()
				writes.Add(1)
				time.Sleep(slow)
				return nil, nil, false
			})
			revoked := make(chan struct{})
			for i := range 100 {
				tr := w.oracle.record(strconv.Itoa(i), 0, revoked)
				tr.rec.origin().Partition, tr.rec.origin().Value = 0, bytes.Repeat([]byte("v"), 400<<10)
				if err := w.sink.Reject(t.Context(), tr.rec, deadletter.Failure{Stage: "decode", Reason: "malformed"}); err != nil {
					t.Fatal(err)
				}
			}
			for w.oracle.all[0].wait(); writes.Load() < 3; {
				time.Sleep(time.Second)
			}
			began := time.Now()
			if ends == "claim" {
				close(revoked)
				w.sink.Withdraw()
			} else {
				w.close(time.Minute)
			}
			w.oracle.await()
			if took := time.Since(began); took > 2*slow {
				t.Errorf("with the end of a %s it took %v, after %d writes", ends, took, writes.Load())
			}
		})
	}
}
