package sink

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/sink/deadletter"
	"kinesis-destination/sink/embeddedkinesis"
)

func TestAmbiguousRecordIsSentAgainBeforeAnythingNewerOfItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := 0
		w := newWorld(t, worldOptions{kinesis: embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
			if c.Operation == "PutRecords" && lost < 3 {
				lost++
				return embeddedkinesis.Action{Drop: embeddedkinesis.DropAfter}
			}
			return embeddedkinesis.Action{}
		}}})
		for range 10 {
			w.put("k", 0)
		}
		w.oracle.await()
		w.delivered()
		if n := w.check(); n != 3 {
			t.Errorf("%d duplicates of 3 lost answers", n)
		}
		var order []string
		for _, r := range w.stream.History(testStream)[:4] {
			order = append(order, string(r.Data))
		}
		if n := len(slices.Compact(order)); n != 1 {
			t.Errorf("the first four stored records are %d different ones", n)
		}
	})
}

// Rule 31 of the export rules.
func TestOnlyTheFailedEntryIsSentAgainAndNoLaterRecordOfItsKeyBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := false
		var calls [][]string
		w := newWorld(t, worldOptions{
			options: func(o *Options) { o.Lanes = 1 },
			kinesis: embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
				if c.Operation != "PutRecords" {
					return embeddedkinesis.Action{Delay: time.Second} // so that all three are queued
				}
				calls = append(calls, c.Keys)
				return embeddedkinesis.Action{Entry: func(_ int, key, _ string) string {
					if key == "b" && !failed {
						failed = true
						return "ProvisionedThroughputExceededException"
					}
					return ""
				}}
			}},
		})
		for _, k := range []string{"a", "b", "c", "b"} {
			w.put(k, 0)
		}
		w.oracle.await()
		w.delivered()
		if got := fmt.Sprint(calls); got != "[[a b c] [b] [b]]" {
			t.Errorf("calls %s", got)
		}
		if w.check() != 0 {
			t.Error("duplicates")
		}
	})
}

func TestLeaseBoundsEveryCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *world
		w = newWorld(t, worldOptions{
			kinesis: embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
				if c.Operation == "PutRecords" {
					w.mu.Lock()
					defer w.mu.Unlock()
					if time.Now().Add(leaseMargin + minLease).After(w.lease) {
						t.Errorf("a call with %v of the lease left", time.Until(w.lease))
					}
					return embeddedkinesis.Action{Delay: time.Hour}
				}
				return embeddedkinesis.Action{}
			}},
			options: func(o *Options) {
				o.Lease = func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.lease }
			},
		})
		set := func(d time.Duration) { w.mu.Lock(); w.lease = time.Now().Add(d); w.mu.Unlock() }
		set(1500 * time.Millisecond) // less than a call is begun with
		w.put("k", 0)
		<-time.After(400 * time.Millisecond)
		if n := w.stream.Counters()["PutRecords"]; n != 0 {
			t.Errorf("%d calls at the end of the lease", n)
		}
		set(5 * time.Second)
		<-time.After(leasePoll)
		set(5 * time.Second)
		<-time.After(4*time.Second + time.Millisecond)
		if n := w.sink.Stats().InFlight; n != 0 {
			t.Errorf("%d in flight one second before the end of the lease", n)
		}
		<-time.After(time.Hour)
		if n := w.stream.Counters()["PutRecords"]; n != 1 {
			t.Errorf("%d calls; all but the first without a lease", n)
		}
		set(time.Hour)
		w.stream.SetScript(nil)
		w.oracle.await()
		w.delivered()
	})
}

func TestWithdrawLeavesWhatIsInFlightAndGivesBackTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{kinesis: embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
			if c.Operation == "PutRecords" {
				return embeddedkinesis.Action{Delay: 5 * time.Second}
			}
			return embeddedkinesis.Action{}
		}}})
		revoked := make(chan struct{})
		var mine []*tracked
		for range 3 {
			tr := w.oracle.record("k", 0, revoked)
			if err := tr.put(t.Context(), w.sink); err != nil {
				t.Fatal(err)
			}
			mine = append(mine, tr)
		}
		other := w.put("other", 0)
		<-time.After(time.Second)
		close(revoked)
		w.sink.Withdraw()
		for _, tr := range mine[1:] {
			tr.wait()
		}
		if !mine[1].withdrawn || !mine[2].withdrawn || mine[0].resting() {
			t.Fatal("not the unsent ones were given back")
		}
		late := w.oracle.record("k", 0, revoked)
		if err := late.put(t.Context(), w.sink); !errors.Is(err, ErrRevoked) {
			t.Errorf("put after the claim ended: %v", err)
		}
		close(late.done)
		mine[0].wait()
		other.wait()
		if mine[0].outcome != Delivered || other.outcome != Delivered {
			t.Error("what was in flight or of another claim was not delivered")
		}
	})
}

func TestFailedRecordOfAnEndedClaimIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{kinesis: embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
			if c.Operation == "PutRecords" {
				return embeddedkinesis.Action{Delay: time.Second, Drop: embeddedkinesis.DropBefore}
			}
			return embeddedkinesis.Action{}
		}}})
		revoked := make(chan struct{})
		tr := w.oracle.record("k", 0, revoked)
		if err := tr.put(t.Context(), w.sink); err != nil {
			t.Fatal(err)
		}
		<-time.After(100 * time.Millisecond)
		close(revoked)
		w.sink.Withdraw()
		tr.wait()
		if !tr.withdrawn || w.stream.Counters()["PutRecords"] != 1 {
			t.Errorf("withdrawn %v after %d calls", tr.withdrawn, w.stream.Counters()["PutRecords"])
		}
	})
}

func TestCloseAwaitsCallsAndGivesBackTheUnsent(t *testing.T) {
	for _, patient := range []bool{true, false} {
		t.Run(fmt.Sprintf("patient=%v", patient), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{kinesis: embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
					if c.Operation == "PutRecords" {
						return embeddedkinesis.Action{Delay: 5 * time.Second}
					}
					return embeddedkinesis.Action{}
				}}})
				for range 5 {
					w.put("k", 0)
				}
				<-time.After(time.Second)
				w.put("k", 0) // which the lane has not looked at when it ends
				began, bound := time.Now(), time.Second
				if patient {
					bound = time.Minute
				}
				w.close(bound)
				if took := time.Since(began); took > min(bound, 5*time.Second) {
					t.Errorf("close took %v", took)
				}
				for i, tr := range w.oracle.all {
					if !tr.resting() {
						t.Fatalf("the owner of record %d has not heard", i)
					}
					if tr.withdrawn == (patient && i == 0) {
						t.Errorf("record %d: withdrawn %v", i, tr.withdrawn)
					}
				}
				late := w.oracle.record("k", 0, nil)
				if err := late.put(t.Context(), w.sink); !errors.Is(err, ErrClosed) {
					t.Errorf("put after close: %v", err)
				}
			})
		})
	}
}

func TestMemoryIsBoundedAndPutBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const memory = 8 << 20
		w := newWorld(t, worldOptions{missing: true, config: func(c *Config) { c.Memory = NewMemory(memory, defaultCalls) }})
		taken := 0
		go func() {
			for i := range 100_000 {
				tr := w.oracle.record(fmt.Sprint("k", i), 1500, nil)
				if tr.put(t.Context(), w.sink) != nil {
					return
				}
				taken++
			}
		}()
		<-time.After(time.Minute)
		synctest.Wait()
		st := w.sink.Stats()
		if st.QueuedBytes > memory || st.QueuedBytes < memory/3 || st.QueuedBytes < taken*1500 || st.Queued != taken {
			t.Errorf("taken %d, %+v", taken, st)
		}
		records, bytes := 0, 0
		for _, l := range st.Lanes {
			records += l.Queued
			bytes += l.QueuedBytes
		}
		if records != st.Queued || bytes != st.QueuedBytes {
			t.Errorf("the lanes have %d records, %d bytes, of %d, %d", records, bytes, st.Queued, st.QueuedBytes)
		}
		w.close(time.Minute) // ends the blocked Put too
	})
}

func TestDataTheStreamRefusesIsFoundAndTheRestDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queued := make(chan struct{})
		w := newWorld(t, worldOptions{
			options: func(o *Options) { o.Lanes = 1 },
			kinesis: embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
				if c.Operation == "PutRecords" {
					<-queued // or how many calls there are would be the scheduler's choice
				}
				if slices.Contains(c.Keys, "bad") {
					return embeddedkinesis.Action{Code: "ValidationException", Message: "Value 'bad' is not valid"}
				}
				return embeddedkinesis.Action{}
			}},
		})
		for i := range 300 {
			w.put(fmt.Sprint("k", i), 0)
		}
		bad := w.put("bad", 0)
		for i := range 300 {
			w.put(fmt.Sprint("k", i), 0)
		}
		close(queued)
		w.oracle.await()
		for _, tr := range w.oracle.all {
			if (tr == bad) != (tr.outcome == DeadLettered) {
				t.Fatalf("%s/%d: %v %s", tr.key, tr.seq, tr.outcome, tr.reason)
			}
		}
		if bad.reason != ReasonRejected {
			t.Errorf("reason %q", bad.reason)
		}
		if calls := w.stream.Counters()["PutRecords"]; calls > 30 {
			t.Errorf("%d calls to find one record of 601", calls)
		}
		for _, m := range w.letters() {
			for _, h := range m.Headers {
				if h.Key == deadletter.HeaderMessage && strings.Contains(string(h.Value), "bad") {
					t.Errorf("the message tells the key: %s", h.Value)
				}
			}
		}
	})
}
