package consumer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestATombstoneIsOneWhateverItCarries (rule 10): it is skipped, and no message that is too
// large, however many or large its headers are.
func TestATombstoneIsOneWhateverItCarries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.config.Budget = NewBudget(4<<20, 64<<10)
		producer := w.producer()
		for _, headers := range [][]kgo.RecordHeader{nil, make([]kgo.RecordHeader, maxHeaders+1), {{Key: "h", Value: make([]byte, 200<<10)}}} {
			if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: "events", Key: []byte("k"), Headers: headers}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		producer.Close()
		seen := 0
		m := w.member(Options{}, func(_ *member, msg *Message) {
			seen++
			if msg.Value != nil || msg.Omitted != nil {
				t.Errorf("offset %d: value %v, omitted %+v", msg.Offset, msg.Value, msg.Omitted)
			}
			msg.Settle()
		})
		pass(10 * time.Second)
		m.stop(t)
		if seen != 3 {
			t.Errorf("%d tombstones", seen)
		}
	})
}
