package sink

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kinesis-destination/schemas/backoff"
)

// A lane that was let in while the gate stood open, and makes no call or hears
// late of one, must not end the probe that another lane makes meanwhile: then
// two would probe at once.
func TestOnlyTheLaneThatProbesEndsItsProbe(t *testing.T) {
	now := time.Unix(1e9, 0)
	ends := map[string]func(*gate, probe){
		"makes no call":     func(g *gate, as probe) { g.CancelProbe(as) },
		"is refused":        func(g *gate, as probe) { g.Held(now, as, "held", nil) },
		"gets no answer":    func(g *gate, as probe) { g.Failed(now, as, nil) },
		"is let in no more": func(g *gate, _ probe) { g.Enter(now) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 1))
			g := &gate{
				retry: func(now time.Time) *backoff.Backoff { return newRetryBackoff(Retry{}.withDefaults(), now, random) },
				tell:  func(string, error) {},
			}
			_, early, _ := g.Enter(now)
			g.Held(now, 0, "held", nil) // another lane's call
			later := now.Add(time.Hour)
			may, prober, _ := g.Enter(later)
			if !may {
				t.Fatal("nobody may probe")
			}
			end(g, early)
			if may, _, _ := g.Enter(later); may {
				t.Error("a second lane may probe while the first one does")
			}
			if !g.CancelProbe(prober) {
				t.Error("the probe is not under way any more")
			}
			if may, _, _ := g.Enter(later); !may {
				t.Error("after a probe that was not made nobody may")
			}
		})
	}
}

// What was sent before the stream was held says nothing of whether it still is:
// only the probe's answer opens the gate.
func TestALateAnswerEndsNoHold(t *testing.T) {
	now := time.Unix(1e9, 0)
	random := rand.New(rand.NewPCG(1, 1))
	var told []string
	g := &gate{
		retry: func(now time.Time) *backoff.Backoff { return newRetryBackoff(Retry{}.withDefaults(), now, random) },
		tell:  func(reason string, _ error) { told = append(told, reason) },
	}
	_, early, _ := g.Enter(now)
	g.Held(now, 0, "expired-token", nil) // another lane's call
	if g.Answered(early) {
		t.Error("the answer to a call from before the hold opened the gate")
	}
	may, prober, _ := g.Enter(now.Add(time.Hour))
	if !may {
		t.Fatal("nobody may probe")
	}
	if g.Answered(early) {
		t.Error("the answer to a call from before the hold opened the gate amid a probe")
	}
	if !g.Answered(prober) {
		t.Error("the answer to the probe did not open the gate")
	}
	if !slices.Equal(told, []string{"expired-token", ""}) {
		t.Errorf("told: %q", told)
	}
}
