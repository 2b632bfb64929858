package consumer

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// rackWorld has a leader that sends readers of rack "here" to a follower, which
// refuses them while told to, or is behind: it does not know yet that what they
// ask for is committed, and says at once that there is nothing. It counts what
// each broker was asked.
type rackWorld struct {
	*world
	follower, leader int32
	refuses          atomic.Bool
	behind           atomic.Bool
	asked            [2]atomic.Int32 // by the broker's number
}

func newRackWorld(t *testing.T) *rackWorld {
	w := &rackWorld{world: newWorld(t, 1, 9092, 9093)}
	w.config.ClientRack = "here"
	w.leader = w.kafka.PartitionInfo("events", 0).Leader
	w.follower = 1 - w.leader
	w.kafka.SetFollowers("events", 0, []int32{w.follower})
	w.kafka.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.KeepControl()
		request, node := r.(*kmsg.FetchRequest), w.kafka.CurrentNode()
		w.asked[node].Add(1)
		asksLeader := node == w.leader && request.Rack == "here"
		if !asksLeader && (node == w.leader || !w.refuses.Load() && !w.behind.Load()) {
			return nil, nil, false
		}
		answer := request.ResponseKind().(*kmsg.FetchResponse)
		p := kmsg.NewFetchResponseTopicPartition()
		if asksLeader {
			p.PreferredReadReplica = w.follower
		} else if w.refuses.Load() {
			p.ErrorCode = kerr.OffsetOutOfRange.Code
		}
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID, topic.Partitions = "events", request.Topics[0].TopicID, []kmsg.FetchResponseTopicPartition{p}
		answer.Topics = append(answer.Topics, topic)
		return answer, nil, true
	})
	return w
}

func (w *rackWorld) count(node int32) int { return int(w.asked[node].Load()) }

func TestAReaderWithARackFetchesFromTheReplicaThatTheLeaderNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newRackWorld(t)
		w.produce(0, 0, 10)
		m := w.member(Options{}, settle)
		pass(2 * time.Minute)
		if l, f := w.count(w.leader), w.count(w.follower); l != 1 || f < 100 {
			t.Errorf("the leader was asked %d times, the follower %d times", l, f)
		}
		pass(10 * time.Minute)
		if l := w.count(w.leader); l != 3 {
			t.Errorf("the leader was asked %d times in 12 minutes, want once in 5", l)
		}
		w.produce(0, 10, 20)
		pass(5 * time.Second)
		m.stop(t)
		if got := m.values(); !slices.Equal(got, values(0, 0, 20)) {
			t.Errorf("handed out %v", got)
		}
	})
}

func TestTheLeaderServesWhileAFollowerDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newRackWorld(t)
		w.refuses.Store(true)
		w.produce(0, 0, 10)
		m := w.member(Options{}, settle)
		pass(time.Minute)
		if got := m.values(); !slices.Equal(got, values(0, 0, 10)) {
			t.Errorf("handed out %v", got)
		}
		if l, f := w.count(w.leader), w.count(w.follower); f > 10 || l > 200 {
			t.Errorf("the leader was asked %d times, the follower %d times: it spins", l, f)
		}
		w.refuses.Store(false)
		pass(time.Minute)
		before := w.count(w.follower)
		pass(time.Minute)
		if n := w.count(w.follower) - before; n < 100 {
			t.Errorf("the follower was asked %d times once it served again", n)
		}
		m.stop(t)
		if held := m.reasons(); len(held) > 0 {
			t.Errorf("a follower's refusal is a hold: %v", held)
		}
	})
}

func TestAFollowerThatIsBehindIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newRackWorld(t)
		w.behind.Store(true)
		w.produce(0, 0, 10)
		m := w.member(Options{}, settle)
		pass(10 * time.Second)
		if n := w.count(w.follower); n > 210 {
			t.Errorf("it was asked %d times in 10 seconds", n)
		}
		w.behind.Store(false)
		pass(time.Second)
		m.stop(t)
		if got := m.values(); !slices.Equal(got, values(0, 0, 10)) {
			t.Errorf("handed out %v", got)
		}
	})
}
