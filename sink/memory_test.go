package sink

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"kinesis-destination/sink/kpl"
)

// Whatever lanes take and give back, in any order, what is queued is within the
// limit but for one record, and nobody waits for ever.
func TestTheQueuesOfAllLanesStayWithinTheirMemory(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) { queueHistory(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func queueHistory(t *testing.T, random *rand.Rand) {
	limit, largest := 1000+random.IntN(10_000), 1+random.IntN(5000)
	m := NewMemory(limit, 1)
	lanes := make([]*room, 1+random.IntN(8))
	for i := range lanes {
		lanes[i] = m.room(1+random.IntN(20), i > 0)
	}
	type taken struct {
		of    *room
		bytes int
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
			sum += q.bytes
		}
		if used := m.Used(); used != sum || used > limit+largest {
			t.Fatalf("%d bytes are counted, %d are queued, of %d and one of %d", used, sum, limit, largest)
		}
	}
	for range 300 {
		if random.IntN(2) == 0 || len(queued) == 0 {
			q := taken{lanes[random.IntN(len(lanes))], 1 + random.IntN(largest)}
			waiting++
			go func() {
				if err := q.of.acquire(context.Background(), q.bytes, nil, nil); err != nil {
					t.Error(err)
				}
				got <- q
			}()
		} else {
			i := random.IntN(len(queued))
			queued[i].of.release(1, queued[i].bytes)
			queued[i] = queued[len(queued)-1]
			queued = queued[:len(queued)-1]
		}
		check()
	}
	for len(queued) > 0 { // everything comes to rest, and so everybody gets in
		queued[0].of.release(1, queued[0].bytes)
		queued = queued[1:]
		check()
	}
	if waiting != 0 || m.pooled != 0 || m.over != nil {
		t.Fatalf("%d wait for ever; %d bytes are left", waiting, m.pooled)
	}
}

// Held identities in all lanes but one take nothing of that one's share.
func TestALaneGoesOnWhateverTheOthersHold(t *testing.T) {
	m := NewMemory(16_000, 1)
	lanes := make([]*room, 16)
	for i := range lanes {
		lanes[i] = m.room(laneRecords, true)
	}
	for _, held := range lanes[1:] {
		m.mu.Lock()
		for held.take(100) {
		}
		m.mu.Unlock()
	}
	for range 1000 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := lanes[0].acquire(ctx, 100, nil, nil); err != nil {
			t.Fatal("the lane waits for the others:", err)
		}
		lanes[0].release(1, 100)
	}
	if used := m.Used(); used > 16_000 {
		t.Errorf("%d bytes are queued", used)
	}
}

// A record that is larger than everything goes through, alone; one who gave up
// waiting leaves no trace.
func TestTheLargestRecordGoesThroughTheSmallestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(100, 1)
		a, b := m.room(10, true), m.room(10, true)
		if err := a.acquire(t.Context(), 10_000, nil, nil); err != nil {
			t.Fatal(err)
		}
		in := make(chan struct{})
		go func() {
			if err := b.acquire(context.Background(), 10_000, nil, nil); err != nil {
				t.Error(err)
			}
			close(in)
		}()
		synctest.Wait() // it waits first
		revoked, gaveUp := make(chan struct{}), make(chan error)
		go func() { gaveUp <- b.acquire(context.Background(), 1, revoked, nil) }()
		synctest.Wait()
		close(revoked)
		if err := <-gaveUp; !errors.Is(err, ErrRevoked) {
			t.Errorf("one whose claim has ended: %v", err)
		}
		select {
		case <-in:
			t.Error("two records beyond everything at once")
		default:
		}
		a.release(1, 10_000)
		<-in
		b.release(1, 10_000)
		if m.Used() != 0 || m.pooled != 0 || len(m.waiting) != 0 {
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
	for range DefaultLanes {
		m.room(1, true)
	}
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
