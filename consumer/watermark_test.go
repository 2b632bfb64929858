package consumer

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

func TestWatermarkStories(t *testing.T) {
	datadriven.Walk(t, "testdata/watermark", func(t *testing.T, path string) {
		var w watermark
		seqs := map[int64]uint64{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			if d.Cmd == "start" {
				w = newWatermark(number(t, d.CmdArgs[0].Key))
				clear(seqs)
			}
			for _, arg := range d.CmdArgs {
				n := number(t, arg.Key)
				switch d.Cmd {
				case "open":
					seqs[n] = w.Open(n, time.UnixMilli(n))
				case "settle":
					if !w.Settle(seqs[n]) {
						fmt.Fprintf(&out, "%d had settled before\n", n)
					}
				case "advance":
					w.Advance(n)
				}
			}
			fmt.Fprintf(&out, "next=%d open=%d\n", w.Next(), w.Len())
			return out.String()
		})
	})
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// model is the watermark as one would write it without thinking of cost.
type model struct {
	opened  []int64
	settled map[int64]bool
	end     int64
}

func (m *model) next() int64 {
	for _, o := range m.opened {
		if !m.settled[o] {
			return m.below(o)
		}
	}
	return m.end
}

// below is where to commit when o is the first that is not at rest: right
// after the message before it, or at the end of the gap that was announced.
func (m *model) below(o int64) int64 {
	next := m.opened[0]
	for _, p := range m.opened {
		if p >= o {
			break
		}
		next = p + 1
	}
	return next
}

func TestWatermarkAgreesWithASimpleModelInAnySettleOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for round := range 300 {
		start := rnd.Int64N(1000)
		w := newWatermark(start)
		m := model{settled: map[int64]bool{}, end: start}
		seqs := map[int64]uint64{}
		var pending []int64
		offset := start
		for range 400 {
			if rnd.IntN(2) == 0 || len(pending) == 0 {
				seqs[offset] = w.Open(offset, time.UnixMilli(offset))
				m.opened = append(m.opened, offset)
				pending = append(pending, offset)
				offset++
				m.end = offset
			} else {
				i := rnd.IntN(len(pending))
				o := pending[i]
				pending = append(pending[:i], pending[i+1:]...)
				if !w.Settle(seqs[o]) {
					t.Fatalf("seed %d round %d: %d is said to have settled before", seed, round, o)
				}
				m.settled[o] = true
				if w.Settle(seqs[o]) {
					t.Fatalf("seed %d round %d: %d settled twice", seed, round, o)
				}
			}
			if got, want := w.Next(), m.next(); got != want {
				t.Fatalf("seed %d round %d: next is %d, the model says %d", seed, round, got, want)
			}
		}
	}
}

func TestWatermarkNeverPassesAnUnsettledMessageAcrossGaps(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	for range 300 {
		w := newWatermark(0)
		pending := map[int64]uint64{}
		offset := int64(0)
		for range 300 {
			switch rnd.IntN(3) {
			case 0:
				offset += rnd.Int64N(5)
				pending[offset] = w.Open(offset, time.UnixMilli(0))
				offset++
			case 1:
				offset += rnd.Int64N(5)
				w.Advance(offset)
			default:
				for o, seq := range pending {
					w.Settle(seq)
					delete(pending, o)
					break
				}
			}
			if len(pending) == 0 && w.Next() < offset-5 {
				t.Fatalf("seed %d: all settled up to %d, next is %d", seed, offset, w.Next())
			}
			for o := range pending {
				if w.Next() > o {
					t.Fatalf("seed %d: next %d passes %d, which has not settled", seed, w.Next(), o)
				}
			}
		}
	}
}
