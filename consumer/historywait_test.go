package consumer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestAReadTellsWhyItWaitsAndThatItGoesOn: of a job that only seems to stand, nobody knows
// what to mend; of one that still seems to wait, nobody knows that it is mended.
func TestAReadTellsWhyItWaitsAndThatItGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.produce(0, 0, 5)
		h, err := NewHistory(w.config, w.network.DialContext)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		var heard []string
		h.Waiting = func(err error) {
			if err == nil {
				heard = append(heard, "")
				return
			}
			heard = append(heard, HoldReason(err))
		}
		faults := w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.KafkaStorageError, Count: -1})
		read, done := 0, make(chan error, 1)
		go func() {
			done <- h.Read(t.Context(), Range{Topic: "events", Partition: 0, From: 0, To: 5}, func(*Message) error {
				read++
				return nil
			})
		}()
		pass(time.Minute)
		if len(heard) != 1 || heard[0] != ReasonKafka {
			t.Errorf("heard %q of a wait", heard)
		}
		faults.Remove()
		pass(time.Minute)
		if err := <-done; err != nil || read != 5 || len(heard) != 2 || heard[1] != "" {
			t.Errorf("read %d, %v; heard %q", read, err, heard)
		}
	})
}
