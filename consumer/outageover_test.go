package consumer

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// breakable is a connection that fails while broken is on.
type breakable struct {
	net.Conn
	broken *atomic.Bool
}

func (c breakable) Write(b []byte) (int, error) {
	if c.broken.Load() {
		return 0, errors.Join(errors.New("connection reset by peer"), c.Close())
	}
	return c.Conn.Write(b) //nolint:wrapcheck // it stands for the connection
}

// TestAnOutageThatIsOverHoldsNobody: also a partition of which nothing is fetched, as it has
// as much as it may, and its worker waits for something else.
func TestAnOutageThatIsOverHoldsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		var broken atomic.Bool
		release := make(chan struct{})
		m := w.member(Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if broken.Load() {
				return nil, errors.New("connection refused")
			}
			conn, err := w.network.DialContext(ctx, network, address)
			return breakable{conn, &broken}, err
		}}, func(_ *member, msg *Message) {
			if msg.Partition == 0 {
				<-release
			}
			msg.Settle()
		})
		standing := func() string {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.standing["events/0"]
		}
		for n := range 6 {
			w.produce(0, n, n+1)
			w.produce(1, n, n+1)
			pass(2 * time.Second)
		}
		broken.Store(true)
		pass(20 * time.Second)
		if why := standing(); why != ReasonUnreachable {
			t.Errorf("held for %q while no broker answers", why)
		}
		broken.Store(false)
		pass(time.Minute)
		if why := standing(); why != "" {
			t.Errorf("held for %q when the outage is over", why)
		}
		close(release)
		pass(time.Minute)
		m.stop(t)
	})
}
