package consumer

import (
	"bytes"
	"context"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// poisoned is a connection on which the value "0:3" arrives altered while told to.
type poisoned struct {
	net.Conn
	on *atomic.Bool
}

func (c poisoned) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.on.Load() {
		copy(b, bytes.ReplaceAll(b[:n], []byte("0:3"), []byte("0:X")))
	}
	return n, err
}

func TestACorruptBatchHoldsItsPartitionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.produce(0, 0, 6)
		w.produce(1, 0, 6)
		var on, count atomic.Bool
		var fetches atomic.Int32
		on.Store(true)
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := w.slowly(&slow{key: 1, when: func(int) bool {
				if count.Load() {
					fetches.Add(1)
				}
				return false
			}})(ctx, network, address)
			return poisoned{conn, &on}, err
		}
		m := w.member(Options{Dial: dial}, settle)
		pass(20 * time.Second)
		w.produce(1, 6, 9)
		count.Store(true)
		pass(time.Minute)
		count.Store(false)
		got := m.values()
		slices.Sort(got)
		if want := append(values(0, 0, 3), values(1, 0, 9)...); !slices.Equal(got, want) {
			t.Errorf("handed out %v, want %v", got, want)
		}
		if held := m.reasons(); !slices.Equal(held, []string{ReasonCorrupt}) {
			t.Errorf("holds %v", held)
		}
		for _, p := range m.Stats().Partitions {
			if want := map[int]string{0: ReasonCorrupt}[p.Partition]; p.Held != want {
				t.Errorf("partition %d is held: %q", p.Partition, p.Held)
			}
		}
		if n := fetches.Load(); n > 150 { // two a second, as without it
			t.Errorf("%d fetches in a minute: it spins", n)
		}
		on.Store(false)
		pass(10 * time.Second)
		m.stop(t)
		if got := w.committed(0); got != 6 {
			t.Errorf("committed %d once the batch could be read", got)
		}
		if held := m.reasons(); !slices.Equal(held, []string{ReasonCorrupt, ""}) {
			t.Errorf("holds %v", held)
		}
	})
}
