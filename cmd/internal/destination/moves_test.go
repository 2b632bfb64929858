package destination

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/schemas"
	"kinesis-destination/sink/embeddedkinesis"
)

// names is a network whose hosts move. A host is known by its port: a dialler is
// given a name, which leads somewhere else once the host has moved. The old
// address is silent: connections stay open, what is sent is lost, and nothing
// comes back.
type names struct {
	dialer

	mu    sync.Mutex
	moved map[string]int  // how often
	gone  map[string]bool // no address at the moment
	left  map[string]time.Time
	late  map[string]int // writes to where a host was, long after it left
}

// long is more than what is under way when a host goes has to be answered in.
const long = 8 * time.Second

func (n *names) dial(ctx context.Context, network, address string) (net.Conn, error) {
	_, name, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	gone, at := n.gone[name], n.moved[name]
	n.mu.Unlock()
	if gone {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	conn, err := n.dialer(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &placed{conn, n, name, at}, nil
}

// leave takes hosts away from where they are.
func (n *names) leave(hosts ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range hosts {
		n.moved[name]++
		n.gone[name], n.left[name] = true, time.Now()
	}
}

// arrive lets the names of hosts lead to where they are now.
func (n *names) arrive(hosts ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range hosts {
		delete(n.gone, name)
	}
}

// placed is a connection to where a host was when it was dialled.
type placed struct {
	net.Conn
	names *names
	name  string
	at    int
}

func (p *placed) silent() bool {
	p.names.mu.Lock()
	defer p.names.mu.Unlock()
	return p.names.moved[p.name] != p.at
}

// Read implements net.Conn.
func (p *placed) Read(b []byte) (int, error) {
	for {
		n, err := p.Conn.Read(b)
		if err != nil || !p.silent() {
			return n, err
		}
	}
}

// Write implements net.Conn.
func (p *placed) Write(b []byte) (int, error) {
	if !p.silent() {
		return p.Conn.Write(b)
	}
	p.names.mu.Lock()
	defer p.names.mu.Unlock()
	if time.Since(p.names.left[p.name]) > long {
		p.names.late[p.name]++
	}
	return len(b), nil
}

func TestWhatMovedToAnotherAddressIsFoundThere(t *testing.T) {
	const brokers, registry, stream = "9092", "8081", "4567"
	// What is under way when a host goes is given up when its time is over: a fetch
	// after 10.5 s, a put after 7 s. After an outage the next attempt may be as far
	// away as the backoff lets it: 5 s, and 30 s for the stream.
	for _, c := range []struct {
		name   string
		hosts  []string
		away   time.Duration
		within time.Duration
	}{
		{"the brokers, at once", []string{brokers}, 0, 11 * time.Second},
		{"the brokers, after an outage", []string{brokers}, 2 * time.Minute, 15 * time.Second},
		{"the registry, at once", []string{registry}, 0, time.Second},
		{"the registry, after an outage", []string{registry}, 2 * time.Minute, 31 * time.Second},
		{"the stream, at once", []string{stream}, 0, 8 * time.Second},
		{"the stream, after an outage", []string{stream}, 2 * time.Minute, 31 * time.Second},
		{"all of them, after an outage", []string{brokers, registry, stream}, 10 * time.Minute, 45 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// Each lane has a connection of its own, since no answer comes at once.
				slow := func(embeddedkinesis.Call) embeddedkinesis.Action {
					return embeddedkinesis.Action{DelayAnswer: 20 * time.Millisecond}
				}
				b := newBubble(t, 4, embeddedkinesis.Options{Script: slow})
				n := &names{
					dialer: b.network.DialContext, moved: map[string]int{}, gone: map[string]bool{},
					left: map[string]time.Time{}, late: map[string]int{},
				}
				p := launch(t, b.config("server: {listen: \"127.0.0.1:7000\"}\n"), Options{
					Logger: slog.New(slog.NewTextHandler(b.log, nil)), Dial: n.dial, Listen: b.network.Listen,
				})
				g, o := newLeads(t, 41, 50), newOracle()
				feed := func(count, schema int) {
					t.Helper()
					var messages []kafka.Message
					for range count {
						e, err := g.Next()
						if err != nil {
							t.Fatal(err)
						}
						o.add(e)
						messages = append(messages, kafka.Message{Key: []byte(e.Key), Value: append(schemas.AppendFrame(nil, schema), e.Body...)})
					}
					b.produce(messages...)
				}
				feed(200, b.schemaID)
				b.settled(o.total, time.Minute, p)
				pass(3 * time.Second) // and committed
				n.leave(c.hosts...)
				if c.away == 0 {
					n.arrive(c.hosts...)
				}
				feed(5, b.schemaID) // by a few lanes: the others' connections rest
				pass(long + time.Second)
				feed(200, b.registry.Register("other", fmt.Sprintf("%s ", schemas.SegmentEvaluation)))
				pass(c.away)
				n.arrive(c.hosts...)
				began := time.Now()
				b.settled(o.total, 10*time.Minute, p)
				for ready, _ := p.Ready(); !ready; ready, _ = p.Ready() {
					pass(100 * time.Millisecond)
				}
				if took := time.Since(began); took > c.within {
					t.Errorf("found after %v only, in\n%s", took.Round(100*time.Millisecond), b.log)
				}
				p.stop(t)
				if got := n.late[stream]; got > 0 {
					t.Errorf("connections to where the stream was are used again, %d times", got)
				}
				if v := o.judge(b.kinesis.History(testStream)); v != (verdict{}) {
					t.Errorf("%+v", v)
				}
			})
		})
	}
}
