package consumer

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
)

// ledger opens the ledger anew and tells it of every message.
func (w *world) ledger() (*History, *Ledger, map[int64]bool) {
	w.t.Helper()
	h, err := NewHistory(w.config, w.network.DialContext)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx := context.Background()
	ranges, err := h.Ranges(ctx, Place{where: Earliest}, Place{where: Latest})
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := h.Ledger(ctx, "g.dead-letters", ranges)
	if err != nil {
		w.t.Fatal(err)
	}
	open := map[int64]bool{}
	for _, r := range ranges {
		if err := h.Read(ctx, r, func(m *Message) error {
			if l.Note(m, false) {
				open[m.Offset] = true
			}
			return nil
		}); err != nil {
			w.t.Fatal(err)
		}
	}
	return h, l, open
}

func TestLedgerRemembersWhatIsSettledInAnyOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		const n = 60
		w.produce(0, 0, n)
		order := random.Perm(n)
		settled := map[int64]bool{}
		for len(order) > 0 {
			h, l, open := w.ledger()
			for o := range int64(n) {
				if open[o] == settled[o] {
					t.Fatalf("offset %d: open %v, settled %v", o, open[o], settled[o])
				}
			}
			few := min(1+random.IntN(9), len(order))
			for _, o := range order[:few] {
				l.Settle("events", 0, int64(o))
				settled[int64(o)] = true
			}
			order = order[few:]
			if err := l.Commit(context.Background()); err != nil {
				t.Fatal(err)
			}
			next := int64(0)
			for settled[next] {
				next++
			}
			if got := l.Next("events", 0); got != next {
				t.Errorf("all is settled below %d, the ledger says %d", next, got)
			}
			h.Close()
		}
		w.produce(0, n, n+1)
		if h, _, open := w.ledger(); len(open) != 1 || !open[n] {
			t.Errorf("open: %v", open)
		} else {
			h.Close()
		}
	})
}

func TestLedgerRefusesToForgetAndToBeShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.produce(0, 0, 3)
		h1, first, _ := w.ledger()
		defer h1.Close()
		h2, second, _ := w.ledger()
		defer h2.Close()
		first.Settle("events", 0, 1)
		if err := first.Commit(context.Background()); err != nil {
			t.Fatal(err)
		}
		second.Settle("events", 0, 2)
		if err := second.Commit(context.Background()); !errors.Is(err, ErrMoved) {
			t.Errorf("a second process: %v", err)
		}
	})
	random := rand.New(rand.NewPCG(1, 1))
	p := &ledgerPart{done: map[int64]bool{}, end: 100_000}
	for o := range p.end {
		if random.IntN(2) == 0 {
			p.open = append(p.open, o)
		}
	}
	if _, err := p.encode(p.open); !errors.Is(err, ErrLedgerFull) {
		t.Errorf("half of 100,000 at random: %v", err)
	}
	if _, err := p.encode(p.open[:20_000:20_000]); err == nil {
		t.Error("what does not fit is said to")
	}
	if at, err := p.encode(nil); err != nil || at.committed != p.end {
		t.Errorf("all settled: %+v, %v", at, err)
	}
}

func TestEraseLetsGoOfWhatIsBeforeAnOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.produce(1, 0, 5)
		h, err := NewHistory(w.config, w.network.DialContext)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		ctx := context.Background()
		if err := h.Erase(ctx, "events", 1, 3); err != nil {
			t.Fatal(err)
		}
		ranges, err := h.Ranges(ctx, Place{where: Earliest}, Place{where: Latest})
		if err != nil || len(ranges) != 1 || ranges[0] != (Range{"events", 1, 3, 5}) {
			t.Errorf("%+v, %v", ranges, err)
		}
		if err := h.Erase(ctx, "events", 1, 9); err == nil {
			t.Error("beyond the end: no error")
		}
	})
}
