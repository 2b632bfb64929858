package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/cmd/internal/control/topic"
)

func options(t *testing.T, process string) Options {
	return Options{Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Process: process, Host: "host-" + process}
}

// log is records that several Boards of a test share, whose answers a test decides.
type log struct {
	mu      sync.Mutex
	records []topic.Record
	refuse  error
	grown   chan struct{}
}

func newLog() *log { return &log{grown: make(chan struct{})} }

type reader struct { // is one Board's way to it
	*log
	next  int
	begun bool
}

func (*reader) Check(context.Context) error { return nil }

func (r *reader) Read(ctx context.Context) (arrived, error) {
	r.mu.Lock()
	grown, behind := r.grown, r.next < len(r.records) || !r.begun
	r.mu.Unlock()
	if !behind {
		select {
		case <-ctx.Done():
			return arrived{}, ctx.Err()
		case <-grown:
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun = true
	a := arrived{records: r.records[r.next:], whole: true}
	r.next = len(r.records)
	return a, nil
}

func (r *reader) Append(_ context.Context, records []topic.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return r.refuse
	}
	r.records = append(r.records, records...)
	close(r.grown)
	r.grown = make(chan struct{})
	return nil
}

func (r *reader) Close() error { return nil }

func (l *log) refused(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = err
}

// board is one of a process that belongs to store s1.
func board(t *testing.T, l *log, process string) *Board {
	b := open(t.Context(), &reader{log: l}, options(t, process))
	if err := b.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Begin("s1")
	return b
}

func closed(t *testing.T, b *Board) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// after lets virtual time pass while flows are told of, as a fleet does.
func after(d time.Duration, tell func()) {
	for ; d > 0; d -= 5 * time.Second {
		tell()
		time.Sleep(min(d, 5*time.Second)) // virtual
	}
	synctest.Wait()
}

func TestEveryReplicaShowsWhatAProcessTellsWithinTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		a, b := board(t, l, "a"), board(t, l, "b")
		since := time.Now()
		f := Flow{ID: "f", Sandbox: "prod", State: Held, Reason: "throttled", Detail: "the stream refuses", Since: since, Lag: 7, LagSeconds: 3}
		after(2*time.Second, func() { a.Report(f) })
		for _, replica := range []*Board{a, b} {
			told := replica.Flow("f")
			if told.State != Held || told.Reason != "throttled" || told.Detail != "the stream refuses" || !told.Since.Equal(since) || told.Lag != 7 || told.LagSeconds != 3 || len(told.Processes) != 1 {
				t.Errorf("%+v", told)
			}
			if len(replica.Processes()) != 2 {
				t.Errorf("processes: %+v", replica.Processes())
			}
		}
		if told := b.Flow("other"); told.State != None {
			t.Errorf("a flow that nobody tells of: %+v", told)
		}
		closed(t, a)
		after(time.Second, func() {})
		if told := b.Flow("f"); told.State != None || len(b.Processes()) != 1 {
			t.Errorf("of a process that ended: %+v", told)
		}
		closed(t, b)
	})
}

func TestWhatSomebodyShouldSeeToIsShownFirstAndLagIsSummed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		a, b, c := board(t, l, "a"), board(t, l, "b"), board(t, l, "c")
		after(2*time.Second, func() {
			a.Report(Flow{ID: "f", State: Running, Lag: 10, LagSeconds: 1})
			b.Report(Flow{ID: "f", State: Held, Reason: "access_denied", Lag: 5, LagSeconds: 9})
			c.Report(Flow{ID: "f", State: Running, Lag: 1})
		})
		told := c.Flow("f")
		if told.State != Held || told.Reason != "access_denied" || told.Lag != 16 || told.LagSeconds != 9 || len(told.Processes) != 3 {
			t.Errorf("%+v", told)
		}
		for _, one := range []*Board{a, b, c} {
			closed(t, one)
		}
	})
}

