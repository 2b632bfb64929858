package sink

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"kinesis-destination/sink/deadletter"

	"github.com/cockroachdb/datadriven"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random checks; 0: a few fixed ones")

func seeds(n uint64) []uint64 {
	if *seedFlag != 0 {
		return []uint64{*seedFlag}
	}
	var all []uint64
	for i := range n {
		all = append(all, i+1)
	}
	return all
}

func always(int, time.Time, time.Time, int, int) (bool, time.Time) { return true, time.Time{} }

var epoch = time.Unix(0, 0)

// taken is a record as the sink has it, of a document that is written as it is.
func taken(key string, data []byte) *Record {
	return &Record{PartitionKey: key, hash: hashOf(key), length: len(data), written: data, raw: true}
}

func item(key string, n, size int) entry {
	r := taken(key, []byte(strings.Repeat("x", size)))
	r.Source = &deadletter.Origin{Offset: int64(n)}
	return entry{rec: r}
}

func name(e entry) string { return fmt.Sprintf("%s%d", e.rec.PartitionKey, e.rec.origin().Offset) }

// TestQueueTranscripts replays the stories in testdata/queue.
//
//	push KEY…              queue records, numbered per key
//	reject KEY…            queue records that go to the dead-letter topic
//	batch [max=n] [block=shard]   take a request
//	rejected                 take what goes to the dead-letter topic
//	settle KEY…            at rest
//	again KEY… [in=seconds]  to be sent again
//	withdraw KEY…          the claims of these keys end
//	advance seconds
func TestQueueTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/queue", func(t *testing.T, path string) {
		q := newQueue(func(r *Record) int { return int(r.PartitionKey[0]-'a') / 2 })
		now, numbers := epoch, make(map[string]int)
		out := make(map[string]*chain)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var keys []string
			for _, a := range d.CmdArgs {
				if len(a.Vals) == 0 {
					keys = append(keys, a.Key)
				}
			}
			show := func(flights []inFlight) string {
				var b strings.Builder
				for _, f := range flights {
					out[f.key] = f.chain
					fmt.Fprintf(&b, "%s ", name(f.head[0]))
				}
				return cmp.Or(strings.TrimSpace(b.String()), "nothing") + "\n"
			}
			switch d.Cmd {
			case "push", "reject":
				for _, k := range keys {
					e := item(k, numbers[k], 10)
					numbers[k]++
					if d.Cmd == "reject" {
						e.failure = &deadletter.Failure{}
					}
					q.Push(e)
				}
			case "batch":
				lim, block := 500, -1
				d.MaybeScanArgs(t, "max", &lim)
				d.MaybeScanArgs(t, "block", &block)
				return show(q.Batch(now, limits{records: lim, bytes: maxBatchBytes, record: 1000}, func(shard int, _, _ time.Time, _, _ int) (bool, time.Time) {
					return shard != block, now.Add(time.Second)
				}))
			case "rejected":
				return show(q.Rejected())
			case "settle":
				for _, k := range keys {
					q.Settle(out[k])
				}
			case "again":
				in := 0
				d.MaybeScanArgs(t, "in", &in)
				for _, k := range keys {
					q.Again(out[k], now, now.Add(time.Duration(in)*time.Second))
				}
			case "withdraw":
				var b []string
				for _, e := range q.Withdraw(func(r *Record) bool { return slices.Contains(keys, r.PartitionKey) }, func(*chain) {}) {
					b = append(b, name(e))
				}
				slices.Sort(b)
				return strings.Join(b, " ") + "\n"
			case "advance":
				var s int
				if _, err := fmt.Sscan(keys[0], &s); err != nil {
					t.Fatal(err)
				}
				now = now.Add(time.Duration(s) * time.Second)
			default:
				t.Fatalf("unknown command %s", d.Cmd)
			}
			if at := q.Next(); !at.IsZero() {
				return fmt.Sprintf("next in %v\n", at.Sub(now))
			}
			return "ok\n"
		})
	})
}

// plainQueue is the queue as one would write it without regard to cost: a list
// in the order of arrival.
type plainQueue struct {
	items []*plainItem
}

type plainItem struct {
	e      entry
	flying bool
	due    time.Time
}

// ready returns the items that may be sent now: the first of its key, not in
// flight, due, not rejected, and within the record limit.
func (p *plainQueue) ready(now time.Time, dead bool) map[string]bool {
	seen, ready := make(map[string]bool), make(map[string]bool)
	for _, it := range p.items {
		k := it.e.rec.PartitionKey
		if seen[k] {
			continue
		}
		seen[k] = true
		if !it.flying && !it.due.After(now) && (it.e.failure != nil) == dead {
			ready[name(it.e)] = true
		}
	}
	return ready
}

func (p *plainQueue) find(n string) *plainItem {
	for _, it := range p.items {
		if name(it.e) == n {
			return it
		}
	}
	return nil
}

func (p *plainQueue) remove(n string) {
	p.items = slices.DeleteFunc(p.items, func(it *plainItem) bool { return name(it.e) == n })
}

