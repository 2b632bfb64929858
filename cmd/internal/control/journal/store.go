package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"kinesis-destination/schemas/backoff"
)

// Limits of waiting. Each is for the caller: the control plane's users wait for it.
const (
	// freshWait is how long a read waits for the log's end.
	freshWait = time.Second
	// answerWait is how long a change waits to be read back.
	answerWait = 10 * time.Second
	// appendWait bounds one attempt to write.
	appendWait = 3 * time.Second
	// retryWait is the pause before the next attempt of what failed.
	retryWait, maxRetryWait = 100 * time.Millisecond, 2 * time.Second
	// checkEvery is how often the log is looked at, recheckEvery while it is unfit.
	checkEvery, recheckEvery = 10 * time.Minute, 30 * time.Second
	// checkpointEvery is how many entries there are from one checkpoint to the next.
	// The log holds those since the last but one, so this many at least can be audited.
	checkpointEvery = 10_000
	// maxDocuments is ten times what the control plane is made for, and maxBytes twice
	// what as many documents of a flow's usual size take.
	maxDocuments, maxBytes = 100_000, 256 << 20
)

// ErrNoStore says that there is no store where one was to be (Options.Existing).
var ErrNoStore = errors.New("there is no store")

// Options of a store.
type Options struct {
	// Logger must not be nil.
	Logger *slog.Logger
	// StoreID is what the store is known to be, from elsewhere; empty: anything,
	// also a new one, which is made where there is none.
	StoreID string
	// Existing: a store that is not there is an error, and none is made.
	Existing bool
	// ReadOnly: of a folder, what is in it now is read beside the process that has it.
	// No change is taken.
	ReadOnly bool
	// MaxDocuments and MaxBytes bound what a store holds, all of it in memory; 0: the
	// defaults. They are the writers' bounds: readers take what the log has.
	MaxDocuments, MaxBytes int
	// CheckpointEvery entries; 0: the default.
	CheckpointEvery int
}

// Store is the documents of a journal: memory that follows its log.
type Store struct {
	log    appendLog
	opts   Options
	logger *slog.Logger
	ends   ends
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu        sync.Mutex
	state     *state
	begin     *beginning // until there is a state
	loaded    bool       // the state has been up to the log's end once
	snapshot  *Snapshot  // of the state as it is; nil: not made yet
	moved     chan struct{}
	stopped   *stop  // what the log cannot be read beyond
	unfit     *unfit // what keeps the log from being written
	trouble   error  // why it is not read now
	unwritten error  // why the last attempt to write failed
	caughtUp  time.Time
	counts    map[Verdict]int64
	oddities  []Oddity
	pending   map[string]*proposal
	queue     []*proposal
	queued    chan struct{} // holds one when the queue is not empty
	due       chan struct{} // holds one when a checkpoint is due
	others    time.Time     // when another process's checkpoint was seen under way
}

// OpenFiles opens the store of a folder, and makes it where there is none, unless the
// options say otherwise.
func OpenFiles(ctx context.Context, dir string, o Options) (*Store, error) {
	if o.ReadOnly {
		f, err := openFilesRead(dir)
		if err != nil {
			return nil, err
		}
		o.Existing = true
		return open(ctx, f, o)
	}
	f, err := openFiles(dir, o.Existing, o.Logger)
	if err != nil {
		return nil, err
	}
	return open(ctx, f, o)
}

