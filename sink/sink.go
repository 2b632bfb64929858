package sink

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kinesis-destination/schemas/backoff"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/sink/kpl"
)

// Sink delivers records. Its methods are safe for concurrent use; the order of
// a key is the order of the calls of Put and Reject for it.
type Sink struct {
	cfg     Config
	opts    Options
	memory  *Memory
	client  *client
	stream  *stream
	gate    *gate
	holds   *holds
	metrics *metrics
	letters *deadletter.Writer
	rooms   *rooms
	parking *deadletter.Parking // nil: deadLetter.park is off
	lanes   []*lane
	shared  sharedCalls

	aggregate int // the largest aggregate; 0: none are made

	ctx     context.Context // of every call; ends when Close waits no longer
	cancel  context.CancelFunc
	closing chan struct{} // closed when no more records are taken
	once    sync.Once
	others  sync.WaitGroup // the goroutines that are not lanes
	stopped context.CancelFunc

	accepted   atomic.Bool // the stream has taken a record
	errorStats *errorStats

	exhaustedMu sync.Mutex
	exhausted   int // records that outlived their retry; guarded by exhaustedMu
}

// New starts a sink. It validates nothing that needs the network: a stream that
// cannot be used yet is a hold.
func New(cfg Config, opts Options) (*Sink, error) {
	if err := validate(&cfg, &opts.DeadLetter); err != nil {
		return nil, err
	}
	cfg.Retry = cfg.Retry.withDefaults()
	if cfg.Memory == nil {
		cfg.Memory = NewMemory(defaultQueue, defaultCalls)
	}
	opts = opts.withDefaults()
	ctx, cancel := context.WithCancel(context.Background()) // ends in Close
	s := &Sink{cfg: cfg, opts: opts, memory: cfg.Memory, ctx: ctx, cancel: cancel, closing: make(chan struct{}), holds: &holds{report: opts.Hold}, errorStats: newErrorStats()}
	var err error
	if s.client, err = newClient(ctx, cfg, opts); err != nil {
		cancel()
		return nil, err
	}
	if s.metrics, err = newMetrics(opts.Registerer, opts.Destination); err != nil {
		cancel()
		return nil, err
	}
	seed := opts.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	s.gate = &gate{
		retry: s.newBackoff(seed, 1),
		tell:  func(reason string, err error) { s.holds.Set(fromPut, reason, err) },
	}
	s.stream = &stream{client: s.client, retry: s.newBackoff(seed, 2), holds: s.holds, errorStats: s.errorStats, logger: opts.Logger, changed: s.wakeAll, look: make(chan struct{}, 1)}
	s.stream.recordLimit.Store(defaultRecordBytes)
	s.stream.target.Store(&cfg.Stream)
	s.stream.shards.Store(unmapped)
	if opts.DeadLetter.Park {
		s.parking = deadletter.NewParking()
		if err := parkMetrics(opts.Registerer, opts.Destination, s.parking); err != nil {
			cancel()
			return nil, err
		}
	}
	s.letters = deadletter.NewWriter(s.letterOptions(s.newBackoff(seed, 3)))
	for i := range opts.Lanes {
		s.lanes = append(s.lanes, newLane(s, rand.New(rand.NewPCG(seed, uint64(i)<<8))))
	}
	s.rooms = s.memory.rooms(len(s.lanes))
	if err := queueMetrics(opts.Registerer, opts.Destination, s); err != nil {
		s.rooms.close()
		cancel()
		return nil, err
	}
	if cfg.Aggregation == AggregationKPL {
		s.aggregate = min(kpl.MaxBytes, s.memory.batchBytes())
	}
	s.start()
	return s, nil
}

// newBackoff returns a maker of never-ending backoff with a random source of its
// own; one goroutine at a time may use what it makes.
func (s *Sink) newBackoff(seed, stream uint64) func(time.Time) *backoff.Backoff {
	random := rand.New(rand.NewPCG(seed, stream))
	retry := s.cfg.Retry
	retry.MaxElapsedTime = 0
	return func(now time.Time) *backoff.Backoff { return newRetryBackoff(retry, now, random) }
}

func (s *Sink) start() {
	// Watching ends when the lanes have: it is no part of what Close awaits.
	watching, stop := context.WithCancel(s.ctx)
	s.stopped = stop
	s.others.Go(func() { s.stream.watch(watching) })
	s.others.Go(func() { s.letters.Run(s.ctx) })
	for _, l := range s.lanes {
		go l.run() // awaited by its done channel
	}
}

