package consumer

import (
	"testing"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// A broker answers with whole batches, also when the offset asked for lies
// within one.
func TestWhatLiesBeforeThePositionIsNotHandedOut(t *testing.T) {
	var records []protocol.Record
	for offset := range int64(10) {
		records = append(records, protocol.Record{Offset: offset, Value: protocol.NewBytes([]byte{byte(offset)})})
	}
	stream := &protocol.RecordStream{Records: []protocol.RecordReader{&protocol.RecordBatch{Records: protocol.NewRecordReader(records...)}}}
	b, err := decodeBatch(topicPartition{"events", 0}, 4, &fetch.ResponsePartition{RecordSet: protocol.RecordSet{Records: stream}})
	if err != nil || b.next != 10 || len(b.messages) != 6 {
		t.Fatalf("%d messages, next %d: %v", len(b.messages), b.next, err)
	}
	for i, m := range b.messages {
		if want := int64(4 + i); m.Offset != want || m.Value[0] != byte(want) {
			t.Errorf("message %d: offset %d, value %v", i, m.Offset, m.Value)
		}
	}
}
