package consumer

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/consumer/embeddedkafka"
)

const joinGroup, offsetCommit = 11, 8 // of the Kafka protocol

// armed slows requests while a switch is on.
func armed(on *atomic.Bool) func(int) bool { return func(int) bool { return on.Load() } }

func TestAFourthMemberStopsOnlyThePartitionsThatMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const partitions, slowJoin = 12, 20 * time.Second
		w, j := newWorld(t, partitions), &journal{}
		var isLate atomic.Bool
		late := &slow{key: joinGroup, delay: slowJoin, when: armed(&isLate)}
		a := w.noting(j, "a", Options{})
		b := w.noting(j, "b", Options{})
		c := w.noting(j, "c", Options{Dial: w.slowly(late)})
		stop := w.flow(partitions, 100*time.Millisecond)
		pass(40 * time.Second)
		before := map[int]*claim{}
		for _, m := range []*member{a, b, c} {
			if n := len(m.held()); n != 4 {
				t.Fatalf("a member has %d partitions", n)
			}
			for _, cl := range m.held() {
				before[cl.partition] = cl
			}
		}

		// The third takes its time over the join that the fourth makes necessary.
		isLate.Store(true)
		began := time.Now()
		d := w.noting(j, "d", Options{})
		pass(slowJoin - 5*time.Second)
		if d.Stats().Assigned {
			t.Fatal("the join is not under way")
		}
		offset := w.committed(0)
		for p := range partitions {
			if last := j.of(p, time.Now().Add(-time.Second)); len(last) == 0 {
				t.Errorf("partition %d rests while the group joins", p)
			}
		}
		pass(3 * time.Second)
		if got := w.committed(0); got <= offset {
			t.Errorf("committed %d and 3 s later %d: nothing is committed while the group joins", offset, got)
		}
		isLate.Store(false)
		pass(30 * time.Second)

		moved := 0
		for p := range partitions {
			es := j.of(p, began)
			last := began
			var longest time.Duration
			for _, e := range es {
				longest, last = max(longest, e.at.Sub(last)), e.at
			}
			if owner := es[len(es)-1]; owner.member == "d" {
				moved++
				if longest > 8*time.Second {
					t.Errorf("partition %d moved and rested for %v", p, longest)
				}
				continue
			}
			if longest > time.Second {
				t.Errorf("partition %d did not move and rested for %v", p, longest)
			}
			if slices.ContainsFunc(es, func(e entry) bool { return e.claim != before[p] }) {
				t.Errorf("partition %d did not move and was given a new claim", p)
			}
		}
		if moved != 3 {
			t.Errorf("%d partitions moved to the fourth of four members", moved)
		}
		end := stop()
		pass(5 * time.Second)
		for _, m := range []*member{a, b, c, d} {
			m.stop(t)
		}
		j.wholeAndInOrder(t, partitions, end)
	})
}

// An eager leader gives partitions to others at once, so whoever holds some must
// have given them up before it comes to that.
func TestAnEagerMemberBeginsOnlyWhenEverythingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const partitions = 6
		w, j := newWorld(t, partitions), &journal{}
		var mu sync.Mutex
		working := map[int]string{} // partition → who has a message of it in flight
		start := func(name string, opts Options) *member {
			return w.member(opts, func(_ *member, msg *Message) {
				mu.Lock()
				if other := working[msg.Partition]; other != "" && other != name {
					t.Errorf("partition %d: %s begins while %s is at it", msg.Partition, name, other)
				}
				working[msg.Partition] = name
				mu.Unlock()
				j.note(name, msg)
				pass(300 * time.Millisecond)
				mu.Lock()
				working[msg.Partition] = ""
				mu.Unlock()
				msg.Settle()
			})
		}
		eager := Options{Dial: embeddedkafka.EagerDial(w.network.DialContext)}
		share := func(m *member) int { return len(m.Stats().Partitions) }
		expect := func(what, protocol string, members ...*member) {
			t.Helper()
			pass(30 * time.Second)
			for _, m := range members {
				if g, _ := m.current(); g.protocol != protocol || share(m) != partitions/len(members) {
					t.Errorf("%s the protocol is %s, a member has %d partitions", what, g.protocol, share(m))
				}
			}
		}
		stop := w.flow(partitions, time.Second)
		a := start("a", Options{})
		expect("alone", cooperativeProtocol, a)
		// Nobody has joined with claims yet, so an eager member is taken in.
		old := start("old", eager)
		expect("with an eager member", eagerProtocol, a, old)
		b := start("b", Options{})
		expect("with another one", eagerProtocol, a, b, old)
		before := a.held()
		old.stop(t)
		expect("without the eager one", cooperativeProtocol, a, b)
		for _, cl := range before {
			if !slices.Contains(a.held(), cl) {
				t.Errorf("partition %d was given up when the eager member left", cl.partition)
			}
		}
		// Now they have: the coordinator refuses an eager member until they are gone.
		old = start("old", eager)
		expect("beside members with claims", cooperativeProtocol, a, b)
		if share(old) != 0 || !slices.Contains(old.reasons(), ReasonGroupProtocol) {
			t.Errorf("the eager member has %d partitions, held for %v", share(old), old.reasons())
		}
		end := stop()
		a.stop(t)
		b.stop(t)
		expect("once they are gone", eagerProtocol, old)
		old.stop(t)
		j.wholeAndInOrder(t, partitions, end)
	})
}

