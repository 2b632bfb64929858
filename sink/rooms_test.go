package sink

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
)

// queueOf is a sink's part of a memory by itself, and claims on partitions.
type queueOf struct {
	*rooms
	claims []chan struct{}
}

func newQueueOf(m *Memory, partitions int) *queueOf {
	q := &queueOf{rooms: m.rooms(1)}
	for range partitions {
		q.claims = append(q.claims, make(chan struct{}))
	}
	return q
}

// known has each of the partitions have had a record.
func (q *queueOf) known() *queueOf {
	for _, claim := range q.claims {
		q.find(claim)
	}
	return q
}

// record is one of a partition that counts so many bytes.
func (q *queueOf) record(partition, bytes int) *Record {
	return &Record{Revoked: q.claims[partition], cost: bytes}
}

func (q *queueOf) put(ctx context.Context, r *Record) error { return q.acquire(ctx, r, nil) }

// tries says whether there is room for a record now, and takes it.
func (q *queueOf) tries(r *Record) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return q.put(ctx, r) == nil
}

func (q *queueOf) settle(r *Record) { q.release([]settlement{{rec: r}}) }

// of is what a partition has queued.
func (q *queueOf) of(partition int) int { return q.find(q.claims[partition]).bytes }

// Whatever partitions queue and settle, in any order, what is queued is within the
// limit but for one record, and nobody waits for ever.
func TestTheQueuesOfAllPartitionsStayWithinTheirMemory(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) { queueHistory(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func queueHistory(t *testing.T, random *rand.Rand) {
	limit, largest := 1000+random.IntN(10_000), 1+random.IntN(5000)
	m := NewMemory(limit, 1)
	sinks := make([]*queueOf, 1+random.IntN(3))
	for i := range sinks {
		sinks[i] = newQueueOf(m, 1+random.IntN(8))
	}
	type taken struct {
		of  *queueOf
		rec *Record
	}
	var queued []taken
	got := make(chan taken, 1000)
	waiting := 0
	check := func() {
		synctest.Wait()
		for len(got) > 0 {
			queued = append(queued, <-got)
			waiting--
		}
		sum := 0
		for _, q := range queued {
			sum += q.rec.cost
		}
		if used := m.Used(); used != sum || used > limit+largest {
			t.Fatalf("%d bytes are counted, %d are queued, of %d and one of %d", used, sum, limit, largest)
		}
	}
	settle := func(i int) {
		queued[i].of.settle(queued[i].rec)
		queued = slices.Delete(queued, i, i+1)
		check()
	}
	for range 300 {
		if random.IntN(2) == 0 || len(queued) == 0 {
			of := sinks[random.IntN(len(sinks))]
			q := taken{of, of.record(random.IntN(len(of.claims)), 1+random.IntN(largest))}
			waiting++
			go func() {
				if err := q.of.put(context.Background(), q.rec); err != nil {
					t.Error(err)
				}
				got <- q
			}()
			check()
		} else {
			settle(random.IntN(len(queued)))
		}
	}
	for len(queued) > 0 { // everything comes to rest, and so everybody gets in
		settle(0)
	}
	if waiting != 0 || m.Used() != 0 || m.own != 0 || m.over != nil || len(m.waiting) != 0 {
		t.Fatalf("%d wait for ever; %d bytes are left", waiting, m.Used())
	}
	for _, q := range sinks {
		if records, bytes := q.used(); records != 0 || bytes != 0 {
			t.Fatalf("a sink has %d records, %d bytes, though all are at rest", records, bytes)
		}
	}
}

// Partitions whose records stand still keep no other of their sink waiting, nor any of
// another sink, however many they are.
func TestAPartitionGoesOnWhateverTheOthersHold(t *testing.T) {
	for _, at := range []struct{ held, partitions, least int }{{0, 12, 25}, {12, 12, 25}, {1000, 12, 25}, {1000, 1, 500}} {
		m := NewMemory(16<<20, 1)
		sink := newQueueOf(m, at.partitions).known()
		fill(newQueueOf(m, at.held))
		last := len(sink.claims) - 1
		for partition := range last {
			for sink.tries(sink.record(partition, 2000)) {
			}
		}
		n := 0
		for sink.tries(sink.record(last, 2000)) {
			n++
		}
		t.Logf("beside %d partitions of another sink, held, the last of %d queues %d records", at.held, at.partitions, n)
		if n < at.least {
			t.Errorf("beside %d partitions of another sink, held, the last of %d queues %d records", at.held, at.partitions, n)
		}
		if m.Used() > m.queue+2000 {
			t.Errorf("%d bytes are queued", m.Used())
		}
	}
}

// fill has a sink queue all that it may, one partition after the other.
func fill(q *queueOf) {
	for partition := range q.claims {
		for q.tries(q.record(partition, 2000)) {
		}
	}
}

// A sink that comes while another holds all that it may has room, and who waits for it is
// let in when a sink ends.
func TestASinkThatComesLaterHasRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(16<<20, 1)
		fill(newQueueOf(m, 1000))
		if over := m.over; over == nil {
			t.Fatal("nothing is beyond: the story shows nothing")
		}
		waits, other := newQueueOf(m, 2).known(), newQueueOf(m, 1)
		// What is for whoever needs it is taken; this is too much for the share of one of three
		// sinks, and not of two.
		for waits.tries(waits.record(1, 2000)) {
		}
		size := m.queue / ownPart / 3 * 85 / 100
		in := make(chan struct{})
		go func() {
			if err := waits.put(context.Background(), waits.record(0, size)); err != nil {
				t.Error(err)
			}
			close(in)
		}()
		synctest.Wait()
		select {
		case <-in:
			t.Fatal("it did not wait: the story shows nothing")
		default:
		}
		for range 100 {
			r := other.record(0, 2000)
			if !other.tries(r) {
				t.Fatal("a sink that came later has no room")
			}
			other.settle(r)
		}
		other.close()
		<-in
	})
}

