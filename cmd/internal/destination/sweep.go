package destination

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"sync"

	"golang.org/x/time/rate"

	"kinesis-destination/consumer"
	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

// sweepRound is how many events are read between two checkpoints; a kill repeats
// at most what is sent of them.
const sweepRound = 10_000

// ReasonSuperseded filters an event of an identity that has a newer one, where
// only the newest is to leave.
const ReasonSuperseded = "superseded"

// sweep takes bounded ranges of the source topics past a purpose, one partition
// after the other, and sends what that chooses. It goes in rounds: after each,
// nothing is under way, and Kafka keeps how far it has come. So it can be ended
// at any time, and loses nothing and skips nothing.
//
// Where each identity's newest event alone is to leave, a partition is read
// twice: first to learn which that is, up to the end of the topic, then to send.
type sweep struct {
	judging
	purpose     purpose
	latestOnly  bool
	history     *consumer.History
	checkpoints *consumer.Checkpoints // nil: nothing is kept
	rate        *rate.Limiter         // nil: as fast as the stream takes it
	window      chan struct{}         // bounds what is under way; nil: the sink does
	terms       string                // what is swept for: one sweep is not gone on with as another
	log         *slog.Logger
	progress    func() // called every now and then; nil: nobody
	indexLimit  int

	rounds
	at *stretch // that is being swept
}

// purpose decides about events. The error of both is the registry's, which
// cannot answer now.
type purpose interface {
	// candidate is a first look. With the outcome Export the event may leave, if it
	// is its identity's newest or every event is to leave; then it has a partition key.
	candidate(ctx context.Context, m *consumer.Message) (judgment, error)
	// compose decides about a candidate, and makes its record.
	compose(ctx context.Context, m *consumer.Message, candidate judgment) judgment
}

// stretch is what is swept of one partition.
type stretch struct {
	part
	next      int64           // everything before it is done, in this slice
	surveyed  int64           // up to here the newest events are known
	sweepNote                 // as of the last round's end
	taken     int64           // everything before it was sent, counted or passed by, in this round
	newest    *newestIndex    // nil: every event is to leave
	claim     *consumer.Claim // under which it is sent; nil: none is needed
	unsure    bool            // an earlier process ended amid this round: what it sent is not known

	mu          sync.Mutex // guards what others than the sweep see
	now         SweepAccount
	done, total int64 // offsets that were read, of all that have to be
}

// sweepNote is kept beside a checkpoint's offset, as JSON.
type sweepNote struct {
	From    int64        `json:"from"`
	To      int64        `json:"to"`
	Live    int64        `json:"live"` // what was written from here on leaves by itself, if it does
	Terms   string       `json:"terms"`
	Slice   int          `json:"slice"`
	Slices  int          `json:"slices"`
	Open    bool         `json:"open"` // a round is under way
	Account SweepAccount `json:"account"`
}

// SweepAccount is what became of the events of a range.
type SweepAccount struct {
	Consumed     int64            `json:"consumed"`
	Delivered    int64            `json:"delivered"`
	Filtered     map[string]int64 `json:"filtered"`
	DeadLettered map[string]int64 `json:"deadLettered"`
}

func newSweepAccount() SweepAccount {
	return SweepAccount{Filtered: map[string]int64{}, DeadLettered: map[string]int64{}}
}

// Unaccounted is how many events were read and are not at rest.
func (a *SweepAccount) Unaccounted() int64 {
	rest := a.Consumed - a.Delivered
	for _, counts := range []map[string]int64{a.Filtered, a.DeadLettered} {
		for _, n := range counts {
			rest -= n
		}
	}
	return rest
}

// possible tells whether it may be an account of at most so many events: each is
// consumed, and comes to one rest.
func (a *SweepAccount) possible(events int64) bool {
	if a.Consumed < 0 || a.Consumed > events || a.Delivered < 0 || a.Delivered > a.Consumed {
		return false
	}
	rest := a.Consumed - a.Delivered
	for _, counts := range []map[string]int64{a.Filtered, a.DeadLettered} {
		for _, n := range counts {
			if n < 0 || n > rest { // so that no sum overflows
				return false
			}
			rest -= n
		}
	}
	return true
}

func (a *SweepAccount) add(b SweepAccount) {
	a.Consumed += b.Consumed
	a.Delivered += b.Delivered
	for reason, n := range b.Filtered {
		a.Filtered[reason] += n
	}
	for reason, n := range b.DeadLettered {
		a.DeadLettered[reason] += n
	}
}

func newStretch(r consumer.Range, terms string) *stretch {
	s := &stretch{part: part{r.Topic, r.Partition}, sweepNote: sweepNote{From: r.From, To: r.To, Live: r.To, Terms: terms, Slices: 1, Account: newSweepAccount()}}
	s.begin(r.From)
	return s
}

// errForeignNote says that a group's offsets were not set by a sweep.
var errForeignNote = errors.New("its group has offsets that are no checkpoints of this program")

// parseStretch reads a checkpoint.
func parseStretch(c consumer.Checkpoint) (*stretch, error) {
	s := &stretch{part: part{c.Topic, c.Partition}}
	if err := json.Unmarshal([]byte(c.Note), &s.sweepNote); err != nil || !s.possible(c.Next) {
		return nil, fmt.Errorf("%s/%d: %w", c.Topic, c.Partition, errForeignNote)
	}
	read := s.Account
	s.Account = newSweepAccount() // null is no map to count in
	s.Account.add(read)
	s.begin(c.Next)
	return s, nil
}