func TestTheLeaseEndsBeforeAMemberThatIsAwaitedIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		var isLate atomic.Bool
		late := &slow{key: joinGroup, delay: 2 * DefaultRebalanceTimeout, when: armed(&isLate)}
		a := w.member(Options{Dial: w.slowly(late)}, settle)
		pass(10 * time.Second)
		isLate.Store(true) // its heartbeats are answered
		b := w.member(Options{}, settle)
		for deadline := time.Now().Add(2 * time.Minute); !b.Stats().Assigned; pass(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the group waits for ever")
			}
			if left := time.Until(a.Lease()); left <= 0 && len(b.Stats().Partitions) > 0 {
				t.Error("b began before the lease of a was over")
			}
		}
		if left := time.Until(a.Lease()); left > 0 {
			t.Errorf("b has %d partitions while the lease of a lasts for %v", len(b.Stats().Partitions), left)
		}
		isLate.Store(false)
		pass(3 * time.Minute)
		if left := time.Until(a.Lease()); left <= 0 || len(a.Stats().Partitions) != 1 || len(b.Stats().Partitions) != 1 {
			t.Errorf("a is not back: %v of its lease, %d and %d partitions", left, len(a.Stats().Partitions), len(b.Stats().Partitions))
		}
		a.stop(t)
		b.stop(t)
	})
}

// The coordinator is a generation ahead of a member until its answer to the join
// is there.
func TestWhatTheGroupDoesWhileAJoinsAnswerIsUnderWayEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, j := newWorld(t, 4), &journal{}
		var isLate atomic.Bool
		late := &slow{key: joinGroup, answer: 5 * time.Second, when: armed(&isLate)}
		a := w.noting(j, "a", Options{})
		b := w.noting(j, "b", Options{Dial: w.slowly(late)})
		stop := w.flow(4, 100*time.Millisecond)
		pass(20 * time.Second)
		before := b.held()
		isLate.Store(true)
		c := w.noting(j, "c", Options{})
		pass(20 * time.Second)
		if kept := b.held(); len(kept) == 0 || slices.ContainsFunc(kept, func(cl *claim) bool { return !slices.Contains(before, cl) }) {
			t.Errorf("of %d claims it has %d, and others", len(before), len(kept))
		}
		end := stop()
		pass(5 * time.Second)
		for _, m := range []*member{a, b, c} {
			m.stop(t)
		}
		j.wholeAndInOrder(t, 4, end)
	})
}

func TestAnEndWhileAJoinsAnswerIsUnderWayCommitsAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, j := newWorld(t, 4), &journal{}
		var isLate atomic.Bool
		late := &slow{key: joinGroup, answer: 500 * time.Millisecond, when: armed(&isLate)}
		a := w.noting(j, "a", Options{CommitInterval: time.Hour, Dial: w.slowly(late)})
		b := w.noting(j, "b", Options{CommitInterval: time.Hour})
		stop := w.flow(4, 100*time.Millisecond)
		pass(20 * time.Second)
		isLate.Store(true)
		c := w.noting(j, "c", Options{CommitInterval: time.Hour})
		for from, _ := b.current(); ; pass(10 * time.Millisecond) {
			if g, _ := b.current(); g != from { // b has heard, a has not
				break
			}
		}
		a.stop(t)
		isLate.Store(false)
		pass(20 * time.Second)
		end := stop()
		pass(5 * time.Second)
		b.stop(t)
		c.stop(t)
		j.wholeAndInOrder(t, 4, end)
	})
}

func TestAnEndWhileTheGroupJoinsCommitsAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, j := newWorld(t, 4), &journal{}
		var isLate atomic.Bool
		late := &slow{key: joinGroup, delay: 4 * time.Second, when: armed(&isLate)}
		a := w.noting(j, "a", Options{CommitInterval: time.Hour})
		b := w.noting(j, "b", Options{CommitInterval: time.Hour, Dial: w.slowly(late)})
		stop := w.flow(4, 100*time.Millisecond)
		pass(20 * time.Second)
		isLate.Store(true)
		c := w.noting(j, "c", Options{CommitInterval: time.Hour})
		pass(4 * time.Second) // a waits for the answer to its join, which takes b's
		a.stop(t)
		isLate.Store(false)
		pass(20 * time.Second)
		end := stop()
		pass(5 * time.Second)
		b.stop(t)
		c.stop(t)
		j.wholeAndInOrder(t, 4, end)
	})
}

func TestAMemberThatIsNoLongerInTheGroupGivesEverythingUpWithoutACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.produce(0, 0, 5)
		m := w.member(Options{CommitInterval: time.Hour}, settle)
		pass(10 * time.Second)
		before := m.held()
		_, err := m.group.LeaveGroup(t.Context(), &kafka.LeaveGroupRequest{
			Addr: m.addr, GroupID: "g", Members: []kafka.LeaveGroupRequestMember{{ID: m.Stats().MemberID}},
		})
		if err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		if before[0].ctx.Err() == nil || m.Stats().Partitions == nil {
			t.Error("the claim goes on, or there is no new one")
		}
		m.stop(t)
		if got, want := m.values(), slices.Concat(values(0, 0, 5), values(0, 0, 5)); !slices.Equal(got, want) {
			t.Errorf("handed out %v: what may be another's by then was committed", got)
		}
	})
}
