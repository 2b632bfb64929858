package sink

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"kinesis-destination/sink/kpl"
)

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
