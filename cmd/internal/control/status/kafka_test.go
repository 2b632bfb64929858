package status

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/control/topic"
	"kinesis-destination/consumer/embeddedkafka"
)

// broker is a Kafka of one broker: a real one where the environment names it, else the
// embedded one.
func broker(t *testing.T) (topic.Kafka, *kafka.Client) {
	t.Helper()
	k := topic.Kafka{Topic: "status-" + strings.ToLower(rand.Text()[:8])}
	if named := os.Getenv("KAFKA_BROKERS"); named != "" {
		k.Brokers = strings.Split(named, ",")
	} else {
		embedded, err := embeddedkafka.Start(embeddedkafka.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(embedded.Close)
		k.Brokers = embedded.ListenAddrs()
	}
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return k, &kafka.Client{Addr: kafka.TCP(k.Brokers...), Transport: transport}
}

func opened(t *testing.T, k topic.Kafka, process string) *Board {
	t.Helper()
	b := OpenKafka(t.Context(), k, options(t, process))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := b.Await(ctx); err != nil {
		t.Fatal(err)
	}
	b.Begin("s1")
	return b
}

// eventually awaits what comes by itself.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func TestContractEveryReplicaReadsWhatAProcessTells(t *testing.T) {
	t.Parallel()
	k, _ := broker(t)
	a := opened(t, k, "a")
	b := opened(t, k, "b")
	a.Report(Flow{ID: "f", Sandbox: "prod", State: Running, Lag: 7})
	a.Count("f", Counts{Activated: 3, UnderWay: 2, Segments: map[string]int64{"vip": 3}})
	eventually(t, "b reads what a tells", func() bool { return b.Flow("f").State == Running && len(b.Runs("f")) == 1 })
	eventually(t, "nothing is wrong", func() bool { return b.Trouble() == nil })
	if r := b.Runs("f")[0]; r.Received != 5 || r.Segments["vip"] != 3 {
		t.Errorf("%+v", r)
	}
	closed(t, a)
	eventually(t, "a has ended", func() bool { return b.Flow("f").State == None })
	closed(t, b)
	c := opened(t, k, "c")
	if r := c.Runs("f"); len(r) != 1 || r[0].Received != 3 || c.Store() != "s1" {
		t.Errorf("after a restart: %+v of %q", r, c.Store())
	}
	closed(t, c)
}

func TestContractATopicThatIsNotCompactedIsSaidAndUsedAllTheSame(t *testing.T) {
	t.Parallel()
	k, admin := broker(t)
	res, err := admin.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: k.Topic, NumPartitions: 1, ReplicationFactor: 1}}})
	if err != nil || res.Errors[k.Topic] != nil {
		t.Fatal(err, res)
	}
	b := opened(t, k, "a")
	eventually(t, "it is said", func() bool {
		err := b.Trouble()
		return err != nil && strings.Contains(err.Error(), "cleanup.policy is delete, and must be compact")
	})
	b.Report(Flow{ID: "f", State: Running})
	eventually(t, "it is told all the same", func() bool { return b.Flow("f").State == Running })
	closed(t, b)
}

func TestContractAStatusTopicThatIsMadeAnewIsToldAnew(t *testing.T) {
	t.Parallel()
	k, admin := broker(t)
	b := opened(t, k, "a")
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			b.Report(Flow{ID: "f", State: Running})
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
		}
	}()
	eventually(t, "it is told", func() bool { return b.Flow("f").State == Running })
	if _, err := admin.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{k.Topic}}); err != nil {
		t.Fatal(err)
	}
	b.Report(Flow{ID: "g", State: Held})
	eventually(t, "what came later is told", func() bool { return b.Flow("g").State == Held })
	close(stop)
	<-done
	closed(t, b)
}
