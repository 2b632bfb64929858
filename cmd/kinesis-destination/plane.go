package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/journal"
	"kinesis-destination/cmd/internal/control/seal"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas/backoff"
)

// planeOptions are the flags of a process that knows the documents of a control plane.
type planeOptions struct {
	store, topic     string
	statusTopic      string
	brokers, sources []string
	sealKeys         []string
	endpoints        []string
	defaultChain     bool
}

var errBrokers = errors.New("--brokers: " + consumer.MustBeBrokers)

var errNoJournal = errors.New("give either --store DIR or --brokers LIST: where the documents are kept")

// kept says that there is one place where the journal is.
func (o *planeOptions) kept() bool { return (o.store == "") != (len(o.brokers) == 0) }

var errNoSource = errors.New("give --source FILE: what flows may read")

func (o *planeOptions) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.store, "store", "", "folder of the journal, for one machine: one process at a time has it")
	f.StringSliceVar(&o.brokers, "brokers", nil, "brokers of the journal's topic, host:port separated by commas")
	f.StringVar(&o.topic, "topic", journal.DefaultTopic, "the journal's topic, with --brokers")
	f.StringVar(&o.statusTopic, "status-topic", "", "the topic where processes tell what their flows do, with --brokers (default: --topic, ending in .status)")
	f.StringArrayVar(&o.sources, "source", nil, "file of a source that flows may read; may be repeated")
	f.StringArrayVar(&o.sealKeys, "seal-keys", nil, "file of keys that credentials are sealed with; the first key seals; may be repeated")
	f.StringArrayVar(&o.endpoints, "kinesis-endpoint", nil, "URL of Kinesis in place of AWS' own, for local endpoints; the first is used where a connection names none; may be repeated")
	f.BoolVar(&o.defaultChain, "default-credentials", false, "let connections use the AWS identity of this process")
}

// read reads the sources and the keys.
func (o *planeOptions) read() (sources.List, *seal.Ring, error) {
	list, err := readSources(o.sources)
	if err != nil {
		return nil, nil, err
	}
	keys, err := sealRing(o.sealKeys)
	if err != nil {
		return nil, nil, usageError{err}
	}
	return list, keys, nil
}

// readSources reads sources; what is wrong in any of them is said at once.
func readSources(files []string) (sources.List, error) {
	var list sources.List
	var all config.Problems
	for _, file := range files {
		source, err := sources.Load(file)
		if problems, ok := errors.AsType[config.Problems](err); ok {
			all = append(all, problems...)
		} else if err != nil {
			return nil, err
		}
		list = append(list, source)
	}
	if len(all) > 0 {
		return nil, all
	}
	for i, source := range list { // a flow names its source: which of two it reads must not hang on the order of flags
		first := slices.IndexFunc(list, func(s *sources.Source) bool { return s.Sandbox == source.Sandbox && s.Name == source.Name })
		if first < i {
			all = append(all, config.Problem{File: files[i], Path: "name", Message: fmt.Sprintf(
				"two sources of sandbox %s have the name %s: %s has it, too; give each another name, or leave one --source out", source.Sandbox, source.Name, files[first])})
		}
	}
	if len(all) > 0 {
		return nil, all
	}
	return list, nil
}

// sealRing is the keys of files, or else of the environment.
func sealRing(files []string) (*seal.Ring, error) {
	if len(files) > 0 {
		return seal.ReadFiles(files...)
	}
	value, ok := os.LookupEnv(controlKeys)
	if !ok {
		return nil, fmt.Errorf("give --seal-keys FILE, or %s in the environment: credentials are sealed with it. A line of the file: echo \"k1 $(head -c 32 /dev/urandom | base64)\"", controlKeys)
	}
	return seal.FromEnvironment(controlKeys, value)
}

// open opens the journal.
func (o *planeOptions) open(ctx context.Context, list sources.List, options journal.Options) (*journal.Store, error) {
	if o.store != "" {
		return journal.OpenFiles(ctx, o.store, options)
	}
	return journal.OpenKafka(ctx, o.kafka(list), options)
}

// ownTopics are those in which the control plane keeps its own; none, where it has files.
func (o *planeOptions) ownTopics() []string {
	if o.store != "" {
		return nil
	}
	return []string{o.topic, cmp.Or(o.statusTopic, statusTopicOf(o.topic))}
}

// keptIn is where the journal is, for who looks at the settings: without the brokers,
// whose addresses no page shows.
func (o *planeOptions) keptIn() string {
	if o.store != "" {
		return o.store
	}
	return "Kafka: " + o.topic
}

// kafka is where the journal's topic is. A cluster that a source names is reached as that
// source says.
func (o *planeOptions) kafka(list sources.List) journal.Kafka {
	k := journal.Kafka{Brokers: o.brokers, Topic: o.topic}
	for _, source := range list {
		if slices.ContainsFunc(o.brokers, func(b string) bool { return slices.Contains(source.Kafka.Brokers, b) }) {
			k.TLS, k.SASL = source.Kafka.TLS, source.Kafka.SASL
			break
		}
	}
	return k
}

// awaitStore is how often it is looked whether there is a store by now.
const awaitStore = 2 * time.Second

// await opens a journal that others make; until they have, it waits. known is the id of
// its store, as others have told it.
func (o *planeOptions) await(ctx context.Context, list sources.List, known string, log *slog.Logger) (*journal.Store, error) {
	for said := false; ; {
		store, err := o.open(ctx, list, journal.Options{Logger: log, StoreID: known, Existing: true})
		if !errors.Is(err, journal.ErrNoStore) {
			return store, err
		}
		if !said {
			log.Warn("waiting for a control plane: there is no journal yet; 'serve' makes it", "journal", o.keptIn())
			said = true
		}
		if err := backoff.Sleep(ctx, awaitStore); err != nil {
			return nil, err
		}
	}
}
