package destination

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/sink/embeddedkinesis"
)

// Kafka forgets the offsets of a group without members a week after they were
// committed: without this, letters that were dropped would come back.
func TestWhichLettersAreSettledIsToldToKafkaAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 1, embeddedkinesis.Options{})
		client := kafka.Client{Addr: kafka.TCP("127.0.0.1:9092"), Transport: b.transport}
		if _, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: testLetter, NumPartitions: 1, ReplicationFactor: 1}}}); err != nil {
			t.Fatal(err)
		}
		const group = "leads.dead-letters"
		if _, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{GroupID: group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{
			testLetter: {{Partition: 0, Offset: 7, Metadata: "settled1:Aw"}},
		}}); err != nil {
			t.Fatal(err)
		}
		var again atomic.Int32
		b.kafka.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
			b.kafka.KeepControl()
			if c := r.(*kmsg.OffsetCommitRequest); strings.HasPrefix(c.Group, group) {
				if p := c.Topics[0].Partitions[0]; p.Offset != 7 || p.Metadata == nil || !strings.HasSuffix(*p.Metadata, "settled1:Aw") {
					t.Errorf("it has changed: %+v", p)
				}
				again.Add(1)
			}
			return nil, nil, false
		})
		p := b.start(8080, "")
		pass(10 * deadletters.KeepLook)
		if again.Load() != 1 {
			t.Errorf("told %d times in ten minutes, not once a day", again.Load())
		}
		p.stop(t)
	})
}
