package resend

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

	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

// RoundSize is how many events are read between two checkpoints; a kill repeats
// at most what is sent of them.
const RoundSize = 10_000

// ReasonSuperseded filters an event of an identity that has a newer one, where
// only the newest is to leave.
const ReasonSuperseded = "superseded"

// Job takes bounded ranges of the source topics past a purpose, one partition
// after the other, and sends what that chooses. It goes in rounds: after each,
// nothing is under way, and Kafka keeps how far it has come. So it can be ended
// at any time, and loses nothing and skips nothing.
//
// Where each identity's newest event alone is to leave, a partition is read
// twice: first to learn which that is, up to the end of the topic, then to send.
type Job struct {
	rules.Evaluator
	Chooser     Chooser
	LatestOnly  bool
	History     *consumer.History
	Checkpoints *consumer.Checkpoints // nil: nothing is kept
	Rate        *rate.Limiter         // nil: as fast as the stream takes it
	Window      chan struct{}         // bounds what is under way; nil: the sink does
	Terms       string                // what is sent for: one job is not gone on with as another
	Log         *slog.Logger
	Holds       *hold.Holds // why it waits
	Progress    func()      // called every now and then; nil: nobody
	IndexLimit  int
	// Rejecting decides what becomes of an event that cannot be exported; nil: it is a dead
	// letter. Its error ends the job.
	Rejecting func(m *consumer.Message, j rules.Evaluation) (rules.Evaluation, error)

	Rounds
	At *PartitionRange // that is being read
}

// Chooser decides about events. The error of both is the registry's, which
// cannot answer now, or that of a context that has ended.
type Chooser interface {
	// Candidate is a first look. With the outcome Export the event may leave, if it
	// is its identity's newest or every event is to leave; then it has a partition key.
	Candidate(ctx context.Context, m *consumer.Message) (rules.Evaluation, error)
	// Compose decides about a candidate, and makes its record.
	Compose(ctx context.Context, m *consumer.Message, candidate rules.Evaluation) (rules.Evaluation, error)
}

// PartitionRange is what is sent of one partition.
type PartitionRange struct {
	TopicPartition
	next    int64           // everything before it is done, in this slice
	scanned int64           // up to here the newest events are known
	note                    // as of the last round's end
	Taken   int64           // everything before it was sent, counted or passed by, in this round
	newest  *newerIndex     // nil: every event is to leave
	Claim   *consumer.Claim // under which it is sent; nil: none is needed
	unsure  bool            // an earlier process ended amid this round: what it sent is not known

	mu          sync.Mutex // guards what others than the job see
	now         Account
	done, total int64 // offsets that were read, of all that have to be
}

// note is kept beside a checkpoint's offset, as JSON.
type note struct {
	From   int64  `json:"from"`
	To     int64  `json:"to"`
	Live   int64  `json:"live"` // what was written from here on leaves by itself, if it does
	Terms  string `json:"terms"`
	Slice  int    `json:"slice"`
	Slices int    `json:"slices"`
	Open   bool   `json:"open"` // a round is under way
	// All: every event goes to the destination's own stream, so that old states stand
	// after newer ones there, which verify is to know.
	All     bool    `json:"all,omitempty"`
	Account Account `json:"account"`
}

// NewPartitionRange is one of which nothing is done yet.
func NewPartitionRange(r consumer.Range, terms string) *PartitionRange {
	s := &PartitionRange{TopicPartition: TopicPartition{r.Topic, r.Partition}, note: note{From: r.From, To: r.To, Live: r.To, Terms: terms, Slices: 1, Account: NewAccount()}}
	s.resumeAt(r.From)
	return s
}

// ErrForeignCheckpoint says that a group's offsets were not set by a job.
var ErrForeignCheckpoint = errors.New("its group has offsets that are no checkpoints of this program")

// ParsePartitionRange reads a checkpoint.
func ParsePartitionRange(c consumer.Checkpoint) (*PartitionRange, error) {
	s := &PartitionRange{TopicPartition: TopicPartition{c.Topic, c.Partition}}
	if err := json.Unmarshal([]byte(c.Note), &s.note); err != nil || !s.possible(c.Next) {
		return nil, fmt.Errorf("%s/%d: %w", c.Topic, c.Partition, ErrForeignCheckpoint)
	}
	read := s.Account
	s.Account = NewAccount() // null is no map to count in
	s.Account.Add(read)
	s.resumeAt(c.Next)
	return s, nil
}

// possible tells whether a job may have written a note beside an offset. Other
// tools, and people, set a group's offsets too.
func (n *note) possible(next int64) bool {
	if n.Slices < 1 || n.Slices > maxSlices || n.Slices&(n.Slices-1) != 0 || n.Slice < 0 || n.Slice >= n.Slices {
		return false
	}
	// Progress counts each offset twice a slice.
	if n.From < 0 || n.To > math.MaxInt64/int64(2*n.Slices) || n.Live < n.From || next < n.From || next > n.To {
		return false
	}
	return n.Account.possible(n.To - n.From)
}

func (s *PartitionRange) resumeAt(next int64) {
	s.next, s.scanned = next, s.From
	s.now = NewAccount()
	s.now.Add(s.Account)
	s.unsure = s.Open
}

