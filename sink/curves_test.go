package sink

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/sink/embeddedkinesis"
)

// curves runs every story; without it those run that show a rule each.
var curves = flag.Bool("curves", false, "run every story of the rate over time")

// A load story lasts for so many seconds of virtual time. The first ones, in which
// the shards' saved second is used up and the sink finds its rate, count for no rule.
const (
	storySeconds = 40
	storySettles = 5
)

// story is what happens to a stream of two shards, and what must come of it.
type story struct {
	name     string
	throttle float64 // of the entries, whatever the rate
	// change says what load there is from the start of a second on.
	change func(second int) embeddedkinesis.Load
	// least is what must be delivered of what the stream takes; most is how many of
	// the entries may be refused for the stream's limits; filled is how many
	// records a call must carry.
	least, most, filled float64
	procs               int
	always              bool // without -curves too
}

func usual(int) embeddedkinesis.Load { return embeddedkinesis.Load{} }

func stories() []story {
	half := embeddedkinesis.Load{Foreign: .5}
	return []story{
		{name: "nothing throttled", change: usual, least: .95, most: .005, filled: 20},
		{name: "2 % throttled at random", throttle: .02, change: usual, least: .9, most: .02, filled: 20},
		{always: true, name: "10 % throttled at random", throttle: .1, change: usual, least: .85, most: .03, filled: 20},
		{always: true, name: "30 % throttled at random", throttle: .3, change: usual, least: .7, most: .05, filled: 20},
		{always: true, name: "another producer takes half", change: func(int) embeddedkinesis.Load { return half }, least: .93, most: .02, filled: 20},
		{name: "another producer comes and goes", least: .8, most: .04, filled: 20, change: func(second int) embeddedkinesis.Load {
			if second/10%2 == 1 {
				return half
			}
			return embeddedkinesis.Load{}
		}},
		{name: "the limit drops to a tenth", least: .7, most: .05, filled: 10, change: func(second int) embeddedkinesis.Load {
			if second >= 10 && second < 25 {
				return embeddedkinesis.Load{Reduced: .9}
			}
			return embeddedkinesis.Load{}
		}},
		{name: "three processes share the stream", procs: 3, change: usual, least: .9, most: .03, filled: 10},
		{name: "three processes, 10 % throttled at random", procs: 3, throttle: .1, change: usual, least: .8, most: .08, filled: 10},
	}
}

// curve is what a story came to, by the second.
type curve struct {
	delivered, limited, attempts [storySeconds]int
	takes                        [storySeconds]float64 // records
	calls, records               [storySeconds]int
}

// TestTheRateFollowsWhatIsRefused prints the curves with -v. See DESIGN.md.
func TestTheRateFollowsWhatIsRefused(t *testing.T) {
	for _, s := range stories() {
		if !s.always && !*curves {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := s.run(t)
				c.print(t)
				s.judge(t, c)
			})
		})
	}
}

func (s story) run(t *testing.T) *curve {
	c := &curve{}
	var mu sync.Mutex
	var random atomic.Int64 // refused whatever the rate
	var began time.Time
	second := func() int { return int(time.Since(began) / time.Second) }
	faults := embeddedkinesis.Random(11, embeddedkinesis.Rates{Throttle: s.throttle})
	w := newWorld(t, worldOptions{
		stream: embeddedkinesis.Stream{Shards: 2},
		kinesis: embeddedkinesis.Options{EnforceShardLimits: true, Script: func(call embeddedkinesis.Call) embeddedkinesis.Action {
			a := faults(call)
			a.DelayAnswer = 20 * time.Millisecond
			if entry := a.Entry; entry != nil {
				a.Entry = func(index int, key, shard string) string {
					code := entry(index, key, shard)
					if code != "" {
						random.Add(1)
					}
					return code
				}
			}
			if call.Operation != "PutRecords" || began.IsZero() {
				return a
			}
			mu.Lock()
			defer mu.Unlock()
			if n := second(); n < storySeconds {
				c.calls[n]++
				c.records[n] += len(call.Keys)
			}
			return a
		}},
	})
	sinks := []*Sink{w.sink}
	for range max(s.procs, 1) - 1 {
		w.start()
		sinks = append(sinks, w.sink)
	}
	<-time.After(time.Second)
	began = time.Now()
	var feeding sync.WaitGroup
	watches := make([]stopwatch, len(sinks))
	for i, process := range sinks {
		feeding.Go(func() {
			data := []byte(strings.Repeat("x", 100))
			for n := 0; second() < storySeconds; n++ {
				watches[i].open.Add(1)
				key := fmt.Sprint(i, "-", n)
				if process.Put(t.Context(), &Record{PartitionKey: key, Data: data, Owner: timed{&watches[i], time.Now()}}) != nil {
					watches[i].open.Done()
					return
				}
			}
		})
	}
	count := func() (n int) {
		for i := range watches {
			n += watches[i].count()
		}
		return n
	}
	before, refused := 0, 0
	for n := range storySeconds {
		load := s.change(n)
		w.stream.SetLoad(load)
		<-time.After(time.Until(began.Add(time.Duration(n+1) * time.Second)))
		c.delivered[n], before = count()-before, count()
		all := w.stream.Counters()["ProvisionedThroughputExceededException"]
		c.attempts[n] = c.delivered[n] + all - refused
		c.limited[n] = all - refused - int(random.Swap(0))
		refused = all
		c.takes[n] = 2000 * max(1-load.Reduced-load.Foreign, 0)
	}
	w.stream.SetLoad(embeddedkinesis.Load{})
	w.stream.SetScript(nil)
	feeding.Wait()
	for i := range watches {
		watches[i].open.Wait()
	}
	return c
}

// judge fails the test where a story's rules are broken.
func (s story) judge(t *testing.T, c *curve) {
	t.Helper()
	var delivered, limited, attempts, takes, calls, records float64
	for n := storySettles; n < storySeconds; n++ {
		delivered += float64(c.delivered[n])
		limited += float64(c.limited[n])
		attempts += float64(c.attempts[n])
		takes += c.takes[n]
		calls += float64(c.calls[n])
		records += float64(c.records[n])
	}
	t.Logf("%.0f %% of what the stream takes; %.1f %% refused for its limits; %.0f records a call", 100*delivered/takes, 100*limited/attempts, records/calls)
	if delivered < s.least*takes {
		t.Errorf("delivered %.0f %% of what the stream takes, want %.0f %%", 100*delivered/takes, 100*s.least)
	}
	if limited > s.most*attempts {
		t.Errorf("%.1f %% of the entries were refused for the limits, want at most %.1f %%", 100*limited/attempts, 100*s.most)
	}
	if records < s.filled*calls {
		t.Errorf("%.1f records a call, want %.0f", records/calls, s.filled)
	}
}

// print draws the delivered records over time, two seconds a line.
func (c *curve) print(t *testing.T) {
	if !testing.Verbose() {
		return
	}
	var b strings.Builder
	for n := 0; n < storySeconds; n += 2 {
		rate := (c.delivered[n] + c.delivered[n+1]) / 2
		calls := max(c.calls[n]+c.calls[n+1], 1)
		attempts := max(c.attempts[n]+c.attempts[n+1], 1)
		fmt.Fprintf(&b, "\n%3d s %5d/s of %4.0f %-26s %5.1f %% for the limits, %4d records a call", n, rate, c.takes[n], strings.Repeat("#", rate/80),
			100*float64(c.limited[n]+c.limited[n+1])/float64(attempts), (c.records[n]+c.records[n+1])/calls)
	}
	t.Log(b.String())
}
