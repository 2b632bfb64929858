package consumer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// testBatch is an uncompressed batch of values at consecutive offsets; change
// may alter its header before its checksum is made.
func testBatch(base int64, values []string, change func(*kmsg.RecordBatch)) []byte {
	b := kmsg.RecordBatch{
		FirstOffset: base, Magic: 2, LastOffsetDelta: int32(max(len(values)-1, 0)), NumRecords: int32(len(values)),
		FirstTimestamp: 1_000, MaxTimestamp: 5_000, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
	}
	for i, v := range values {
		r := kmsg.Record{OffsetDelta: int32(i), Value: []byte(v)}
		r.Length = int32(len(r.AppendTo(nil)) - 1) // its own length is one byte here
		b.Records = r.AppendTo(b.Records)
	}
	if change != nil {
		change(&b)
	}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[batchLength:], uint32(len(raw)-batchLengthEnd))
	binary.BigEndian.PutUint32(raw[batchCRC:], crc32.Checksum(raw[batchAttributes:], castagnoli))
	return raw
}

// decoded is what a set is made of.
type decoded struct {
	messages []Message
	next     int64
	parts    int
	peak     int64 // of the budget, by what is decoded
}

// decodeSet decodes a set as a worker does whose messages come to rest at once.
func decodeSet(tp topicPartition, position int64, p *fetchedPartition, limit int64, keep func(m *Message)) (decoded, error) {
	b := newBudget(limit)
	p.budget = b
	set, broken := newRecordSet(tp, position, p)
	d := newDecoder(tp, set, &account{budget: b})
	defer d.close()
	got := decoded{next: set.from}
	for {
		p, err := d.part(context.Background())
		if err != nil {
			got.next = d.next
			return got, err
		}
		if p == nil {
			got.next = set.next
			return got, broken
		}
		got.parts++
		got.peak = max(got.peak, b.used)
		for i := range p.messages {
			keep(&p.messages[i])
		}
		p.leave(len(p.messages) + 1)
	}
}

func decodeTest(t *testing.T, position int64, set []byte) (values []string, b decoded, err error) {
	t.Helper()
	var messages []Message
	b, err = decodeSet(topicPartition{"events", 0}, position, &fetchedPartition{records: set}, defaultBudget, func(m *Message) {
		messages = append(messages, *m)
		values = append(values, string(m.Value))
	})
	b.messages = messages
	return values, b, err
}

// A broker answers with whole batches, also when the offset asked for lies
// within one.
func TestWhatLiesBeforeThePositionIsNotHandedOut(t *testing.T) {
	got, b, err := decodeTest(t, 4, testBatch(0, []string{"0", "1", "2", "3", "4", "5", "6"}, nil))
	if err != nil || b.next != 7 || !slices.Equal(got, []string{"4", "5", "6"}) || b.messages[0].Offset != 4 {
		t.Errorf("handed out %v, goes on at %d: %v", got, b.next, err)
	}
}

func TestWhatComesBeforeABatchThatCannotBeReadIsHandedOut(t *testing.T) {
	good, next := testBatch(0, []string{"a", "b"}, nil), testBatch(2, []string{"c"}, nil)
	for name, breakIt := range map[string]func(b []byte) []byte{
		"a wrong checksum": func(b []byte) []byte { b[len(b)-2] ^= 1; return b },
		"an unknown magic": func(b []byte) []byte { b[batchMagic] = 3; return b },
		"an unknown codec": func([]byte) []byte {
			return testBatch(2, []string{"c"}, func(b *kmsg.RecordBatch) { b.Attributes = 7 })
		},
		"no such compression": func([]byte) []byte {
			return testBatch(2, []string{"c"}, func(b *kmsg.RecordBatch) { b.Attributes = 1 })
		},
		"too few records": func([]byte) []byte {
			return testBatch(2, []string{"c"}, func(b *kmsg.RecordBatch) { b.NumRecords, b.LastOffsetDelta = 2, 1 })
		},
		"a negative count": func([]byte) []byte { return testBatch(2, nil, func(b *kmsg.RecordBatch) { b.NumRecords = -1 }) },
		"more than fits":   func([]byte) []byte { return testBatch(2, nil, func(b *kmsg.RecordBatch) { b.NumRecords = 9 }) },
		"a length of none": func(b []byte) []byte { binary.BigEndian.PutUint32(b[batchLength:], 6); return b },
	} {
		t.Run(name, func(t *testing.T) {
			bad := breakIt(slices.Clone(next))
			got, b, err := decodeTest(t, 0, slices.Concat(good, bad, testBatch(3, []string{"d"}, nil)))
			if !errors.Is(err, errCorrupt) || HoldReason(err) != ReasonCorrupt {
				t.Errorf("error %v", err)
			}
			if !slices.Equal(got, []string{"a", "b"}) || b.next != 2 {
				t.Errorf("handed out %v, goes on at %d", got, b.next)
			}
			if _, b, err = decodeTest(t, 2, bad); err == nil || b.next != 2 {
				t.Errorf("alone: goes on at %d, error %v", b.next, err)
			}
		})
	}
}

