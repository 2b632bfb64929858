package consumer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"
)

// leaderless has brokers say, while on, that the last of the topic's partitions has no leader.
func (w *world) leaderless(partitions int32) (on *atomic.Bool) {
	on = new(atomic.Bool)
	w.kafka.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.KeepControl()
		if !on.Load() {
			return nil, nil, false
		}
		answer := r.ResponseKind().(*kmsg.MetadataResponse)
		broker := kmsg.NewMetadataResponseBroker()
		broker.Host, broker.Port = "127.0.0.1", 9092
		answer.Brokers = append(answer.Brokers, broker)
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.TopicID = new("events"), w.kafka.TopicInfo("events").TopicID
		for p := range partitions {
			partition := kmsg.NewMetadataResponseTopicPartition()
			partition.Partition = p
			if p == partitions-1 {
				partition.Leader, partition.ErrorCode = -1, kerr.LeaderNotAvailable.Code
			}
			topic.Partitions = append(topic.Partitions, partition)
		}
		answer.Topics = append(answer.Topics, topic)
		return answer, nil, true
	})
	return on
}

func TestAPartitionWithoutALeaderIsHeldAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.produce(0, 0, 5)
		w.produce(1, 0, 5)
		on := w.leaderless(2)
		on.Store(true)
		m := w.member(Options{}, settle)
		pass(time.Minute)
		for n := range 5 { // the other goes on, without a pause of its own
			on.Store(false)
			w.produce(0, 5+n, 6+n)
			on.Store(true)
			pass(time.Second)
			if got := len(m.values()); got != 6+n {
				t.Errorf("handed out %d, expected %d", got, 6+n)
			}
		}
		for _, p := range m.Stats().Partitions {
			if (p.Held != "") != (p.Partition == 1) {
				t.Errorf("%+v", p)
			}
		}
		if at := w.committed(1); at != -1 {
			t.Errorf("committed %d of what has no leader", at)
		}
		on.Store(false)
		pass(20 * time.Second)
		for _, p := range m.Stats().Partitions {
			if p.Held != "" || p.Committed != p.End {
				t.Errorf("once there is a leader: %+v", p)
			}
		}
		m.stop(t)
		got := m.values()
		slices.Sort(got)
		if want := slices.Concat(values(0, 0, 10), values(1, 0, 5)); !slices.Equal(got, want) {
			t.Errorf("handed out %v", got)
		}
	})
}

func TestTheLagOfOtherPartitionsIsToldWhileOneHasNoLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.produce(0, 0, 5)
		w.leaderless(2).Store(true)
		h, err := NewHistory(w.config, w.network.DialContext)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		all, err := h.Progress(context.Background(), w.config.Group)
		if err != nil {
			t.Fatal(err)
		}
		if all[0].Lag() != 5 || all[0].Unknown != nil || !errors.Is(all[1].Unknown, kafka.LeaderNotAvailable) || all[1].End != -1 {
			t.Errorf("%+v", all)
		}
	})
}

// A partition has no question of its own, so connections do not grow with them.
func TestTheLagOfManyPartitionsTakesAFewConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const partitions, most = 500, 4 // control and broker, and what is being replaced
		w := newWorld(t, partitions)
		c := &counted{open: map[net.Conn]bool{}, network: w.network.DialContext}
		var asked atomic.Int32
		w.kafka.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			asked.Add(1)
			return nil, nil, false
		})
		h, err := NewHistory(w.config, c.dial)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		const looks = 10
		for range looks {
			all, err := h.Progress(context.Background(), w.config.Group)
			if err == nil {
				_, err = h.AllWithin(context.Background(), Beginning(), End())
			}
			if err == nil {
				_, err = h.Ranges(context.Background(), Beginning(), End())
			}
			if err != nil || len(all) != partitions {
				t.Fatal(len(all), err)
			}
			if n := c.count(); n > most {
				t.Fatalf("%d connections", n)
			}
			pass(5 * time.Second)
		}
		if n := asked.Load(); n > 8*looks { // two each, and two more for the bounds of a range
			t.Errorf("%d requests for %d looks", n, looks)
		}
	})
}

// A broker that leads a partition no more, or of a topic that was just made not yet,
// is no answer to a command that asks once.
func TestABrokerThatLeadsAPartitionNotYetIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.produce(0, 0, 5)
		var refused atomic.Int32
		w.kafka.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			if refused.Add(1) > 3 {
				return nil, nil, false
			}
			answer := r.ResponseKind().(*kmsg.ListOffsetsResponse)
			for _, asked := range r.(*kmsg.ListOffsetsRequest).Topics {
				topic := kmsg.NewListOffsetsResponseTopic()
				topic.Topic = asked.Topic
				for _, p := range asked.Partitions {
					partition := kmsg.NewListOffsetsResponseTopicPartition()
					partition.Partition, partition.ErrorCode, partition.Offset = p.Partition, kerr.NotLeaderForPartition.Code, -1
					topic.Partitions = append(topic.Partitions, partition)
				}
				answer.Topics = append(answer.Topics, topic)
			}
			return answer, nil, true
		})
		history, err := NewHistory(w.config, w.network.DialContext)
		if err != nil {
			t.Fatal(err)
		}
		defer history.Close()
		ranges, err := history.Ranges(t.Context(), Beginning(), End())
		if err != nil || len(ranges) == 0 || refused.Load() < 4 {
			t.Errorf("%v, %v after %d questions", ranges, err, refused.Load())
		}
	})
}

