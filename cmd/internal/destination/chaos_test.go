//go:build chaos

package destination

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/consumer"
	"kinesis-destination/sink/embeddedkinesis"
)

// TestChaosProcessesKilledAndPaused has real processes killed (kill -9), paused
// for longer than their session and woken up again (SIGSTOP, SIGCONT), and the
// stream taken away, amid a load. By the oracle of the simulation nothing is
// lost and nothing out of order; repetitions are allowed. `make chaos` runs it
// on a real Kafka.
func TestChaosProcessesKilledAndPaused(t *testing.T) {
	seed := setting(t, "SIM_SEED", rand.Uint64()>>1)
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 5))
	random := embeddedkinesis.Random(seed, embeddedkinesis.Rates{Throttle: .02, CallFails: .01, LostAfter: .01})
	s := newSite(t, func(c embeddedkinesis.Call) embeddedkinesis.Action {
		action := random(c)
		action.DelayAnswer = 20 * time.Millisecond
		return action
	})
	program, config := s.binary()
	v := newVerifier()
	serials := map[string]int64{}
	feed := func(n int) {
		var messages []kafka.Message
		for range n {
			key := fmt.Sprintf("profile-%d", rnd.IntN(50))
			serials[key]++
			e := simulatedEvent(t, key, serials[key])
			v.expect(key, simulatedRecord(e.Serial))
			messages = append(messages, kafka.Message{Key: []byte(key), Value: s.framed(e.Body)})
		}
		s.produce(messages...)
	}
	launch := func() *exec.Cmd { return s.run(program, config) }
	signal := func(c *exec.Cmd, sig syscall.Signal) {
		if err := c.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	stored := func() int { return len(s.embedded.History(s.name)) }
	moves := func() { // somebody delivers
		before := stored()
		feed(200)
		s.await(3*time.Minute, "records arrive", func() bool { return stored() > before+20 })
	}

	members := []*exec.Cmd{launch(), launch()}
	moves()
	for round := range 2 {
		// Paused amid the load, for longer than the session: a successor takes
		// over, and the sleeper wakes up in the middle of what it was doing.
		feed(3000)
		signal(members[0], syscall.SIGSTOP)
		pass(consumer.DefaultSessionTimeout + 10*time.Second)
		moves()
		signal(members[0], syscall.SIGCONT)
		moves()

		feed(3000)
		signal(members[1], syscall.SIGKILL)
		_ = members[1].Wait()
		members[1] = launch()
		moves()

		s.embedded.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action {
			return embeddedkinesis.Action{Code: "InternalFailure"}
		})
		feed(500)
		pass(10 * time.Second)
		s.embedded.SetScript(random)
		moves()
		t.Logf("round %d: %d records", round, stored())
	}
	s.await(5*time.Minute, "all offsets committed", s.committed)
	for _, m := range members {
		signal(m, syscall.SIGTERM)
		if err := m.Wait(); err != nil {
			t.Errorf("exit after SIGTERM: %v", err)
		}
	}
	for _, r := range s.embedded.History(s.name) {
		v.stored(r.PartitionKey, r.Data)
	}
	result := v.verdict(&Config{})
	t.Logf("lost %d, reordered %d, repetitions %d of %d records; 2 pauses, 2 kills, 2 outages, %v", result.Missing, result.Reordered, result.Duplicates, result.Expected, s.embedded.Counters())
	if !result.OK() || result.Unknown > 0 {
		t.Errorf("seed %d: %+v", seed, *result)
	}
}
