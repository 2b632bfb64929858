package consumer

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestConsumerHandsOutInOrderAndResumesWhereItCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.produce(0, 0, 50)
		m := w.member(Options{}, settle)
		pass(10 * time.Second)
		m.stop(t)
		if got := m.values(); !slices.Equal(got, values(0, 0, 50)) {
			t.Fatalf("handed out %v", got)
		}
		if got := w.committed(0); got != 50 {
			t.Fatalf("committed %d", got)
		}
		w.produce(0, 50, 60)
		m = w.member(Options{}, settle)
		pass(10 * time.Second)
		m.stop(t)
		if got := m.values(); !slices.Equal(got, values(0, 50, 60)) {
			t.Fatalf("after a restart, handed out %v", got)
		}
	})
}

func TestConsumerNeverCommitsPastWhatHasNotSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.produce(0, 0, 10)
		var kept *Message
		m := w.member(Options{OnRevoke: func() { kept.Withdraw() }}, func(_ *member, msg *Message) {
			if msg.Offset == 4 {
				kept = msg
				return
			}
			msg.Settle()
		})
		pass(10 * time.Second)
		if got := w.committed(0); got != 4 {
			t.Errorf("committed %d with offset 4 not at rest", got)
		}
		m.stop(t)
		if got := w.committed(0); got != 4 {
			t.Errorf("committed %d after offset 4 was withdrawn", got)
		}
	})
}

func TestWhatSettledAboveAHeldMessageIsNotHandedOutAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.produce(0, 0, 10)
		var kept *Message
		keepFour := func(_ *member, msg *Message) {
			if msg.Offset == 4 {
				kept = msg
				return
			}
			msg.Settle()
		}
		for range 2 { // the second owner also gives it back
			m := w.member(Options{OnRevoke: func() { kept.Withdraw() }}, keepFour)
			pass(10 * time.Second)
			m.stop(t)
		}
		w.produce(0, 10, 12)
		m := w.member(Options{}, settle)
		pass(10 * time.Second)
		m.stop(t)
		if got, want := m.values(), []string{"0:4", "0:10", "0:11"}; !slices.Equal(got, want) {
			t.Errorf("handed out %v, want %v", got, want)
		}
		if got := w.committed(0); got != 12 {
			t.Errorf("committed %d", got)
		}
	})
}

func TestTheLastCommitIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		m := w.member(Options{CommitInterval: time.Hour}, settle)
		w.produce(0, 0, 10)
		pass(10 * time.Second)
		w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorLoadInProgress, Count: 3})
		m.stop(t)
		if got := w.committed(0); got != 10 {
			t.Errorf("committed %d of 10 that have settled", got)
		}
	})
}

func TestABrokerThatTakesLittleMetadataStillGetsTheOffsets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.produce(0, 0, 10)
		fault := w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.OffsetMetadataTooLarge, Count: 1})
		var kept *Message
		m := w.member(Options{OnRevoke: func() { kept.Withdraw() }}, func(_ *member, msg *Message) {
			if msg.Offset == 4 {
				kept = msg
				return
			}
			msg.Settle()
		})
		pass(10 * time.Second)
		m.stop(t)
		if fault.Hits() != 1 || w.committed(0) != 4 {
			t.Errorf("after %d refusals, committed %d", fault.Hits(), w.committed(0))
		}
	})
}

func TestConsumerDrainsWhatWasHandedOutBeforeItLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.produce(0, 0, 10)
		m := w.member(Options{}, func(_ *member, msg *Message) {
			time.AfterFunc(3*time.Second, msg.Settle)
		})
		pass(4 * time.Second)
		m.stop(t)
		if got, n := w.committed(0), len(m.values()); int(got) != n || n == 0 {
			t.Errorf("committed %d of %d handed out", got, n)
		}
	})
}

func TestAbortedRecordsAreNeverHandedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		cl := w.producer(kgo.TransactionalID("tx"))
		n := 0
		var want []string
		for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
			if err := cl.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				v := strconv.Itoa(i) + "/" + strconv.Itoa(n)
				n++
				if err := cl.ProduceSync(context.Background(), &kgo.Record{Topic: "events", Value: []byte(v)}).FirstErr(); err != nil {
					t.Fatal(err)
				}
				if commit {
					want = append(want, v)
				}
			}
			if err := cl.EndTransaction(context.Background(), commit); err != nil {
				t.Fatal(err)
			}
			w.produce(0, i, i+1) // a plain record between transactions
			want = append(want, fmt.Sprintf("0:%d", i))
		}
		cl.Close()
		m := w.member(Options{}, settle)
		pass(10 * time.Second)
		s := m.Stats().Partitions[0]
		m.stop(t)
		if got := m.values(); !slices.Equal(got, want) {
			t.Errorf("handed out %v, want %v", got, want)
		}
		if s.Committed != s.End {
			t.Errorf("committed %d of %d: control records keep the lag above zero", s.Committed, s.End)
		}
	})
}

func TestAnOffsetOutOfRangeHoldsUnlessToldOtherwise(t *testing.T) {
	for policy, want := range map[string][]string{Hold: nil, Earliest: values(0, 8, 12), Latest: nil} {
		t.Run(policy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				w.config.OnOffsetOutOfRange = policy
				w.produce(0, 0, 5)
				m := w.member(Options{}, settle)
				pass(10 * time.Second)
				m.stop(t)
				w.produce(0, 5, 12)
				if err := w.kafka.DeleteRecords("events", 0, 8); err != nil {
					t.Fatal(err)
				}
				m = w.member(Options{}, settle)
				pass(time.Minute)
				held := slices.Contains(m.reasons(), ReasonOutOfRange)
				m.stop(t)
				if got := m.values(); !slices.Equal(got, want) {
					t.Errorf("handed out %v, want %v", got, want)
				}
				if held != (policy == Hold) {
					t.Errorf("held: %v", m.reasons())
				}
			})
		})
	}
}

func TestAnOutageOfKafkaIsHeldAndSurvived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.produce(0, 0, 5)
		m := w.member(Options{}, settle)
		pass(10 * time.Second)
		faults := w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.KafkaStorageError, Count: -1})
		w.produce(0, 5, 10)
		pass(time.Hour)
		if !slices.Contains(m.reasons(), ReasonKafka) || len(m.reasons()) > 8 {
			t.Errorf("holds %v", m.reasons())
		}
		faults.Remove()
		pass(time.Minute)
		m.stop(t)
		if got := m.values(); !slices.Equal(got, values(0, 0, 10)) {
			t.Errorf("handed out %v", got)
		}
	})
}
