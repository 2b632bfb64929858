package journal

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// faultyLog is a process's way to a shared log, on which answers are lost, requests
// come late or never, and the log is away for a while: as the seed has it.
type faultyLog struct {
	*fakeLog
	mu   sync.Mutex
	rng  *rand.Rand
	well bool
	late *sync.WaitGroup // requests that their sender has given up
}

var errAway = errors.New("the log is away")

// chance draws from 0 to 99, and how long the request takes.
func (l *faultyLog) chance() (n int, takes time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.well {
		return 100, 0
	}
	return l.rng.IntN(100), time.Duration(l.rng.IntN(50)) * time.Millisecond
}

func (l *faultyLog) Bounds(ctx context.Context) (first, end int64, err error) {
	n, takes := l.chance()
	time.Sleep(takes)
	if n < 10 {
		return 0, 0, errAway
	}
	return l.fakeLog.Bounds(ctx)
}

func (l *faultyLog) Read(ctx context.Context, from int64) ([]Record, error) {
	n, takes := l.chance()
	time.Sleep(takes)
	if n < 10 {
		return nil, errAway
	}
	return l.fakeLog.Read(ctx, from)
}

func (l *faultyLog) Append(ctx context.Context, keys []string, records [][]byte) error {
	n, takes := l.chance()
	time.Sleep(takes)
	switch {
	case n < 10: // it is refused for now
		return errNotYet
	case n < 20: // it never arrives
		<-ctx.Done()
		return ctx.Err()
	case n < 35: // it is written, and the answer is lost
		_ = l.fakeLog.Append(ctx, keys, records)
		return errAway
	case n < 45: // it is written much later, after it was written again
		l.late.Go(func() {
			time.Sleep(2 * appendWait)
			l.add(records...)
		})
		return errAway
	}
	return l.fakeLog.Append(ctx, keys, records)
}

// TestEveryAnswerIsTrueWhateverHappensToTheLog has three processes change documents
// over faulty ways to one log, with checkpoints and deletions amid it, in virtual
// time. SIM_SEEDS says how many worlds, SIM_SEED the first.
func TestEveryAnswerIsTrueWhateverHappensToTheLog(t *testing.T) {
	count, first := setting(t, "SIM_SEEDS", 20), setting(t, "SIM_SEED", rand.Uint64()>>1)
	t.Logf("%d worlds from seed %d", count, first)
	unknown := 0
	for seed := first; seed < first+count && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) {
			unknown += faultyWorld(t, seed)
			if t.Failed() {
				t.Errorf("seed %d; again with SIM_SEED=%[1]d SIM_SEEDS=1", seed)
			}
		})
	}
	t.Logf("of 60 changes a world, %d were told that they may still happen", unknown)
}

func faultyWorld(t *testing.T, seed uint64) (unknown int) {
	shared := newFakeLog()
	var late sync.WaitGroup
	var logs []*faultyLog
	var stores []*Store
	for i := range 3 {
		l := &faultyLog{fakeLog: shared, rng: rand.New(rand.NewPCG(seed, uint64(i))), late: &late}
		s, err := open(t.Context(), l, Options{Logger: slog.New(slog.DiscardHandler), CheckpointEvery: 40})
		if err != nil {
			t.Fatal(err)
		}
		defer closed(t, s)
		logs, stores = append(logs, l), append(stores, s)
	}
	answers := changeAll(t, 60, stores)
	late.Wait()
	for _, l := range logs {
		l.mu.Lock()
		l.well = true
		l.mu.Unlock()
	}
	time.Sleep(answerWait)
	return judgeAnswers(t, answers, stores, shared)
}
