package consumer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/segmentio/kafka-go/compress"
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
	batchFirstTime   = 27
	batchMaxTime     = 35
	batchProducer    = 43
	batchCount       = 57
	batchHeaderEnd   = 61
	messageAttribute = 17
	messageTime      = 18
	messageMin       = 26

	compressionMask  = 7
	compressionLast  = 4 // gzip, snappy, lz4, zstd
	appendTimeBit    = 8
	transactionalBit = 16
	controlBit       = 32
	currentMagic     = 2
	appendTimesMagic = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordBatch is one batch as it stands in a log.
type recordBatch struct {
	raw        []byte
	base       int64
	last       int64     // its last offset, also when log cleaning has removed that record
	count      int       // records; -1: not told
	at         time.Time // when the broker appended it, where the topic's times are that
	attributes uint16
	first      int64 // the time that those of the records are counted from
	producer   int64
}

func (b *recordBatch) old() bool           { return b.raw[batchMagic] < currentMagic }
func (b *recordBatch) control() bool       { return b.attributes&controlBit != 0 }
func (b *recordBatch) transactional() bool { return b.attributes&transactionalBit != 0 }
func (b *recordBatch) codec() compress.Compression {
	return compress.Compression(b.attributes & compressionMask)
}
func (b *recordBatch) corrupt(err error) error { return corruptAt(b.base, err) }

// nextBatch takes the first batch off a record set, and reads its header. A broker
// may cut the last batch short: ok is false for it.
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
	b.raw = set[:size:size]
	if magic < currentMagic {
		b.attributes = uint16(b.raw[messageAttribute])
		if magic == appendTimesMagic && b.attributes&appendTimeBit != 0 {
			b.at = time.UnixMilli(int64(binary.BigEndian.Uint64(b.raw[messageTime:])))
		}
		return b, true, nil
	}
	b.attributes = binary.BigEndian.Uint16(b.raw[batchAttributes:])
	b.last = b.base + int64(int32(binary.BigEndian.Uint32(b.raw[batchLastDelta:])))
	b.first = int64(binary.BigEndian.Uint64(b.raw[batchFirstTime:]))
	b.producer = int64(binary.BigEndian.Uint64(b.raw[batchProducer:]))
	b.count = int(int32(binary.BigEndian.Uint32(b.raw[batchCount:])))
	if b.attributes&appendTimeBit != 0 {
		b.at = time.UnixMilli(int64(binary.BigEndian.Uint64(b.raw[batchMaxTime:])))
	}
	return b, true, nil
}

// check checks the batch as far as that goes without reading its records.
func (b *recordBatch) check() error {
	if b.old() {
		return nil
	}
	switch crc := crc32.Checksum(b.raw[batchAttributes:], castagnoli); {
	case crc != binary.BigEndian.Uint32(b.raw[batchCRC:]):
		return fmt.Errorf("%w at offset %d: its CRC is wrong", errCorrupt, b.base)
	case b.codec() > compressionLast:
		return fmt.Errorf("%w at offset %d: unknown compression codec %d", errCorrupt, b.base, b.codec())
	case b.last < b.base, b.count < 0, int64(b.count) > b.last-b.base+1:
		return fmt.Errorf("%w at offset %d: %d records in %d offsets", errCorrupt, b.base, b.count, b.last-b.base+1)
	}
	return nil
}
