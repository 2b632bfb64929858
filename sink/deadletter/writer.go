package deadletter

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"golang.org/x/sync/errgroup"
)

const (
	// leaderDelay is how long the choice of a leader may take, and the client to
	// hear of it, before it is a hold.
	leaderDelay = 10 * time.Second
	// produceParallel is how many partitions are written at once.
	produceParallel = 8
)

// Options are what a writer needs to know. Topic, Brokers, Backoff and Hold are
// required; to look at the topic, Topic and Brokers.
type Options struct {
	// Destination and Group stand in every letter.
	Destination, Group string
	// Topic is where letters go; Brokers and Transport reach its cluster.
	Topic     string
	Brokers   []string
	Transport kafka.RoundTripper
	// Largest is the largest message that readers of the topic keep whole; 0: 32 MiB.
	Largest int
	// SourceTopics shape the topic when it is created: it gets their partition count
	// and room for their largest message. Empty: the topic of the first letter.
	SourceTopics []string
	// Parking gets the identities of what is written; nil: none are parked.
	Parking *Parking
	// Backoff begins to pace the attempts of what failed; the writer's goroutine alone
	// uses what it makes.
	Backoff func(began time.Time) func(now time.Time) (delay time.Duration)
	// Hold hears why letters wait, ErrParkingFull or what the cluster said, and nil
	// when none do. It is called by the writer's goroutine after each round.
	Hold func(err error)
}

func (o *Options) client() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(o.Brokers...), Transport: o.Transport}
}

// Writer writes dead letters, and waits for all in-sync replicas. Letters of
// one partition stay in order. A topic that cannot be written is a hold: every
// letter stays until it can; those of other partitions go on. kafka-go has no
// idempotent producer, so a letter may repeat after an answer that never came; its
// origin headers tell.
type Writer struct {
	opts    Options
	client  *kafka.Client
	topic   topic            // owned by the goroutine, as failing
	failing map[int]*failing // partitions whose letters wait; everywhere: all
	signal  chan struct{}

	mu      sync.Mutex
	pending []*Letter // guarded by mu, as all below
	writing int
	closing bool
}

// everywhere stands for all partitions of the dead-letter topic.
const everywhere = -1

// failing is why letters wait, and until when they are not tried again.
type failing struct {
	since   time.Time
	backoff func(now time.Time) time.Duration
	until   time.Time
	held    bool // it has counted as a hold
	err     error
}

// NewWriter returns a writer; its Run is yet to be called.
func NewWriter(opts Options) *Writer {
	client := opts.client()
	return &Writer{
		opts:    opts,
		client:  client,
		topic:   topic{client: client, opts: opts},
		failing: map[int]*failing{},
		signal:  make(chan struct{}, 1),
	}
}

// Add queues a letter.
func (w *Writer) Add(l *Letter) {
	l.Failure.Message = Brief(l.Failure.Message)
	w.mu.Lock()
	refused := w.closing || l.revoked()
	if !refused {
		w.pending = append(w.pending, l)
	}
	w.mu.Unlock()
	if refused {
		l.Done(false)
		return
	}
	w.wake()
}

func (w *Writer) wake() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// Waiting is how many letters are not written yet.
func (w *Writer) Waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.pending) + w.writing
}

// Withdraw gives back the letters whose claim has ended, but for what is being
// written.
func (w *Writer) Withdraw() {
	w.withdrawIf((*Letter).revoked)
	w.wake() // a hold may have ended with them
}

func (w *Writer) withdrawIf(gone func(*Letter) bool) {
	w.mu.Lock()
	kept, taken := parted(w.pending, gone)
	w.pending = kept
	w.mu.Unlock()
	for _, l := range taken {
		l.Done(false)
	}
}

// parted parts letters into those that are kept and those that are gone.
func parted(letters []*Letter, gone func(*Letter) bool) (kept, taken []*Letter) {
	for _, l := range letters {
		if gone(l) {
			taken = append(taken, l)
		} else {
			kept = append(kept, l)
		}
	}
	return kept, taken
}

// Close lets Run end after the write that is under way, and gives back all else.
func (w *Writer) Close() {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	w.withdrawIf(func(*Letter) bool { return true })
	w.wake()
}

