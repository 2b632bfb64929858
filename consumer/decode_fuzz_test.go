package consumer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
)

// plainRecord is a record as both readers have it.
type plainRecord struct {
	offset, time int64
	key, value   []byte
	headers      []Header
}

// kafkaGoReads is what kafka-go's reader makes of one batch.
func kafkaGoReads(raw []byte) (records []plainRecord, err error) {
	set := append(binary.BigEndian.AppendUint32(nil, uint32(len(raw))), raw...)
	var decoded protocol.RecordSet
	if _, err := decoded.ReadFrom(bytes.NewBuffer(set)); err != nil {
		return nil, err
	}
	stream, ok := decoded.Records.(*protocol.RecordStream)
	if !ok || len(stream.Records) != 1 {
		return nil, io.ErrUnexpectedEOF
	}
	for {
		r, err := stream.Records[0].ReadRecord()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, err
		}
		plain := plainRecord{offset: r.Offset, time: r.Time.UnixMilli()}
		if plain.key, err = readBytes(r.Key); err != nil {
			return nil, err
		}
		if plain.value, err = readBytes(r.Value); err != nil {
			return nil, err
		}
		plain.headers = append(plain.headers, r.Headers...)
		records = append(records, plain)
	}
}

func samePlain(a plainRecord, m *Message, at int64) bool {
	same := a.offset == m.Offset && at == m.Time.UnixMilli() && bytes.Equal(a.key, m.Key) && (a.key == nil) == (m.Key == nil) &&
		bytes.Equal(a.value, m.Value) && (a.value == nil) == (m.Value == nil) && len(a.headers) == len(m.Headers)
	for i := range m.Headers {
		same = same && a.headers[i].Key == m.Headers[i].Key && bytes.Equal(a.headers[i].Value, m.Headers[i].Value)
	}
	return same
}

// FuzzRecordBatch has this reader and kafka-go's read the same batch, whose length
// and checksum are made right, so that what is within is looked at. What this one
// takes kafka-go takes, as the same records. It refuses more: records whose
// lengths do not agree, offsets out of order or beyond the batch, fewer records
// than the header says, and control records without a type. A batch without records,
// as compaction leaves it, is passed over unread.
func FuzzRecordBatch(f *testing.F) {
	for _, codec := range codecs {
		f.Add(codecBatch(f, codec, benchRecords(3)...), uint8(codec), int64(0))
		f.Add(codecBatch(f, codec, many(20, tombstone)...), uint8(codec)|transactionalBit, int64(7))
		f.Add(codecBatch(f, codec, many(5, empty)...), uint8(codec)|appendTimeBit, int64(2))
	}
	f.Add(codecBatch(f, 0, protocol.Record{Key: protocol.NewBytes([]byte{0, 0, 0, 1})}), uint8(controlBit|transactionalBit), int64(0))
	shared := newDecompressor()
	f.Fuzz(func(t *testing.T, raw []byte, attributes uint8, position int64) {
		if len(raw) < batchHeaderEnd || len(raw) > 1<<16 || position < 0 {
			return
		}
		raw = bytes.Clone(raw) // it is the fuzzer's
		raw[batchMagic] = currentMagic
		binary.BigEndian.PutUint16(raw[batchAttributes:], uint16(attributes))
		binary.BigEndian.PutUint32(raw[batchLength:], uint32(len(raw)-batchLengthEnd))
		binary.BigEndian.PutUint32(raw[batchCRC:], crc32.Checksum(raw[batchAttributes:], castagnoli))
		b, _, err := nextBatch(raw)
		if err != nil || b.count > 1<<16 || b.count < 0 || !harmless(b.codec(), raw[batchHeaderEnd:]) { // kafka-go sets aside what it is told
			return
		}
		budget := budgetOf(defaultBudget, maxRecord, shared)
		tp := topicPartition{"e", 0}
		set, err := newRecordSet(tp, position, &fetchedPartition{records: raw, budget: budget})
		if err != nil {
			return
		}
		d := newDecoder(tp, set, &account{budget: budget})
		var got []Message
		for {
			p, broken := d.part(t.Context())
			if p == nil {
				err = broken
				break
			}
			got = append(got, p.messages...)
			p.leave(len(p.messages) + 1)
		}
		d.close()
		if budget.used != 0 {
			t.Fatalf("%d bytes are counted when all is at rest", budget.used)
		}
		if err != nil || b.control() || b.count == 0 || b.last < position {
			return // stricter, or passed by
		}
		want, err := kafkaGoReads(raw)
		if err != nil {
			t.Fatalf("kafka-go does not read it: %v", err)
		}
		for len(want) > 0 && want[0].offset < position {
			want = want[1:]
		}
		if len(got) != len(want) {
			t.Fatalf("%d records, kafka-go has %d", len(got), len(want))
		}
		for i := range got {
			at := want[i].time
			if !b.at.IsZero() {
				at = b.at.UnixMilli()
			}
			if got[i].Omitted == nil && !samePlain(want[i], &got[i], at) {
				t.Fatalf("record %d: %+v, kafka-go has %+v", i, got[i], want[i])
			}
		}
	})
}

// harmless tells of what does not become more than kafka-go can be given.
func harmless(codec compress.Compression, src []byte) bool {
	if codec == compress.None {
		return true
	}
	if codec == compress.Zstd && zstdWindow(src) > 8<<20 {
		return false
	}
	stream, err := new(decompressor).stream(codec, src)
	if err != nil {
		return false
	}
	defer func() { _ = stream.Close() }()
	n, err := io.CopyN(io.Discard, stream, 4<<20)
	return errors.Is(err, io.EOF) && n < 4<<20
}

// FuzzSnappyBlock: a block decoded piece by piece is what the library makes of it.
func FuzzSnappyBlock(f *testing.F) {
	for _, b := range [][]byte{{}, []byte("abcabcabcabcabcabc"), bytes.Repeat([]byte("0123456789"), 10_000), make([]byte, 100_000)} {
		f.Add(snappyEncode(b))
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		want, size, err := snappyDecode(block)
		if size > 1<<20 {
			return
		}
		_, head := binary.Uvarint(block)
		if head <= 0 {
			return
		}
		s := snappyBlock{src: block[head:], left: size}
		var got []byte
		buf := make([]byte, 1000)
		var broken error
		for broken == nil {
			var n int
			n, broken = s.read(buf)
			got = append(got, buf[:n]...)
		}
		whole := errors.Is(broken, io.EOF)
		if err == nil && (!whole || !bytes.Equal(got, want)) && !bytes.Equal(snappyEncode(want), block) {
			return // S2's repeats, which snappy has not
		}
		if err == nil && (!whole || !bytes.Equal(got, want)) {
			t.Fatalf("%d bytes, %v; the library has %d", len(got), broken, len(want))
		}
	})
}

func snappyEncode(b []byte) []byte { return snappy.Encode(nil, b) }

func snappyDecode(block []byte) ([]byte, int, error) {
	size, err := snappy.DecodedLen(block)
	if err != nil || size > 1<<20 {
		return nil, size, err
	}
	b, err := snappy.Decode(nil, block)
	return b, size, err
}