func TestABatchCutShortComesAgainUnlessItIsTheFirst(t *testing.T) {
	first, second := testBatch(0, []string{"a"}, nil), testBatch(1, []string{"b"}, nil)
	for cut := 1; cut < len(second); cut++ {
		if got, b, err := decodeTest(t, 0, slices.Concat(first, second[:cut])); err != nil || b.next != 1 || len(got) != 1 {
			t.Fatalf("%d bytes of the second: %v, goes on at %d, error %v", cut, got, b.next, err)
		}
		if _, b, err := decodeTest(t, 1, second[:cut]); !errors.Is(err, errCorrupt) || b.next != 1 {
			t.Fatalf("%d bytes of the first: goes on at %d, error %v", cut, b.next, err)
		}
	}
}

func TestWhatLogCleaningEmptiedIsPassedInOneStep(t *testing.T) {
	emptied := testBatch(10, nil, func(b *kmsg.RecordBatch) { b.LastOffsetDelta = 499 })
	gaps := testBatch(510, []string{"x"}, func(b *kmsg.RecordBatch) { b.LastOffsetDelta = 9 })
	got, b, err := decodeTest(t, 10, slices.Concat(emptied, gaps))
	if err != nil || !slices.Equal(got, []string{"x"}) || b.next != 520 {
		t.Errorf("handed out %v, goes on at %d, error %v", got, b.next, err)
	}
	if _, b, err = decodeTest(t, 200, emptied); err != nil || b.next != 510 {
		t.Errorf("from its middle: goes on at %d, error %v", b.next, err)
	}
}

func TestTheTimeIsThatOfTheAppendWhereTheTopicSaysSo(t *testing.T) {
	for attributes, want := range map[int16]int64{0: 1_000, appendTimeBit: 5_000} {
		_, b, err := decodeTest(t, 0, testBatch(0, []string{"a"}, func(b *kmsg.RecordBatch) { b.Attributes = attributes }))
		if err != nil || !b.messages[0].Time.Equal(time.UnixMilli(want)) {
			t.Errorf("attributes %d: %v, error %v", attributes, b.messages[0].Time, err)
		}
	}
}

// FuzzFetchResponse: no answer of a broker is trusted.
func FuzzFetchResponse(f *testing.F) {
	var answer []byte
	answer = append(answer, make([]byte, 10)...)
	answer = append(answer, 0, 0, 0, 1, 0, 1, 'e', 0, 0, 0, 1)
	answer = append(answer, make([]byte, 30)...)
	answer = append(answer, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	batch := testBatch(0, []string{"a", "b"}, nil)
	answer = binary.BigEndian.AppendUint32(answer, uint32(len(batch)))
	f.Add(append(answer, batch...), int64(0))
	f.Fuzz(func(t *testing.T, answer []byte, position int64) {
		budget := newBudget(defaultBudget)
		res, err := readFetchAnswer(answer, budget)
		if err != nil {
			if budget.used != 0 {
				t.Errorf("an answer that cannot be read keeps %d bytes", budget.used)
			}
			return
		}
		for i := range res.partitions {
			p := &res.partitions[i]
			b, _ := decodeSet(p.topicPartition, position, p, defaultBudget, func(*Message) {})
			if b.next < position {
				t.Errorf("goes back from %d to %d", position, b.next)
			}
		}
	})
}

// readFetchAnswer reads an answer about at most 1,000 partitions.
func readFetchAnswer(answer []byte, b *Budget) (*fetchResponse, error) {
	claims := make([]*claim, 1000)
	for i := range claims {
		claims[i] = &claim{topicPartition: topicPartition{"e", i}}
	}
	body := &io.LimitedReader{R: bytes.NewReader(answer), N: int64(len(answer))}
	w := fetchWire{body: body, from: bufio.NewReader(body), call: newFetchCall(0, claims, len(claims), b)}
	res := w.response(fetchRackVersion)
	if w.err != nil {
		w.call.end()
	}
	return res, w.err
}

// The headers of a part's messages lie in one piece of memory. Who adds to those of one
// message, as a copy with a further header does, must not write over its neighbour's.
func TestWhoAddsToAMessagesHeadersChangesNoOtherMessage(t *testing.T) {
	budget := newBudget(defaultBudget)
	set := codecBatch(t, codecs["none"], benchRecords(3)...)
	s, err := newRecordSet(topicPartition{"events", 0}, 0, &fetchedPartition{records: set, budget: budget})
	if err != nil {
		t.Fatal(err)
	}
	d := newDecoder(topicPartition{"events", 0}, s, &account{budget: budget})
	defer d.close()
	p, err := d.part(t.Context())
	if err != nil || len(p.messages) != 3 {
		t.Fatalf("%v %v", p, err)
	}
	for i := range p.messages {
		_ = append(p.messages[i].Headers, Header{Key: "added"}, Header{Key: "added"})
	}
	for i := range p.messages {
		if h := p.messages[i].Headers; len(h) != 2 || h[0].Key != "traceparent" || h[1].Key != "source" {
			t.Errorf("message %d has the headers %v", i, h)
		}
	}
}
