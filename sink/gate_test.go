package sink

import (
	"math/rand/v2"
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
		"is refused":        func(g *gate, as probe) { g.Held(now, as) },
		"gets no answer":    func(g *gate, as probe) { g.Failed(now, as) },
		"is let in no more": func(g *gate, _ probe) { g.Enter(now) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 1))
			g := &gate{retry: func(now time.Time) *backoff.Backoff { return newRetryBackoff(Retry{}.withDefaults(), now, random) }}
			_, early, _ := g.Enter(now)
			g.Held(now, 0) // another lane's call
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
