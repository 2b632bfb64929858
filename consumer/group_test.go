package consumer

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestTwoMembersShareThePartitionsAndHandOverWithoutRepeating(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4)
		a := w.member(Options{}, settle)
		pass(10 * time.Second)
		for p := range 4 {
			w.produce(p, 0, 10)
		}
		b := w.member(Options{}, settle)
		pass(20 * time.Second)
		if n := len(b.Stats().Partitions); n != 2 {
			t.Errorf("the second member has %d of 4 partitions", n)
		}
		for p := range 4 {
			w.produce(p, 10, 20)
		}
		pass(10 * time.Second)
		a.stop(t)
		pass(20 * time.Second)
		for p := range 4 {
			w.produce(p, 20, 30)
		}
		pass(10 * time.Second)
		b.stop(t)
		all := append(a.values(), b.values()...)
		slices.Sort(all)
		var want []string
		for p := range 4 {
			want = append(want, values(p, 0, 30)...)
		}
		slices.Sort(want)
		if !slices.Equal(all, want) {
			t.Errorf("handed out %d messages, want each of %d once", len(all), len(want))
		}
	})
}

func TestACommitUnderWayAtTheRevocationDoesNotSetTheOffsetsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.produce(0, 0, 60)
		w.produce(1, 0, 60)
		// The third commit is sent when the generation that takes one of the two
		// partitions away has begun, and would arrive after the last one of that
		// partition, before the next owner begins.
		dial := w.slowly(
			&slow{key: offsetCommit, delay: 1500 * time.Millisecond, when: func(n int) bool { return n == 3 }},
			&slow{key: joinGroup, delay: 2 * time.Second, when: func(n int) bool { return n > 3 }},
		)
		work := func(_ *member, msg *Message) {
			pass(100 * time.Millisecond)
			msg.Settle()
		}
		a := w.member(Options{Dial: dial, CommitInterval: 1010 * time.Millisecond}, work)
		pass(time.Second)
		b := w.member(Options{}, work)
		pass(30 * time.Second)
		if n := len(b.Stats().Partitions); n != 1 {
			t.Errorf("the second member has %d of 2 partitions", n)
		}
		a.stop(t)
		pass(30 * time.Second)
		b.stop(t)
		all := append(a.values(), b.values()...)
		slices.Sort(all)
		if n := len(slices.Compact(slices.Clone(all))); n != 120 || len(all) != n {
			t.Errorf("%d messages of 120 were handed out %d times", n, len(all))
		}
	})
}

func TestHeartbeatsGoOnWhileAHandlerBlocksForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.produce(0, 0, 3)
		released := make(chan struct{})
		m := w.member(Options{}, func(_ *member, msg *Message) {
			<-released
			msg.Settle()
		})
		pass(10 * time.Second)
		before := m.Stats().Generation
		pass(time.Hour)
		if got := m.Stats().Generation; got != before {
			t.Errorf("generation %d became %d: the held partition caused a rebalance", before, got)
		}
		if left := time.Until(m.Lease()); left < DefaultSessionTimeout/2 {
			t.Errorf("%v left of the lease", left)
		}
		close(released)
		pass(5 * time.Second)
		m.stop(t)
		if got := m.values(); !slices.Equal(got, values(0, 0, 3)) {
			t.Errorf("handed out %v", got)
		}
	})
}

func TestLeaseRunsOutWhenTheCoordinatorStopsAnswering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		m := w.member(Options{}, settle)
		pass(10 * time.Second)
		fault := w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.CoordinatorNotAvailable, TopLevel: true, Count: -1})
		pass(DefaultSessionTimeout + time.Second)
		if time.Until(m.Lease()) > 0 {
			t.Errorf("the lease still runs %v without a heartbeat", time.Until(m.Lease()))
		}
		fault.Remove()
		pass(20 * time.Second)
		if time.Until(m.Lease()) <= 0 {
			t.Error("the lease did not come back with the coordinator")
		}
		m.stop(t)
	})
}

func TestATopicThatIsNotThereYetIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.config.Topic = "later"
		m := w.member(Options{}, settle)
		pass(time.Minute)
		if !slices.Contains(m.reasons(), ReasonTopicMissing) {
			t.Errorf("holds %v", m.reasons())
		}
		if len(m.reasons()) > 2 {
			t.Errorf("reported %d times: %v", len(m.reasons()), m.reasons())
		}
		if err := w.kafka.CreateTopic("later", 1, nil); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if s := m.Stats(); len(s.Partitions) != 1 {
			t.Errorf("assigned %v", s)
		}
		if last := m.reasons()[len(m.reasons())-1]; last != "" {
			t.Errorf("still held: %s", last)
		}
		m.stop(t)
	})
}

func TestPartitionsAddedWhileRunningAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		m := w.member(Options{}, settle)
		pass(10 * time.Second)
		transport, err := w.config.Transport(w.network.DialContext)
		if err != nil {
			t.Fatal(err)
		}
		client := kafka.Client{Transport: transport}
		res, err := client.CreatePartitions(context.Background(), &kafka.CreatePartitionsRequest{
			Addr: w.config.Addr(), Topics: []kafka.TopicPartitionsConfig{{Name: "events", Count: 3}},
		})
		if err != nil || res.Errors["events"] != nil {
			t.Fatal(err, res)
		}
		transport.CloseIdleConnections()
		w.produce(2, 0, 5)
		pass(time.Minute)
		m.stop(t)
		if got := m.values(); !slices.Equal(got, values(2, 0, 5)) {
			t.Errorf("handed out %v", got)
		}
	})
}

func TestAMemberWhoseHeartbeatsFailSaysSoBeforeItsLeaseIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		m := w.member(Options{}, settle)
		pass(10 * time.Second)
		before := len(m.reasons())
		faults := w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.GroupAuthorizationFailed, Count: -1})
		pass(20 * time.Second)
		if got := m.reasons()[before:]; len(got) == 0 || got[0] != ReasonAccessDenied || time.Until(m.Lease()) <= 0 {
			t.Errorf("holds %v, the lease lasts for %v", got, time.Until(m.Lease()))
		}
		faults.Remove()
		pass(20 * time.Second)
		if got := m.reasons(); len(got) == 0 || got[len(got)-1] != "" {
			t.Errorf("still held: %v", got)
		}
		m.stop(t)
	})
}
