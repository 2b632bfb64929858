package follow

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/flowservice"
	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/schemas/backoff"
)

// MostFlows is how many flows one process runs unless it is told otherwise: what was
// measured (DESIGN.md, Measured).
const MostFlows = 100

// pace is the least time between two looks at the documents: a burst of changes is
// followed as one.
const pace = 100 * time.Millisecond

// ReasonTooMany is why a flow is refused that is one too many for the process.
const ReasonTooMany = "too-many-flows"

// Store is where the documents are.
type Store interface {
	// Watch returns the documents that are known, and a channel that is closed when
	// there is more to know.
	Watch() (documents.Reader, <-chan struct{})
	// Known tells whether the documents have been read to their end once.
	Known() bool
}

// Options of a follower.
type Options struct {
	Log       *slog.Logger
	Store     Store
	Sandboxes []string
	// Config is what a flow runs by, its credentials included.
	Config func(v documents.Reader, sandbox, flowID string) (config.Config, error)
	// Share gives a configuration its part of the process's memory.
	Share func(c *config.Config)
	// Most flows run in this process; the others are refused. 0: MostFlows.
	Most int
}

// Follower knows what was told of each flow.
type Follower struct {
	o     Options
	known map[string]*known // by the keys of the flows' documents
}

// known is a flow as it was looked at last.
type known struct {
	wish    flowservice.Wish
	version string
	wanted  destination.Wanted
	runs    bool // it has a place among those that run
	beside  bool // it was found to go beside the others in this version
	alone   bool // and that it does not
}

// New makes a follower.
func New(o Options) *Follower {
	if o.Most == 0 {
		o.Most = MostFlows
	}
	return &Follower{o: o, known: map[string]*known{}}
}

// Run tells what there is to be, each time that this changes, until ctx ends.
func (f *Follower) Run(ctx context.Context, tell chan<- map[string]destination.Wanted) {
	for {
		looked := time.Now()
		v, more := f.o.Store.Watch()
		if f.o.Store.Known() {
			select {
			case tell <- f.Look(v):
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-more:
		case <-ctx.Done():
			return
		}
		if backoff.Sleep(ctx, pace-time.Since(looked)) != nil {
			return
		}
	}
}

// Look is what there is to be by the documents, by the flows' ids.
func (f *Follower) Look(v documents.Reader) map[string]destination.Wanted {
	seen := map[string]bool{}
	for _, sandbox := range f.o.Sandboxes {
		for _, e := range v.List(documents.Prefix(documents.Flows, sandbox)) {
			seen[e.Key] = true
			f.look(v, e)
		}
	}
	maps.DeleteFunc(f.known, func(key string, _ *known) bool { return !seen[key] })
	f.place(v)
	all := map[string]destination.Wanted{}
	for _, k := range f.known {
		w := k.wanted
		if w.Refused != nil {
			w.Version += " " + w.Refused.Error()
		}
		all[k.wish.ID] = w
	}
	return all
}

// look sees whether a flow is another than it was.
func (f *Follower) look(v documents.Reader, e documents.Entry) {
	k := f.known[e.Key]
	if k != nil && k.wish.Version(v) == k.version {
		return
	}
	wish, err := flowservice.WishOf(v, e)
	next := &known{wish: wish, version: wish.Version(v), runs: k != nil && k.runs && wish.Enabled}
	next.wanted = destination.Wanted{Sandbox: wish.Sandbox, Version: next.version, Disabled: !wish.Enabled, Refused: err}
	if err == nil {
		f.configure(v, next)
	}
	f.known[e.Key] = next
}

// configure makes the flow's configuration. Of one that does not run only that is kept
// by which its offsets are found.
func (f *Follower) configure(v documents.Reader, k *known) {
	c, err := f.o.Config(v, k.wish.Sandbox, k.wish.ID)
	k.wanted.Refused, k.wanted.Reason = err, ""
	if err != nil || !k.runs {
		c.Default()
		k.wanted.Config = config.Config{Name: c.Name, Source: c.Source, DeadLetter: c.DeadLetter}
		return
	}
	// Where the group is the flow's own, the first process that sees the flow may see it
	// when segments are activated already. A group of elsewhere has been at work before.
	c.FirstSegmentsNew = c.Source.Kafka.Group == k.wish.ID
	f.o.Share(&c)
	k.wanted.Config = c
}

// eldestFirst are the flows, in the order in which they were made.
func (f *Follower) eldestFirst() []*known {
	return slices.SortedFunc(maps.Values(f.known), func(a, b *known) int {
		return cmp.Or(cmp.Compare(a.wish.Created, b.wish.Created), cmp.Compare(a.wish.ID, b.wish.ID))
	})
}

// place gives places to flows that are to run: who has one keeps it, then come the
// others, the eldest first; and judges each beside those that have one already.
func (f *Follower) place(v documents.Reader) {
	taken := 0
	var waiting []*known
	for _, k := range f.eldestFirst() {
		switch {
		case k.runs:
			taken++
		case k.wish.Enabled && (k.wanted.Refused == nil || k.wanted.Reason == ReasonTooMany):
			waiting = append(waiting, k)
		}
	}
	for _, k := range waiting {
		if taken >= f.o.Most {
			k.wanted.Refused = fmt.Errorf("this process runs %d flows already, and may run no more: give it a larger --flows and --memory, or pause flows", taken)
			k.wanted.Reason = ReasonTooMany
			continue
		}
		k.runs = true
		f.configure(v, k)
		taken++
	}
	f.judge()
}

// judge refuses flows that would take others' events or letters. Who was judged before
// stands before who comes now.
func (f *Follower) judge() {
	var beside []config.Config
	var now []*known
	for _, k := range f.eldestFirst() {
		switch {
		case !k.runs || k.wanted.Refused != nil && !k.alone:
		case k.beside:
			beside = append(beside, k.wanted.Config)
		default:
			now = append(now, k)
		}
	}
	for _, k := range now {
		k.wanted.Refused = config.Beside(beside, &k.wanted.Config)
		k.beside, k.alone = k.wanted.Refused == nil, k.wanted.Refused != nil
		if k.beside {
			beside = append(beside, k.wanted.Config)
		}
	}
}
