package sink

import "testing"

func TestReviewALimitIsKeptThoughARecordCame(t *testing.T) {
	q := newQueue(func(*Record) int { return 0 })
	r := func() entry { return entry{rec: &Record{PartitionKey: "k", Data: []byte("d"), hash: hashOf("k")}} }
	q.Push(r())
	f := q.Batch(epoch, limits{records: 500, bytes: 1 << 20, record: 1 << 20}, always)[0]
	q.Push(r()) // as giveBack's absorb does while a call is under way
	f.limit(1)
	q.Again(f.chain, epoch, epoch)
	if got := f.chain.entries[0].share; got != 1 {
		t.Errorf("share is %d", got)
	}
}
