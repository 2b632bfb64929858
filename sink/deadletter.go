package sink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
	"golang.org/x/sync/errgroup"
)

const (
	// directRecords and directBytes bound the rejected records that no lane counts.
	directRecords = 1000
	directBytes   = 8 << 20
	// letterBatch is below the default max.message.bytes of a broker, 1,048,588.
	letterBatch = 512 << 10
	// produceTimeout bounds how long a withdrawal waits for a write.
	produceTimeout = 7 * time.Second
	// leaderDelay is how long the choice of a leader may take, and the client to
	// hear of it, before it is a hold.
	leaderDelay = 10 * time.Second
	// produceParallel is how many partitions are written at once.
	produceParallel = 8
)

// letters writes dead letters, and waits for all in-sync replicas. Letters of
// one partition stay in order. A topic that cannot be written is a hold: every
// letter stays until it can. kafka-go has no idempotent producer, so a letter
// may repeat after an answer that never came; its origin headers tell.
type letters struct {
	opts    Options
	client  *kafka.Client
	retry   func(now time.Time) *patience
	holds   *holds
	direct  budget
	parking *Parking
	topic   letterTopic // owned by the goroutine
	wake    chan struct{}

	mu      sync.Mutex
	pending []*letter // guarded by mu, as all below
	writing int
	closing bool
}

func newLetters(opts Options, retry func(time.Time) *patience, holds *holds, parking *Parking) *letters {
	client := newKafkaClient(opts)
	return &letters{
		opts:    opts,
		client:  client,
		retry:   retry,
		holds:   holds,
		parking: parking,
		direct:  budget{maxRecords: directRecords, maxBytes: directBytes},
		topic:   letterTopic{client: client, opts: opts},
		wake:    make(chan struct{}, 1),
	}
}

// add queues a letter. Its done function is called once, with DeadLettered or,
// if it is withdrawn, with no outcome.
func (w *letters) add(l *letter) {
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
	w.nudge()
}

func (w *letters) nudge() {
	select {
	case w.wake <- struct{}{}:
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
	w.nudge()
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
	var patience *patience
	failing := time.Time{} // since when no round succeeded; zero: the last one did
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		first, end := w.first()
		if end {
			return
		}
		if first != nil {
			reason, err := w.round(ctx, first)
			now := time.Now()
			if failing.IsZero() {
				failing = now
			}
			if !settlesSoon(err) || now.Sub(failing) >= leaderDelay {
				w.holds.Set(fromDeadLetter, reason, err)
			}
			if err == nil {
				patience, failing = nil, time.Time{}
				continue
			}
			if patience == nil {
				patience = w.retry(now)
			}
			delay, _ := patience.Next(now)
			if !w.rest(ctx, timer, now.Add(delay)) {
				return
			}
			continue
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return
		}
	}
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

// round writes what is pending. An error comes with the reason of the hold.
func (w *letters) round(ctx context.Context, first *letter) (reason string, err error) {
	// The topic is looked up before anything is taken: meanwhile all can be withdrawn.
	if err := w.topic.ensure(ctx, first.rec.Origin.Topic); err != nil {
		return HoldDeadLetterTopic, err
	}
	batch := w.takeAll()
	if w.parking.full(batch) {
		w.putBack(batch, func(*letter) bool { return true })
		return HoldParkingFull, errParkingFull
	}
	if err := w.write(ctx, batch); err != nil {
		return HoldDeadLetterTopic, err
	}
	return "", nil
}

// rest waits for the next attempt. It reports false when there is to be none.
func (w *letters) rest(ctx context.Context, timer *time.Timer, until time.Time) bool {
	timer.Reset(time.Until(until))
	for {
		select {
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		case <-w.wake:
			w.mu.Lock()
			end := w.closing
			w.mu.Unlock()
			if end {
				return false
			}
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

func (w *letters) takeAll() []*letter {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch := w.pending
	w.pending, w.writing = nil, len(batch)
	return batch
}

// write produces a batch, partition by partition. What could not be written is
// pending again, before anything newer.
func (w *letters) write(ctx context.Context, batch []*letter) error {
	parts := make(map[int][]*letter)
	for _, l := range batch {
		p := l.partition(w.topic.source(ctx, l.rec.Origin.Topic), w.topic.partitions)
		parts[p] = append(parts[p], l)
	}
	var failed sync.Map // *letter → unwritten
	group := errgroup.Group{}
	group.SetLimit(produceParallel)
	for p, run := range parts {
		group.Go(func() error {
			rest, err := w.produce(ctx, p, run)
			for _, l := range rest {
				failed.Store(l, true)
			}
			return err
		})
	}
	err := group.Wait()
	if err != nil {
		w.topic.forget()
	}
	w.putBack(batch, func(l *letter) bool { _, ok := failed.Load(l); return ok })
	return err
}

// putBack makes pending again what failed, and gives back what was withdrawn
// meanwhile.
func (w *letters) putBack(batch []*letter, failed func(*letter) bool) {
	var kept []*letter
	for _, l := range batch {
		if failed(l) {
			kept = append(kept, l)
		}
	}
	w.mu.Lock()
	w.pending = append(kept, w.pending...)
	w.writing = 0
	closing := w.closing
	w.mu.Unlock()
	w.withdraw(func(r *Record) bool { return closing || r.revoked() })
}

// produce writes letters of one partition in order, and returns those that it
// could not write.
func (w *letters) produce(ctx context.Context, partition int, run []*letter) ([]*letter, error) {
	limit, codec := letterBatch, compress.None
	for len(run) > 0 {
		n, bytes := 0, 0
		for n < len(run) && (n == 0 || bytes+run[n].size() <= limit) {
			bytes += run[n].size()
			n++
		}
		base, err := w.produceOnce(ctx, partition, run[:n], codec)
		switch {
		case err == nil:
			for i, l := range run[:n] {
				w.parking.letter(l, Place{partition, base + int64(i)})
				l.done(DeadLettered)
			}
			run = run[n:]
			limit, codec = letterBatch, compress.None
		case errors.Is(err, kafka.MessageSizeTooLarge) && n > 1:
			limit = bytes / 2
		case errors.Is(err, kafka.MessageSizeTooLarge) && codec == compress.None:
			codec = compress.Zstd // the source batch may have been compressed too
		default:
			return run, fmt.Errorf("write to the dead-letter topic: %w", err)
		}
	}
	return nil, nil
}

func (w *letters) produceOnce(ctx context.Context, partition int, run []*letter, codec compress.Compression) (base int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	now := time.Now()
	records := make([]kafka.Record, len(run))
	for i, l := range run {
		records[i] = l.message(w.opts.Destination, w.opts.Group, now, w.parking != nil)
	}
	res, err := w.client.Produce(ctx, &kafka.ProduceRequest{
		Topic:        w.opts.DeadLetter.Topic,
		Partition:    partition,
		RequiredAcks: kafka.RequireAll,
		Records:      kafka.NewRecordReader(records...),
		Compression:  codec,
	})
	if err != nil {
		return 0, err
	}
	return res.BaseOffset, lacking(res.Error, "WRITE", w.opts.DeadLetter.Topic)
}
