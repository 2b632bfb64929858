package sink

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
	// directRecords bounds the rejected records of a source partition that no lane
	// counts.
	directRecords = 1000
	// leaderDelay is how long the choice of a leader may take, and the client to
	// hear of it, before it is a hold.
	leaderDelay = 10 * time.Second
	// produceParallel is how many partitions are written at once.
	produceParallel = 8
)

// letters writes dead letters, and waits for all in-sync replicas. Letters of
// one partition stay in order. A topic that cannot be written is a hold: every
// letter stays until it can; those of other partitions go on. kafka-go has no
// idempotent producer, so a letter may repeat after an answer that never came; its
// origin headers tell.
type letters struct {
	opts    Options
	client  *kafka.Client
	retry   func(now time.Time) *retryBackoff
	holds   *holds
	direct  *rooms
	parking *Parking
	topic   letterTopic      // owned by the goroutine, as failing
	failing map[int]*failing // partitions whose letters wait; everywhere: all
	signal  chan struct{}

	mu      sync.Mutex
	pending []*letter // guarded by mu, as all below
	writing int
	closing bool
}

// everywhere stands for all partitions of the dead-letter topic.
const everywhere = -1

// failing is why letters wait, and until when they are not tried again.
type failing struct {
	since   time.Time
	backoff *retryBackoff
	until   time.Time
	held    bool // it has counted as a hold
	reason  string
	err     error
}

func newLetters(opts Options, memory *Memory, retry func(time.Time) *retryBackoff, holds *holds, parking *Parking) *letters {
	client := newKafkaClient(opts)
	return &letters{
		opts:    opts,
		client:  client,
		retry:   retry,
		holds:   holds,
		parking: parking,
		topic:   letterTopic{client: client, opts: opts},
		failing: map[int]*failing{},
		signal:  make(chan struct{}, 1),
		direct:  &rooms{memory: memory},
	}
}

// add queues a letter. Its done function is called once: with DeadLettered; with
// AtRest if there is to be none; or, if it is withdrawn, with no outcome.
func (w *letters) add(l *letter) {
	if l.rec.Origin.AtRest {
		l.done(AtRest)
		return
	}
	w.mu.Lock()
	refused := w.closing || l.rec.revoked()
	if !refused {
		w.pending = append(w.pending, l)
	}
	w.mu.Unlock()
	if refused {
		l.done(0)
		return
	}
	w.wake()
}

func (w *letters) wake() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

func (w *letters) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.pending) + w.writing
}

// withdraw gives back what is not being written.
func (w *letters) withdraw(gone func(*Record) bool) {
	w.giveBack(gone)
	w.wake() // a hold may have ended with them
}

func (w *letters) giveBack(gone func(*Record) bool) {
	w.mu.Lock()
	var kept, taken []*letter
	for _, l := range w.pending {
		if gone(l.rec) {
			taken = append(taken, l)
		} else {
			kept = append(kept, l)
		}
	}
	w.pending = kept
	w.mu.Unlock()
	for _, l := range taken {
		l.done(0)
	}
}

// close lets the goroutine end after the write that is under way, and gives
// back the rest.
func (w *letters) close() {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	w.withdraw(func(*Record) bool { return true })
}

func (w *letters) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		first, end := w.first()
		if end {
			return
		}
		w.round(ctx, first)
		w.tell()
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
func (w *letters) first() (l *letter, end bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) > 0 {
		l = w.pending[0]
	}
	return l, w.closing
}

// round writes what is pending, but for what is to rest.
func (w *letters) round(ctx context.Context, first *letter) {
	if first == nil {
		clear(w.failing)
		return
	}
	if f := w.failing[everywhere]; f != nil && time.Now().Before(f.until) {
		return
	}
	// The topic is looked up before anything is taken: meanwhile all can be withdrawn.
	if err := w.topic.ensure(ctx, first.rec.Origin.Topic); err != nil {
		w.fail(everywhere, HoldDeadLetterTopic, err)
		return
	}
	delete(w.failing, everywhere)
	w.write(ctx, w.takeAll())
}

// fail has the letters of a partition rest.
func (w *letters) fail(partition int, reason string, err error) {
	now := time.Now()
	f := w.failing[partition]
	if f == nil {
		f = &failing{since: now, backoff: w.retry(now)}
		w.failing[partition] = f
	}
	delay, _ := f.backoff.Next(now)
	f.until, f.reason, f.err = now.Add(delay), reason, err
	f.held = f.held || !settlesSoon(err) || now.Sub(f.since) >= leaderDelay
}

// tell says what holds letters, of the first partition for which that is so.
func (w *letters) tell() {
	for _, partition := range slices.Sorted(maps.Keys(w.failing)) {
		if f := w.failing[partition]; f.held {
			w.holds.Set(fromDeadLetter, f.reason, f.err)
			return
		}
	}
	w.holds.Set(fromDeadLetter, "", nil)
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

func (w *letters) takeAll() []*letter {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch := w.pending
	w.pending, w.writing = nil, len(batch)
	return batch
}

// write produces a batch, partition by partition. What could not be written, or
// belongs to a partition that is to rest, is pending again, before anything newer.
func (w *letters) write(ctx context.Context, batch []*letter) {
	now := time.Now()
	parts := make(map[int][]*letter)
	for _, l := range batch {
		p := l.partition(w.topic.source(ctx, l.rec.Origin.Topic), w.topic.partitions)
		parts[p] = append(parts[p], l)
	}
	maps.DeleteFunc(w.failing, func(p int, _ *failing) bool { return parts[p] == nil })
	var mu sync.Mutex
	left := map[*letter]bool{}
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
			keep(left, o.rest)
			return nil
		})
	}
	_ = group.Wait() // each partition has an outcome of its own
	for p, o := range outcomes {
		if o.err == nil {
			delete(w.failing, p)
			continue
		}
		w.fail(p, o.reason, o.err)
		w.topic.forget()
	}
	w.putBack(batch, left)
}

func keep(left map[*letter]bool, run []*letter) {
	for _, l := range run {
		left[l] = true
	}
}

// putBack makes pending again what is left, and gives back what was withdrawn
// meanwhile.
func (w *letters) putBack(batch []*letter, left map[*letter]bool) {
	var kept []*letter
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
	w.giveBack(func(r *Record) bool { return closing || r.revoked() })
}
