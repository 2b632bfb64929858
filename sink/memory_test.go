package sink

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"kinesis-destination/sink/kpl"
)

// queueOf is a sink's part of a memory by itself, and claims on partitions, each of which
// has had a record.
type queueOf struct {
	*rooms
	claims []chan struct{}
}

func newQueueOf(m *Memory, partitions int) *queueOf {
	q := &queueOf{rooms: m.rooms(1)}
	for range partitions {
		q.claims = append(q.claims, make(chan struct{}))
	}
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
	if waiting != 0 || m.Used() != 0 || m.over != nil || len(m.waiting) != 0 {
		t.Fatalf("%d wait for ever; %d bytes are left", waiting, m.Used())
	}
	for _, q := range sinks {
		if records, bytes := q.used(); records != 0 || bytes != 0 {
			t.Fatalf("a sink has %d records, %d bytes, though all are at rest", records, bytes)
		}
	}
}

// Partitions whose records stand still, of this sink and of one with a thousand of them,
// keep nobody else waiting.
func TestAPartitionGoesOnWhateverTheOthersHold(t *testing.T) {
	m := NewMemory(16<<20, 1)
	held, sink := newQueueOf(m, 1000), newQueueOf(m, 12)
	for partition := range held.claims {
		for held.tries(held.record(partition, 2000)) {
		}
	}
	for partition := range sink.claims[1:] {
		for sink.tries(sink.record(partition, 2000)) {
		}
	}
	var queued []*Record
	for range 100 {
		r := sink.record(len(sink.claims)-1, 2000)
		if !sink.tries(r) {
			t.Fatalf("the partition waits for others with %d of its records queued", len(queued))
		}
		if queued = append(queued, r); len(queued) == 20 {
			sink.settle(queued[0])
			queued = queued[1:]
		}
	}
	if used := m.Used(); used > m.queue {
		t.Errorf("%d bytes are queued", used)
	}
}

// However many partitions queue, none is without a record for those that queue as much as
// they may, they use most of the memory, and of a dozen none has much less than another.
func TestPartitionsQueueAsMuchEach(t *testing.T) {
	const seed, rounds, size = 1, 60, 1000
	for _, partitions := range []int{1, 2, 12, 200, 1000} {
		random := rand.New(rand.NewPCG(seed, uint64(partitions)))
		m := NewMemory(16<<20, 1)
		q := newQueueOf(m, partitions)
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
		if partitions <= 12 && least < most/3 {
			t.Errorf("%d partitions: %d to %d bytes each, of %d in all (seed %d)", partitions, least, most, m.queue, seed)
		}
	}
}

// One partition of which much is to be delivered has most of the memory, though a thousand
// others have a record under way each.
func TestWhatThePartitionsDoNotNeedIsForWhoDoes(t *testing.T) {
	m := NewMemory(16<<20, 1)
	q := newQueueOf(m, 1001)
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

// One who waits is let in once a quarter of what it may queue is free, in the order in
// which they came: each of a partition's records that settles would wake its worker.
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
				if settled < len(queued)/20 || settled > len(queued)/4 {
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
	q := newQueueOf(NewMemory(1<<20, 1), 100)
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

// A record that is larger than everything goes through, alone; one who gave up
// waiting leaves no trace.
func TestTheLargestRecordGoesThroughTheSmallestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(100, 1)
		q := newQueueOf(m, 3)
		a, b := q.record(0, 10_000), q.record(1, 10_000)
		if err := q.put(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		in := make(chan struct{})
		go func() {
			if err := q.put(context.Background(), b); err != nil {
				t.Error(err)
			}
			close(in)
		}()
		synctest.Wait() // it waits first
		gaveUp := make(chan error)
		go func() { gaveUp <- q.put(context.Background(), q.record(2, 1)) }()
		synctest.Wait()
		close(q.claims[2])
		if err := <-gaveUp; !errors.Is(err, ErrRevoked) {
			t.Errorf("one whose claim has ended: %v", err)
		}
		select {
		case <-in:
			t.Error("two records beyond everything at once")
		default:
		}
		q.settle(a)
		<-in
		q.settle(b)
		if m.Used() != 0 || len(m.waiting) != 0 || m.over != nil {
			t.Errorf("%d bytes are left", m.Used())
		}
	})
}

func TestRequestsFitAsManyCallsAsASinkMakes(t *testing.T) {
	for _, calls := range []int{4 << 20, 10 << 20, 18 << 20, 64 << 20, defaultCalls} {
		m := NewMemory(1, calls)
		body := m.batchBytes() * 4 / 3
		if all := DefaultLanes * (bodyCopies*body + maxBatchRecords*answerCost); all > calls && m.batchBytes() > minBatchBytes {
			t.Errorf("%d: %d lanes with %d bytes each take %d", calls, DefaultLanes, m.batchBytes(), all)
		}
		if m.batchBytes() > maxBatchBytes || calls == defaultCalls && m.batchBytes() != maxBatchBytes {
			t.Errorf("%d: requests of %d bytes", calls, m.batchBytes())
		}
	}
}

// What lanes keep of their calls is counted with the calls under way.
func TestWhatLanesKeepForTheirNextCallIsHalfOfWhatCallsMayTake(t *testing.T) {
	m := NewMemory(1, 4<<20)
	m.rooms(DefaultLanes)
	for _, x := range []exchange{
		{body: make([]byte, m.kept()), answer: make([]byte, 60<<10), results: make([]result, maxBatchRecords)},
		{body: make([]byte, m.kept()-kpl.MaxBytes/2), packed: make([]byte, kpl.MaxBytes)},
		{body: make([]byte, 1), answer: make([]byte, m.kept()-1), results: make([]result, maxBatchRecords), packed: make([]byte, kpl.MaxBytes)},
		{answer: make([]byte, keepAnswer+1)},
	} {
		if x.trim(m.kept()); x.kept() > m.kept() || DefaultLanes*m.kept() > m.calls/bodyCopies {
			t.Errorf("a lane keeps %d bytes, of %d that all may", x.kept(), m.calls/bodyCopies)
		}
	}
	usual := exchange{body: make([]byte, minBatchBytes*4/3), answer: make([]byte, 10<<10)}
	if usual.trim(m.kept()); usual.body == nil || usual.answer == nil {
		t.Error("a usual call's buffers are not kept")
	}
}
