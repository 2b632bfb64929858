package destination

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"

	"kinesis-destination/cmd/internal/config"
)

// Fleet is the destinations of a process: a fixed list of them ([Run]), or flows that
// come, change and go ([Fleet.Run]). What they have in common is the admin endpoints,
// which show those that there are when they are asked, and the budgets that stand in
// their configurations. Each has its metrics in a registry of its own, which goes with it.
type Fleet struct {
	o       Options
	process *prometheus.Registry // what is of no destination
	resting chan struct{}        // holds one for each flow whose offsets are being kept alive

	mu       sync.Mutex
	flows    []*flow // ordered by id; a fixed list as it was given
	follows  bool
	followed bool // it has been told once what there is to be
}

const (
	// lookEvery is how often the states of flows are looked at.
	lookEvery = time.Second
	// tellEvery is how often a Reporter hears of each flow, beside the changes of its state.
	tellEvery = 5 * time.Second
	// startGrace is how long a flow may start before it no longer keeps the process
	// from being ready: what it waits for is its own, and others go on.
	startGrace = time.Minute
)

// Reporter hears what flows do: of each change of a state at once, of each flow and what
// it has counted every few seconds. It must not wait.
type Reporter interface {
	Report(flow Flow)
	Count(flowID string, counts Account)
}

// Wanted is what a flow is to be. Its id is the name of its configuration.
type Wanted struct {
	Sandbox string
	// Config is what it runs by; of one that does not run what is known of source and
	// dead letters, by which its offsets are found.
	Config config.Config
	// Version tells one state of what is wanted from another.
	Version string
	// Disabled: it does not run, and its offsets are kept alive.
	Disabled bool
	// Refused is why it cannot run, and Reason the same as a word; nil: it can.
	Refused error
	Reason  string
}

// NewFleet makes a fleet of nothing.
func NewFleet(o Options) *Fleet {
	f := &Fleet{o: o, process: prometheus.NewRegistry(), resting: make(chan struct{}, restingAtOnce)}
	f.process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), flowCollector{f}, buildInfo(&f.o))
	f.process.MustRegister(o.Collectors...)
	return f
}

// buildInfo says which version runs: of processes that differ, as amid an update, each
// says its own.
func buildInfo(o *Options) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "kinesis_destination_build_info", Help: "1, with the version and commit of the program and the Go that it was built with.",
		ConstLabels: prometheus.Labels{"version": cmp.Or(o.Version, "unknown"), "commit": cmp.Or(o.Commit, "unknown"), "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}

// add takes a destination of a fixed list.
func (f *Fleet) add(d *Destination) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flows = append(f.flows, &flow{id: d.config.Name, fleet: f, d: d})
}

// close ends what newDestination started, of a fixed list.
func (f *Fleet) close(ctx context.Context) {
	var closing sync.WaitGroup
	for _, d := range f.destinations() {
		closing.Go(func() { d.close(ctx) })
	}
	closing.Wait()
}

// Run runs flows until ctx ends, then drains them, and ends the admin endpoints at
// listen last. Whatever comes from wanted is all that there is to be, by ids: what is
// not in it any more is drained and forgotten. A flow's error is its own.
func (f *Fleet) Run(ctx context.Context, listen string, wanted <-chan map[string]Wanted) error {
	f.mu.Lock()
	f.follows = true
	f.mu.Unlock()
	watch, err := f.startAdmin(listen)
	if err != nil {
		return err
	}
	defer func() { watch.close(context.WithoutCancel(ctx)) }()
	var living sync.WaitGroup
	defer living.Wait()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var told time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case all := <-wanted:
			f.want(all, func(one *flow) { living.Go(func() { one.live(ctx) }) })
		case <-look.C:
			all := time.Since(told) >= tellEvery
			if all {
				told = time.Now()
			}
			for _, one := range f.list() {
				one.look(all)
			}
		}
	}
}

// Serve shows the admin endpoints at listen of a process that runs no destination, until
// ctx ends.
func (f *Fleet) Serve(ctx context.Context, listen string) error {
	watch, err := f.startAdmin(listen)
	if err != nil {
		return err
	}
	<-ctx.Done()
	watch.close(context.WithoutCancel(ctx))
	return nil
}

// startAdmin starts the admin endpoints at an address.
func (f *Fleet) startAdmin(listen string) (*admin, error) {
	endpoint := f.o.Admin
	endpoint.Listen = listen
	return startAdmin([]config.Server{endpoint}, "--admin", f, f.o)
}