// TestQueueNeverBatchesAKeyTwiceAndAgreesWithThePlainOne drives both queues
// with the same random acts.
func TestQueueNeverBatchesAKeyTwiceAndAgreesWithThePlainOne(t *testing.T) {
	for _, seed := range seeds(40) {
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { compareQueues(t, rand.New(rand.NewPCG(seed, 0))) }) {
			return
		}
	}
}

func compareQueues(t *testing.T, random *rand.Rand) {
	q := newQueue(func(r *Record) int { return int(r.PartitionKey[0]-'a') / 4 })
	p := &plainQueue{}
	now, numbers := epoch, make(map[string]int)
	var flying []inFlight
	var rejected []inFlight
	key := func() string { return string(rune('a' + random.IntN(12))) }
	for range 600 {
		switch random.IntN(8) {
		case 0, 1, 2:
			k := key()
			e := item(k, numbers[k], 10)
			e.rec.hash = hashKey{0: k[0] % 2, 8: k[0] % 3} // some keys have one slot, some one hash
			if random.IntN(10) == 0 {
				e.failure = &deadletter.Failure{}
			}
			numbers[k]++
			q.Push(e)
			p.items = append(p.items, &plainItem{e: e})
		case 3:
			lim := 1 + random.IntN(6)
			batch := q.Batch(now, limits{records: lim, bytes: maxBatchBytes, record: 1000}, always)
			ready := p.ready(now, false)
			if len(batch) != min(lim, len(ready)) {
				t.Fatalf("batch of %d; %d are ready and %d allowed", len(batch), len(ready), lim)
			}
			depart(t, p, batch, ready)
			flying = append(flying, batch...)
		case 4:
			taken := q.Rejected()
			ready := p.ready(now, true)
			if len(taken) != len(ready) {
				t.Fatalf("%d rejected, want %d", len(taken), len(ready))
			}
			depart(t, p, taken, ready)
			rejected = append(rejected, taken...)
		case 5:
			all := append(flying, rejected...)
			flying, rejected = nil, nil
			for i, f := range all {
				n := name(f.head[0])
				switch {
				case random.IntN(3) == 0 && f.head[0].failure == nil:
					wait := time.Duration(random.IntN(3)) * time.Second
					q.Again(f.chain, now, now.Add(wait))
					p.find(n).flying, p.find(n).due = false, now.Add(wait)
				case random.IntN(2) == 0:
					q.Settle(f.chain)
					p.remove(n)
				case all[i].head[0].failure != nil:
					rejected = append(rejected, f)
				default:
					flying = append(flying, f)
				}
			}
		case 6:
			now = now.Add(time.Second)
		case 7:
			if random.IntN(4) == 0 {
				compareWithdraw(t, &q, p, key())
			}
		}
	}
	drainQueues(t, &q, p, now, append(flying, rejected...))
}

func depart(t *testing.T, p *plainQueue, flights []inFlight, ready map[string]bool) {
	t.Helper()
	for _, f := range flights {
		n := name(f.head[0])
		if !ready[n] {
			t.Fatalf("%s is not to be sent now", n)
		}
		delete(ready, n) // a second time would be found above
		p.find(n).flying = true
	}
}

func compareWithdraw(t *testing.T, q *queue, p *plainQueue, key string) {
	t.Helper()
	gone := func(r *Record) bool { return r.PartitionKey == key && r.origin().Offset%2 == 0 }
	var want []string
	for _, it := range p.items {
		if gone(it.e.rec) && !it.flying {
			want = append(want, name(it.e))
		}
	}
	var got []string
	for _, e := range q.Withdraw(gone, func(*chain) {}) {
		got = append(got, name(e))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("withdrew %v, want %v", got, want)
	}
	for _, n := range want {
		p.remove(n)
	}
}

// drainQueues settles everything, and checks that nothing was forgotten.
func drainQueues(t *testing.T, q *queue, p *plainQueue, now time.Time, out []inFlight) {
	t.Helper()
	for len(p.items) > 0 {
		for _, f := range out {
			p.remove(name(f.head[0]))
			q.Settle(f.chain)
		}
		now = now.Add(time.Hour)
		out = append(q.Batch(now, limits{records: 500, bytes: maxBatchBytes, record: 1000}, always), q.Rejected()...)
		if len(out) == 0 && len(p.items) > 0 {
			t.Fatalf("%d records are left that never become ready", len(p.items))
		}
	}
	if q.chains.n != 0 || len(q.waiting) != 0 || len(q.active) != 0 {
		t.Fatalf("the queue is not empty: %d chains", q.chains.n)
	}
}

// TestALimitIsKeptThoughARecordCame: what is found out about a request in flight is about its records, wherever the
// chain keeps them by now.
func TestALimitIsKeptThoughARecordCame(t *testing.T) {
	q := newQueue(func(*Record) int { return 0 })
	next := func() entry { return entry{rec: taken("k", []byte("d"))} }
	q.Push(next())
	f := q.Batch(epoch, limits{records: 500, bytes: 1 << 20, record: 1 << 20}, always)[0]
	q.Push(next()) // as a withdrawal takes records in while a call is under way
	f.limit(1)
	q.Again(f.chain, epoch, epoch)
	if got := f.chain.entries[0].share; got != 1 {
		t.Errorf("a request that was to be of one record may have %d (0: any number)", got)
	}
}
