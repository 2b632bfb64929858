package destination

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kinesis-destination/sink/embeddedkinesis"
)

// A broker that was just started does not know of all topics yet. That it knows no
// dead-letter topic for a moment must not free identities that are parked.
func TestAnUnknownTopicThatPassesFreesNoParkedIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const park, dead = "deadLetter: {park: true}\n", "lead-00001"
		var refusing, unknown atomic.Bool
		b := newBubble(t, 1, embeddedkinesis.Options{Script: func(embeddedkinesis.Call) embeddedkinesis.Action {
			return embeddedkinesis.Action{Entry: func(_ int, key, _ string) string {
				if refusing.Load() && key == dead {
					return "ValidationException"
				}
				return ""
			}}
		}})
		g, o := newLeads(t, 5, 4), newOracle()
		refusing.Store(true)
		first := b.start(8080, park)
		b.feed(g, o, 60)
		b.settled(o.total, time.Minute, first)
		first.stop(t)
		refusing.Store(false)
		before := len(b.kinesis.History(testStream))
		b.kafka.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
			b.kafka.KeepControl()
			asked := r.(*kmsg.MetadataRequest)
			if !unknown.Load() {
				return nil, nil, false
			}
			names := []string{testTopic} // all that the broker knows
			for i, topic := range asked.Topics {
				if i == 0 {
					names = nil
				}
				names = append(names, *topic.Topic)
			}
			return metadataWithout(asked, names, testLetter), nil, true
		})
		unknown.Store(true)
		time.AfterFunc(6*time.Second, func() { unknown.Store(false) }) // the group has joined by then
		second := b.start(8080, park)
		b.feed(g, o, 60)
		b.settled(o.total-60, time.Minute, second)
		second.stop(t)
		for _, r := range b.kinesis.History(testStream)[before:] {
			if r.PartitionKey == dead {
				t.Fatal("a later event of a parked identity left")
			}
		}
	})
}

// metadataWithout tells of topics of one partition, but for one that is not known.
func metadataWithout(asked *kmsg.MetadataRequest, names []string, unknown string) kmsg.Response {
	answer := asked.ResponseKind().(*kmsg.MetadataResponse)
	broker := kmsg.NewMetadataResponseBroker()
	broker.Host, broker.Port = "127.0.0.1", 9092
	answer.Brokers = append(answer.Brokers, broker)
	for _, name := range names {
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = new(name)
		if name == unknown {
			topic.ErrorCode = kerr.UnknownTopicOrPartition.Code
		} else {
			partition := kmsg.NewMetadataResponseTopicPartition()
			partition.Replicas, partition.ISR = []int32{0}, []int32{0}
			topic.Partitions = append(topic.Partitions, partition)
		}
		answer.Topics = append(answer.Topics, topic)
	}
	return answer
}
