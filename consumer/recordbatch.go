package consumer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// errCorrupt is wrapped by what says why a batch cannot be read. The partition
// holds: what the batch holds cannot be told, so nothing may be passed over.
var errCorrupt = errors.New("corrupt batch")

// Where the fields are that are read here (Kafka documentation, "Message
// Format"): in the batches of today, and in message sets before them.
const (
	batchOffset      = 0
	batchLength      = 8
	batchLengthEnd   = 12 // the length counts from here
	batchMagic       = 16
	batchCRC         = 17
	batchAttributes  = 21
	batchLastDelta   = 23
	batchMaxTime     = 35
	batchCount       = 57
	batchHeaderEnd   = 61
	messageAttribute = 17
	messageTime      = 18
	messageMin       = 26

	compressionMask  = 7
	compressionLast  = 4 // gzip, snappy, lz4, zstd
	appendTimeBit    = 8
	currentMagic     = 2
	appendTimesMagic = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordBatch is one batch as it stands in a log.
type recordBatch struct {
	raw   []byte
	base  int64
	last  int64     // its last offset, also when log cleaning has removed that record
	count int       // records; -1: not told
	at    time.Time // when the broker appended it, where the topic's times are that
}

// nextBatch takes the first batch off a record set, and checks it as far as that
// goes without reading its records. A broker may cut the last batch short: ok is
// false for it.
func nextBatch(set []byte) (b recordBatch, ok bool, err error) {
	if len(set) <= batchMagic {
		return b, false, nil
	}
	size := batchLengthEnd + int(int32(binary.BigEndian.Uint32(set[batchLength:])))
	if size > len(set) {
		return b, false, nil
	}
	magic := set[batchMagic]
	b = recordBatch{base: int64(binary.BigEndian.Uint64(set[batchOffset:])), count: -1}
	b.last = b.base
	switch {
	case magic > currentMagic:
		return b, true, fmt.Errorf("%w at offset %d: unknown magic %d", errCorrupt, b.base, magic)
	case size < messageMin, magic == currentMagic && size < batchHeaderEnd:
		return b, true, fmt.Errorf("%w at offset %d: it is %d bytes long", errCorrupt, b.base, size)
	}
	b.raw = set[:size]
	if magic < currentMagic {
		if magic == appendTimesMagic && b.raw[messageAttribute]&appendTimeBit != 0 {
			b.at = time.UnixMilli(int64(binary.BigEndian.Uint64(b.raw[messageTime:])))
		}
		return b, true, nil
	}
	return b, true, b.readHeader()
}

func (b *recordBatch) readHeader() error {
	attributes := binary.BigEndian.Uint16(b.raw[batchAttributes:])
	delta := int32(binary.BigEndian.Uint32(b.raw[batchLastDelta:]))
	b.count = int(int32(binary.BigEndian.Uint32(b.raw[batchCount:])))
	b.last = b.base + int64(delta)
	if attributes&appendTimeBit != 0 {
		b.at = time.UnixMilli(int64(binary.BigEndian.Uint64(b.raw[batchMaxTime:])))
	}
	switch crc := crc32.Checksum(b.raw[batchAttributes:], castagnoli); {
	case crc != binary.BigEndian.Uint32(b.raw[batchCRC:]):
		return fmt.Errorf("%w at offset %d: its CRC is wrong", errCorrupt, b.base)
	case attributes&compressionMask > compressionLast:
		return fmt.Errorf("%w at offset %d: unknown compression codec %d", errCorrupt, b.base, attributes&compressionMask)
	case delta < 0, b.count < 0, int64(b.count) > int64(delta)+1:
		return fmt.Errorf("%w at offset %d: %d records in %d offsets", errCorrupt, b.base, b.count, int64(delta)+1)
	}
	return nil
}

// records has kafka-go decompress the batch and read its records.
func (b *recordBatch) records() (protocol.RecordReader, error) {
	set := make([]byte, 0, 4+len(b.raw))
	set = binary.BigEndian.AppendUint32(set, uint32(len(b.raw)))
	set = append(set, b.raw...)
	var decoded protocol.RecordSet
	if _, err := decoded.ReadFrom(bytes.NewBuffer(set)); err != nil {
		return nil, fmt.Errorf("%w at offset %d: %w", errCorrupt, b.base, err)
	}
	stream, ok := decoded.Records.(*protocol.RecordStream)
	if !ok || len(stream.Records) != 1 {
		return nil, fmt.Errorf("%w at offset %d: %w", errCorrupt, b.base, io.ErrUnexpectedEOF)
	}
	return stream.Records[0], nil
}
