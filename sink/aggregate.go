package sink

import (
	"crypto/md5"
	"encoding/binary"
)

// aggregateBytes is how large an aggregate may be; the KPL's own default, which
// every reader of aggregates has met.
const aggregateBytes = 51_200

// magic begins every aggregate.
var magic = [4]byte{0xF3, 0x89, 0x9A, 0xC2}

// The fields of the protobuf message, as the KPL's published format has them:
//
//	message AggregatedRecord {
//	  repeated string partition_key_table = 1;
//	  repeated string explicit_hash_key_table = 2;
//	  repeated Record records = 3;
//	}
//	message Record {
//	  required uint64 partition_key_index = 1;
//	  optional uint64 explicit_hash_key_index = 2;
//	  required bytes data = 3;
//	}
const (
	tagKeyTable = 1<<3 | 2
	tagRecords  = 3<<3 | 2
	tagKeyIndex = 1 << 3
	tagData     = 3<<3 | 2
)

// run says how many entries at the head of a chain go as one record, and its
// size with the partition key. Only with aggregation are they several: those of
// one identity, so that the record is atomic, keeps their order, and lies in
// one shard whatever is split: readers drop aggregates with members elsewhere.
func (c *chain) run(lim limits) (n, size int) {
	first := &c.entries[0]
	n, size = 1, first.rec.size()
	if lim.aggregate == 0 || first.share > 0 {
		return n, size
	}
	packed := len(magic) + md5.Size + fieldSize(len(c.key)) + memberSize(first.rec)
	for n < len(c.entries) {
		e := &c.entries[n]
		if e.dead != nil || e.share > 0 || packed+memberSize(e.rec) > lim.aggregate {
			break
		}
		packed += memberSize(e.rec)
		n++
	}
	if n > 1 {
		size = packed + len(c.key)
	}
	return n, size
}

// fieldSize is what a field with a length takes: tag, length and content.
func fieldSize(n int) int {
	size := 2 + n
	for rest := n >> 7; rest > 0; rest >>= 7 {
		size++
	}
	return size
}

func memberSize(r *Record) int { return fieldSize(2 + fieldSize(len(r.Data))) }

// appendAggregate packs records of one key. All refer to the one key of the
// table, which is the outer partition key too.
func appendAggregate(dst []byte, key string, head []entry) []byte {
	dst = append(dst, magic[:]...)
	start := len(dst)
	dst = append(dst, tagKeyTable)
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	dst = append(dst, key...)
	for _, e := range head {
		data := e.rec.Data
		dst = append(dst, tagRecords)
		dst = binary.AppendUvarint(dst, uint64(2+fieldSize(len(data))))
		dst = append(dst, tagKeyIndex, 0, tagData)
		dst = binary.AppendUvarint(dst, uint64(len(data)))
		dst = append(dst, data...)
	}
	sum := md5.Sum(dst[start:])
	return append(dst, sum[:]...)
}
