package journal

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/schemas/backoff"
)

// onLog opens a store of a log in virtual time, and closes it behind the story.
func onLog(t *testing.T, story func(t *testing.T, l *fakeLog, s *Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newFakeLog()
		s := openLog(t, l, Options{})
		defer closed(t, s)
		story(t, l, s)
	})
}

func openLog(t *testing.T, l *fakeLog, o Options) *Store {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	s, err := open(t.Context(), l, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func propose(t *testing.T, s *Store, d Doc) error {
	t.Helper()
	_, err := s.Propose(t.Context(), Change{Docs: []Doc{d}})
	return err
}

func TestAnAnswerThatIsLostHasTheSameEntryWrittenAgainAndItCountsOnce(t *testing.T) {
	onLog(t, func(t *testing.T, l *fakeLog, s *Store) {
		tag := s.put(t, doc("flows/a", "", `{}`))
		l.set(func() {
			l.away = errors.New("away") // so that it is not read back before it is written again
			l.answer = func([][]byte) bool { return false }
		})
		time.AfterFunc(5*time.Second, func() { l.set(func() { l.away = nil }) })
		if err := propose(t, s, doc("flows/a", tag, `{"n":1}`)); err != nil {
			t.Fatal(err)
		}
		snapshot, _ := s.Read(t.Context())
		if status := s.Status(); listed(snapshot, "") != `flows/a={"n":1}` || status.Records[Repeated] == 0 || status.Records[Applied] != 2 {
			t.Errorf("%+v", status)
		}
	})
}

func TestAChangeThatIsNotReadBackMayStillHappen(t *testing.T) {
	onLog(t, func(t *testing.T, l *fakeLog, s *Store) {
		l.set(func() { l.away = errors.New("the broker is away") })
		began := time.Now()
		err := propose(t, s, doc("flows/a", "", `{}`))
		if !errors.Is(err, ErrMayStillHappen) || !strings.Contains(err.Error(), "the broker is away") || time.Since(began) != answerWait {
			t.Error(err, time.Since(began))
		}
		l.set(func() { l.away = nil })
		time.Sleep(maxRetryWait)
		if snapshot, fresh := s.Read(t.Context()); listed(snapshot, "") != "flows/a={}" || !fresh.Fresh {
			t.Error(listed(snapshot, ""), fresh)
		}
	})
}

func TestWhatTheLogDoesNotTakeIsNotWritten(t *testing.T) {
	onLog(t, func(t *testing.T, l *fakeLog, s *Store) {
		l.set(func() { l.refuse = errors.Join(errNotYet, errors.New("too few replicas")) })
		began := time.Now()
		err := propose(t, s, doc("flows/a", "", `{}`))
		if !errors.Is(err, ErrNotWritten) || errors.Is(err, ErrMayStillHappen) || !strings.Contains(err.Error(), "too few replicas") || time.Since(began) != answerWait || l.appends < 5 {
			t.Error(err, time.Since(began), l.appends)
		}
		l.set(func() { l.refuse = errors.Join(errRefused, errors.New("no right")) })
		began = time.Now()
		if err := propose(t, s, doc("flows/a", "", `{}`)); !errors.Is(err, ErrNotWritten) || time.Since(began) > maxRetryWait {
			t.Error(err, time.Since(began))
		}
		l.set(func() { l.refuse = nil })
		time.Sleep(time.Minute)
		if snapshot, _ := s.Read(t.Context()); listed(snapshot, "") != "" {
			t.Error("a change happened that was said not to be written")
		}
	})
}

func TestAReadWaitsForASecondAndThenSaysSo(t *testing.T) {
	onLog(t, func(t *testing.T, l *fakeLog, s *Store) {
		s.put(t, doc("flows/a", "", `{}`))
		s.Read(t.Context())
		then := time.Now()
		l.set(func() { l.away = errors.New("the broker is away") })
		time.Sleep(time.Minute)
		began := time.Now()
		snapshot, fresh := s.Read(t.Context())
		if fresh.Fresh || fresh.Partial || fresh.Why == nil || !fresh.AsOf.Equal(then) || time.Since(began) > freshWait || listed(snapshot, "") != "flows/a={}" {
			t.Errorf("%+v %v", fresh, time.Since(began))
		}
	})
}

func TestAnUnfitLogIsReadOnlyUntilItIsMended(t *testing.T) {
	onLog(t, func(t *testing.T, l *fakeLog, s *Store) {
		s.put(t, doc("flows/a", "", `{}`))
		l.set(func() { l.fit = &unfit{why: "it is compacted"} })
		time.Sleep(checkEvery)
		synctest.Wait()
		if err := propose(t, s, doc("flows/b", "", `{}`)); !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "it is compacted") {
			t.Error(err)
		}
		if snapshot, fresh := s.Read(t.Context()); !fresh.Fresh || listed(snapshot, "") != "flows/a={}" || s.Status().ReadOnly != "it is compacted" || s.Status().Cause != CauseSettings {
			t.Error(fresh)
		}
		l.set(func() { l.fit = nil })
		time.Sleep(recheckEvery)
		synctest.Wait()
		s.put(t, doc("flows/b", "", `{}`))
	})
}

func TestWhatCannotBeJudgedStopsTheStoreWithTheReason(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(l *fakeLog, s *Store)
		want    string
	}{
		"a newer format":  {func(l *fakeLog, _ *Store) { l.add([]byte(`{"v":2,"id":"x","new":true}`)) }, "format 2"},
		"a log made anew": {func(l *fakeLog, _ *Store) { l.set(func() { l.records, l.next = nil, 0 }) }, "ends at offset 0"},
		"made anew and longer": {func(l *fakeLog, _ *Store) {
			l.set(func() { l.records, l.next = nil, 0 })
			l.add([]byte(`{"v":1,"id":"f","store":"other","at":"2026-01-02T03:04:05Z","founds":true}`))
			for range 5 {
				l.add([]byte(`{"v":1,"id":"` + newID() + `","store":"other","at":"2026-01-02T03:04:05Z","prev":{"offset":0,"id":"f"},"docs":[{"key":"a/b","base":"","doc":{}}]}`))
			}
		}, "of store other"},
		"entries that were lost": {func(l *fakeLog, s *Store) {
			l.add([]byte(`{"v":1,"id":"z","store":"` + s.Status().Store + `","at":"2026-01-02T03:04:05Z","prev":{"offset":90,"id":"y"},"docs":[{"key":"a/b","base":"","doc":{}}]}`))
		}, "another entry at offset 90"},
		"another entry before it": {func(l *fakeLog, s *Store) {
			l.add([]byte(`{"v":1,"id":"z","store":"` + s.Status().Store + `","at":"2026-01-02T03:04:05Z","prev":{"offset":1,"id":"y"},"docs":[{"key":"a/b","base":"","doc":{}}]}`))
		}, "another entry at offset 1"},
		"a gap": {func(l *fakeLog, _ *Store) {
			l.set(func() { l.next += 3 })
			l.add([]byte(`{}`))
		}, "compacted"},
	} {
		t.Run(name, func(t *testing.T) {
			onLog(t, func(t *testing.T, l *fakeLog, s *Store) {
				s.put(t, doc("flows/a", "", `{}`))
				c.happens(l, s)
				time.Sleep(10 * time.Second)
				status := s.Status()
				if !status.Stopped || status.Partial || !strings.Contains(status.ReadOnly, c.want) {
					t.Errorf("%+v", status)
				}
				snapshot, fresh := s.Read(t.Context())
				if fresh.Fresh || listed(snapshot, "") != "flows/a={}" {
					t.Error(fresh, listed(snapshot, ""))
				}
				if err := propose(t, s, doc("flows/b", "", `{}`)); !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), c.want) {
					t.Error(err)
				}
			})
		})
	}
}

