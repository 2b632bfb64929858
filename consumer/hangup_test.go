package consumer

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hangups dials connections that end after some bytes were read, as a broker
// does that goes down amid an answer.
type hangups struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu    sync.Mutex
	draw  *rand.Rand
	on    bool
	dials int
}

func (h *hangups) connect(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := h.dial(ctx, network, address)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dials++
	if err != nil || !h.on {
		return conn, err
	}
	return &shortConn{Conn: conn, left: h.draw.IntN(2000)}, nil
}

func (h *hangups) set(on bool) (dials int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.on = on
	return h.dials
}

type shortConn struct {
	net.Conn
	left int
}

func (c *shortConn) Read(b []byte) (int, error) {
	if c.left == 0 {
		_ = c.Close() // what counts is that nothing more comes
		return c.Conn.Read(b)
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}

func TestABrokerThatHangsUpAmidAnswersLosesNothingAndIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const seed = 5
		w := newWorld(t, 3)
		h := &hangups{dial: w.network.DialContext, draw: rand.New(rand.NewPCG(seed, seed)), on: true}
		m := w.member(Options{Dial: h.connect}, settle)
		for p := range 3 {
			w.produce(p, 0, 50)
		}
		pass(time.Hour)
		before := len(m.values())
		dials := h.set(false)
		t.Logf("seed %d: %d of 150 messages and %d connections in an hour", seed, before, dials)
		if dials > 3600 { // fetches, group and metadata together once a second
			t.Errorf("%d connections in an hour", dials)
		}
		if !slices.Contains(m.reasons(), ReasonUnreachable) {
			t.Errorf("holds %v", m.reasons())
		}
		pass(time.Minute)
		m.stop(t)
		got := m.values()
		for p := range 3 {
			var of []string
			for _, v := range got {
				if v[0] == byte('0'+p) && !slices.Contains(of, v) { // a member that was cut off may read again
					of = append(of, v)
				}
			}
			if !slices.Equal(of, values(p, 0, 50)) {
				t.Errorf("partition %d: %v", p, of)
			}
			if n := w.committed(p); n != 50 {
				t.Errorf("partition %d: committed %d", p, n)
			}
		}
	})
}
