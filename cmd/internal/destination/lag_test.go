package destination

import (
	"fmt"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/embeddedkinesis"
)

// metric is the value of one time series of partition p.
func metric(t *testing.T, metrics, name string, p int) float64 {
	t.Helper()
	found := regexp.MustCompile(fmt.Sprintf(`(?m)^%s\{.*partition="%d".*\} (\S+)$`, name, p)).FindStringSubmatch(metrics)
	if found == nil {
		t.Fatalf("no %s of partition %d", name, p)
	}
	value, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// While held partitions have filled the memory, with a large event each, another one's events
// wait unfetched; their lag counts all the same.
func TestLagIsExactOfWhatIsNotFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const waits, each = 40, 2 // the partition that waits, after as many full ones
		b := newBubble(t, waits+1, embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
			if c.Operation == "PutRecords" {
				return embeddedkinesis.Action{Code: "AccessDeniedException"}
			}
			return embeddedkinesis.Action{}
		}})
		g := newLeads(t, 31, 1000)
		var partitions []int
		for p := range waits + 1 {
			partitions = append(partitions, p)
		}
		waiting := 0
		write := func(partition int, ballast int) {
			t.Helper()
			e, err := g.Next()
			for err == nil && (e.Filtered != "" || (kafka.Murmur2Balancer{}).Balance(kafka.Message{Key: []byte(e.Key)}, partitions...) != partition) {
				e, err = g.Next()
			}
			if err != nil {
				t.Fatal(err)
			}
			m := b.message(e)
			m.Headers = []kafka.Header{{Key: "ballast", Value: make([]byte, ballast)}}
			b.produce(m)
		}
		for full := range waits {
			for range each {
				write(full, 900_000)
			}
		}
		var looks atomic.Int32 // for one batch of the partition that waits
		b.kafka.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
			b.kafka.KeepControl()
			if first := r.(*kmsg.FetchRequest).Topics[0].Partitions[0]; first.Partition == waits && first.PartitionMaxBytes == 1 {
				looks.Add(1)
			}
			return nil, nil, false
		})
		p := b.start(8080, "")
		pass(time.Minute)
		fetched := 0
		for _, s := range p.consumer.Stats().Partitions {
			fetched += s.Open
		}
		if fetched >= waits {
			t.Fatalf("%d messages are fetched: the memory is not full", fetched)
		}
		for ; waiting < 3; waiting++ {
			write(waits, 0)
			pass(20 * time.Second)
		}
		_, metrics := b.get(8080, "/metrics")
		if n := metric(t, metrics, "kafka_consumergroup_lag", 0); int(n) != each {
			t.Errorf("lag of a full partition: %v", n)
		}
		if n := metric(t, metrics, "kafka_consumergroup_lag", waits); int(n) != waiting {
			t.Errorf("lag of the waiting partition: %v", n)
		}
		if n := metric(t, metrics, "kinesis_destination_lag_seconds", waits); n < 60 || n > 61 {
			t.Errorf("the oldest waiting event is %v s old", n)
		}
		if n := looks.Load(); n != 1 {
			t.Errorf("the oldest waiting event was fetched %d times to be looked at", n)
		}
		for _, partition := range []int{0, waits} {
			if n := metric(t, metrics, "kinesis_destination_workable_lag", partition); n != 0 {
				t.Errorf("workable lag of held partition %d: %v", partition, n)
			}
		}
		b.kinesis.SetScript(nil)
		p.stop(t)
	})
}

func TestWorkableLagLeavesOutHeldPartitionsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 2, embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
			if c.Operation == "PutRecords" {
				return embeddedkinesis.Action{Delay: time.Hour} // not answered yet, and so not held yet
			}
			return embeddedkinesis.Action{}
		}})
		g, o := newLeads(t, 32, 50), newOracle()
		b.feed(g, o, 100)
		p := b.start(8080, "")
		pass(5 * time.Second)
		p.holds.Set(hold.Key{Source: "kafka", Topic: testTopic, Partition: 1}, "topic-missing", nil)
		_, metrics := b.get(8080, "/metrics")
		if lag, workable := metric(t, metrics, "kafka_consumergroup_lag", 0), metric(t, metrics, "kinesis_destination_workable_lag", 0); lag == 0 || workable != lag {
			t.Errorf("a partition that works: lag %v, workable %v", lag, workable)
		}
		if lag, workable := metric(t, metrics, "kafka_consumergroup_lag", 1), metric(t, metrics, "kinesis_destination_workable_lag", 1); lag == 0 || workable != 0 {
			t.Errorf("a held partition: lag %v, workable %v", lag, workable)
		}
		p.stop(t)
		pass(2 * time.Hour) // for the embedded stream to wake up
	})
}

// TestWhatRetentionLeftHasItsAge: events that wait because the committed one is gone are as
// old as the oldest that is there.
func TestWhatRetentionLeftHasItsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 1, embeddedkinesis.Options{})
		leads, o := newLeads(t, 32, 50), newOracle()
		b.feed(leads, o, 100)
		p := b.start(8080, "")
		pass(30 * time.Second)
		p.stop(t)
		b.feed(leads, o, 100)
		pass(time.Hour)
		if err := consumer.Erase(t.Context(), b.transport, kafka.TCP("127.0.0.1:9092"), testTopic, 0, 150); err != nil {
			t.Fatal(err)
		}
		p = b.start(8080, "")
		pass(2 * time.Minute)
		_, metrics := b.get(8080, "/metrics")
		if lag, age := metric(t, metrics, "kafka_consumergroup_lag", 0), metric(t, metrics, "kinesis_destination_lag_seconds", 0); lag != 50 || age < 3600 {
			t.Errorf("lag %v, the oldest waits for %v s", lag, age)
		}
		p.stop(t)
	})
}