func TestAnEntryOfAnotherStoreIsPassedOverWhereTheLogIsStillOurs(t *testing.T) {
	onLog(t, func(t *testing.T, l *fakeLog, s *Store) {
		l.add([]byte(`{"v":1,"id":"z","store":"other","at":"2026-01-02T03:04:05Z","prev":{"offset":0,"id":"f"},"docs":[{"key":"a/b","base":"","doc":{}}]}`))
		s.put(t, doc("flows/a", "", `{}`))
		if status := s.Status(); status.ReadOnly != "" || status.Records[Foreign] != 1 || !strings.Contains(status.Oddities[0].Why, "store other") {
			t.Errorf("%+v", status)
		}
	})
}

func TestAnEmptyLogThatIsKnownNotToBeIsNotFoundedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFakeLog()
		s := openLog(t, l, Options{StoreID: "known"})
		defer closed(t, s)
		if status := s.Status(); !status.Partial || !strings.Contains(status.ReadOnly, "known") || l.appends != 0 {
			t.Errorf("%+v", status)
		}
	})
}

func TestALogThatBeginsLaterWithoutACheckpointIsNoStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFakeLog()
		s := openLog(t, l, Options{})
		tag := s.put(t, doc("flows/a", "", `{}`))
		s.put(t, doc("flows/a", tag, `{"n":1}`))
		closed(t, s)
		if err := l.Truncate(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		s = openLog(t, l, Options{})
		defer closed(t, s)
		if status := s.Status(); !status.Partial || !strings.Contains(status.ReadOnly, "no checkpoint") {
			t.Errorf("%+v", status)
		}
	})
}

