package consumer

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"time"
)

func TestTheClaimsOfAnAnswerAreFoundInAnyOrder(t *testing.T) {
	var claims []*claim
	for p := range 5 {
		claims = append(claims, &claim{topicPartition: topicPartition{"events", p}})
	}
	asked := askedClaims{claims: claims}
	for _, p := range []int{0, 1, 3, 2, 2, 4, 0} {
		if c := asked.of(topicPartition{"events", p}); c != claims[p] {
			t.Errorf("partition %d: %v", p, c)
		}
	}
	for _, tp := range []topicPartition{{"events", 5}, {"events", -1}, {"other", 0}} {
		if c := asked.of(tp); c != nil {
			t.Errorf("%v was not asked for", tp)
		}
	}
}

// canned answers with the same bytes, whatever is asked.
type canned struct {
	bytes.Reader
	answer []byte
}

func (c *canned) Write(p []byte) (int, error) {
	c.Reset(c.answer)
	return len(p), nil
}

// emptyAnswer is one of version 11 about so many partitions of a topic, none of which has anything.
func emptyAnswer(topic string, partitions int) []byte {
	b := binary.BigEndian.AppendUint32(nil, correlation)
	b = append(b, make([]byte, 4+2+4)...) // throttle time, error, session
	b = binary.BigEndian.AppendUint32(b, 1)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(topic))), topic...)
	b = binary.BigEndian.AppendUint32(b, uint32(partitions))
	none := ^uint32(0)
	for p := range partitions {
		b = append(binary.BigEndian.AppendUint32(b, uint32(p)), make([]byte, 2+8+8+8)...) // error, offsets
		for range 3 {                                                                     // aborted transactions, replica, records
			b = binary.BigEndian.AppendUint32(b, none)
		}
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// BenchmarkFetchOfManyPartitions is what a fetch costs of a thousand partitions that have nothing: of each one asked for,
// read and handed to its claim.
func BenchmarkFetchOfManyPartitions(b *testing.B) {
	const partitions = 1000
	f := &fetcher{budget: NewBudget(defaultBudget, maxRecord)}
	var claims []*claim
	for p := range partitions {
		claims = append(claims, newClaim(b.Context(), topicPartition{"events", p}, position{next: 0}))
	}
	broker := &canned{answer: emptyAnswer("events", partitions)}
	b.ReportAllocs()
	for b.Loop() {
		call := f.request(1, claims)
		call.version = 11
		answer, err := call.RawExchange(struct {
			io.Reader
			io.Writer
		}{broker, broker})
		if err != nil {
			b.Fatal(err)
		}
		res := answer.(*fetchResponse)
		if _, stale := f.accept(b.Context(), claims, res, time.Now()); stale != nil || len(res.partitions) != partitions {
			b.Fatal(len(res.partitions), stale)
		}
		res.close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/partitions, "ns/partition")
}
