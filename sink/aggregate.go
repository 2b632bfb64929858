package sink

import (
	"crypto/md5"
	"encoding/binary"
)

// aggregateBytes is how large an aggregate may be; the KPL's own default, which
// every reader of aggregates has met.
const aggregateBytes = 51_200

// magic begins every aggregate, and the MD5 of its message ends it.
var magic = [4]byte{0xF3, 0x89, 0x9A, 0xC2}

const aggregateFrame = len(magic) + md5.Size

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

// aggregateKeys bounds the keys of an aggregate, so that each index takes a byte.
const aggregateKeys = 128

// aggregate is the size of a record that is being put together.
type aggregate struct {
	group  *group // the shard of all its keys; nil: no other key may join
	keys   int
	outer  int // length of the outer partition key
	packed int // bytes of the tables and members
	size   int // what the service counts: data and outer partition key
}

// run says how many entries at the head of a chain go as one record, and how
// large that is. With aggregation they are as many as fit: of one identity, the
// record is atomic, keeps their order, and lies in one shard whatever is split.
func (c *chain) run(lim limits) (n int, a aggregate) {
	first := &c.entries[0]
	n, a = 1, aggregate{keys: 1, outer: len(c.key), size: first.rec.size()}
	if lim.aggregate == 0 || first.share > 0 {
		return n, a
	}
	if lim.share && !first.alone {
		a.group = c.group
	}
	a.packed = fieldSize(len(c.key)) + memberSize(first.rec)
	for n < len(c.entries) {
		e := &c.entries[n]
		if e.dead != nil || e.share > 0 || aggregateFrame+a.packed+memberSize(e.rec) > lim.aggregate {
			break
		}
		a.packed += memberSize(e.rec)
		n++
	}
	if n > 1 {
		a.size = aggregateFrame + a.packed + a.outer
	}
	return n, a
}

// joinedBy says whether the run of another key may go in the same record. Both
// keys must lie in one shard by the shard map: readers drop aggregates with
// members that are not of the shard they lie in. Whether the record went to
// that shard is seen by the answer.
func (a aggregate) joinedBy(b aggregate, lim limits) bool {
	return b.group != nil && a.group == b.group && a.keys < aggregateKeys && aggregateFrame+a.packed+b.packed <= lim.aggregate
}

func (a aggregate) join(b aggregate) aggregate {
	a.keys++
	a.packed += b.packed
	a.size = aggregateFrame + a.packed + a.outer
	return a
}

// parcel is how many flights at the beginning of a batch go as one record.
func parcel(batch []flight) int {
	n := 1
	for n < len(batch) && batch[n].joins {
		n++
	}
	return n
}

// parcels counts the records of the stream that a batch makes.
func parcels(batch []flight) (n int) {
	for _, f := range batch {
		if !f.joins {
			n++
		}
	}
	return n
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

// appendAggregate packs the flights of a parcel. The first one's key is the
// outer partition key too.
func appendAggregate(dst []byte, flights []flight) []byte {
	dst = append(dst, magic[:]...)
	start := len(dst)
	for _, f := range flights {
		dst = append(dst, tagKeyTable)
		dst = binary.AppendUvarint(dst, uint64(len(f.key)))
		dst = append(dst, f.key...)
	}
	for i, f := range flights {
		for _, e := range f.head {
			data := e.rec.Data
			dst = append(dst, tagRecords)
			dst = binary.AppendUvarint(dst, uint64(2+fieldSize(len(data))))
			dst = append(dst, tagKeyIndex, byte(i), tagData)
			dst = binary.AppendUvarint(dst, uint64(len(data)))
			dst = append(dst, data...)
		}
	}
	sum := md5.Sum(dst[start:])
	return append(dst, sum[:]...)
}