// What was let beyond keeps nobody waiting once there is room for it.
func TestWhatIsBeyondEndsWithRoom(t *testing.T) {
	m := NewMemory(1<<20, 1)
	q := newQueueOf(m, 2).known()
	large, busy := q.record(0, 2<<20), q.record(0, 1)
	if !q.tries(large) {
		t.Fatal("no room for one that is larger than all")
	}
	if q.tries(busy) {
		t.Fatal("another of its partition beside it")
	}
	q.settle(large)
	if !q.tries(busy) || !q.tries(q.record(1, 2<<20)) {
		t.Error("no room though nothing is beyond")
	}
}

// However many partitions queue, none is without a record for those that queue as much as
// they may, they use most of the memory, and of a dozen none has less than a quarter of another.
func TestPartitionsQueueAsMuchEach(t *testing.T) {
	const seed, rounds, size = 1, 60, 1000
	for _, partitions := range []int{1, 2, 12, 200, 1000} {
		random := rand.New(rand.NewPCG(seed, uint64(partitions)))
		m := NewMemory(16<<20, 1)
		q := newQueueOf(m, partitions).known()
		queued, sums := make([][]*Record, partitions), make([]int, partitions)
		for range rounds {
			for _, partition := range random.Perm(partitions) {
				for r := q.record(partition, size); q.tries(r); r = q.record(partition, size) {
					queued[partition] = append(queued[partition], r)
				}
			}
			if m.Used() < m.queue*4/10 {
				t.Errorf("%d partitions: only %d bytes of %d are queued (seed %d)", partitions, m.Used(), m.queue, seed)
			}
			for partition, records := range queued {
				if len(records) == 0 {
					t.Fatalf("%d partitions: one has nothing queued (seed %d)", partitions, seed)
				}
				sums[partition] += q.of(partition)
				n := (len(records) + 9) / 10
				for _, r := range records[:n] {
					q.settle(r)
				}
				queued[partition] = records[n:]
			}
		}
		least, most := slices.Min(sums)/rounds, slices.Max(sums)/rounds
		t.Logf("%d partitions: %d to %d bytes each, of %d in all (seed %d)", partitions, least, most, m.queue, seed)
		if partitions <= 12 && least < most/4 {
			t.Errorf("%d partitions: %d to %d bytes each, of %d in all (seed %d)", partitions, least, most, m.queue, seed)
		}
	}
}

// One partition of which much is to be delivered has most of the memory, though a thousand
// others have a record under way each.
func TestWhatThePartitionsDoNotNeedIsForWhoDoes(t *testing.T) {
	m := NewMemory(16<<20, 1)
	q := newQueueOf(m, 1001).known()
	for partition := range q.claims {
		if !q.tries(q.record(partition, 1000)) {
			t.Fatal("no room for a first record")
		}
	}
	for q.tries(q.record(0, 1000)) {
	}
	if got := q.of(0); got < m.queue/3 {
		t.Errorf("a partition may queue %d bytes of %d", got, m.queue)
	}
}

// One who waits is let in once there is room for some more than its record: each of a
// partition's records that settles would wake its worker.
func TestOneWhoWaitsIsNotWokenForEachRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(1<<20, 1)
		q := newQueueOf(m, 1)
		var queued []*Record
		for r := q.record(0, 1000); q.tries(r); r = q.record(0, 1000) {
			queued = append(queued, r)
		}
		in := make(chan struct{})
		go func() {
			if err := q.put(context.Background(), q.record(0, 1000)); err != nil {
				t.Error(err)
			}
			close(in)
		}()
		synctest.Wait()
		settled := 0
		for _, r := range queued {
			q.settle(r)
			settled++
			synctest.Wait()
			select {
			case <-in:
				if settled < 5 || settled > len(queued)/10 {
					t.Errorf("let in after %d of %d records", settled, len(queued))
				}
				return
			default:
			}
		}
		t.Error("it waits for ever")
	})
}

// Rooms of claims that have ended go with the next claim.
func TestARoomEndsWithItsClaim(t *testing.T) {
	q := newQueueOf(NewMemory(1<<20, 1), 100).known()
	stays := q.record(0, 1)
	if !q.tries(stays) {
		t.Fatal("no room")
	}
	for _, claim := range q.claims[:99] {
		close(claim)
	}
	q.find(make(chan struct{}))
	if n := len(q.all); n != 3 { // of the record that is queued, of the last claim, and the new one
		t.Errorf("%d rooms are left", n)
	}
	if q.settle(stays); q.memory.Used() != 0 {
		t.Errorf("%d bytes are left", q.memory.Used())
	}
}
