package consumer

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fill writes so many batches of a hundred events of about a thousand bytes to a partition.
func (w *world) fill(partition, batches int) {
	w.t.Helper()
	cl := w.producer(kgo.ManualFlushing())
	defer cl.Close()
	for range batches {
		for range 100 {
			cl.Produce(context.Background(), &kgo.Record{Topic: "events", Partition: int32(partition), Value: bytes.Repeat([]byte{'x'}, 1000)}, nil)
		}
		if err := cl.Flush(context.Background()); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestAHeldIdentityStopsNoOtherPartition: every tenth message of some partitions does not come
// to rest, so that a tenth of what is decoded keeps all of it; or one is not even taken on. The
// other partitions go on as if it were not there; also where each of these has taken all that
// it may have before the next one has anything. In the end each message was handed out once,
// in order, though some were given back and fetched again.
func TestAHeldIdentityStopsNoOtherPartition(t *testing.T) {
	for _, some := range []holdSome{
		{held: 1, of: 12}, {held: 6, of: 12, inTurns: true}, {held: 11, of: 12}, {held: 11, of: 12, inTurns: true}, {held: 35, of: 36, inTurns: true},
	} {
		for _, some.blocks = range []bool{false, true} {
			t.Run(fmt.Sprintf("%+v", some), func(t *testing.T) { synctest.Test(t, some.run) })
		}
	}
}

// holdSome has messages of some partitions, the first ones, not come to rest.
type holdSome struct {
	held, of int
	inTurns  bool // each has what there is for it before the next one has anything
	blocks   bool // the handler, at the first of them
}

func (s holdSome) run(t *testing.T) {
	const batches = 120
	w := newWorld(t, s.of)
	w.config.Budget = NewBudget(16<<20, 4<<20)
	var others, all sync.WaitGroup
	others.Add((s.of - s.held) * batches * 100)
	all.Add(s.of * batches * 100)
	next := make([]int64, s.of) // by partition, each its worker's own
	over := make(chan struct{})
	m := w.member(Options{}, func(_ *member, msg *Message) {
		if msg.Offset != next[msg.Partition] {
			t.Errorf("partition %d: offset %d comes where %d is next", msg.Partition, msg.Offset, next[msg.Partition])
		}
		next[msg.Partition]++
		all.Done()
		switch {
		case msg.Partition >= s.held:
			msg.Settle()
			others.Done()
		case msg.Offset%10 != 0:
			msg.Settle()
		case s.blocks:
			<-over
			msg.Settle()
		default:
			go func() {
				<-over
				msg.Settle()
			}()
		}
	})
	for p := range s.of {
		w.fill(p, batches)
		if s.inTurns && p < s.held {
			time.Sleep(time.Second)
			synctest.Wait()
		}
	}
	if !doneIn(&others, 5*time.Second) {
		t.Error("the others stand still")
	}
	close(over)
	if !doneIn(&all, time.Minute) {
		t.Fatal("some is not handed out when all have room")
	}
	m.stop(t)
}

// doneIn tells whether a group is done by then.
func doneIn(group *sync.WaitGroup, most time.Duration) bool {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-time.After(most):
		return false
	}
}

// TestWhoWaitsForMoreKeepsNobodyWaiting: one that has parts, and wants more than there is room
// for, is the first that waits. Those behind it who find room are let in.
func TestWhoWaitsForMoreKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(16 << 20)
		held, over, other := &account{budget: b}, &account{budget: b}, &account{budget: b}
		if err := held.acquire(t.Context(), 8<<20); err != nil {
			t.Fatal(err)
		}
		held.opened()
		if err := over.acquire(t.Context(), 9<<20); err != nil { // alone, beyond the limit
			t.Fatal(err)
		}
		ctx, giveUp := context.WithCancel(t.Context())
		more, in := make(chan error, 1), make(chan error, 1)
		go func() { more <- held.acquire(ctx, 4<<20) }()
		synctest.Wait()
		go func() { in <- other.acquire(t.Context(), 3<<20) }()
		synctest.Wait()
		if len(b.waiting) != 2 {
			t.Fatalf("%d wait", len(b.waiting))
		}
		over.release(9 << 20)
		synctest.Wait()
		select {
		case err := <-in:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("there is room for the one behind, and it waits")
		}
		giveUp()
		if err := <-more; err == nil || len(b.waiting) > 0 {
			t.Errorf("who gave up got %v; %d wait", err, len(b.waiting))
		}
	})
}

// TestFurtherSetsLeaveRoomForTheFirstOfOthers: of a partition that has a set no more is asked for once
// three sixteenths of the budget are sets, or once the partition has its part of it; of one
// that has none, it is.
func TestFurtherSetsLeaveRoomForTheFirstOfOthers(t *testing.T) {
	for name, at := range map[string]struct {
		sets, decoded int64
		more          bool
	}{
		"little":       {2 << 20, 1 << 20, true},
		"many sets":    {3 << 20, 1 << 20, false},
		"much decoded": {1 << 20, 9 << 20, false},
	} {
		b := newBudget(16 << 20)
		some, none := &account{budget: b}, &account{budget: b}
		b.acquire(at.sets)
		some.fetched(at.sets)
		if err := some.acquire(t.Context(), at.decoded); err != nil {
			t.Fatal(err)
		}
		if more := some.mayFetch(partitionLeastBytes); more != at.more {
			t.Errorf("%s: a further set may be asked for: %v", name, more)
		}
		if room, _ := b.state(); room <= 0 || !none.mayFetch(partitionLeastBytes) {
			t.Errorf("%s: a first set may not be asked for, with room for %d bytes", name, room)
		}
	}
}

// TestWhoGaveBackIsAskedForOnceItHasNothing: however little its last part was, and though nothing
// else moves.
func TestWhoGaveBackIsAskedForOnceItHasNothing(t *testing.T) {
	b := newBudget(16 << 20)
	held, gave := &account{budget: b}, &account{budget: b}
	if err := gave.acquire(t.Context(), 4<<10); err != nil {
		t.Fatal(err)
	}
	gave.opened()
	if err := held.acquire(t.Context(), 13<<20); err != nil {
		t.Fatal(err)
	}
	held.opened()
	gave.gave = true
	_, changed := b.state()
	if gave.mayFetch(partitionLeastBytes) {
		t.Fatal("it may be asked for beside its part")
	}
	gave.closed(4 << 10)
	select {
	case <-changed:
	default:
		t.Error("nobody looks again")
	}
	if !gave.mayFetch(partitionLeastBytes) {
		t.Error("it may not be asked for")
	}
}

// TestWantOfRoomIsNoFailure: a partition could not be read, is read again, and has no room then.
func TestWantOfRoomIsNoFailure(t *testing.T) {
	c := newClaim(t.Context(), topicPartition{"events", 0}, position{})
	c.account.budget = newBudget(1 << 20)
	c.unreadable(7, errCorrupt)
	c.turnBack(time.Now())
	if !c.failed || c.position != 7 {
		t.Errorf("it goes on from %d, failed %v", c.position, c.failed)
	}
	c.failed, c.notBefore = false, time.Time{}
	c.fetchAgain(9)
	c.turnBack(time.Now())
	if c.failed || !c.notBefore.IsZero() || c.position != 9 {
		t.Errorf("for want of room it goes on from %d at %v, failed %v", c.position, c.notBefore, c.failed)
	}
}
