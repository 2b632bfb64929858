package consumer

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
)

// codecs are all that Kafka has.
var codecs = map[string]compress.Compression{
	"none": compress.None, "gzip": compress.Gzip, "snappy": compress.Snappy, "lz4": compress.Lz4, "zstd": compress.Zstd,
}

// codecBatch is a batch as a producer compresses it.
func codecBatch(t testing.TB, codec compress.Compression, records ...protocol.Record) []byte {
	t.Helper()
	set := protocol.RecordSet{Version: 2, Attributes: protocol.Attributes(codec), Records: protocol.NewRecordReader(records...)}
	var b bytes.Buffer
	if _, err := set.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()[4:]
}

// benchRecords are like the contract's events: 600 bytes, a key, two headers.
func benchRecords(n int) []protocol.Record {
	records := make([]protocol.Record, n)
	for i := range records {
		value := bytes.Repeat(fmt.Appendf(nil, "value %d of lead %d;", i*7919, i), 60)[:600]
		records[i] = protocol.Record{
			Key: protocol.NewBytes(fmt.Appendf(nil, "lead-%08d", i)), Value: protocol.NewBytes(value),
			Headers: []protocol.Header{{Key: "traceparent", Value: []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")}, {Key: "source", Value: []byte("crm")}},
		}
	}
	return records
}

func BenchmarkDecodeBatch(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		for _, name := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				set := codecBatch(b, codecs[name], benchRecords(n)...)
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					if got := benchDecode(b, set); got != n {
						b.Fatalf("%d messages", got)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/message")
			})
		}
	}
}

func benchDecode(b testing.TB, set []byte) (n int) {
	if benchBudget == nil {
		benchBudget = newBudget(defaultBudget)
	}
	s, err := newRecordSet(topicPartition{"events", 0}, 0, &fetchedPartition{records: set, budget: benchBudget})
	if err != nil {
		b.Fatal(err)
	}
	d := newDecoder(topicPartition{"events", 0}, s, &account{budget: benchBudget})
	defer d.close()
	for {
		p, err := d.part(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if p == nil {
			return n
		}
		n += len(p.messages)
		p.leave(len(p.messages) + 1)
	}
}

// benchBudget is what a consumer has for its life.
var benchBudget *Budget

// TestAMessageAllocatesNothingOfItsOwn: what a batch takes is taken for all of its messages at once.
func TestAMessageAllocatesNothingOfItsOwn(t *testing.T) {
	const messages, ofABatch = 1000, 60 // parts of 128 KiB, each with its bytes, messages and headers
	for name, codec := range codecs {
		if name == "gzip" {
			continue // whose decompressor allocates tables for each block
		}
		set := codecBatch(t, codec, benchRecords(messages)...)
		if got := testing.AllocsPerRun(20, func() { benchDecode(t, set) }); got > ofABatch {
			t.Errorf("%s: %v allocations for %d messages, want at most %d", name, got, messages, ofABatch)
		}
	}
}

// TestHandingAMessageOutAndSettlingItAllocatesNothing: the window keeps its room.
func TestHandingAMessageOutAndSettlingItAllocatesNothing(t *testing.T) {
	c := newClaim(t.Context(), topicPartition{"events", 0}, position{next: 0, committed: -1})
	c.account.budget = newBudget(defaultBudget)
	offset := int64(0)
	if got := testing.AllocsPerRun(5000, func() { handOver(c, &offset) }); got > 0 {
		t.Errorf("%v allocations a message", got)
	}
}

// BenchmarkHandOver is what it costs to hand a message out and settle it.
func BenchmarkHandOver(b *testing.B) {
	c := newClaim(b.Context(), topicPartition{"events", 0}, position{next: 0, committed: -1})
	c.account.budget = newBudget(defaultBudget)
	offset := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		handOver(c, &offset)
	}
}

var handedOver Message

func handOver(c *claim, offset *int64) {
	handedOver = Message{Offset: *offset}
	*offset++
	if c.open(&handedOver) && !c.before(&handedOver) {
		c.settle(handedOver.Ack)
	}
}
