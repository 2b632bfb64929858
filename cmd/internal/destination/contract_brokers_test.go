package destination

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestContractThreeBrokers tells what brokers do to each other and to a
// destination. The stories share a cluster, as real brokers take their time to start.
func TestContractThreeBrokers(t *testing.T) {
	c := startCluster(t)
	t.Run("leaders move", c.leadersMove)
	t.Run("brokers come and go", c.brokersComeAndGo)
	if c.nodes != nil { // the embedded one names no follower: see consumer/follower_test.go
		t.Run("a follower is read", c.followerIsRead)
		t.Run("names lead elsewhere", c.namesLeadElsewhere) // see TestWhatMovedToAnotherAddressIsFoundThere
	}
}

// leadersMove: leaders are moved over and over amid a load that is committed, or
// aborted, or not in a transaction at all. What was committed leaves, once and in
// order, and nothing else; no partition changes hands, and nothing is held.
func (c *cluster) leadersMove(t *testing.T) {
	s := c.site(t)
	g, o := newLeads(t, 31, 200), newOracle()
	first, second := s.start(), s.start()
	s.await(60*time.Second, "both have their share", func() bool {
		return len(first.Stats().Partitions) == sitePartitions/2 && len(second.Stats().Partitions) == sitePartitions/2
	})
	generation := first.Stats().Generation
	done := make(chan struct{})
	var moving sync.WaitGroup
	moves := 0
	moving.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			c.moveLeaders(s)
			moves++
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	transactional := c.producer(t, s, kgo.TransactionalID(s.name))
	for turn := range 6 {
		s.feed(g, o, 300)
		var messages []kafka.Message
		for range 100 {
			e, err := g.Next()
			if err != nil {
				t.Fatal(err)
			}
			if turn%2 == 0 {
				o.add(e)
			}
			messages = append(messages, kafka.Message{Key: []byte(e.Key), Value: s.framed(e.Body)})
		}
		if err := transactional.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := transactional.ProduceSync(ctx, records(messages)...).FirstErr(); err != nil {
			t.Fatal("produce in a transaction:", err)
		}
		if err := transactional.EndTransaction(ctx, kgo.TransactionEndTry(turn%2 == 0)); err != nil {
			t.Fatal("end a transaction:", err)
		}
	}
	close(done)
	moving.Wait()
	t.Log(moves, "times each leader moved")
	s.await(60*time.Second, "all events at rest", func() bool { return atRest(first, second) == o.total })
	if n := s.log.Count("held: "); n > 0 {
		t.Errorf("a move of leaders was a hold, %d times", n)
	}
	if n := first.Stats().Generation; n != generation {
		t.Errorf("generation %d has become %d", generation, n)
	}
	first.stop(t)
	second.stop(t)
	if v := o.judge(s.embedded.History(s.name)); v != (verdict{}) {
		t.Errorf("%+v", v)
	}
}

// brokersComeAndGo: a broker is stopped, another one, the group's coordinator, is
// killed, then two at once, and each is started again. With one away everything
// goes on by itself; without a majority the destination is held, and says so;
// nothing is lost, out of order or repeated.
func (c *cluster) brokersComeAndGo(t *testing.T) {
	s := c.site(t)
	g, o := newLeads(t, 32, 200), newOracle()
	p := s.start()
	s.feed(g, o, 300)
	flows := func(what string) {
		t.Helper()
		began := time.Now()
		s.feed(g, o, 300)
		s.await(90*time.Second, what+": all events at rest", func() bool { return atRest(p) == o.total })
		t.Logf("%s: written and delivered in %v", what, time.Since(began).Round(10*time.Millisecond))
	}
	flows("at the start")
	coordinator := c.coordinator(s)
	other := (coordinator + 1) % len(c.addrs)
	for _, away := range []struct {
		what   string
		broker int
		sig    syscall.Signal
	}{{"a broker was stopped", other, syscall.SIGTERM}, {"the coordinator was killed", coordinator, syscall.SIGKILL}} {
		s.feed(g, o, 300)
		c.end(t, away.broker, away.sig)
		flows(away.what)
		s.await(30*time.Second, away.what+": ready again", func() bool { ready, _ := p.Ready(); return ready })
		s.await(30*time.Second, away.what+": it is missed", func() bool { return c.nodes == nil || !s.insync() })
		c.start(t, away.broker)
		s.await(60*time.Second, away.what+": its replicas are in sync again", s.insync)
		flows("it is back")
	}
	if c.nodes != nil { // the embedded one needs no majority
		c.end(t, other, syscall.SIGKILL)
		c.end(t, coordinator, syscall.SIGKILL)
		s.await(60*time.Second, "it is held", func() bool { ready, why := p.Ready(); return !ready && strings.Contains(why, "kafka-") })
		c.start(t, other)
		c.start(t, coordinator)
		flows("two were killed and are back")
		s.await(60*time.Second, "ready again", func() bool { ready, _ := p.Ready(); return ready })
	}
	s.await(60*time.Second, "the coordinator that is back takes commits", s.committed)
	s.feed(g, o, 300)
	s.await(90*time.Second, "at the end: all events at rest", func() bool { return atRest(p) == o.total })
	p.stop(t)
	if v := o.judge(s.embedded.History(s.name)); v != (verdict{}) {
		t.Errorf("%+v", v)
	}
	if !s.committed() {
		t.Error("after a clean end, not every offset is committed")
	}
}

