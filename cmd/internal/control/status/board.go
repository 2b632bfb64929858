package status

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/control/topic"
	"kinesis-destination/schemas/backoff"
)

// shared is where the records of all processes are; the last one of a key counts.
type shared interface {
	// Check says what is wrong with how records are kept, and makes the place where there
	// is none. An *unfit error lasts until somebody sees to it.
	Check(ctx context.Context) error
	// Read returns what came since the last call. Where nothing did it waits for a moment.
	Read(ctx context.Context) (arrived, error)
	// Append writes records; nil: they are there.
	Append(ctx context.Context, records []topic.Record) error
	Close() error
}

// arrived is what was read.
type arrived struct {
	records []topic.Record
	// anew: what was read before is no more.
	anew bool
	// whole: everything was read that was there when it began.
	whole bool
}

// unfit is what is wrong with how records are kept, and what to do.
type unfit struct{ why string }

func (u *unfit) Error() string { return u.why }

// Options of a Board.
type Options struct {
	// Logger must not be nil.
	Logger *slog.Logger
	// Process is the id of this process, of which there is no second one.
	Process string
	// Host and Version are shown beside it.
	Host, Version string
	// Retention of hours; 0: the default.
	Retention time.Duration
}

// Board is what all processes tell, and where this one does.
type Board struct {
	shared shared
	o      Options
	began  time.Time
	cancel context.CancelFunc
	wait   sync.WaitGroup
	loaded chan struct{} // closed when everything was read that was there

	mu      sync.Mutex
	table   *table
	store   string // empty: nothing is told yet
	flows   map[string]*told
	ledgers map[string]*ledger
	changed bool // a state has, since the last record of the process
	unfit   error
	unread  error // why it cannot be read now
	unsent  error // why the last record could not be written
}

// told is a flow of this process, and when it was told of.
type told struct {
	Flow
	when time.Time
}

const (
	retryWait, maxRetryWait = 100 * time.Millisecond, 5 * time.Second
	// appendWait bounds one attempt to write, and closeWait the last one.
	appendWait, closeWait = 10 * time.Second, 5 * time.Second
	// checkEvery is how often it is looked at how records are kept, recheckEvery while
	// something is wrong.
	checkEvery, recheckEvery = 10 * time.Minute, 5 * time.Second
)

// OpenKafka opens the Board of a topic, which is made where there is none.
func OpenKafka(ctx context.Context, k topic.Kafka, o Options) *Board {
	return open(ctx, newKafkaTopic(k), o)
}

// OpenFiles opens the Board of a folder.
func OpenFiles(ctx context.Context, dir string, o Options) (*Board, error) {
	f, err := openFile(dir)
	if err != nil {
		return nil, err
	}
	return open(ctx, f, o), nil
}

func open(ctx context.Context, s shared, o Options) *Board {
	o.Retention = cmp.Or(o.Retention, DefaultRetention)
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b := &Board{
		shared: s, o: o, began: time.Now(), cancel: cancel, loaded: make(chan struct{}), table: newTable(),
		flows: map[string]*told{}, ledgers: map[string]*ledger{},
	}
	b.wait.Go(func() { b.read(running) })
	b.wait.Go(func() { b.write(running) })
	return b
}

// Await waits until everything was read that was there when it was opened.
func (b *Board) Await(ctx context.Context) error {
	select {
	case <-b.loaded:
		return nil
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		return cmp.Or(b.unread, b.unfit, ctx.Err()) // why, rather than that it took too long
	}
}

// Store is the id of the store that the last record belongs to; empty: there is none.
func (b *Board) Store() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.table.store
}

// Begin says which store this process belongs to: from now on it tells what it does, and
// shows what others of that store do.
func (b *Board) Begin(store string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.store, b.changed = store, true
}

// Report implements Reporter.
func (b *Board) Report(f Flow) {
	f.Reason, f.Detail = cut(f.Reason), cut(f.Detail)
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.flows[f.ID]
	if before == nil || before.State != f.State || before.Reason != f.Reason {
		b.changed = true
	}
	b.flows[f.ID] = &told{f, time.Now()}
	b.ledger(f.ID).sandbox = f.Sandbox
}

// Count implements Reporter.
func (b *Board) Count(flowID string, c Counts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger(flowID).count(time.Now(), c)
}

func (b *Board) ledger(flow string) *ledger {
	if b.ledgers[flow] == nil {
		b.ledgers[flow] = &ledger{}
	}
	return b.ledgers[flow]
}

// Flow is what all processes tell of a flow.
func (b *Board) Flow(id string) Told {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.table.flow(b.store, id, time.Now())
}

// Flows are those that a process tells of, by id.
func (b *Board) Flows() map[string]Told {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.table.states(b.store, time.Now())
}

// Runs are the hours of a flow, the newest first.
func (b *Board) Runs(flow string) []Run {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.table.hours(b.store, flow, time.Now())
}

// Processes are those that were heard of within a day.
func (b *Board) Processes() []Process {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.table.list(b.store, time.Now())
}

// Trouble is why what is shown may be old, or others may not see what this process tells;
// nil: all is well.
func (b *Board) Trouble() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.isLoaded() {
		return cmp.Or(b.unfit, b.unread, b.unsent, errLoading)
	}
	return cmp.Or(b.unfit, b.unread, b.unsent)
}

var errLoading = errors.New("what processes have told is still being read")

// Close tells what is not told yet, and that this process has ended.
func (b *Board) Close() error {
	b.cancel()
	b.wait.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	return errors.Join(b.end(ctx), b.shared.Close())
}

// read follows what is written.
func (b *Board) read(ctx context.Context) {
	wait := retryWait
	for ctx.Err() == nil {
		a, err := b.shared.Read(ctx)
		if b.noteRead(ctx, err); err != nil {
			if backoff.Sleep(ctx, wait) != nil {
				return
			}
			wait = min(2*wait, maxRetryWait)
			continue
		}
		wait = retryWait
		b.take(a)
	}
}

func (b *Board) take(a arrived) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.anew {
		b.o.Logger.Warn("the status topic was made anew: what processes did before is no longer known")
		b.table = newTable()
	}
	loaded := b.isLoaded()
	for _, r := range a.records {
		b.table.apply(string(r.Key), r.Value, time.Now(), loaded)
	}
	if a.whole && !loaded {
		close(b.loaded)
	}
}

func (b *Board) noteRead(ctx context.Context, err error) {
	b.mu.Lock()
	before := b.unread
	b.unread = err
	b.mu.Unlock()
	switch {
	case before == nil && err != nil && ctx.Err() == nil:
		b.o.Logger.Warn("what processes tell cannot be read for now", "error", err)
	case before != nil && err == nil:
		b.o.Logger.Info("what processes tell is read again")
	}
}