// open waits until the log was read to its end. Where that cannot be, for a
// reason that lasts, the store says so; ctx ends the waiting for anything else.
func open(ctx context.Context, log appendLog, o Options) (*Store, error) {
	if o.CheckpointEvery == 0 {
		o.CheckpointEvery = checkpointEvery
	}
	o.MaxDocuments, o.MaxBytes = cmp.Or(o.MaxDocuments, maxDocuments), cmp.Or(o.MaxBytes, maxBytes)
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Store{
		log: log, opts: o, logger: o.Logger, cancel: cancel,
		ends:  ends{log: log, asked: make(chan struct{}, 1)},
		moved: make(chan struct{}), counts: map[Verdict]int64{}, pending: map[string]*proposal{},
		queued: make(chan struct{}, 1), due: make(chan struct{}, 1),
	}
	if err := s.prepare(ctx); err != nil {
		cancel()
		return nil, errors.Join(err, log.Close())
	}
	s.wait.Go(func() { s.tail(running) })
	s.wait.Go(func() { s.write(running) })
	s.wait.Go(func() { s.ends.answer(running) })
	s.wait.Go(func() { s.keepChecking(running) })
	s.wait.Go(func() { s.keepCheckpoints(running) })
	if err := s.load(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare makes the log where it is missing, and checks it.
func (s *Store) prepare(ctx context.Context) error {
	var before error
	for wait := retryWait; ; wait = min(2*wait, maxRetryWait) {
		err := s.log.Check(ctx, s.opts.StoreID == "" && !s.opts.Existing)
		if wrong, ok := errors.AsType[*unfit](err); ok {
			if wrong.missing && s.opts.Existing {
				return fmt.Errorf("%w: %w", ErrNoStore, wrong)
			}
			s.unfit = wrong
			s.logger.Error("the control plane is read-only", "reason", wrong.why)
			if wrong.missing { // a store that is known to be elsewhere is not made anew
				s.stopped = &stop{why: fmt.Sprintf("the store is known to be %s, and has no log: %s", s.opts.StoreID, wrong.why)}
			}
			return nil
		}
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			if before == nil || before.Error() != err.Error() {
				s.logger.Warn("the journal is not there yet", "error", err)
			}
			before = err
		}
		if backoff.Sleep(ctx, wait) != nil {
			return cmp.Or(before, err)
		}
	}
}

// load waits until everything is read that stood in the log, and founds the store
// where nothing does.
func (s *Store) load(ctx context.Context) error {
	var before error
	for {
		err := s.fresh(ctx)
		s.mu.Lock()
		stopped, founded, trouble := s.stopped, s.state != nil && s.state.store != "", s.trouble
		s.mu.Unlock()
		switch {
		case stopped != nil:
			return nil
		case err == nil && founded:
			s.mu.Lock()
			s.loaded = true
			s.mu.Unlock()
			return nil
		case err == nil && s.opts.Existing:
			return fmt.Errorf("%w: the log is empty", ErrNoStore)
		case err == nil && s.opts.StoreID != "":
			s.halt(&stop{why: "the log is empty, and is known to be of store " + s.opts.StoreID + ": it was deleted and made anew"})
			return nil
		case err == nil && s.unfitNow() != nil: // a store does not begin where it would be lost
			return s.unfitNow()
		case err == nil:
			err = s.found(ctx)
		}
		switch {
		case errors.Is(err, errRefused):
			return err
		case err != nil && ctx.Err() == nil:
			before = err
		}
		if err != nil && backoff.Sleep(ctx, retryWait) != nil {
			return cmp.Or(trouble, before, err) // why, rather than that it took too long
		}
	}
}

func (s *Store) unfitNow() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unfit == nil {
		return nil
	}
	return s.unfit
}

// found writes the entry that names the store. Others may do so at the same time:
// the first entry counts, and all read it.
func (s *Store) found(ctx context.Context) error {
	e := &entry{V: format, ID: newID(), Store: newID()[:16], At: time.Now().UTC().Truncate(time.Millisecond), Founds: true}
	record, err := e.encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, appendWait)
	defer cancel()
	return s.log.Append(ctx, []string{e.ID}, [][]byte{record})
}

// Close ends what the store does. Changes under way end as unknown.
func (s *Store) Close() error {
	s.cancel()
	s.wait.Wait()
	s.mu.Lock()
	s.stopped = &stop{why: "the store is closed"}
	s.abandon(s.stopped)
	s.mu.Unlock()
	return s.log.Close()
}

// keepChecking looks at the log from time to time.
func (s *Store) keepChecking(ctx context.Context) {
	for {
		s.mu.Lock()
		wait := checkEvery
		if s.unfit != nil {
			wait = recheckEvery
		}
		s.mu.Unlock()
		if backoff.Sleep(ctx, wait) != nil {
			return
		}
		s.recheck(ctx)
	}
}

// recheck looks at the log now. Where it does not answer, what was found before stays.
func (s *Store) recheck(ctx context.Context) {
	err := s.log.Check(ctx, false)
	wrong, isUnfit := errors.AsType[*unfit](err)
	if err != nil && !isUnfit {
		return
	}
	s.mu.Lock()
	before := s.unfit
	s.unfit = wrong
	s.mu.Unlock()
	switch {
	case before == nil && wrong != nil:
		s.logger.Error("the control plane is read-only", "reason", wrong.why)
	case before != nil && wrong == nil:
		s.logger.Info("the control plane takes changes again")
	}
}
