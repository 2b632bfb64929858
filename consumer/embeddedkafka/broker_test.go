package embeddedkafka_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/consumer/embeddedkafka"
)

func TestAPartitionLetsGoOfWhatIsBeyondItsRetention(t *testing.T) {
	const kept, size, batches = 64 << 10, 10 << 10, 50
	c, err := embeddedkafka.Start(embeddedkafka.Options{Topics: map[string]int{"events": 1}, RetentionBytes: kept})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w := kafka.Writer{Addr: kafka.TCP(c.ListenAddrs()...), Topic: "events", BatchTimeout: time.Millisecond, BatchSize: 1, RequiredAcks: kafka.RequireAll}
	for i := range batches {
		if err := w.WriteMessages(t.Context(), kafka.Message{Key: fmt.Append(nil, i), Value: make([]byte, size)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	client := kafka.Client{Addr: w.Addr}
	offsets := func() (first, last int64) {
		answer, err := client.ListOffsets(t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{"events": {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)}}})
		if err != nil {
			t.Fatal(err)
		}
		return answer.Topics["events"][0].FirstOffset, answer.Topics["events"][0].LastOffset
	}
	if first, last := offsets(); first != 0 || last != batches {
		t.Fatalf("offsets %d to %d before it was told", first, last)
	}
	c.ApplyRetention()
	if first, last := offsets(); last != batches || (last-first)*size > kept || last == first {
		t.Errorf("offsets %d to %d of %d bytes each are kept, of %d bytes", first, last, size, kept)
	}
}
