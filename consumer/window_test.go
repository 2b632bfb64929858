package consumer

import (
	"testing"
	"testing/synctest"
	"time"
)

// A window that shrinks makes room, and whoever waits for room hears of it: with
// many partitions windows are a large part of what is kept.
func TestAWindowThatShrinksWakesWhoWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClaim(t.Context(), topicPartition{"events", 0}, position{committed: -1})
		c.account.budget = newBudget(1 << 20)
		var open []*Message
		for i := range maxOpen {
			m := &Message{Offset: int64(i)}
			if !c.open(m) {
				t.Fatal("the claim has stopped")
			}
			open = append(open, m)
		}
		// Others have the rest: one of them is let beyond the limit, and is slow.
		over, others := &account{budget: c.account.budget}, &account{budget: c.account.budget}
		if err := over.acquire(t.Context(), c.account.budget.limit-c.account.budget.used+1); err != nil {
			t.Fatal(err)
		}
		began, taken := time.Now(), time.Time{}
		go func() {
			if err := others.acquire(t.Context(), c.window/2); err != nil {
				t.Error(err)
			}
			taken = time.Now()
		}()
		synctest.Wait()
		for _, m := range open {
			m.Settle()
		}
		synctest.Wait()
		if !taken.Equal(began) {
			t.Errorf("%d of %d bytes are taken, and somebody still waits", c.account.budget.used, c.account.budget.limit)
			over.release(over.held) // or the bubble would never end
			synctest.Wait()
		}
	})
}