// Checkpoint is what Kafka keeps of it.
func (s *PartitionRange) Checkpoint() (consumer.Checkpoint, error) {
	note, err := json.Marshal(s.note)
	return consumer.Checkpoint{Topic: s.Topic, Partition: s.Partition, Next: s.next, Note: string(note)}, err
}

// Ended tells whether nothing is left of it.
func (s *PartitionRange) Ended() bool { return s.Slice == s.Slices-1 && s.next >= s.To }

func (s *PartitionRange) count(f func(*Account)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.now)
}

// Snapshot is a copy of what became of the range's events.
func (s *PartitionRange) Snapshot() Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.now
	a.Filtered, a.DeadLettered = maps.Clone(a.Filtered), maps.Clone(a.DeadLettered)
	return a
}

// Progress is how many offsets were read, of all that have to be.
func (s *PartitionRange) Progress() (done, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done, s.total
}

// Report lets others see how far the range is. Where it is read twice, or in
// slices, every time counts.
func (w *Job) Report(s *PartitionRange) {
	size := s.To - s.From
	done, total := max(s.next, s.Taken)-s.From, size
	if w.LatestOnly {
		done += 2*int64(s.Slice)*size + max(s.scanned, s.next) - s.From
		total = 2 * int64(s.Slices) * size
	}
	s.mu.Lock()
	s.done, s.total = min(done, total), total
	s.mu.Unlock()
	if w.Progress != nil {
		w.Progress()
	}
}

// WriteCheckpoint has Kafka keep a range's checkpoint.
func (w *Job) WriteCheckpoint(ctx context.Context, s *PartitionRange) error {
	if w.Checkpoints == nil {
		return nil
	}
	c, err := s.Checkpoint()
	if err != nil {
		return fmt.Errorf("write a checkpoint: %w", err)
	}
	return w.UntilKafka(ctx, func() error { return w.Checkpoints.Commit(ctx, c) })
}

// Commit implements Keeper: everything that was taken is done.
func (w *Job) Commit(ctx context.Context) error {
	s := w.At
	s.unsure = false
	s.next = s.Taken
	s.Account = s.Snapshot()
	if err := w.WriteCheckpoint(ctx, s); err != nil {
		return err
	}
	w.Report(s)
	return nil
}

// Mark implements Keeper.
func (w *Job) Mark(ctx context.Context, open bool) error {
	w.At.Open = open
	return w.WriteCheckpoint(ctx, w.At)
}

// ErrHeld says that the rules in force forbid an event's export: it waits for others.
var ErrHeld = errors.New("the rules in force forbid the export of an event")

// send puts what the purpose made of an event, counts or rejects it.
func (w *Job) send(ctx context.Context, s *PartitionRange, m *consumer.Message, j rules.Evaluation) error {
	var err error
	switch j.Outcome {
	case transform.Hold:
		return fmt.Errorf("%w: %s/%d, offset %d: %w", ErrHeld, m.Topic, m.Partition, m.Offset, j.Cause)
	case transform.Filter:
		s.count(func(a *Account) { a.Filtered[string(j.Reason)]++ })
	case transform.Reject:
		if w.Sink == nil {
			s.count(func(a *Account) { a.DeadLettered[string(j.Reason)]++ })
			break
		}
		err = w.InFlight.Give(func() error { return w.Sink.Reject(ctx, w.record(s, m, j), rules.Rejection(j.Decision, j.Cause)) })
	default:
		err = w.put(ctx, s, m, j)
	}
	if err == nil {
		s.count(func(a *Account) { a.Consumed++ })
	}
	return err
}

func (w *Job) put(ctx context.Context, s *PartitionRange, m *consumer.Message, j rules.Evaluation) error {
	if w.Sink == nil {
		s.count(func(a *Account) { a.Delivered++ })
		return nil
	}
	if w.Rate != nil {
		if err := w.Rate.Wait(ctx); err != nil {
			return err
		}
	}
	if w.Window != nil {
		select {
		case w.Window <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := w.InFlight.Give(func() error { return w.Sink.Put(ctx, w.record(s, m, j)) })
	if err != nil {
		w.freeSlot()
	}
	return err
}

// freeSlot makes room in the window.
func (w *Job) freeSlot() {
	if w.Window != nil {
		<-w.Window
	}
}

func (w *Job) record(s *PartitionRange, m *consumer.Message, j rules.Evaluation) *sink.Record {
	return &sink.Record{PartitionKey: j.PartitionKey, Data: j.Data, Source: letter.KeptOrigin(m), Revoked: w.InFlight.revoked(), Owner: &resent{w, s, w.InFlight, j.Outcome == transform.Reject}}
}

// resent hears what became of an event that the sink took.
type resent struct {
	job      *Job
	of       *PartitionRange
	inFlight *InFlight
	rejected bool // it went to the dead-letter topic, outside of the window
}

// Done counts the event.
func (d *resent) Done(outcome sink.Outcome, reason string) {
	d.of.count(func(a *Account) {
		CountOutcome(outcome, reason, &a.Delivered, a.Filtered, a.DeadLettered)
	})
	d.freeSlot()
	d.inFlight.Done()
}

// Withdrawn leaves the event for the next time: its round does not end.
func (d *resent) Withdrawn() {
	d.freeSlot()
	d.inFlight.withdraw()
}

func (d *resent) freeSlot() {
	if !d.rejected {
		d.job.freeSlot()
	}
}
