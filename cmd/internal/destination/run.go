package destination

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/cmd/internal/replay"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
	"kinesis-destination/sink"
)

// Options are what running needs beside the configurations.
type Options struct {
	Logger *slog.Logger // must not be nil
	// Version and Commit are this program's, for /status and the metrics.
	Version, Commit string
	// Dial opens every outgoing connection and Listen the admin endpoint; nil: TCP.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Listen func(network, address string) (net.Listener, error)
	// Lanes is the number of requests in flight to a stream; 0: the sink's default.
	Lanes int
	// Profiling is where profiles are served; empty: nowhere.
	Profiling string
	// Reload asks, each time, to read the configurations again; nil: never.
	Reload <-chan struct{}
	// Tracing is where spans of fetches and of PutRecords calls go; nil: nowhere.
	Tracing trace.TracerProvider
	// Started is called once all destinations of a fixed list run.
	Started func([]*Destination)
	// Admin is how the endpoints of flows that come and go are served; those of a fixed
	// list have it in their configurations. Its address is not used.
	Admin config.Server
	// Trouble says why changes of what flows are to be cannot be followed now; empty, or
	// nil: they can.
	Trouble func() string
	// Collectors are what else the process measures.
	Collectors []prometheus.Collector
	// Reporter hears what flows do that come and go; nil: nobody.
	Reporter Reporter
}

// Run runs the destinations until ctx ends, then drains them: stop fetching,
// deliver what was read, commit, leave the group, close the sink, and only then
// the admin endpoints. It returns nil after a clean end. The error of one ends all:
// they are one list, which whoever started the process wrote. Of flows that come and
// go see [Fleet.Run].
func Run(ctx context.Context, configs []config.Config, o Options) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := config.Together(configs); err != nil {
		return err
	}
	fleet := NewFleet(o)
	var watch *admin
	defer func() {
		if watch != nil {
			watch.close(context.WithoutCancel(ctx))
		}
	}()
	defer func() { fleet.close(context.WithoutCancel(ctx)) }()
	var endpoints []config.Server
	for _, cfg := range configs {
		d, err := newDestination(ctx, cfg, o)
		if err != nil {
			return fmt.Errorf("destination %s: %w", cfg.Name, err)
		}
		fleet.add(d)
		if own := cfg.Server; !slices.ContainsFunc(endpoints, func(e config.Server) bool { return e.Listen == own.Listen }) {
			endpoints = append(endpoints, own)
		}
	}
	var err error
	if watch, err = startAdmin(endpoints, "server.listen", fleet, o); err != nil {
		return err
	}
	destinations := fleet.destinations()
	if o.Started != nil {
		o.Started(destinations)
	}

	var running sync.WaitGroup
	for _, d := range destinations {
		running.Go(func() {
			if err := d.run(ctx); err != nil {
				cancel(fmt.Errorf("destination %s: %w", d.config.Name, err))
			}
		})
	}
	running.Go(func() { reloadLoop(ctx, destinations, o.Reload) })
	running.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Destination is one running destination.
type Destination struct {
	config     config.Config
	dial       rules.Dial
	account    *account
	holds      *hold.Holds
	sink       *sink.Sink
	consumer   *consumer.Consumer
	probe      *lagProbe
	pipeline   *pipeline
	backfill   *replay.Backfill
	segments   *segments
	letters    *consumer.History    // the dead-letter topic
	registry   *prometheus.Registry // its metrics
	operations operations
	log        *slog.Logger
	teardown   []func(context.Context) // what was started, closed in the reverse order

	registryAway atomic.Pointer[string] // why the registry has not answered well yet; nil: it has, or there is none

	mu      sync.Mutex
	refused *RefusedReload // the last one; nil once a newer one was not refused
}

// newDestination wires the stages of one destination together.
func newDestination(ctx context.Context, cfg config.Config, o Options) (_ *Destination, err error) {
	log := o.Logger.With("destination", cfg.Name)
	d := &Destination{config: cfg, dial: o.Dial, account: newAccount(cfg.Name), holds: hold.New(log), registry: prometheus.NewRegistry(), log: log, segments: &segments{log: log}}
	defer func() {
		if err != nil {
			d.close(context.WithoutCancel(ctx))
		}
	}()
	inForce, err := rules.New(&cfg, 1)
	if err != nil {
		return nil, err
	}
	inForce.Violated, inForce.Tallies = d.violated(inForce), d.segments.tallied(inForce)
	told := &rejections{log: log}
	d.atClose(func(context.Context) { told.Close() }) // after the sink, which may still reject
	config.Warn(log, cfg.Warnings())
	if cfg.Source.Registry != nil {
		d.registryAway.Store(&notAskedYet)
	}
	decoder, err := schemas.NewDecoder(cfg.Source.Config, rules.RegistryClient(o.Dial))
	if err != nil {
		return nil, err
	}
	if err := rules.CheckBeforeStart(ctx, &cfg, inForce, decoder, o.Dial, log); err != nil {
		return nil, err
	}
	letters, err := cfg.DeadLetterTransport(o.Dial)
	if err != nil {
		return nil, err
	}
	d.atClose(func(context.Context) { letters.CloseIdleConnections() })
	if d.consumer, err = d.newConsumer(o); err != nil {
		return nil, err
	}
	d.sink, err = sink.New(cfg.Target.Kinesis.Config, sink.Options{
		Destination: cfg.Name, Group: cfg.Source.Kafka.Group,
		DeadLetter: cfg.DeadLetter, Brokers: cfg.Source.Kafka.Brokers, KafkaTransport: letters,
		SourceTopics: cfg.Source.Kafka.TopicNames(),
		Dial:         o.Dial, Lease: d.consumer.Lease, Lanes: o.Lanes, Logger: log,
		Registerer: d.registry, Tracer: o.tracer(),
		Hold: func(reason string, err error) {
			d.holds.Set(hold.Key{Source: "sink", Topic: "", Partition: -1}, reason, err)
		},
	})
	if err != nil {
		return nil, err
	}
	d.atClose(func(ctx context.Context) {
		if err := d.sink.Close(ctx); err != nil {
			log.Warn("the sink did not close in time", "error", err)
		}
	})
	d.pipeline = &pipeline{decoder: decoder, sink: d.sink, account: d.account, holds: d.holds, traced: o.Tracing != nil, rejections: told}
	d.pipeline.rules.Store(inForce)
	d.segments.begin(inForce, 0, time.Now())
	if spots := d.sink.Parking(); spots != nil {
		if d.pipeline.parking, err = deadletters.NewParking(&cfg, spots, d.holds, o.Dial); err != nil {
			return nil, err
		}
		d.atClose(func(context.Context) { d.pipeline.parking.Letters.Close() })
	}
	if err := d.newBesides(o); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Destination) newConsumer(o Options) (*consumer.Consumer, error) {
	return consumer.New(d.config.Source.Kafka, consumer.Options{
		Dial: o.Dial, Logger: d.log, Tracer: o.tracer(),
		OnRevoke: func() { d.sink.Withdraw() },
		Hold: func(topic string, partition int, reason string, err error) {
			d.holds.Set(hold.Key{Source: "kafka", Topic: topic, Partition: partition}, reason, err)
		},
	})
}

