package consumer

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// TestNothingIsFetchedThatWouldFindNoRoom: of many that share a budget, those fetch that find room, and the others once
// there is some again. Fetches of what is not written yet keep nobody from asking as well.
func TestNothingIsFetchedThatWouldFindNoRoom(t *testing.T) {
	synctest.Test(t, nothingIsFetchedThatWouldFindNoRoom)
}

func nothingIsFetchedThatWouldFindNoRoom(t *testing.T) {
	b := newBudget(64 * fetchWorth) // 60 of it are for what is fetched
	for range 100 {
		if room, _ := b.state(); room <= 0 {
			t.Fatal("where nothing is kept, somebody may not ask for more")
		}
		defer b.asks()()
	}
	b.bringing = 0

	b.acquire(58 * fetchWorth)
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
	b.bringing = 0
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

// TestNoFetchLoopStarves: a hundred destinations share what one that is held has left them, and wait for events that
// are not written yet. Each is asked for again as soon as the broker has answered, as if it were alone.
func TestNoFetchLoopStarves(t *testing.T) {
	const loops, rounds = 100, 40
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(21<<20, 10<<20)
		b.acquire(6 << 20)
		b.sets = 3 << 20
		ctx, cancel := context.WithTimeout(t.Context(), rounds*fetchMaxWait)
		defer cancel()
		var asked [loops]int
		var wg sync.WaitGroup
		for i := range loops {
			wg.Go(func() {
				f := &fetcher{budget: b}
				claims := []*claim{newClaim(ctx, topicPartition{"events", i}, position{})}
				claims[0].account.budget = b
				for len(f.await(ctx, claims)) > 0 {
					done := b.asks()
					pause(ctx, fetchMaxWait) // the broker has nothing
					done()
					asked[i]++
				}
			})
		}
		wg.Wait()
		if least := slices.Min(asked[:]); least < rounds-2 {
			t.Errorf("of %d polls that a loop has time for, one made %d", rounds, least)
		}
	})
}