// possible tells whether a sweep may have written a note beside an offset. Other
// tools, and people, set a group's offsets too.
func (n *sweepNote) possible(next int64) bool {
	if n.Slices < 1 || n.Slices > maxSlices || n.Slices&(n.Slices-1) != 0 || n.Slice < 0 || n.Slice >= n.Slices {
		return false
	}
	// Progress counts each offset twice a slice.
	if n.From < 0 || n.To > math.MaxInt64/int64(2*n.Slices) || n.Live < n.From || next < n.From || next > n.To {
		return false
	}
	return n.Account.possible(n.To - n.From)
}

func (s *stretch) begin(next int64) {
	s.next, s.surveyed = next, s.From
	s.now = newSweepAccount()
	s.now.add(s.Account)
	s.unsure = s.Open
}

func (s *stretch) checkpoint() (consumer.Checkpoint, error) {
	note, err := json.Marshal(s.sweepNote)
	return consumer.Checkpoint{Topic: s.topic, Partition: s.partition, Next: s.next, Note: string(note)}, err
}

// ended tells whether nothing is left of it.
func (s *stretch) ended() bool { return s.Slice == s.Slices-1 && s.next >= s.To }

func (s *stretch) count(f func(*SweepAccount)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.now)
}

// account is a copy of what became of the stretch's events.
func (s *stretch) account() SweepAccount {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.now
	a.Filtered, a.DeadLettered = maps.Clone(a.Filtered), maps.Clone(a.DeadLettered)
	return a
}

// progress is how many offsets were read, of all that have to be.
func (s *stretch) progress() (done, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done, s.total
}

// tell lets others see how far the stretch is. Where it is read twice, or in
// slices, every time counts.
func (w *sweep) tell(s *stretch) {
	size := s.To - s.From
	done, total := max(s.next, s.taken)-s.From, size
	if w.latestOnly {
		done += 2*int64(s.Slice)*size + max(s.surveyed, s.next) - s.From
		total = 2 * int64(s.Slices) * size
	}
	s.mu.Lock()
	s.done, s.total = min(done, total), total
	s.mu.Unlock()
	if w.progress != nil {
		w.progress()
	}
}

// write has Kafka keep a stretch's checkpoint.
func (w *sweep) write(ctx context.Context, s *stretch) error {
	if w.checkpoints == nil {
		return nil
	}
	c, err := s.checkpoint()
	if err != nil {
		return fmt.Errorf("write a checkpoint: %w", err)
	}
	return w.untilKafka(ctx, func() error { return w.checkpoints.Commit(ctx, c) })
}

// commit implements roundKeeper: everything that was taken is done.
func (w *sweep) commit(ctx context.Context) error {
	s := w.at
	s.unsure = false
	s.next = s.taken
	s.Account = s.account()
	if err := w.write(ctx, s); err != nil {
		return err
	}
	w.tell(s)
	return nil
}

// mark implements roundKeeper.
func (w *sweep) mark(ctx context.Context, open bool) error {
	w.at.Open = open
	return w.write(ctx, w.at)
}

// errHeld says that the rules in force forbid an event's export for now.
var errHeld = errors.New("the rules in force forbid the export of an event")

// send puts what the purpose made of an event, counts or rejects it.
func (w *sweep) send(ctx context.Context, s *stretch, m *consumer.Message, j judgment) error {
	var err error
	switch j.Outcome {
	case transform.Hold:
		return fmt.Errorf("%w: %s/%d, offset %d: %w", errHeld, m.Topic, m.Partition, m.Offset, j.why)
	case transform.Filter:
		s.count(func(a *SweepAccount) { a.Filtered[string(j.Reason)]++ })
	case transform.Reject:
		if w.sink == nil {
			s.count(func(a *SweepAccount) { a.DeadLettered[string(j.Reason)]++ })
			break
		}
		err = w.inFlight.give(func() error { return w.sink.Reject(ctx, w.record(s, m, j), rejection(j.Decision, j.why)) })
	default:
		err = w.put(ctx, s, m, j)
	}
	if err == nil {
		s.count(func(a *SweepAccount) { a.Consumed++ })
	}
	return err
}

func (w *sweep) put(ctx context.Context, s *stretch, m *consumer.Message, j judgment) error {
	if w.sink == nil {
		s.count(func(a *SweepAccount) { a.Delivered++ })
		return nil
	}
	if w.rate != nil {
		if err := w.rate.Wait(ctx); err != nil {
			return err
		}
	}
	if w.window != nil {
		select {
		case w.window <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := w.inFlight.give(func() error { return w.sink.Put(ctx, w.record(s, m, j)) })
	if err != nil {
		w.leave()
	}
	return err
}

// leave makes room in the window.
func (w *sweep) leave() {
	if w.window != nil {
		<-w.window
	}
}

func (w *sweep) record(s *stretch, m *consumer.Message, j judgment) *sink.Record {
	return &sink.Record{PartitionKey: j.PartitionKey, Data: j.Data, Origin: originOf(m), Revoked: w.inFlight.revoked(), Owner: &swept{w, s, w.inFlight, j.Outcome == transform.Reject}}
}

// swept hears what became of an event that the sink took.
type swept struct {
	sweep    *sweep
	stretch  *stretch
	inFlight *inFlight
	rejected bool // it went to the dead-letter topic, outside of the window
}

// Done counts the event.
func (d *swept) Done(outcome sink.Outcome, reason string) {
	d.stretch.count(func(a *SweepAccount) {
		count(outcome, reason, &a.Delivered, a.Filtered, a.DeadLettered)
	})
	d.leave()
	d.inFlight.done()
}

// Withdrawn leaves the event for the next time: its round does not end.
func (d *swept) Withdrawn() {
	d.leave()
	d.inFlight.giveBack()
}

func (d *swept) leave() {
	if !d.rejected {
		d.sweep.leave()
	}
}
