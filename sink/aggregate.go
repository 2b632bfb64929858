package sink

import "kinesis-destination/sink/kpl"

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
	a.packed = kpl.KeySize(len(c.key)) + memberSize(first.rec)
	for n < len(c.entries) {
		e := &c.entries[n]
		if e.failure != nil || e.share > 0 || kpl.FrameSize+a.packed+memberSize(e.rec) > lim.aggregate {
			break
		}
		a.packed += memberSize(e.rec)
		n++
	}
	if n > 1 {
		a.size = kpl.FrameSize + a.packed + a.outer
	}
	return n, a
}

// joinedBy says whether the run of another key may go in the same record. Both
// keys must lie in one shard by the shard map: readers drop aggregates with
// members that are not of the shard they lie in. Whether the record went to
// that shard is seen by the answer.
func (a aggregate) joinedBy(b aggregate, lim limits) bool {
	return b.group != nil && a.group == b.group && a.keys < kpl.MaxKeys && kpl.FrameSize+a.packed+b.packed <= lim.aggregate
}

func (a aggregate) join(b aggregate) aggregate {
	a.keys++
	a.packed += b.packed
	a.size = kpl.FrameSize + a.packed + a.outer
	return a
}

// recordGroup is how many flights at the beginning of a batch go as one record.
func recordGroup(batch []inFlight) int {
	n := 1
	for n < len(batch) && batch[n].joins {
		n++
	}
	return n
}

// recordGroups counts the records of the stream that a batch makes.
func recordGroups(batch []inFlight) (n int) {
	for _, f := range batch {
		if !f.joins {
			n++
		}
	}
	return n
}

func memberSize(r *Record) int { return kpl.MemberSize(r.length) }

// appendAggregate packs the flights of a record group. The first one's key is the
// outer partition key too.
func appendAggregate(dst []byte, flights []inFlight) []byte {
	dst = kpl.AppendHead(dst)
	for _, f := range flights {
		dst = kpl.AppendKey(dst, f.key)
	}
	for i, f := range flights {
		for _, e := range f.head {
			dst = kpl.AppendMember(dst, i, e.rec.written)
		}
	}
	return kpl.AppendSum(dst)
}
