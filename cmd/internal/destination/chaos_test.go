//go:build chaos

package destination

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/verify"
	"kinesis-destination/consumer"
)

// chaos is a site of real processes: members, a broker and a stream, each of
// which can be killed.
type chaos struct {
	*site
	rnd             *rand.Rand
	program, config string
	members         []*exec.Cmd
	broker          node
	emulator        *emulator
	verifier        *verify.Verifier
	serials         map[string]int64
	faults          map[string]int
}

// TestChaosProcessesKilledAndPaused has two, three and five members killed
// (kill -9), told to leave (SIGTERM), joined and paused for longer than their
// session, the broker and the stream killed and started again, and the stream
// hung, in a seeded order amid a load. By the oracle of the simulation nothing
// is lost and nothing out of order; repetitions are allowed. `make chaos` runs it.
func TestChaosProcessesKilledAndPaused(t *testing.T) {
	seed := setting(t, "SIM_SEED", rand.Uint64()>>1)
	t.Logf("seed %d", seed)
	e := startEmulator(t, seed)
	t.Setenv("KINESIS_ENDPOINT", e.url)
	c := &chaos{
		site: newSite(t, nil), rnd: rand.New(rand.NewPCG(seed, 5)), broker: findBroker(t), emulator: e,
		verifier: verify.NewVerifier(), serials: map[string]int64{}, faults: map[string]int{},
	}
	e.streamName = c.name
	c.program, c.config = c.binary()
	began := time.Now()
	for _, round := range []struct {
		members int
		faults  []func()
	}{
		{2, []func(){c.pauseMember, c.killEmulator}},
		{3, []func(){func() { c.restartBroker(syscall.SIGKILL) }, c.hangEmulator}},
		{5, []func(){func() { c.restartBroker(syscall.SIGTERM) }, c.killEmulator}},
	} {
		for len(c.members) < round.members {
			c.join()
		}
		c.moves()
		happens := append(round.faults, c.killMember, c.leave, c.join)
		c.rnd.Shuffle(len(happens), func(i, j int) { happens[i], happens[j] = happens[j], happens[i] })
		for _, fault := range happens {
			c.feed(400)
			fault()
			c.moves()
			t.Logf("%4v: %d members, %d records, %v", time.Since(began).Round(time.Second), len(c.members), c.emulator.stored(), c.faults)
		}
	}
	c.await(5*time.Minute, "all offsets committed", c.committed)
	for len(c.members) > 0 {
		c.end(0)
	}
	for _, r := range e.journal(t) {
		c.verifier.Stored(r.PartitionKey, r.Data, "")
	}
	result := c.verifier.Verdict(&config.Config{})
	t.Logf("lost %d, reordered %d, repetitions %d of %d records in %v; %v; the stream's: %v", result.Missing, result.Reordered,
		result.Duplicates, result.Expected, time.Since(began).Round(time.Second), c.faults, e.counters)
	if !result.OK() || result.Unknown > 0 {
		t.Errorf("seed %d: %+v", seed, *result)
	}
}

// feed writes events of a few identities, and expects their records.
func (c *chaos) feed(n int) {
	c.t.Helper()
	var messages []kafka.Message
	for range n {
		key := fmt.Sprintf("profile-%d", c.rnd.IntN(50))
		c.serials[key]++
		e := simulatedEvent(c.t, key, c.serials[key])
		c.verifier.Expect(key, simulatedRecord(e.Serial), "", verify.Offset{})
		messages = append(messages, kafka.Message{Key: []byte(key), Value: c.framed(e.Body)})
	}
	c.produce(messages...)
}

// moves waits until somebody delivers what is written now.
func (c *chaos) moves() {
	c.t.Helper()
	before := c.emulator.stored()
	c.feed(200)
	c.await(3*time.Minute, "records arrive", func() bool { return c.emulator.stored() > before+20 })
}

func (c *chaos) count(fault string) { c.faults[fault]++ }

func (c *chaos) join() {
	c.members = append(c.members, c.run(c.program, c.config))
	c.count("joined")
}

// pick chooses a member that may go; one stays.
func (c *chaos) pick() int {
	if len(c.members) == 1 {
		c.join()
	}
	return c.rnd.IntN(len(c.members))
}

func (c *chaos) leave() {
	c.end(c.pick())
	c.count("left")
}

// end tells a member to leave, and awaits that.
func (c *chaos) end(i int) {
	c.t.Helper()
	m := c.members[i]
	c.members = slices.Delete(c.members, i, i+1)
	send(c.t, m.Process, syscall.SIGTERM)
	if err := m.Wait(); err != nil {
		c.t.Errorf("exit after SIGTERM: %v", err)
	}
}

func (c *chaos) killMember() {
	i := c.pick()
	m := c.members[i]
	c.members = slices.Delete(c.members, i, i+1)
	send(c.t, m.Process, syscall.SIGKILL)
	_ = m.Wait() // it was killed
	c.count("member killed")
}

// pauseMember lets a member sleep for longer than its session: a successor takes
// over, and the sleeper wakes up in the middle of what it was doing.
func (c *chaos) pauseMember() {
	m := c.members[c.pick()]
	c.feed(3000)
	send(c.t, m.Process, syscall.SIGSTOP)
	pass(consumer.DefaultSessionTimeout + 10*time.Second)
	c.moves()
	send(c.t, m.Process, syscall.SIGCONT)
	c.count("member paused")
}

func (c *chaos) restartBroker(sig syscall.Signal) {
	c.feed(2000)
	c.broker.end(c.t, sig)
	pass(5 * time.Second)
	c.broker.start(c.t)
	c.await(2*time.Minute, "the broker is back", c.writable)
	c.count("broker " + sig.String())
}

func (c *chaos) killEmulator() {
	c.feed(2000)
	c.emulator.restart(c.t)
	c.count("stream killed")
}

// hangEmulator keeps every answer back for longer than a request may take.
func (c *chaos) hangEmulator() {
	c.feed(2000)
	send(c.t, c.emulator.process, syscall.SIGSTOP)
	pass(12 * time.Second)
	send(c.t, c.emulator.process, syscall.SIGCONT)
	c.count("stream hung")
}
