package consumer

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

func assigned(c *collector) []int {
	var partitions []int
	for _, p := range c.Stats().Partitions {
		partitions = append(partitions, p.Partition)
	}
	slices.Sort(partitions)
	return partitions
}

func addPartitions(t *testing.T, config Config, count int) {
	t.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: config.Addr(), Transport: transport}
	res, err := client.CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: config.Topic, Count: int32(count)}},
	})
	if err != nil || res.Errors[config.Topic] != nil {
		t.Fatal("add partitions:", err, res)
	}
}

func TestContractARollingRestartOfStaticMembersMovesNothing(t *testing.T) {
	config, embedded := realOrEmbeddedTopic(t, kafka.TopicConfig{NumPartitions: 6})
	const count = 3
	start := func(i int) *collector {
		own := config
		own.GroupInstanceID = fmt.Sprintf("member-%d", i)
		return collect(t, own)
	}
	members := make([]*collector, count)
	for i := range members {
		members[i] = start(i)
	}
	within(t, 60*time.Second, "each has its share", func() bool {
		return !slices.ContainsFunc(members, func(c *collector) bool { return len(assigned(c)) != 2 })
	})
	generation := members[0].Stats().Generation
	var before [count][]int
	for i, m := range members {
		before[i] = assigned(m)
	}
	producer := testProducer(t, config)
	written, read := 0, 0
	for i := range members {
		members[i].stop()
		read += members[i].count()
		for range 12 {
			produceAll(t, producer, &kgo.Record{Topic: config.Topic, Partition: int32(written % 6), Value: fmt.Append(nil, written)})
			written++
		}
		members[i] = start(i)
		within(t, 30*time.Second, "it is back", func() bool { return members[i].Stats().Assigned })
		within(t, 30*time.Second, "each has what it had", func() bool {
			for j, m := range members {
				if !slices.Equal(assigned(m), before[j]) {
					return false
				}
			}
			return true
		})
		// The embedded Kafka assigns anew when what a member says that it owns has
		// changed, which depends on who joined first; a real one does not.
		for j, m := range members {
			if got := m.Stats().Generation; embedded == nil && got != generation {
				t.Errorf("after the restart of %d, member %d is in generation %d, not %d", i, j, got, generation)
			}
		}
		within(t, 30*time.Second, "all is read", func() bool {
			n := read
			for _, m := range members {
				n += m.count()
			}
			return n == written
		})
	}
	addPartitions(t, config, 9)
	within(t, 60*time.Second, "added partitions are noticed by members that were restarted", func() bool {
		return !slices.ContainsFunc(members, func(c *collector) bool { return len(assigned(c)) != 3 })
	})
}

// A handler blocks for three sessions of the shortest kind that the broker takes.
func TestContractAHoldOfSeveralSessionsCausesNoRebalance(t *testing.T) {
	config, embedded := realOrEmbeddedTopic(t, kafka.TopicConfig{NumPartitions: 2})
	session := time.Second
	if embedded != nil {
		session = 6 * time.Second
	}
	produceAll(t, testProducer(t, config), &kgo.Record{Topic: config.Topic, Value: []byte("held")})
	c, err := New(config, Options{
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), SessionTimeout: session, HeartbeatInterval: session / 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	entered, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- c.Run(ctx, func(_ context.Context, m *Message) error {
			close(entered)
			<-release
			m.Settle()
			return nil
		})
	}()
	select {
	case <-entered:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was handed out")
	}
	generation := c.Stats().Generation
	for range 30 {
		pass(session / 10)
		if left := time.Until(c.Lease()); left <= 0 {
			t.Errorf("the lease ran out %v ago", -left)
		}
	}
	if got := c.Stats().Generation; got != generation {
		t.Errorf("generation %d became %d", generation, got)
	}
	close(release)
	within(t, 10*time.Second, "it is committed", func() bool {
		return slices.ContainsFunc(c.Stats().Partitions, func(p PartitionStats) bool { return p.Committed == 1 })
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
