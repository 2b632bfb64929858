//go:build !release

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/memory"
	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/schemas"
	"kinesis-destination/schemas/embeddedregistry"
	"kinesis-destination/sink/embeddedkinesis"
)

const (
	demoTopic      = "segment-evaluations"
	demoPartitions = 6
	demoStream     = "high-propensity-leads"
	demoDeadLetter = demoTopic + "." + demoStream + ".dlt"
	demoShop       = "shop-evaluations"
	demoLimit      = 20 * time.Second // without an event that comes to rest
	demoLeast      = 100              // events
	demoMost       = 100_000
	demoThrottle   = 0.05 // of the entries
)

func demoCommand() *cobra.Command {
	var d demo
	var verbose bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole pipeline on embedded servers and account for every event",
		Long: `Starts an embedded Kafka broker, schema registry and Kinesis-compatible stream on
loopback, writes an ordinary configuration and runs it on a few thousand events of
made-up leads, some undecodable, while the stream throttles. Ends with the account
of every event; exit 1 if one is unaccounted for or out of order.

With --keep it goes on afterwards as a company with a control plane, until it is
interrupted: it prints the address of the pages, on which three flows run, one of them
held and one with dead letters, and commands to try; a few events a second go on.

--memory bounds the pipeline; what the embedded servers keep comes on top.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if d.events < demoLeast || d.events > demoMost {
				return usageError{fmt.Errorf("--events must be between %d and %d", demoLeast, demoMost)}
			}
			var err error
			if d.memory, err = d.ram.shares(1, memory.FindLimits()); err != nil {
				return err
			}
			d.out = cmd.OutOrStdout()
			d.log = slog.New(slog.DiscardHandler)
			if verbose {
				d.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
			}
			return d.run(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&d.events, "events", 4000, fmt.Sprintf("how many events to make up: %d to %d", demoLeast, demoMost))
	d.ram.bind(cmd)
	cmd.Flags().Uint64Var(&d.seed, "seed", 1, "seed of the events and of the faults")
	cmd.Flags().BoolVar(&d.keep, "keep", false, "go on afterwards as a company of three flows, with the pages' address and commands to try printed, until SIGINT or SIGTERM")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "log to standard error")
	return cmd
}

// demo is one run of the command.
type demo struct {
	events int
	seed   uint64
	keep   bool
	ram    memoryFlag
	memory memory.Shares // of the pipeline: the embedded servers' comes on top
	out    io.Writer
	log    *slog.Logger

	folder    string // of the configuration, removed at the end
	kafka     *embeddedkafka.Cluster
	kinesis   *embeddedkinesis.Server
	registry  string // address
	endpoint  string // of the stream
	schemaID  int
	expected  expectation
	servers   []*http.Server
	transport *kafka.Transport
}

func (d *demo) run(ctx context.Context) error {
	defer d.stop()
	if err := d.start(); err != nil {
		return err
	}
	file, err := d.writeConfig()
	if err != nil {
		return err
	}
	cfg, err := config.Load(file)
	if err != nil {
		return err
	}
	configs := []config.Config{cfg}
	d.memory.Apply(configs)
	fmt.Fprintf(d.out, "kinesis-destination demo: %d events of made-up leads, from Kafka to Kinesis, all in this process\n\n", d.events)

	whole := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	started := make(chan *destination.Destination, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- destination.Run(ctx, configs, destination.Options{
			Logger:  d.log,
			Started: func(ds []*destination.Destination) { started <- ds[0] },
		})
	}()
	var running *destination.Destination
	select {
	case err := <-ended:
		return err
	case running = <-started:
	}
	produced := make(chan error, 1)
	go func() { produced <- d.produce(ctx) }()
	failed := d.watch(ctx, running, produced)
	if failed == nil {
		failed = d.report(ctx, running.Account())
	}
	cancel()
	if err := errors.Join(failed, <-ended); err != nil || !d.keep {
		return err
	}
	return d.company(whole)
}

// start starts the embedded servers.
func (d *demo) start() error {
	var err error
	if d.folder, err = os.MkdirTemp("", "kinesis-destination-demo"); err != nil {
		return fmt.Errorf("make a folder for the configuration: %w", err)
	}
	if d.kafka, err = embeddedkafka.Start(embeddedkafka.Options{
		Topics: map[string]int{demoTopic: demoPartitions, demoShop: demoPartitions}, RetentionBytes: demoKept,
	}); err != nil {
		return err
	}
	registry := embeddedregistry.New()
	d.schemaID = registry.Register(demoTopic+"-value", string(schemas.SegmentEvaluation))
	registry.Register(demoShop+"-value", string(schemas.SegmentEvaluation)) // the same schema has the same id
	if d.registry, err = d.serve(registry); err != nil {
		return err
	}
	d.kinesis = embeddedkinesis.New(embeddedkinesis.Options{
		EnforceShardLimits: true, Seed: d.seed,
		Script: embeddedkinesis.Random(d.seed, embeddedkinesis.Rates{Throttle: demoThrottle}),
	})
	d.kinesis.Create(embeddedkinesis.Stream{Name: demoStream, Shards: 4})
	d.transport = &kafka.Transport{MetadataTTL: time.Second}
	d.endpoint, err = d.serve(d.kinesis)
	return err
}

func (d *demo) serve(handler http.Handler) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("start an embedded server: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	d.servers = append(d.servers, server)
	go func() { _ = server.Serve(listener) }() // ends with Close
	return listener.Addr().String(), nil
}

func (d *demo) stop() {
	for _, server := range d.servers {
		_ = server.Close() // the process ends with it
	}
	if d.transport != nil {
		d.transport.CloseIdleConnections()
	}
	if d.kafka != nil {
		d.kafka.Close()
	}
	if d.folder != "" {
		_ = os.RemoveAll(d.folder) // a leftover folder among the temporary ones does no harm
	}
}

// writeConfig writes the configuration of an ordinary destination.
func (d *demo) writeConfig() (string, error) {
	admin, err := freeAddress()
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf(`name: %s
description: White-paper leads for the sales data lake
source:
  kafka: {brokers: [%s], topic: %s}
  schemaRegistry: {url: "http://%s"}
target:
  kinesis:
    region: us-east-1
    stream: %s
    endpoint: http://%s
    credentials: {accessKeyId: demo, secretAccessKey: demo}
activation:
  segments:
    - {id: %s, name: High propensity to convert}
    - {id: %s, name: Newsletter readers}
  attributes: [person.email, loyalty.points]
server: {listen: "%s"}
`, demoStream, strconv.Quote(d.kafka.ListenAddrs()[0]), demoTopic, d.registry, demoStream, d.endpoint,
		leads.HighPropensity, leads.Newsletter, admin)
	file := filepath.Join(d.folder, "destination.yaml")
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// freeAddress is one of the loopback on which nothing listens.
func freeAddress() (string, error) {
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	if err := listen.Close(); err != nil {
		return "", fmt.Errorf("free the port again: %w", err)
	}
	return listen.Addr().String(), nil
}
