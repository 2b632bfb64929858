package consumer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestAMessageWithoutATimeHasNoAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		cl := w.producer()
		defer cl.Close()
		write := func(at time.Time) {
			t.Helper()
			if err := cl.ProduceSync(context.Background(), &kgo.Record{Topic: "events", Value: []byte("v"), Timestamp: at}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		oldest := func() time.Time { return w.progress(w.config).Oldest }
		write(time.UnixMilli(-1))
		write(time.UnixMilli(0).Add(1)) // as 0, which the producer would take for none given
		if p := w.progress(w.config); !p.Oldest.IsZero() || p.Lag() != 2 {
			t.Errorf("not running: %+v", p)
		}
		var open []*Message
		m := w.member(Options{}, func(_ *member, msg *Message) { open = append(open, msg) })
		pass(10 * time.Second)
		if s := m.Stats().Partitions[0]; !s.Oldest.IsZero() || s.Open != 2 {
			t.Errorf("running: %+v", s)
		}
		now := time.Now().Truncate(time.Millisecond)
		write(now)
		pass(10 * time.Second)
		if s := m.Stats().Partitions[0]; !s.Oldest.Equal(now) {
			t.Errorf("of several, the oldest that has a time counts: %+v", s)
		}
		if !oldest().IsZero() {
			t.Error("the first that is not settled has no time")
		}
		for _, msg := range open {
			msg.Settle()
		}
		m.stop(t)
	})
}
