package sink

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/sink/deadletter"
	"kinesis-destination/sink/embeddedkinesis"
)

func TestRecordsArriveInOrderPerKeyWithoutFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		for i := range 1000 {
			w.put(fmt.Sprintf("key-%d", i%37), 0)
		}
		w.oracle.await()
		w.delivered()
		if n := w.check(); n != 0 {
			t.Errorf("%d duplicates without a fault", n)
		}
	})
}

func TestOrderSurvivesPartialFailuresAndLostAnswers(t *testing.T) {
	for _, seed := range seeds(3) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{kinesis: embeddedkinesis.Options{
					Seed:   seed,
					Script: embeddedkinesis.Random(seed, embeddedkinesis.Rates{Throttle: 0.2, Internal: 0.1, CallFails: 0.05, LostBefore: 0.05, LostAfter: 0.05}),
				}})
				for i := range 300 {
					w.put(fmt.Sprintf("key-%d", i%23), 0)
				}
				w.oracle.await()
				w.delivered()
				t.Logf("duplicates %d, faults %v", w.check(), w.stream.Counters())
			})
		})
	}
}

func TestRejectedRecordKeepsItsPlaceAmongItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{kinesis: embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
			if c.Operation == "PutRecords" {
				return embeddedkinesis.Action{Delay: 5 * time.Second} // the topic is ready long before
			}
			return embeddedkinesis.Action{}
		}}})
		a := w.put("k", 0)
		b := w.oracle.record("k", 0, nil)
		if err := w.sink.Reject(t.Context(), b.rec, deadletter.Failure{Stage: "transform", Reason: "unexportable", Message: "no", Attempts: 1}); err != nil {
			t.Fatal(err)
		}
		c := w.put("k", 0)
		w.oracle.await()
		if a.outcome != Delivered || b.outcome != DeadLettered || c.outcome != Delivered {
			t.Fatalf("outcomes %v %v %v", a.outcome, b.outcome, c.outcome)
		}
		if a.at.After(b.at) || !b.at.Before(c.at) {
			t.Errorf("at rest at %v %v %v", a.at, b.at, c.at)
		}
		if got := w.letters(); len(got) != 1 || string(got[0].Value) != "k/1" {
			t.Errorf("letters %v", got)
		}
		w.check()
	})
}

func TestWithdrawnRecordsAreGivenBackOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{missing: true})
		revoked := make(chan struct{})
		var gone []*tracked
		for i := range 100 {
			tr := w.oracle.record(fmt.Sprint("k", i%7), 0, revoked)
			if err := tr.put(t.Context(), w.sink); err != nil {
				t.Fatal(err)
			}
			gone = append(gone, tr)
		}
		synctest.Wait()
		close(revoked)
		w.sink.Withdraw()
		for _, tr := range gone {
			tr.wait()
			if !tr.withdrawn {
				t.Fatal("not withdrawn")
			}
		}
		if n := len(w.stream.History(testStream)); n != 0 {
			t.Errorf("%d stored", n)
		}
	})
}
