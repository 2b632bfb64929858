package sink

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

func (a action) String() string { return [...]string{"again", "hold", "refuse"}[a] }

func TestRetryTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/retry", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var b strings.Builder
			switch d.Cmd {
			case "codes":
				for _, code := range slices.SortedFunc(maps.Keys(verdicts), func(a, b string) int {
					va, vb := verdicts[a], verdicts[b]
					return strings.Compare(fmt.Sprint(va.action, va.reason, a), fmt.Sprint(vb.action, vb.reason, b))
				}) {
					v := entryVerdict(code)
					if v != callVerdict(code, 400) {
						t.Errorf("%s means two things", code)
					}
					fmt.Fprintf(&b, "%-7s %-24s %s\n", v.action, v.reason, code)
				}
			case "unknown":
				code := d.CmdArgs[0].Key
				fmt.Fprintf(&b, "record   %v %s\n", entryVerdict(code).action, entryVerdict(code).reason)
				fmt.Fprintf(&b, "call 400 %v %s\n", callVerdict(code, 400).action, callVerdict(code, 400).reason)
				fmt.Fprintf(&b, "call 503 %v %s\n", callVerdict(code, 503).action, callVerdict(code, 503).reason)
			case "backoff":
				b.WriteString(backoffTranscript(t, d))
			}
			return b.String()
		})
	})
}

func backoffTranscript(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	span := func(name string) time.Duration {
		var s string
		d.MaybeScanArgs(t, name, &s)
		if s == "" {
			return 0
		}
		v, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	var seed uint64
	var steps int
	d.ScanArgs(t, "seed", &seed)
	d.ScanArgs(t, "steps", &steps)
	now := epoch
	p := newRetryBackoff(Retry{span("initial"), span("max"), span("elapsed")}, now, rand.New(rand.NewPCG(seed, 0)))
	var b strings.Builder
	for range steps {
		delay, exhausted := p.Next(now)
		note := ""
		if exhausted {
			note = " exhausted"
		}
		fmt.Fprintf(&b, "after %v wait %v%s\n", now.Sub(epoch).Round(time.Millisecond), delay.Round(time.Millisecond), note)
		now = now.Add(delay)
	}
	return b.String()
}

func TestJitterFillsTheWholeIntervalAndNoMore(t *testing.T) {
	r := Retry{InitialInterval: time.Second, MaxInterval: time.Second}
	random := rand.New(rand.NewPCG(1, 1))
	low, high := time.Hour, time.Duration(0)
	for range 10_000 {
		d, _ := newRetryBackoff(r, epoch, random).Next(epoch)
		low, high = min(low, d), max(high, d)
	}
	if low <= 0 || low > 10*time.Millisecond || high > time.Second || high < 990*time.Millisecond {
		t.Errorf("delays from %v to %v", low, high)
	}
}
