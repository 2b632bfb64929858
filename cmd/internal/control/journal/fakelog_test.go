package journal

import (
	"context"
	"sync"
	"time"
)

// fakeLog is an appendLog in memory, whose answers a test decides.
type fakeLog struct {
	mu      sync.Mutex
	records []Record
	first   int64
	next    int64
	fit     error
	away    error                       // what Bounds and Read answer
	answer  func(records [][]byte) bool // whether an append is answered; nil: all are
	refuse  error                       // what Append answers, and nothing is written
	appends int
	grown   chan struct{}
}

func newFakeLog() *fakeLog { return &fakeLog{grown: make(chan struct{})} }

func (l *fakeLog) Check(context.Context, bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fit
}

func (l *fakeLog) Bounds(context.Context) (first, end int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first, l.next, l.away
}

func (l *fakeLog) Read(ctx context.Context, from int64) ([]Record, error) {
	l.mu.Lock()
	grown, away := l.grown, l.away
	if away == nil && from == l.next {
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-grown:
		case <-time.After(pollWait):
			return nil, nil
		}
		l.mu.Lock()
		away = l.away
	}
	defer l.mu.Unlock()
	if away != nil {
		return nil, away
	}
	var found []Record
	for _, r := range l.records {
		if r.Offset >= from {
			found = append(found, r)
		}
	}
	if from < l.first || from > l.next {
		return nil, errOutside
	}
	return found, nil
}

func (l *fakeLog) Append(ctx context.Context, _ []string, records [][]byte) error {
	l.mu.Lock()
	l.appends++
	if l.refuse != nil {
		defer l.mu.Unlock()
		return l.refuse
	}
	answered := l.answer == nil || l.answer(records)
	l.mu.Unlock()
	l.add(records...)
	if answered {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (l *fakeLog) add(records ...[]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range records {
		l.records = append(l.records, Record{Offset: l.next, Value: r})
		l.next++
	}
	close(l.grown)
	l.grown = make(chan struct{})
}

func (l *fakeLog) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *fakeLog) Truncate(_ context.Context, before int64) error {
	l.set(func() {
		for len(l.records) > 0 && l.records[0].Offset < before {
			l.records = l.records[1:]
		}
		l.first = max(l.first, before)
	})
	return nil
}

func (l *fakeLog) Close() error { return nil }
