package journal

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestJournalSchedules plays random schedules of writers, readers, crashes, lost
// answers, repetitions, late arrivals, foreign records, checkpoints and deletions
// with the pure parts of the journal, and asks after each step whether every
// reader has what a model has that remembers everything. SIM_SEEDS says how many
// schedules, SIM_SEED the first.
func TestJournalSchedules(t *testing.T) {
	count, first := setting(t, "SIM_SEEDS", 100), setting(t, "SIM_SEED", rand.Uint64()>>1)
	total := map[string]int{}
	for seed := first; seed < first+count; seed++ {
		w := newSchedule(t, seed)
		w.run()
		for what, n := range w.events {
			total[what] += n
		}
		if t.Failed() {
			t.Fatalf("seed %d; again with SIM_SEED=%[1]d SIM_SEEDS=1", seed)
		}
	}
	t.Logf("%d schedules from seed %d, no disagreement: %v", count, first, total)
}

func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// schedule is a log and the processes that share it.
type schedule struct {
	t      *testing.T
	rng    *rand.Rand
	model  *dumb
	first  int64    // of the log; what is before it is deleted
	all    [][]byte // of all records ever
	flying []flying // written by a process, and not in the log yet, or to come once more
	procs  []*process
	events map[string]int
	ids    int
}

type flying struct {
	record []byte
	again  bool
}

// process is a replica: what it has read, and the checkpoint that it is writing.
type process struct {
	state  *state
	begin  *beginning
	parts  []*part // that are still to be written
	waits  string  // id of the entry with the part before
	frozen *state
}

func newSchedule(t *testing.T, seed uint64) *schedule {
	w := &schedule{t: t, rng: rand.New(rand.NewPCG(seed, 1)), model: newDumb(), events: map[string]int{}}
	w.append(w.encode(&entry{Founds: true}))
	for range 1 + w.rng.IntN(3) {
		w.procs = append(w.procs, &process{state: newState()})
	}
	return w
}

func (w *schedule) encode(e *entry) []byte {
	w.ids++
	e.V, e.ID, e.Store, e.At = format, fmt.Sprint("e", w.ids), "s", time.Unix(int64(w.ids), 0).UTC()
	record, err := e.encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return record
}

func (w *schedule) append(record []byte) {
	w.model.add(record)
	w.all = append(w.all, record)
}

func (w *schedule) run() {
	for range 50 + w.rng.IntN(250) {
		p := w.procs[w.rng.IntN(len(w.procs))]
		switch n := w.rng.IntN(100); {
		case n < 35:
			w.read(p, 1+w.rng.IntN(8))
		case n < 60:
			w.propose(p)
		case n < 85:
			w.deliver()
		case n < 88:
			w.events["crashes"]++
			*p = process{begin: newBeginning(w.first)}
			if w.first == 0 {
				*p = process{state: newState()}
			}
		case n < 91:
			w.append([]byte(`{"foreign":true}`))
		default:
			w.checkpoint(p)
		}
		if w.t.Failed() {
			return
		}
	}
	for len(w.flying) > 0 {
		w.deliver()
	}
	var last *state
	for _, p := range append(w.procs, &process{begin: newBeginning(w.first)}) {
		if w.first == 0 && p.state == nil {
			*p = process{state: newState()}
		}
		for !w.t.Failed() && p.next() < int64(len(w.all)) {
			w.read(p, 10)
		}
		if p.state == nil {
			w.t.Errorf("the log begins at %d, and nobody can begin with it", w.first)
		} else if last != nil && !last.same(p.state) {
			w.t.Errorf("two readers of everything differ: %+v %+v", last, p.state)
		}
		last = p.state
	}
}

func (p *process) next() int64 {
	if p.state != nil {
		return p.state.next
	}
	return p.begin.next
}