func TestAReaderThatADeletionOvertookBeginsWithTheCheckpoint(t *testing.T) {
	onLog(t, func(t *testing.T, l *fakeLog, slow *Store) {
		l.set(func() { l.away = errors.New("away") })
		time.Sleep(time.Second)
		other := newFakeLog()
		l.set(func() { other.records, other.next = l.records, l.next })
		fast := openLog(t, other, Options{})
		tag := fast.put(t, doc("flows/a", "", `{}`))
		if err := fast.checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		fast.put(t, doc("flows/a", tag, `{"n":1}`))
		x := fast.Status().Checkpoint
		closed(t, fast)
		if err := other.Truncate(t.Context(), x+1); err != nil {
			t.Fatal(err)
		}
		l.set(func() { l.records, l.first, l.next, l.away = other.records, other.first, other.next, nil })
		time.Sleep(10 * time.Second)
		if snapshot, fresh := slow.Read(t.Context()); !fresh.Fresh || listed(snapshot, "") != `flows/a={"n":1}` {
			t.Error(fresh, slow.Status())
		}
	})
}

func TestAWriterThatHadNotReadTheCheckpointWritesAnotherEntry(t *testing.T) {
	onLog(t, func(t *testing.T, l *fakeLog, s *Store) {
		// Another process's checkpoint comes between the reading and the writing.
		l.set(func() {
			l.answer = func([][]byte) bool {
				l.answer = nil
				frozen := s.state.copied()
				last := *frozen.last()
				e := entry{V: format, ID: newID(), Store: frozen.store, At: time.Now(), Prev: &last, Checkpoint: frozen.freeze(partBytes)[0]}
				e.Checkpoint.X = l.next // as of an entry that this writer has not read
				l.records = append(l.records, Record{Offset: l.next, Value: []byte("foreign")})
				l.next++
				record, _ := e.encode()
				l.records = append(l.records, Record{Offset: l.next, Value: record})
				l.next++
				return true
			}
		})
		s.put(t, doc("flows/a", "", `{}`))
		if status := s.Status(); status.Records[Stale] != 1 || status.Records[Applied] != 1 {
			t.Errorf("%+v", status)
		}
	})
}

func TestReadersAtTheSameTimeAskForTheEndTogether(t *testing.T) {
	onLog(t, func(t *testing.T, l *fakeLog, s *Store) {
		var all sync.WaitGroup
		counted := &countedBounds{fakeLog: l}
		s.ends.log = counted
		for range 1000 {
			all.Go(func() {
				if _, fresh := s.Read(t.Context()); !fresh.Fresh {
					t.Error(fresh)
				}
			})
		}
		all.Wait()
		if counted.n > 20 {
			t.Errorf("%d requests for 1000 readers", counted.n)
		}
	})
}

type countedBounds struct {
	*fakeLog
	n int
}

func (c *countedBounds) Bounds(ctx context.Context) (int64, int64, error) {
	c.n++
	time.Sleep(time.Millisecond)
	return c.fakeLog.Bounds(ctx)
}

func TestARefusalSaysNothingOfAnAttemptBeforeIt(t *testing.T) {
	onLog(t, func(t *testing.T, l *fakeLog, s *Store) {
		l.set(func() {
			l.away = errors.New("away")
			l.answer = func([][]byte) bool { // written, and not answered; from then on refused
				l.refuse = errors.Join(errRefused, errors.New("no right"))
				return false
			}
		})
		if err := propose(t, s, doc("flows/a", "", `{}`)); !errors.Is(err, ErrMayStillHappen) {
			t.Error(err)
		}
	})
}

// slowLog is another process's way to a log, which takes its time.
type slowLog struct{ *fakeLog }

func (l slowLog) Read(ctx context.Context, from int64) ([]Record, error) {
	if backoff.Sleep(ctx, freshWait/2) != nil {
		return nil, ctx.Err()
	}
	return l.fakeLog.Read(ctx, from)
}

func TestAReadHasWhatWasAnsweredBeforeItBeganInAnyProcess(t *testing.T) {
	onLog(t, func(t *testing.T, l *fakeLog, s *Store) {
		other, err := open(t.Context(), slowLog{l}, Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer closed(t, other)
		for range 5 {
			tag := s.put(t, doc("flows/a", s.state.etag("flows/a"), `{}`))
			if snapshot, fresh := other.Read(t.Context()); !fresh.Fresh || snapshot.Etag("flows/a") != tag {
				t.Error(fresh, snapshot.Etag("flows/a"), tag)
			}
		}
	})
}