// Run writes what is added until Close, or until ctx ends.
func (w *Writer) Run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		first, end := w.first()
		if end {
			return
		}
		w.round(ctx, first)
		w.report()
		timer.Stop()
		if len(w.failing) > 0 {
			next := slices.MinFunc(slices.Collect(maps.Values(w.failing)), func(a, b *failing) int { return a.until.Compare(b.until) })
			timer.Reset(time.Until(next.until))
		}
		select {
		case <-timer.C:
		case <-w.signal:
		case <-ctx.Done():
			return
		}
	}
}

// first returns the oldest letter, if any, and whether the writer is to end.
func (w *Writer) first() (l *Letter, end bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) > 0 {
		l = w.pending[0]
	}
	return l, w.closing
}

// round writes what is pending, but for what is to rest.
func (w *Writer) round(ctx context.Context, first *Letter) {
	if first == nil {
		clear(w.failing)
		return
	}
	if f := w.failing[everywhere]; f != nil && time.Now().Before(f.until) {
		return
	}
	// The topic is looked up before anything is taken: meanwhile all can be withdrawn.
	if err := w.topic.ensure(ctx, first.Origin.Topic); err != nil {
		w.fail(everywhere, err)
		return
	}
	delete(w.failing, everywhere)
	w.write(ctx, w.takeAll())
}

// fail has the letters of a partition rest.
func (w *Writer) fail(partition int, err error) {
	now := time.Now()
	f := w.failing[partition]
	if f == nil {
		f = &failing{since: now, backoff: w.opts.Backoff(now)}
		w.failing[partition] = f
	}
	f.until, f.err = now.Add(f.backoff(now)), err
	f.held = f.held || !settlesSoon(err) || now.Sub(f.since) >= leaderDelay
}

// report says what holds letters, of the first partition for which that is so.
func (w *Writer) report() {
	for _, partition := range slices.Sorted(maps.Keys(w.failing)) {
		if f := w.failing[partition]; f.held {
			w.opts.Hold(f.err)
			return
		}
	}
	w.opts.Hold(nil)
}

// settlesSoon tells of a partition whose leader is being chosen, as right after
// its topic was created, or that the client has not heard of yet.
func settlesSoon(err error) bool {
	for _, e := range []error{
		kafka.NotLeaderForPartition, kafka.LeaderNotAvailable, kafka.UnknownTopicOrPartition,
		protocol.ErrNoTopic, protocol.ErrNoPartition, protocol.ErrNoLeader,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (w *Writer) takeAll() []*Letter {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch := w.pending
	w.pending, w.writing = nil, len(batch)
	return batch
}

// write produces a batch, partition by partition. What could not be written, or
// belongs to a partition that is to rest, is pending again, before anything newer.
func (w *Writer) write(ctx context.Context, batch []*Letter) {
	now := time.Now()
	parts := make(map[int][]*Letter)
	for _, l := range batch {
		p := l.partition(w.topic.source(ctx, l.Origin.Topic), w.topic.partitions)
		parts[p] = append(parts[p], l)
	}
	maps.DeleteFunc(w.failing, func(p int, _ *failing) bool { return parts[p] == nil })
	var mu sync.Mutex
	left := map[*Letter]bool{}
	outcomes := map[int]outcome{}
	group := errgroup.Group{}
	group.SetLimit(produceParallel)
	for p, run := range parts {
		if f := w.failing[p]; f != nil && now.Before(f.until) {
			mu.Lock()
			keep(left, run)
			mu.Unlock()
			continue
		}
		group.Go(func() error {
			o := w.produce(ctx, p, run)
			mu.Lock()
			defer mu.Unlock()
			outcomes[p] = o
			keep(left, o.left)
			return nil
		})
	}
	_ = group.Wait() // each partition has an outcome of its own
	for p, o := range outcomes {
		if o.err == nil {
			delete(w.failing, p)
			continue
		}
		w.fail(p, o.err)
		w.topic.forget()
	}
	w.putBack(batch, left)
}

func keep(left map[*Letter]bool, run []*Letter) {
	for _, l := range run {
		left[l] = true
	}
}

// putBack makes pending again what is left, and gives back what was withdrawn
// meanwhile.
func (w *Writer) putBack(batch []*Letter, left map[*Letter]bool) {
	var kept []*Letter
	for _, l := range batch {
		if left[l] {
			kept = append(kept, l)
		}
	}
	w.mu.Lock()
	w.pending = append(kept, w.pending...)
	w.writing = 0
	closing := w.closing
	w.mu.Unlock()
	w.withdrawIf(func(l *Letter) bool { return closing || l.revoked() })
}