// A coordinator that is being chosen, as of the first group of a cluster, is no answer either.
func TestACoordinatorThatIsNoneYetIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		var refused atomic.Int32
		w.kafka.ControlKey(int16(kmsg.DescribeGroups), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			if refused.Add(1) > 3 {
				return nil, nil, false
			}
			answer := r.ResponseKind().(*kmsg.DescribeGroupsResponse)
			for _, asked := range r.(*kmsg.DescribeGroupsRequest).Groups {
				group := kmsg.NewDescribeGroupsResponseGroup()
				group.Group, group.ErrorCode = asked, kerr.NotCoordinator.Code
				answer.Groups = append(answer.Groups, group)
			}
			return answer, nil, true
		})
		h, err := NewHistory(w.config, w.network.DialContext)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		if members, err := h.Members(context.Background(), w.config.Group); err != nil || len(members) != 0 || refused.Load() != 4 {
			t.Errorf("%v, %v; asked %d times", members, err, refused.Load())
		}
	})
}

// TestReadersOfAProcessPeekInTurns: each look at a partition's oldest message brings a
// whole batch, which waits for no room. Those of all readers that share a budget are
// bounded together.
func TestReadersOfAProcessPeekInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const partitions, readers = 24, 12
		w := newWorld(t, partitions)
		for p := range partitions {
			w.produce(p, 0, 1)
		}
		var under, most atomic.Int32
		config := w.config
		config.Budget = NewBudget(64<<20, 1<<20)
		count := func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := w.network.DialContext(ctx, network, address)
			return &fetchCounter{Conn: c, under: &under, most: &most}, err
		}
		var looks errgroup.Group
		for range readers {
			h, err := NewHistory(config, count)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			looks.Go(func() error {
				all, err := h.Progress(context.Background(), config.Group)
				for _, p := range all {
					if p.Oldest.IsZero() && err == nil {
						err = fmt.Errorf("the oldest message of partition %d is not known", p.Partition)
					}
				}
				return err
			})
		}
		if err := looks.Wait(); err != nil {
			t.Fatal(err)
		}
		// Each reads one set ahead of what it looks at.
		if n := most.Load(); n < 2 || n > 2*peekParallel {
			t.Errorf("%d fetches at once, of %d partitions of %d readers", n, partitions, readers)
		}
	})
}

// fetchCounter counts the fetch requests of a connection that have no answer yet.
type fetchCounter struct {
	net.Conn
	under, most *atomic.Int32
	waits       atomic.Bool
}

// Write implements net.Conn.
func (c *fetchCounter) Write(b []byte) (int, error) {
	if len(b) > 6 && int16(binary.BigEndian.Uint16(b[4:])) == int16(kmsg.Fetch) && !c.waits.Swap(true) {
		n := c.under.Add(1)
		for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
		}
	}
	return c.Conn.Write(b)
}

// Read implements net.Conn.
func (c *fetchCounter) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.waits.Swap(false) {
		c.under.Add(-1)
	}
	return n, err
}

// TestALookAtTheOldestMessageCostsOneBatch: of a partition of many batches, one is asked
// for, once, though all of them would fit a fetch.
func TestALookAtTheOldestMessageCostsOneBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const batches = 50
		w := newWorld(t, 1)
		for i := range batches {
			w.produce(0, 2*i, 2)
		}
		var mu sync.Mutex
		var asked []int64
		most := int32(0)
		w.kafka.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			mu.Lock()
			defer mu.Unlock()
			f := r.(*kmsg.FetchRequest)
			asked = append(asked, f.Topics[0].Partitions[0].FetchOffset)
			most = max(most, f.Topics[0].Partitions[0].PartitionMaxBytes)
			return nil, nil, false
		})
		h, err := NewHistory(w.config, w.network.DialContext)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		all, err := h.Progress(context.Background(), w.config.Group)
		if err != nil || len(all) != 1 || all[0].Oldest.IsZero() {
			t.Fatal(all, err)
		}
		synctest.Wait() // for whatever is asked behind the answer
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(asked, []int64{0}) || most > 1 {
			t.Errorf("asked for offsets %v, %d bytes at most", asked, most)
		}
	})
}
