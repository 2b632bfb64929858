package consumer

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// counted dials and counts what is open; while down, it refuses, and what was
// open is closed.
type counted struct {
	network func(ctx context.Context, network, address string) (net.Conn, error)

	mu   sync.Mutex
	open map[net.Conn]bool
	down atomic.Bool
}

type countedConn struct {
	net.Conn
	of *counted
}

func (c *counted) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if c.down.Load() {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("down")}
	}
	conn, err := c.network(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[conn] = true
	return countedConn{conn, c}, nil
}

func (c countedConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c.Conn)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

func (c *counted) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

func (c *counted) outage() {
	c.down.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		_ = conn.Close() // it is the outage
	}
}

// cpu is what the process has used so far.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestContractFiguresAtOneAndAThousandPartitions(t *testing.T) {
	const span = 5 * time.Second
	for _, partitions := range []int{1, 1000} {
		config, embedded := realOrEmbeddedTopic(t, kafka.TopicConfig{NumPartitions: partitions})
		before := heap()
		dialled := &counted{open: map[net.Conn]bool{}, network: new(net.Dialer).DialContext}
		c, err := New(config, Options{Dial: dialled.dial, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- c.Run(ctx, func(_ context.Context, m *Message) error { m.Settle(); return nil })
		}()
		within(t, 60*time.Second, "all is assigned", func() bool { return len(c.Stats().Partitions) == partitions })
		pass(2 * time.Second)
		began := cpu(t)
		pass(span)
		idle := float64(cpu(t)-began) / float64(span)
		each := (int64(heap()) - int64(before)) / int64(partitions)
		connections := dialled.count()
		dialled.outage()
		pass(5 * time.Second)
		began = cpu(t)
		pass(span)
		outage := float64(cpu(t)-began) / float64(span)
		t.Logf("%d partitions, broker in this process: %v: %d connections, %.2f %% of a core idle, %.2f %% in an outage, %d bytes of heap a partition",
			partitions, embedded != nil, connections, 100*idle, 100*outage, each)
		// A control and a broker's connection for each of fetches and the group, and
		// the heartbeats' to the coordinator's address; where two requests meet, one
		// more for the next 30 s.
		if connections > 10 {
			t.Errorf("%d partitions have %d connections to one broker", partitions, connections)
		}
		if outage > 0.02 {
			t.Errorf("%d partitions: an outage costs %.2f %% of a core", partitions, 100*outage)
		}
		if partitions > 1 && each > 32<<10 {
			t.Errorf("a partition costs %d bytes", each)
		}
		dialled.down.Store(false)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
