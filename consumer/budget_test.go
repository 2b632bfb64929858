package consumer

import (
	"testing"
	"time"
)

// TestNothingIsFetchedThatWouldFindNoRoom: of many that share a budget, those fetch that find room, and the others once
// there is some again. Fetches of what is not written yet keep nobody from asking as well.
func TestNothingIsFetchedThatWouldFindNoRoom(t *testing.T) {
	b := newBudget(64 * fetchWorth) // three quarters of it are for what is fetched
	for range 100 {
		if room, _ := b.state(); room <= 0 {
			t.Fatal("where nothing is kept, somebody may not ask for more")
		}
		defer b.asks()()
	}
	b.asking = 0

	b.acquire(46 * fetchWorth)
	done := b.asks()
	if room, _ := b.state(); room != 2*fetchWorth {
		t.Errorf("beside one fetch %d may be fetched", room)
	}
	second := b.asks()
	third := b.asks()
	room, changed := b.state()
	if room > 0 {
		t.Errorf("three fetches are under way, there is room for two, and %d more may be fetched", room)
	}
	for name, makesRoom := range map[string]func(){"a fetch that ended": done, "what came to rest": func() { b.release(fetchWorth) }} {
		makesRoom()
		select {
		case <-changed:
		default:
			t.Errorf("who waits does not hear of %s", name)
		}
		b.asks()
		if room, changed = b.state(); room > 0 {
			t.Errorf("after %s, and one fetch more, %d may be fetched", name, room)
		}
	}
	second()
	third()

	b.acquire(10 * fetchWorth)
	b.asking = 0
	if room, changed = b.state(); room > 0 {
		t.Errorf("all is kept, and %d may be fetched", room)
	}
	b.release(7 * fetchWorth)
	select {
	case <-changed:
		t.Error("who waits hears of room before there is any")
	default:
	}
	b.release(1)
	select {
	case <-changed:
	default:
		t.Error("who waits does not hear of room")
	}
}

// TestAFetchThatOthersWaitForDoesNotWaitLong: where one who stands still has most of what many share, the others take
// turns, and an event of one of them must not wait until each of those before it has waited in vain for half a second.
func TestAFetchThatOthersWaitForDoesNotWaitLong(t *testing.T) {
	b := newBudget(64 * fetchWorth)
	claims := []*claim{{}}
	waits := func() time.Duration {
		return time.Duration(newFetchCall(0, claims, b).MaxWaitTime) * time.Millisecond
	}
	for range 100 {
		defer b.asks()()
	}
	if got := waits(); got != fetchMaxWait {
		t.Errorf("where nothing is kept, a hundred fetches wait %v each", got)
	}
	b.acquire(30 * fetchWorth)
	if got := waits(); got != fetchCrowdedWait {
		t.Errorf("where there is room for 18 of a hundred, each waits %v", got)
	}
	b.asking = 18
	if got := waits(); got != fetchMaxWait {
		t.Errorf("where there is room for one more, each waits %v", got)
	}
}
