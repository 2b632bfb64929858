package consumer

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// silentConn loses what is sent, and brings nothing, once its host has gone.
type silentConn struct {
	net.Conn
	gone *atomic.Bool
}

func (c *silentConn) Write(b []byte) (int, error) {
	if c.gone.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *silentConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.gone.Load() {
			return n, err
		}
	}
}

// TestNoConnectionThatRestsIsTriedWhereOneWasSilent: a host goes without a word, and its name
// leads elsewhere. What is under way is given up when its time is over. Other connections to
// where it was, which rest, do not keep the next requests waiting as long.
func TestNoConnectionThatRestsIsTriedWhereOneWasSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.produce(0, 0, 1)
		var mu sync.Mutex
		gone := new(atomic.Bool) // of the connections that are dialled now; guarded by mu
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := w.network.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			return &silentConn{conn, gone}, nil
		}
		first, second := make(chan struct{}), make(chan struct{})
		m := w.member(Options{Dial: dial}, func(_ *member, msg *Message) {
			msg.Settle()
			if msg.Offset == 0 {
				close(first)
			} else {
				close(second)
			}
		})
		<-first
		pass(100 * time.Millisecond)
		// While a fetch waits at the broker, other requests need connections of their own.
		var others sync.WaitGroup
		for range 4 {
			others.Go(func() {
				if _, err := m.offsetAt(t.Context(), topicPartition{"events", 0}, Latest); err != nil {
					t.Error(err)
				}
			})
		}
		others.Wait()
		mu.Lock()
		gone.Store(true)
		gone = new(atomic.Bool)
		mu.Unlock()
		left := time.Now()
		w.produce(0, 1, 2)
		<-second
		if took := time.Since(left); took > fetchMaxWait+requestTimeout+time.Second {
			t.Errorf("found after %v", took)
		}
		m.stop(t)
	})
}

// TestATimeoutOfTheConnectionIsOneOfTheRequest: they end at the same moment, and either error may
// come first.
func TestATimeoutOfTheConnectionIsOneOfTheRequest(t *testing.T) {
	for _, c := range []struct {
		err  error
		late bool
	}{
		{context.DeadlineExceeded, true},
		{&net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}, true},
		{context.Canceled, false},
		{&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}, false},
		{io.ErrUnexpectedEOF, false},
	} {
		if timedOut(fmt.Errorf("fetch: %w", c.err)) != c.late {
			t.Errorf("%v is a timeout: %v", c.err, !c.late)
		}
	}
}