// read has a process read some records.
func (w *schedule) read(p *process, n int) {
	if p.next() < w.first { // deleted before it was read
		w.events["overtaken by a deletion"]++
		*p = process{begin: newBeginning(w.first)}
	}
	for ; n > 0 && p.next() < int64(len(w.all)); n-- {
		r := Record{Offset: p.next(), Value: w.all[p.next()]}
		var outcomes []outcome
		var err error
		if p.state == nil {
			if p.state, outcomes, err = p.begin.take(r); p.state != nil {
				w.events["begun with a checkpoint"]++
			}
		} else {
			var o outcome
			o, err = p.state.apply(r)
			outcomes = []outcome{o}
		}
		if err != nil {
			w.t.Errorf("stopped: %v", err)
			return
		}
		for _, o := range outcomes {
			w.compare(p, o)
		}
		if p.state != nil {
			if got, want := picture(p.state), w.model.pictures[p.state.next]; got != want {
				w.t.Errorf("as of offset %d a reader has\n%s\nand the model\n%s", p.state.next, got, want)
				return
			}
		}
	}
}

func (w *schedule) compare(p *process, o outcome) {
	if applied := o.verdict == Applied; applied != w.model.applied[o.offset] {
		w.t.Errorf("offset %d: judged as %s, by the model applied: %v", o.offset, o.verdict, !applied)
	}
	w.events[string(o.verdict)]++
	if o.entry != nil && o.entry.ID == p.waits && o.verdict == Stale {
		p.parts = nil // given up, as its writer would write it again as another entry
	}
	if o.entry == nil || o.entry.ID != p.waits || o.verdict != Marked {
		return
	}
	p.waits = ""
	if len(p.parts) > 0 {
		return
	}
	// It is complete: what it says may go, or what the one before it says.
	before := p.frozen.next
	if w.rng.IntN(2) == 0 {
		before = p.frozen.checkpoint + 1
	}
	if before > w.first {
		w.events["deletions"]++
		w.first = before
	}
}

// propose has a process write a change by what it has read, not always rightly.
func (w *schedule) propose(p *process) {
	if p.state == nil || p.state.last() == nil {
		return
	}
	last := *p.state.last()
	e := &entry{Prev: &last}
	for range 1 + w.rng.IntN(2) {
		key := fmt.Sprintf("%c/%d", 'a'+rune(w.rng.IntN(2)), w.rng.IntN(3))
		if slices.ContainsFunc(e.Docs, func(d Doc) bool { return d.Key == key }) {
			continue
		}
		d := Doc{Key: key, Base: p.state.etag(key), Body: json.RawMessage(fmt.Sprintf(`{"n":%d}`, w.ids))}
		switch {
		case d.Base != "" && w.rng.IntN(4) == 0:
			d.Body = nil
		case w.rng.IntN(10) == 0:
			d.Base = ""
		}
		e.Docs = append(e.Docs, d)
	}
	if w.rng.IntN(4) == 0 {
		e.Reads = []Version{{"@a", p.state.etag("@a")}}
	}
	w.flying = append(w.flying, flying{record: w.encode(e), again: w.rng.IntN(4) == 0})
}

// deliver brings something into the log that is under way, or loses it.
func (w *schedule) deliver() {
	if len(w.flying) == 0 {
		return
	}
	i := w.rng.IntN(len(w.flying))
	f := w.flying[i]
	if w.rng.IntN(20) == 0 {
		w.events["lost"]++
	} else {
		w.append(f.record)
	}
	if f.again {
		w.events["written again"]++
		w.flying[i].again = w.rng.IntN(3) == 0
		return
	}
	w.flying = slices.Delete(w.flying, i, i+1)
}

// checkpoint has a process begin one, or write its next part once the one before is read back.
func (w *schedule) checkpoint(p *process) {
	if p.waits != "" && w.rng.IntN(5) == 0 { // it was lost, perhaps
		p.waits, p.parts = "", nil
	}
	if p.state == nil || p.state.last() == nil || p.waits != "" {
		return
	}
	if len(p.parts) == 0 {
		p.frozen = p.state.copied()
		p.parts = p.frozen.freeze(1 + w.rng.IntN(1000))
	}
	last := *p.state.last()
	record := w.encode(&entry{Prev: &last, Checkpoint: p.parts[0]})
	p.parts, p.waits = p.parts[1:], fmt.Sprint("e", w.ids)
	w.flying = append(w.flying, flying{record: record, again: w.rng.IntN(8) == 0})
}