// want tells each flow what it is to be; begin has a new one live.
func (f *Fleet) want(all map[string]Wanted, begin func(*flow)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.followed = true
	for _, one := range f.flows {
		wanted, there := all[one.id]
		one.want(wanted, !there)
	}
	for id, wanted := range all {
		at, known := slices.BinarySearchFunc(f.flows, id, func(one *flow, id string) int { return strings.Compare(one.id, id) })
		if known {
			continue
		}
		one := newFlow(id, f, wanted)
		f.flows = slices.Insert(f.flows, at, one)
		begin(one)
	}
}

// forget takes out a flow that is not wanted; false: by now it is.
func (f *Fleet) forget(one *flow) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !one.isGone() {
		return false
	}
	f.flows = slices.DeleteFunc(f.flows, func(other *flow) bool { return other == one })
	return true
}

func (f *Fleet) list() []*flow {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.flows)
}

// destinations are those that run.
func (f *Fleet) destinations() []*Destination {
	var running []*Destination
	for _, one := range f.list() {
		if d := one.destination(); d != nil {
			running = append(running, d)
		}
	}
	return running
}

// Flows are the flows and what each does, ordered by id.
func (f *Fleet) Flows() []Flow {
	all := []Flow{}
	for _, one := range f.list() {
		all = append(all, one.status())
	}
	return all
}

// Following is where flows come from, and what they do, as /status shows it.
type Following struct {
	// Trouble is why a change may not be followed now; the flows go on.
	Trouble string `json:"trouble,omitempty"`
	Flows   []Flow `json:"flows"`
}

// following is nil for a fixed list.
func (f *Fleet) following() *Following {
	if !f.isFollowing() {
		return nil
	}
	return &Following{Trouble: f.trouble(), Flows: f.Flows()}
}

func (f *Fleet) isFollowing() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.follows
}

func (f *Fleet) trouble() string {
	if f.o.Trouble == nil {
		return ""
	}
	return f.o.Trouble()
}

// unready is why the process is not ready. A fixed list is when all of it is. Flows that
// come and go are each their own: once it is known which there are, a process is ready
// as soon as none of them is just starting; one that is held or refused keeps nobody
// from taking this process for its predecessor.
func (f *Fleet) unready() []string {
	var reasons []string
	if !f.isFollowing() {
		for _, d := range f.destinations() {
			if ready, reason := d.Ready(); !ready {
				reasons = append(reasons, d.config.Name+": "+reason)
			}
		}
		return reasons
	}
	f.mu.Lock()
	followed := f.followed
	f.mu.Unlock()
	if !followed {
		return []string{"it is not known yet which flows there are"}
	}
	for _, one := range f.Flows() {
		if one.State == Starting && time.Since(one.Since) < startGrace {
			reasons = append(reasons, one.ID+": "+one.Detail)
		}
	}
	return reasons
}

// Gather implements prometheus.Gatherer.
func (f *Fleet) Gather() ([]*dto.MetricFamily, error) {
	all := prometheus.Gatherers{f.process}
	for _, d := range f.destinations() {
		all = append(all, d.registry)
	}
	return all.Gather()
}

// flowCollector shows what flows that come and go do.
type flowCollector struct{ fleet *Fleet }

var (
	flowDesc = prometheus.NewDesc("kinesis_destination_flow_state",
		"1 for the state that a flow of the control plane is in: starting, running, held, refused or stopped.", []string{"destination", "sandbox", "state"}, nil)
	troubleDesc = prometheus.NewDesc("kinesis_destination_follow_trouble",
		"1 while changes of the control plane cannot be followed; the flows go on.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c flowCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- flowDesc
	ch <- troubleDesc
}

// Collect implements prometheus.Collector.
func (c flowCollector) Collect(ch chan<- prometheus.Metric) {
	if !c.fleet.isFollowing() {
		return
	}
	for _, one := range c.fleet.Flows() {
		ch <- prometheus.MustNewConstMetric(flowDesc, prometheus.GaugeValue, 1, one.ID, one.Sandbox, string(one.State))
	}
	trouble := 0.
	if c.fleet.trouble() != "" {
		trouble = 1
	}
	ch <- prometheus.MustNewConstMetric(troubleDesc, prometheus.GaugeValue, trouble)
}