// followerIsRead: with a clientRack almost everything is read from the broker of
// that rack; from the leaders while it is away; and from it again.
func (c *cluster) followerIsRead(t *testing.T) {
	s := c.site(t)
	counted := &traffic{bytes: map[string]int{}}
	s.dial = counted.dial
	s.source = fmt.Sprintf(`{brokers: ["%s"], topic: %s, clientRack: rack-2}`, strings.Join(c.addrs, `", "`), s.topic)
	g, o := newLeads(t, 33, 200), newOracle()
	g.Padding = 2000
	p := s.start()
	near := 1 // the broker of rack-2
	share := func(what string, count int) float64 {
		t.Helper()
		for i := range c.addrs {
			counted.since(c.addrs[i])
		}
		s.feed(g, o, count)
		s.await(90*time.Second, what+": all events at rest", func() bool { return atRest(p) == o.total })
		var of []int
		for i := range c.addrs {
			of = append(of, counted.since(c.addrs[i]))
		}
		t.Logf("%s: %d events, bytes by broker %v", what, count, of)
		return float64(of[near]) / float64(of[0]+of[1]+of[2])
	}
	s.await(60*time.Second, "the broker of the rack is read", func() bool { return share("with a rack", 500) > 0.9 })
	s.feed(g, o, 300)
	c.end(t, near, syscall.SIGKILL)
	// What it had sent before its end can still arrive for a moment.
	s.await(60*time.Second, "nothing comes from the broker that is away", func() bool { return share("without it", 500) == 0 })
	s.await(30*time.Second, "it is missed", func() bool { return !s.insync() })
	c.start(t, near)
	s.await(60*time.Second, "its replicas are in sync again", s.insync)
	s.await(60*time.Second, "it is read again", func() bool { return share("it is back", 100) > 0.8 })
	p.stop(t)
	if v := o.judge(s.embedded.History(s.name)); v != (verdict{}) {
		t.Errorf("%+v", v)
	}
}

// namesLeadElsewhere: all brokers are killed, and come back at other addresses
// behind the names that they advertise and that the configuration has. They are
// found there.
func (c *cluster) namesLeadElsewhere(t *testing.T) {
	s := c.site(t)
	names := &hosts{at: map[string]string{}}
	s.dial = names.dial
	move := func() (brokers []string) {
		t.Helper()
		for i, n := range c.nodes {
			n.end(t, syscall.SIGKILL)
			brokers = append(brokers, names.name(t, c, i))
		}
		for _, n := range c.nodes {
			n.start(t)
		}
		s.await(60*time.Second, "the brokers are back", s.writable)
		return brokers
	}
	s.source = fmt.Sprintf(`{brokers: ["%s"], topic: %s}`, strings.Join(move(), `", "`), s.topic)
	g, o := newLeads(t, 34, 200), newOracle()
	p := s.start()
	s.feed(g, o, 300)
	s.await(60*time.Second, "all events at rest", func() bool { return atRest(p) == o.total && s.committed() })
	move()
	s.feed(g, o, 300)
	began := time.Now()
	s.await(60*time.Second, "all events at rest", func() bool { return atRest(p) == o.total })
	s.await(60*time.Second, "ready again", func() bool { ready, _ := p.Ready(); return ready })
	t.Log("found after", time.Since(began).Round(10*time.Millisecond))
	p.stop(t)
	if v := o.judge(s.embedded.History(s.name)); v != (verdict{}) {
		t.Errorf("%+v", v)
	}
}