// Put gives the sink a record. It blocks while too much of its source partition is queued. An
// error means that the record was not taken: the context or the claim has
// ended, or the sink is closed.
func (s *Sink) Put(ctx context.Context, r *Record) error {
	return s.enqueue(ctx, entry{rec: r})
}

// Reject sends a record to the dead-letter topic. With a PartitionKey it queues
// behind that key's earlier records, and later ones wait for it. Otherwise it
// keeps its place among the rejected records of its source partition.
func (s *Sink) Reject(ctx context.Context, r *Record, f deadletter.Failure) error {
	f.Message = deadletter.Brief(f.Message)
	if r.PartitionKey != "" {
		return s.enqueue(ctx, entry{rec: r, failure: &f})
	}
	if r.revoked() {
		return ErrRevoked
	}
	r.cost = r.held()
	if err := s.rooms.acquire(ctx, r, s.closing); err != nil {
		return err
	}
	s.deadLetter(r, f, func(outcome Outcome) { s.notify([]settlement{{r, outcome, f.Reason}}) })
	return nil
}

// CopiedAtMost is the size up to which a document is copied by Put, as it goes in a
// request: while the processor has it at hand, which costs a third of doing so later. That
// is done before there is room for it; one waits for each who puts. A larger one is kept as
// it is, and written into the request itself: it would wait in a third more memory.
const CopiedAtMost = 4 << 10

func (s *Sink) enqueue(ctx context.Context, e entry) error {
	r := e.rec
	r.hash, r.length = hashOf(r.PartitionKey), len(r.Data)
	if e.failure == nil {
		s.write(r)
	}
	r.cost = r.held()
	l, data := s.lane(r.hash), r.Data
	if err := s.rooms.acquire(ctx, r, s.closing); err != nil {
		return err
	}
	r.Data = nil
	if err := l.push(e); err != nil {
		r.Data = data
		s.rooms.release([]settlement{{rec: r}})
		return err
	}
	l.wake()
	return nil
}

// write makes what the lane will send of a record.
func (s *Sink) write(r *Record) {
	r.raw = s.aggregate > 0 || r.length > CopiedAtMost
	switch {
	case r.length > CopiedAtMost:
		if r.written = r.Data; excessive(cap(r.Data), r.length) {
			r.written = slices.Clone(r.Data) // else much would wait that is not of it
		}
	case r.raw:
		r.written = append(r.fit(r.length), r.Data...)
	default:
		need := s.client.wire.room(r.length, len(r.PartitionKey))
		r.written = s.client.wire.record(r.fit(need), r.Data, r.PartitionKey)
	}
}

// Parking is what the sink knows of parked identities; nil: deadLetter.park is off.
// The composition notes the letters of earlier processes there.
func (s *Sink) Parking() *deadletter.Parking { return s.parking }

// lane returns the one lane of a key, by its hash: the one that holds its range of the
// hash space, so that a lane meets few shards and a shard few lanes.
func (s *Sink) lane(h hashKey) *lane {
	return s.lanes[uint64(binary.BigEndian.Uint32(h[:]))*uint64(len(s.lanes))>>32]
}

// Withdraw gives back every record that is unsent and whose claim has ended.
// What is in flight of them is settled when its answer is there.
func (s *Sink) Withdraw() {
	for _, l := range s.lanes {
		l.giveBack((*Record).revoked)
		l.wake()
	}
	s.letters.Withdraw()
}

// Close takes no more records, awaits the calls that are in flight, until the
// context ends, and gives back what is unsent.
func (s *Sink) Close(ctx context.Context) error {
	var err error
	s.once.Do(func() { err = s.close(ctx) })
	return err
}

func (s *Sink) close(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.cancel)
	defer stop()
	close(s.closing)
	for _, l := range s.lanes {
		l.inbox.close()
		l.mu.Lock()
		l.closing = true
		l.mu.Unlock()
		l.wake()
	}
	for _, l := range s.lanes {
		<-l.done
	}
	s.letters.Close()
	s.stopped()
	s.others.Wait()
	for _, l := range s.lanes {
		l.giveBack(func(*Record) bool { return true })
	}
	s.rooms.close()
	err := context.Cause(s.ctx)
	s.cancel()
	s.client.close()
	return err
}

func (s *Sink) wakeAll() {
	for _, l := range s.lanes {
		l.wake()
	}
}
