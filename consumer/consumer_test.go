package consumer

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kinesis-destination/consumer/embeddedkafka"
)

// world is an in-memory Kafka in a bubble of virtual time.
type world struct {
	t       *testing.T
	network *kfake.VirtualNetwork
	kafka   *embeddedkafka.Cluster
	config  Config
}

func newWorld(t *testing.T, partitions int) *world {
	t.Helper()
	w := &world{t: t, network: new(kfake.VirtualNetwork)}
	var err error
	w.kafka, err = embeddedkafka.Start(embeddedkafka.Options{
		Listen: w.network.Listen, Ports: []int{9092}, Topics: map[string]int{"events": partitions},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.kafka.Close)
	w.config = Config{Brokers: []string{"127.0.0.1:9092"}, Topic: "events", Group: "g"}
	w.config.Defaults()
	return w
}

func (w *world) producer(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers("127.0.0.1:9092"), kgo.Dialer(w.network.DialContext), kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, opts...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	return cl
}

// produce writes values "partition:n" for n in [from, to) to a partition.
func (w *world) produce(partition, from, to int) {
	w.t.Helper()
	cl := w.producer()
	defer cl.Close()
	for n := from; n < to; n++ {
		r := &kgo.Record{Topic: "events", Partition: int32(partition), Value: fmt.Appendf(nil, "%d:%d", partition, n)}
		if err := cl.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// committed is what the group has for a partition.
func (w *world) committed(partition int) int64 {
	w.t.Helper()
	transport, err := w.config.Transport(w.network.DialContext)
	if err != nil {
		w.t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Transport: transport}
	res, err := client.OffsetFetch(context.Background(), &kafka.OffsetFetchRequest{
		Addr: w.config.Addr(), GroupID: "g", Topics: map[string][]int{"events": {partition}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Topics["events"][0].CommittedOffset
}

// member runs a consumer until stop is called.
type member struct {
	*Consumer
	cancel context.CancelFunc
	done   chan error

	mu    sync.Mutex
	seen  []string
	holds []string
}

// slow delays what a connection sends of one kind of request (its API key), as
// often as told: a broker may take its time over any request.
type slow struct {
	key   uint16
	delay time.Duration
	when  func(n int) bool // for the n-th of its kind
	n     atomic.Int32
}

type slowConn struct {
	net.Conn
	slows []*slow
}

func (c slowConn) Write(b []byte) (int, error) {
	for _, s := range c.slows {
		if len(b) > 6 && binary.BigEndian.Uint16(b[4:]) == s.key && s.when(int(s.n.Add(1))) {
			pass(s.delay)
		}
	}
	return c.Conn.Write(b)
}

// slowly dials connections that delay some requests.
func (w *world) slowly(slows ...*slow) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := w.network.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return slowConn{conn, slows}, nil
	}
}

func (w *world) member(opts Options, handler func(m *member, msg *Message)) *member {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{cancel: cancel, done: make(chan error, 1)}
	if opts.Dial == nil {
		opts.Dial = w.network.DialContext
	}
	opts.Logger = slog.New(slog.NewTextHandler(w.t.Output(), nil))
	opts.Hold = func(topic string, partition int, reason string, _ error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.holds = append(m.holds, reason)
	}
	var err error
	if m.Consumer, err = New(w.config, opts); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		m.done <- m.Run(ctx, func(_ context.Context, msg *Message) error {
			m.mu.Lock()
			m.seen = append(m.seen, string(msg.Value))
			m.mu.Unlock()
			handler(m, msg)
			return nil
		})
	}()
	return m
}

func (m *member) stop(t *testing.T) {
	t.Helper()
	m.cancel()
	if err := <-m.done; err != nil {
		t.Fatalf("run: %v", err)
	}
}

func settle(_ *member, msg *Message) { msg.Settle() }

func (m *member) values() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.seen)
}

// reasons are the holds reported so far, in order.
func (m *member) reasons() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.holds)
}

// pass lets virtual time go by, until every goroutine of the bubble waits.
func pass(d time.Duration) { <-time.After(d) }

func values(partition, from, to int) []string {
	var vs []string
	for n := from; n < to; n++ {
		vs = append(vs, fmt.Sprintf("%d:%d", partition, n))
	}
	return vs
}

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
	const offsetCommit, joinGroup = 8, 11
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.produce(0, 0, 60)
		// The commit of the second second arrives after the last one of the
		// generation, and before the next generation begins.
		dial := w.slowly(
			&slow{key: offsetCommit, delay: 1500 * time.Millisecond, when: func(n int) bool { return n == 2 }},
			&slow{key: joinGroup, delay: 2 * time.Second, when: func(n int) bool { return n > 2 }},
		)
		work := func(_ *member, msg *Message) {
			pass(100 * time.Millisecond)
			msg.Settle()
		}
		a := w.member(Options{Dial: dial}, work)
		pass(time.Second)
		b := w.member(Options{}, work)
		pass(30 * time.Second)
		a.stop(t)
		pass(30 * time.Second)
		b.stop(t)
		all := append(a.values(), b.values()...)
		slices.Sort(all)
		if n := len(slices.Compact(slices.Clone(all))); n != 60 || len(all) != n {
			t.Errorf("%d messages of 60 were handed out %d times", n, len(all))
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