func TestAProcessThatIsSilentIsShownSoAndDoesNotOutvoteOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		a, b := board(t, l, "a"), board(t, l, "b")
		after(2*time.Second, func() { a.Report(Flow{ID: "f", State: Refused, Reason: "configuration", Lag: 3}) })
		a.Count("f", Counts{Activated: 4, UnderWay: 6})
		after(40*time.Second, func() { a.Report(Flow{ID: "f", State: Refused, Reason: "configuration", Lag: 3}) })
		if runs := b.Runs("f"); len(runs) != 1 || runs[0].Received != 10 || runs[0].UnderWay != 6 || !runs[0].Open {
			t.Errorf("%+v", runs)
		}
		a.cancel() // as if it were killed
		a.wait.Wait()
		after(silentAfter+beatEvery, func() {})
		told := b.Flow("f")
		if told.State != Silent || !told.Processes[0].Silent || told.Processes[0].State != Refused || told.Lag != 3 || !strings.Contains(told.Detail, "refused") {
			t.Errorf("%+v", told)
		}
		if runs := b.Runs("f"); runs[0].Received != 4 || runs[0].UnderWay != 0 {
			t.Errorf("what was under way in a process that was killed is received anew: %+v", runs)
		}
		after(2*time.Second, func() { b.Report(Flow{ID: "f", State: Running, Lag: 1}) })
		if told := b.Flow("f"); told.State != Running || told.Lag != 1 || len(told.Processes) != 2 || !told.Processes[1].Silent {
			t.Errorf("%+v", told)
		}
		closed(t, b)
	})
}

func TestARunAddsUpOverProcessesAndARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		a, b := board(t, l, "a"), board(t, l, "b")
		a.Count("f", Counts{Activated: 4, UnderWay: 1, Excluded: map[string]int64{"consent": 2}, Segments: map[string]int64{"vip": 3}})
		b.Count("f", Counts{Activated: 1, Failed: map[string]int64{"malformed": 1}, Segments: map[string]int64{"vip": 1}})
		closed(t, a)
		closed(t, b)
		c := board(t, l, "c")
		runs := c.Runs("f")
		if len(runs) != 1 {
			t.Fatalf("%+v", runs)
		}
		r := runs[0]
		if r.Received != 8 || r.Activated != 5 || r.Excluded["consent"] != 2 || r.Failed["malformed"] != 1 || r.UnderWay != 0 || r.Segments["vip"] != 4 {
			t.Errorf("%+v", r)
		}
		closed(t, c)
	})
}

// An hour of a busy process costs two records a minute and flow, and six of the process,
// however often something is counted.
func TestWhatIsToldIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		b := board(t, l, "a")
		n := int64(0)
		after(10*time.Minute, func() {
			for range 50 {
				n++
				b.Count("f", Counts{Activated: n})
				b.Report(Flow{ID: "f", State: Running, Lag: n, Detail: strings.Repeat("é", 1000)})
			}
		})
		kinds := map[string]int{}
		for _, r := range l.records {
			kind, _, _ := strings.Cut(string(r.Key), "/")
			kinds[kind]++
			if len(r.Value) > 1000 {
				t.Errorf("a record has %d bytes", len(r.Value))
			}
		}
		if kinds["process"] > 62 || kinds["process"] < 50 || kinds["run"] > 21 || kinds["run"] < 15 {
			t.Errorf("%v", kinds)
		}
		closed(t, b)
	})
}

func TestAThousandFlowsFitAndTheRestIsCounted(t *testing.T) {
	b := &Board{flows: map[string]*told{}, o: options(t, "a")}
	for i := range 3000 {
		f := Flow{ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), Sandbox: "prod", State: Running, Detail: strings.Repeat("x", maxText)}
		if i == 2999 {
			f.State = Refused
		}
		b.flows[f.ID] = &told{f, time.Now()}
	}
	r := b.processRecord(time.Now())
	got, err := decodeProcess(r.Value)
	if err != nil || len(got.Flows) != maxFlows || got.Omitted != 2000 || got.Flows[0].State != Refused || len(r.Value) > 900_000 {
		t.Errorf("%v: %d flows, %d omitted, %d bytes", err, len(got.Flows), got.Omitted, len(r.Value))
	}
}

func TestWhatCannotBeWrittenIsWrittenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		a, b := board(t, l, "a"), board(t, l, "b")
		l.refused(errors.New("away"))
		a.Count("f", Counts{Activated: 1})
		after(time.Hour, func() { a.Report(Flow{ID: "f", State: Running}) })
		if a.Trouble() == nil || a.Flow("f").State != None {
			t.Errorf("%v %+v", a.Trouble(), a.Flow("f"))
		}
		l.refused(nil)
		after(10*time.Second, func() { a.Report(Flow{ID: "f", State: Running}) })
		if err := a.Trouble(); err != nil || b.Flow("f").State != Running || len(b.Runs("f")) != 1 {
			t.Errorf("%v %+v", err, b.Flow("f"))
		}
		closed(t, a)
		closed(t, b)
	})
}

func TestHoursBeyondTheRetentionAreLetGoOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		keep := func(process string) *Board {
			o := options(t, process)
			o.Retention = 2 * goneAfter
			b := open(t.Context(), &reader{log: l}, o)
			b.Begin("s1")
			return b
		}
		a := keep("a")
		a.Count("f", Counts{Activated: 1})
		after(time.Minute, func() {})
		a.cancel() // as if it were killed
		a.wait.Wait()
		b := keep("b")
		b.Count("f", Counts{Activated: 1})
		time.Sleep(2*goneAfter - 2*time.Hour) // virtual
		if runs := b.Runs("f"); len(runs) != 1 || runs[0].Activated != 2 {
			t.Errorf("%+v", runs)
		}
		if len(b.Processes()) != 1 {
			t.Errorf("a process that is silent for a day: %+v", b.Processes())
		}
		time.Sleep(4 * time.Hour) // virtual
		synctest.Wait()
		if runs := b.Runs("f"); len(runs) != 0 {
			t.Errorf("%+v", runs)
		}
		tombstones := 0
		for _, r := range l.records {
			if strings.HasPrefix(string(r.Key), runPrefix) && r.Value == nil {
				tombstones++
			}
		}
		if tombstones != 2 {
			t.Errorf("%d tombstones", tombstones)
		}
		closed(t, b)
	})
}

func TestAFlowThatIsNotToldOfIsNoLongerOneOfTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board(t, newLog(), "a")
		after(10*time.Second, func() { b.Report(Flow{ID: "f", State: Running}) })
		after(toldFor+2*beatEvery, func() {})
		if told := b.Flow("f"); told.State != None {
			t.Errorf("%+v", told)
		}
		closed(t, b)
	})
}

func TestRecordsOfAnotherStoreAreNoticedAndNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		a := board(t, l, "a")
		a.Count("f", Counts{Activated: 1})
		after(time.Minute, func() { a.Report(Flow{ID: "f", State: Running}) })
		b := open(t.Context(), &reader{log: l}, options(t, "b"))
		if err := b.Await(t.Context()); err != nil || b.Store() != "s1" {
			t.Errorf("%v %q", err, b.Store())
		}
		b.Begin("s2")
		if b.Flow("f").State != None || len(b.Runs("f")) != 0 {
			t.Errorf("%+v %+v", b.Flow("f"), b.Runs("f"))
		}
		closed(t, a)
		closed(t, b)
	})
}

func TestWhatIsDueWhenAProcessEndsIsWrittenAtItsEnd(t *testing.T) {
	l := newLog()
	b := &Board{shared: &reader{log: l}, o: options(t, "a"), table: newTable(), flows: map[string]*told{}, ledgers: map[string]*ledger{}, loaded: make(chan struct{}), cancel: func() {}}
	b.Begin("s1")
	b.Count("f", Counts{Activated: 1})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	b.send(ended, &schedule{hours: map[string]time.Time{}})
	closed(t, b)
	if n := len(l.records); n != 2 || !strings.HasPrefix(string(l.records[0].Key), runPrefix) {
		t.Errorf("%d records: the hour is missing", n)
	}
}
