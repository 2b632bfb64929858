package consumer

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"kinesis-destination/consumer/embeddedkafka"
)

// trickle writes a message to each partition every 50 ms until it is stopped, and
// then tells how many it wrote.
func trickle(t *testing.T, config Config, partitions int) (stop func() int) {
	t.Helper()
	producer := testProducer(t, config)
	ended, done := make(chan struct{}), make(chan int)
	go func() {
		written := 0
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			select {
			case <-ended:
				tick.Stop()
				done <- written
				return
			case <-tick.C:
			}
			for p := range partitions {
				r := &kgo.Record{Topic: config.Topic, Partition: int32(p), Value: fmt.Appendf(nil, "%d/%d", p, written)}
				if err := producer.ProduceSync(context.Background(), r).FirstErr(); err != nil {
					t.Error(err)
				}
				written++
			}
		}
	}()
	return func() int {
		close(ended)
		return <-done
	}
}

// whole fails unless the members together were handed each of n messages once.
func whole(t *testing.T, n int, members ...*collector) {
	t.Helper()
	var all []string
	for _, m := range members {
		all = append(all, m.seen...)
	}
	slices.Sort(all)
	if distinct := len(slices.Compact(slices.Clone(all))); distinct != n || len(all) != n {
		t.Errorf("%d of %d messages were handed out %d times", distinct, n, len(all))
	}
}

func claimsOf(members ...*collector) map[int]*claim {
	claims := map[int]*claim{}
	for _, m := range members {
		for _, cl := range m.Consumer.held() {
			claims[cl.partition] = cl
		}
	}
	return claims
}

func evenly(each int, members ...*collector) func() bool {
	return func() bool {
		return !slices.ContainsFunc(members, func(m *collector) bool { return len(assigned(m)) != each })
	}
}

func TestContractAFourthMemberStopsOnlyThePartitionsThatMove(t *testing.T) {
	const partitions = 12
	config, _ := realOrEmbeddedTopic(t, kafka.TopicConfig{NumPartitions: partitions})
	var members []*collector
	for range 3 {
		members = append(members, collect(t, config))
	}
	within(t, 60*time.Second, "three members have four each", evenly(4, members...))
	stop := trickle(t, config, partitions)
	before := claimsOf(members...)
	members = append(members, collect(t, config))
	within(t, 60*time.Second, "four members have three each", evenly(3, members...))
	kept := 0
	for p, cl := range claimsOf(members...) {
		if before[p] == cl {
			kept++
			if cl.ctx.Err() != nil {
				t.Errorf("the claim of partition %d was ended", p)
			}
		}
	}
	if kept != 9 {
		t.Errorf("%d of 12 claims went on, want 9", kept)
	}
	n := stop()
	within(t, 30*time.Second, "all is read", func() bool {
		return members[0].count()+members[1].count()+members[2].count()+members[3].count() == n
	})
	for _, m := range members {
		m.stop()
	}
	whole(t, n, members...)
}

// An earlier version of this program is in the group, comes and goes.
func TestContractAnEagerMemberAndCooperativeOnesNeverShareAPartition(t *testing.T) {
	config, _ := realOrEmbeddedTopic(t, kafka.TopicConfig{NumPartitions: 6})
	dial := embeddedkafka.EagerDial((&net.Dialer{}).DialContext)
	protocol := func(m *collector) string { g, _ := m.current(); return g.protocol }
	old := collectBy(t, config, dial)
	within(t, 60*time.Second, "the eager member reads", evenly(6, old))
	stop := trickle(t, config, 6)
	a, b := collect(t, config), collect(t, config)
	within(t, 60*time.Second, "three members have two each", evenly(2, old, a, b))
	if got := protocol(a); got != eagerProtocol {
		t.Errorf("beside an eager member the protocol is %s", got)
	}
	before := claimsOf(a, b)
	old.stop()
	within(t, 60*time.Second, "two members have three each", evenly(3, a, b))
	if got := protocol(a); got != cooperativeProtocol {
		t.Errorf("without the eager member the protocol is %s", got)
	}
	now := claimsOf(a, b)
	for p, cl := range before {
		if now[p] != cl {
			t.Errorf("partition %d was given up when the eager member left", p)
		}
	}
	again := collectBy(t, config, dial)
	within(t, 60*time.Second, "the eager member is refused", func() bool { return again.held(ReasonGroupProtocol) })
	if !evenly(3, a, b)() {
		t.Error("the others have lost partitions to one who was refused")
	}
	a.stop()
	b.stop()
	within(t, 60*time.Second, "the eager member goes on alone", evenly(6, again))
	n := stop()
	within(t, 30*time.Second, "all is read", func() bool { return old.count()+a.count()+b.count()+again.count() == n })
	again.stop()
	whole(t, n, old, a, b, again)
}

// Kafka's own protocol: another program's member may be in the group, and lead it.
func TestContractAStandardCooperativeMemberSharesTheGroup(t *testing.T) {
	for _, leads := range []bool{true, false} {
		t.Run(fmt.Sprintf("it leads: %v", leads), func(t *testing.T) {
			config, _ := realOrEmbeddedTopic(t, kafka.TopicConfig{NumPartitions: 6})
			other := func() *kgo.Client {
				cl, err := kgo.NewClient(kgo.SeedBrokers(config.Brokers...), kgo.ConsumerGroup(config.Group),
					kgo.ConsumeTopics(config.Topic), kgo.Balancers(kgo.CooperativeStickyBalancer()))
				if err != nil {
					t.Fatal(err)
				}
				polling, done := make(chan struct{}), make(chan struct{})
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					close(polling)
					defer close(done)
					for ctx.Err() == nil {
						cl.PollFetches(ctx)
					}
				}()
				<-polling
				t.Cleanup(func() {
					cancel()
					<-done
					cl.Close()
				})
				return cl
			}
			var standard *kgo.Client
			if leads {
				standard = other()
				within(t, 30*time.Second, "it is in the group", func() bool { _, g := standard.GroupMetadata(); return g > 0 })
			}
			a := collect(t, config)
			if !leads {
				within(t, 30*time.Second, "ours is in the group", evenly(6, a))
				standard = other()
			}
			within(t, 60*time.Second, "both have their share", evenly(3, a))
			before := claimsOf(a)
			b := collect(t, config)
			within(t, 60*time.Second, "all have their share", evenly(2, a, b))
			kept := 0
			for p, cl := range claimsOf(a) {
				if before[p] == cl {
					kept++
				}
			}
			if kept != 2 {
				t.Errorf("%d of 2 claims went on", kept)
			}
		})
	}
}
