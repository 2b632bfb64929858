package journal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Audited is an entry of the log, and what became of it.
type Audited struct {
	Offset  int64     `json:"offset"`
	At      time.Time `json:"at,omitzero"`
	By      string    `json:"by,omitempty"`
	Why     string    `json:"why,omitempty"`
	Verdict Verdict   `json:"verdict"`
	// Etag is the version that it made.
	Etag string `json:"etag,omitempty"`
	Docs []Doc  `json:"docs,omitempty"`
	// Differs are the versions that were not the present ones.
	Differs []Differs `json:"differs,omitempty"`
	// Reason is that of what was refused, and of what is foreign or corrupt.
	Reason string `json:"reason,omitempty"`
}

// Audit calls f with every entry that the log still holds, in order, from the first
// one on that can be judged. It reads the log anew; an error of f ends it.
func (s *Store) Audit(ctx context.Context, f func(Audited) error) error {
	_, err := replay(ctx, s.log, func(_ *state, o outcome) error { return f(audited(o)) })
	return err
}

func audited(o outcome) Audited {
	a := Audited{Offset: o.offset, Verdict: o.verdict, Differs: o.differs}
	if o.err != nil {
		a.Reason = o.err.Error()
	}
	if e := o.entry; e != nil {
		a.At, a.By, a.Why, a.Docs, a.Reason = e.At, e.By, e.Why, e.Docs, e.Refused
		if o.verdict == Applied {
			a.Etag = etag(e.Store, o.offset)
		}
	}
	return a
}

// Trail is an audit that goes on where it ended, so that following the log costs what
// is new of it. It is one goroutine's.
type Trail struct {
	store *Store
	r     *reading
}

// Trail begins an audit; nothing is read before Next.
func (s *Store) Trail() *Trail { return &Trail{store: s} }

// Next calls f with every entry that is new since the last call, in order. Where the
// log is no longer the one that was read, anew is called first and all of it is new.
func (t *Trail) Next(ctx context.Context, anew func(), f func(Audited) error) error {
	first, end, err := t.store.log.Bounds(ctx)
	if err != nil {
		return err
	}
	if t.r == nil || first > t.r.next || end < t.r.next {
		t.r = begin(first)
		anew()
	}
	if err := t.r.upTo(ctx, t.store.log, end, func(_ *state, o outcome) error { return f(audited(o)) }); err != nil {
		t.r = nil // what was told of it may be half a batch
		return err
	}
	return nil
}

// reading is a log as far as it was folded.
type reading struct {
	s    *state
	b    *beginning
	next int64
}

func begin(first int64) *reading {
	if first > 0 {
		return &reading{b: newBeginning(first), next: first}
	}
	return &reading{s: newState()}
}

// upTo folds what stands before an offset, and calls each with what became of each
// record, and the state behind it. The state must not be kept.
func (r *reading) upTo(ctx context.Context, log appendLog, end int64, each func(*state, outcome) error) error {
	for r.next < end {
		records, err := log.Read(ctx, r.next)
		if err != nil {
			return err
		}
		for _, one := range records {
			if one.Offset >= end {
				break
			}
			r.next = one.Offset + 1
			if r.s, err = fold(r.s, r.b, one, each); err != nil {
				return err
			}
		}
	}
	return nil
}

// replay folds a log from its first record to its end as it is now.
func replay(ctx context.Context, log appendLog, each func(*state, outcome) error) (*state, error) {
	first, end, err := log.Bounds(ctx)
	if err != nil {
		return nil, err
	}
	r := begin(first)
	if err := r.upTo(ctx, log, end, each); err != nil {
		return r.s, err
	}
	if r.s == nil {
		return nil, &stop{offset: first, why: noCheckpoint(first)}
	}
	return r.s, nil
}

// fold takes one record to a state, or to the beginning of one.
func fold(s *state, b *beginning, r Record, each func(*state, outcome) error) (*state, error) {
	var outcomes []outcome
	var err error
	if s != nil {
		var o outcome
		if o, err = s.apply(r); err != nil {
			return s, err
		}
		outcomes = []outcome{o}
	} else if s, outcomes, err = b.take(r); err != nil {
		return s, err
	}
	for _, o := range outcomes {
		if err := each(s, o); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Report is what Check finds.
type Report struct {
	Store       string
	First, Next int64
	Records     map[Verdict]int64
	Documents   int
	// Checkpoints that are complete, by the offset that they are as of.
	Checkpoints []int64
	// Problems are what somebody should see to; none: all is well.
	Problems []string
}

// Check reads the log anew, and says what is wrong with it: what is foreign or
// damaged, what it cannot be read beyond, checkpoints that do not say what the
// entries before them do, and settings of the topic.
func (s *Store) Check(ctx context.Context) (*Report, error) {
	r := &Report{Records: map[Verdict]int64{}}
	if err := s.log.Check(ctx, false); err != nil {
		if _, isUnfit := errors.AsType[*unfit](err); !isUnfit {
			return nil, err
		}
		r.problem("%v", err)
	}
	var err error
	if r.First, _, err = s.log.Bounds(ctx); err != nil {
		return nil, err
	}
	checkpoints := map[string][]*part{}
	final, err := replay(ctx, s.log, func(_ *state, o outcome) error {
		r.count(o)
		if o.verdict == Marked && o.entry.Checkpoint != nil {
			p := o.entry.Checkpoint
			checkpoints[p.ID] = append(checkpoints[p.ID], p)
		}
		return nil
	})
	if halt, ok := errors.AsType[*stop](err); ok {
		r.problem("it cannot be read further: %v", halt)
	} else if err != nil {
		return nil, err
	}
	if final != nil {
		r.Store, r.Next, r.Documents = final.store, final.next, len(final.docs)
	}
	return r, s.checkCheckpoints(ctx, r, checkpoints)
}

func (r *Report) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

func (r *Report) count(o outcome) {
	r.Records[o.verdict]++
	if o.err != nil {
		r.problem("offset %d: %v", o.offset, o.err)
	}
}

var errEnough = errors.New("read as far as needed")

// checkCheckpoints compares each complete checkpoint with the entries up to it.
func (s *Store) checkCheckpoints(ctx context.Context, r *Report, all map[string][]*part) error {
	for _, parts := range all {
		last := parts[len(parts)-1]
		if !last.Last || len(parts) != last.N+1 || parts[0].X < r.First {
			continue // not complete, or what it is of is deleted
		}
		said := thaw(r.Store, parts)
		_, err := replay(ctx, s.log, func(s *state, o outcome) error {
			if o.offset < last.X || s.next > last.X+1 {
				return nil
			}
			if !s.same(said) {
				r.problem("the checkpoint as of offset %d does not say what the entries up to it do: readers that begin with it have other documents", last.X)
			}
			return errEnough
		})
		if _, stopped := errors.AsType[*stop](err); err != nil && !stopped && !errors.Is(err, errEnough) {
			return err
		}
		r.Checkpoints = append(r.Checkpoints, last.X)
	}
	return nil
}