// newBesides prepares what runs beside the pipeline, and what of it can be watched.
func (d *Destination) newBesides(o Options) (err error) {
	d.registry.MustRegister(d.account, lagCollector{d}, newSegmentCollector(d.config.Name, d.segments), d.missingPaths())
	if d.probe, err = newLagProbe(&d.config, o); err != nil {
		return err
	}
	if d.backfill, err = d.newBackfill(o); err != nil {
		return err
	}
	if d.letters, err = consumer.NewHistory(d.config.DeadLetterSource(), o.Dial); err != nil {
		return err
	}
	d.atClose(func(context.Context) { d.letters.Close() })
	if d.operations.history, err = consumer.NewHistory(d.config.Source.Kafka, o.Dial); err != nil {
		return err
	}
	d.atClose(func(context.Context) { d.operations.history.Close() })
	return nil
}

func (d *Destination) newBackfill(o Options) (*replay.Backfill, error) {
	p := d.pipeline
	return replay.NewBackfill(replay.BackfillOptions{
		Source: d.config.Source.Kafka, Dial: o.Dial, Decoder: p.decoder, Rules: p.rules.Load,
		Stats: d.consumer.Stats, Claim: d.consumer.Claim, Sink: d.sink, Parking: p.parking, Logger: d.log,
		NewestKept: d.config.NewestKept, FirstAreNew: d.config.FirstSegmentsNew,
	})
}

func (d *Destination) atClose(f func(context.Context)) { d.teardown = append(d.teardown, f) }

// close ends what newDestination started, the last first.
func (d *Destination) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, resend.CloseTimeout)
	defer cancel()
	for _, end := range slices.Backward(d.teardown) {
		end(ctx)
	}
}

// missingPaths counts the mapped attributes that records leave without.
func (d *Destination) missingPaths() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "kinesis_destination_missing_paths",
		Help:        "Mapped attributes that no schema so far has: records leave without them; /status names them.",
		ConstLabels: prometheus.Labels{"destination": d.config.Name},
	}, func() float64 { return float64(len(d.pipeline.rules.Load().MissingPaths())) })
}

// violated tells of a writer schema, met at run time, that a policy objects to, and
// what the rules that met it do then.
func (d *Destination) violated(inForce *rules.Ruleset) func(schema string, why error) {
	return func(schema string, why error) {
		d.account.Violating()
		d.log.Warn("a writer schema violates a data governance policy", "schema", schema, "onViolation", inForce.OnViolation, "violation", why)
	}
}

func (d *Destination) run(ctx context.Context) error {
	background, stop := context.WithCancel(ctx)
	var others sync.WaitGroup
	others.Go(func() { d.probe.run(background, d.consumer.Stats) })
	others.Go(func() { d.backfill.Run(background) })
	others.Go(func() { d.segments.watch(background, d.account.consumed.Load) })
	others.Go(func() {
		deadletters.KeepSettled(background, d.letters, config.SettledGroup(&d.config, ""), d.consumer.Stats)
	})
	others.Go(func() { d.askRegistry(background) })
	others.Go(func() { d.watchOperations(background) })
	if d.pipeline.parking != nil {
		others.Go(func() { d.pipeline.parking.Run(background) })
	}
	defer others.Wait()
	defer stop()
	err := d.consumer.Run(ctx, d.pipeline.Handle)
	if err == nil {
		d.log.Info("stopped: " + d.Account().String()) //nolint:sloglint // the last line is for people: the counts are its message
	}
	return err
}

// Account is what became of the destination's events so far.
func (d *Destination) Account() Account {
	a := d.account.Snapshot()
	a.Segments = d.segments.exported()
	return a
}

// Stats is how far the destination's partitions are.
func (d *Destination) Stats() consumer.Stats { return d.probe.complete(d.consumer.Stats()) }

// Holds is what is held, and why.
func (d *Destination) Holds() []hold.Held { return d.holds.List() }
