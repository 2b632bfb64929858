package sink

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/sink/deadletter"
	"kinesis-destination/sink/embeddedkinesis"
)

func TestRecordThatOutlivesItsRetry(t *testing.T) {
	for _, policy := range []string{deadletter.OnExhaustedHold, deadletter.OnExhaustedDeadLetter} {
		t.Run(policy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var broken atomic.Bool
				broken.Store(true)
				w := newWorld(t, worldOptions{
					config:  func(c *Config) { c.Retry.MaxElapsedTime = time.Minute },
					options: func(o *Options) { o.DeadLetter.OnExhausted = policy },
					kinesis: embeddedkinesis.Options{Script: func(embeddedkinesis.Call) embeddedkinesis.Action {
						return embeddedkinesis.Action{Entry: func(_ int, key, _ string) string {
							if key == "bad" && broken.Load() {
								return "InternalFailure"
							}
							return ""
						}}
					}},
				})
				bad, good := w.put("bad", 0), w.put("good", 0)
				next := w.put("bad", 0)
				good.wait()
				<-time.After(50 * time.Second)
				if bad.resting() || len(w.reported()) != 0 {
					t.Fatal("given up before its time")
				}
				<-time.After(30 * time.Second)
				switch policy {
				case deadletter.OnExhaustedHold:
					if got := w.reported(); !slices.Equal(got, []string{HoldExhausted}) || bad.resting() {
						t.Fatalf("holds %q", got)
					}
					broken.Store(false)
					w.oracle.await()
					w.delivered()
					if got := w.reported(); !slices.Equal(got, []string{HoldExhausted, ""}) {
						t.Errorf("holds %q", got)
					}
				case deadletter.OnExhaustedDeadLetter:
					bad.wait()
					if bad.outcome != DeadLettered || bad.reason != ReasonRetriesExhausted {
						t.Fatalf("%v %q", bad.outcome, bad.reason)
					}
					broken.Store(false)
					next.wait()
					if next.outcome != Delivered || fmt.Sprint(w.reported()) != "[]" {
						t.Errorf("the next one: %v, holds %q", next.outcome, w.reported())
					}
				}
			})
		})
	}
}
