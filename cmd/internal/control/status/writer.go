package status

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"kinesis-destination/cmd/internal/control/topic"
)

const (
	// lookEvery is how often it is looked for what is to be written: a change of a state
	// is told within it.
	lookEvery = time.Second
	// beatEvery is how often a process tells of itself.
	beatEvery = 10 * time.Second
	// hourEvery is how often an hour is written that something is counted in.
	hourEvery = 30 * time.Second
	// toldFor is how long a flow counts as one of this process.
	toldFor = time.Minute
	// cleanEvery is how often expired records are looked for, cleanAtOnce how many are
	// let go of in one request.
	cleanEvery, cleanAtOnce = time.Hour, 1000
	// appendBytes is about how much is written in one request.
	appendBytes = 512 << 10
)

// schedule is when what was written last.
type schedule struct {
	check, beat, clean time.Time
	hours              map[string]time.Time // by flow
	wait               time.Duration        // after a failure
	until              time.Time
}

// write tells what this process does, for as long as the Board is open.
func (b *Board) write(ctx context.Context) {
	s := &schedule{hours: map[string]time.Time{}}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		b.check(ctx, s)
		if time.Now().After(s.until) {
			b.send(ctx, s)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// check looks from time to time at how records are kept.
func (b *Board) check(ctx context.Context, s *schedule) {
	b.mu.Lock()
	wait := checkEvery
	if cmp.Or(b.unfit, b.unread, b.unsent) != nil { // the topic may be gone
		wait = recheckEvery
	}
	b.mu.Unlock()
	if !s.check.IsZero() && time.Since(s.check) < wait {
		return
	}
	s.check = time.Now()
	bounded, cancel := context.WithTimeout(ctx, appendWait)
	defer cancel()
	err := b.shared.Check(bounded)
	if ctx.Err() != nil {
		return
	}
	b.mu.Lock()
	before := b.unfit
	b.unfit = err
	b.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		b.o.Logger.Warn("what processes tell may not be kept", "error", err)
	case err == nil && before != nil:
		b.o.Logger.Info("what processes tell is kept as it should be")
	}
}

// send writes what is due.
func (b *Board) send(ctx context.Context, s *schedule) {
	now := time.Now()
	records, done := b.due(now, s)
	for len(records) > 0 && ctx.Err() == nil {
		n, size := 0, 0
		for n < len(records) && (n == 0 || size < appendBytes) {
			size += len(records[n].Key) + len(records[n].Value)
			n++
		}
		bounded, cancel := context.WithTimeout(ctx, appendWait)
		err := b.shared.Append(bounded, records[:n])
		cancel()
		b.noteSent(ctx, err)
		if err != nil {
			s.wait = min(max(2*s.wait, lookEvery), maxRetryWait)
			s.until = time.Now().Add(s.wait)
			b.unwritten(records)
			return
		}
		records = records[n:]
	}
	if len(records) > 0 { // the process ends, and tells it then
		b.unwritten(records)
		return
	}
	s.wait = 0
	done()
}

// due is what is to be written now, the process first, so that its hours are those of a
// process that is alive. done is called when it is written.
func (b *Board) due(now time.Time, s *schedule) (records []topic.Record, done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.store == "" {
		return nil, func() {}
	}
	beats := b.changed || now.Sub(s.beat) >= beatEvery
	if beats {
		records = append(records, b.processRecord(now))
		b.changed = false
	}
	for flow, l := range b.ledgers {
		if now.Sub(s.hours[flow]) >= hourEvery {
			dirty := b.dirtyHours(flow, l)
			if records = append(records, dirty...); len(dirty) > 0 {
				s.hours[flow] = now
			}
		}
	}
	cleans := now.Sub(s.clean) >= cleanEvery && b.isLoaded()
	more := false
	if cleans {
		keys := b.table.expired(now, b.o.Process, b.o.Retention)
		if more = len(keys) > cleanAtOnce; more {
			keys = keys[:cleanAtOnce]
		}
		for _, key := range keys {
			records = append(records, topic.Record{Key: []byte(key)})
		}
	}
	return records, func() {
		if beats {
			s.beat = now
		}
		if cleans && !more {
			s.clean = now
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for flow, l := range b.ledgers {
			l.written(now, b.o.Retention)
			if len(l.hours) == 0 && b.flows[flow] == nil {
				delete(b.ledgers, flow)
				delete(s.hours, flow)
			}
		}
	}
}

func (b *Board) isLoaded() bool {
	select {
	case <-b.loaded:
		return true
	default:
		return false
	}
}

// processRecord is what this process does. It is called with mu held.
func (b *Board) processRecord(now time.Time) topic.Record {
	r := processRecord{
		V: format, Store: b.store, Process: b.o.Process, Host: cut(b.o.Host), Version: cut(b.o.Version), StartedAt: b.began, At: now, Flows: []Flow{},
	}
	for id, f := range b.flows {
		if now.Sub(f.when) > toldFor {
			delete(b.flows, id)
			continue
		}
		r.Flows = append(r.Flows, f.Flow)
	}
	slices.SortFunc(r.Flows, func(x, y Flow) int {
		return cmp.Or(cmp.Compare(order[x.State], order[y.State]), cmp.Compare(x.ID, y.ID))
	})
	if n := len(r.Flows); n > maxFlows {
		r.Flows, r.Omitted = r.Flows[:maxFlows], n-maxFlows
	}
	return recordOf(processKey(b.o.Process), r)
}

// dirtyHours are those of a flow that are not written as they are. It is called with mu
// held; who cannot write them calls unwritten.
func (b *Board) dirtyHours(flow string, l *ledger) []topic.Record {
	var records []topic.Record
	for _, h := range l.hours {
		if h.dirty {
			h.dirty = false
			records = append(records, recordOf(runKey(flow, h.at, b.o.Process), h.record(b.store, flow, l.sandbox, b.o.Process)))
		}
	}
	return records
}

// recordOf is a record of a key.
func recordOf(key string, value any) topic.Record {
	text, err := json.Marshal(value)
	if err != nil { // it is made of what JSON has
		text = []byte("{}")
	}
	return topic.Record{Key: []byte(key), Value: text}
}

// unwritten has everything written again.
func (b *Board) unwritten(records []topic.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed = true
	for _, r := range records {
		at, err := parseRunKey(string(r.Key))
		if l := b.ledgers[at.flow]; err == nil && l != nil {
			for _, h := range l.hours {
				h.dirty = h.dirty || h.at.Equal(at.hour)
			}
		}
	}
}

func (b *Board) noteSent(ctx context.Context, err error) {
	b.mu.Lock()
	before := b.unsent
	b.unsent = err
	b.mu.Unlock()
	switch {
	case before == nil && err != nil && ctx.Err() == nil:
		b.o.Logger.Warn("what this process does cannot be told for now: it goes on, and tells it later", "error", err)
	case before != nil && err == nil:
		b.o.Logger.Info("what this process does is told again")
	}
}

// end writes the last hours, and that the process is no more.
func (b *Board) end(ctx context.Context) error {
	b.mu.Lock()
	if b.store == "" {
		b.mu.Unlock()
		return nil
	}
	var records []topic.Record
	for flow, l := range b.ledgers {
		records = append(records, b.dirtyHours(flow, l)...)
	}
	b.mu.Unlock()
	err := b.shared.Append(ctx, append(records, topic.Record{Key: []byte(processKey(b.o.Process))}))
	if err != nil {
		return errors.Join(errors.New("what this process did last is not told"), err)
	}
	return nil
}
