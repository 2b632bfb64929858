package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/control/journal"
	"kinesis-destination/cmd/internal/control/seal"
	"kinesis-destination/cmd/internal/terminal"
	"kinesis-destination/consumer"
)

const (
	// controlKeys is the environment variable that holds keys where no file is named.
	controlKeys = "KINESIS_DESTINATION_CONTROL_KEYS"
	// openTimeout bounds how long a command waits for the store's log.
	openTimeout = 30 * time.Second
)

func controlCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "control",
		Short: "Export, import, check, reseal and audit the store of the control plane",
		Long: `The documents of the control plane (connections, flows, policies) are the present
state of a journal: a Kafka topic, which several processes share, or a folder that one
process has open. Every change is an entry of the journal.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(controlExportCommand(), controlImportCommand(), controlCheckCommand(), controlResealCommand(), controlAuditCommand())
	return cmd
}

// storeFlags say where the store is.
type storeFlags struct {
	dir, file, topic string
	brokers, sources []string
	keyFiles         []string
}

func (f *storeFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.dir, "store", "", "folder of the store")
	cmd.Flags().StringSliceVar(&f.brokers, "brokers", nil, "brokers of the journal's topic, host:port separated by commas")
	cmd.Flags().StringArrayVar(&f.sources, "source", nil, "with --brokers: file of a source; brokers that it names are reached with its tls and sasl; may be repeated")
	cmd.Flags().StringVarP(&f.file, "config", "c", "", "in place of --brokers: a destination's configuration file; its source.kafka says how to connect")
	cmd.Flags().StringVar(&f.topic, "topic", journal.DefaultTopic, "the journal's topic")
}

func (f *storeFlags) bindKeys(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.keyFiles, "seal-keys", nil, "file of keys, lines of ID KEY; the first key seals, all open; may be repeated (default: the environment variable "+controlKeys+")")
}

// access is what a command does with a store.
type access int

const (
	reads   access = iota // it must be there, and another process may have it
	changes               // it must be there
	makes                 // it is made where there is none
)

// open opens the store.
func (f *storeFlags) open(cmd *cobra.Command, a access) (*journal.Store, error) {
	given := 0
	for _, set := range []bool{f.dir != "", f.file != "", len(f.brokers) > 0} {
		if set {
			given++
		}
	}
	if given != 1 {
		return nil, usageError{errors.New("say where the store is by one of --store DIR, --brokers LIST and -c destination.yaml")}
	}
	if !consumer.AreBrokers(f.brokers) {
		return nil, usageError{errBrokers}
	}
	if len(f.sources) > 0 && len(f.brokers) == 0 {
		return nil, usageError{errors.New("--source goes with --brokers: it says how these are reached")}
	}
	log, err := logger(cmd.ErrOrStderr(), outputText, "warn")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), openTimeout)
	defer cancel()
	options := journal.Options{Logger: log, Existing: a != makes, ReadOnly: a == reads}
	if f.dir != "" {
		return journal.OpenFiles(ctx, f.dir, options)
	}
	plane := planeOptions{brokers: f.brokers, topic: f.topic}
	list, err := readSources(f.sources)
	if err != nil {
		return nil, err
	}
	k := plane.kafka(list)
	if f.file != "" {
		configs, err := load([]string{f.file})
		if err != nil {
			return nil, err
		}
		from := configs[0].Source.Kafka
		k.Brokers, k.TLS, k.SASL = from.Brokers, from.TLS, from.SASL
	}
	return journal.OpenKafka(ctx, k, options)
}

// with opens the store for one call.
func (f *storeFlags) with(cmd *cobra.Command, a access, call func(s *journal.Store) error) error {
	s, err := f.open(cmd, a)
	if err != nil {
		return err
	}
	return errors.Join(call(s), s.Close())
}

func (f *storeFlags) ring() (*seal.Ring, error) {
	ring, err := sealRing(f.keyFiles)
	if err != nil {
		return nil, usageError{err}
	}
	return ring, nil
}

// operator is who runs the command, for the audit.
func operator() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return "command line: " + name + "@" + host
}

func controlExportCommand() *cobra.Command {
	var f storeFlags
	cmd := &cobra.Command{
		Use:   "export (--store DIR | --brokers LIST [--source FILE])",
		Short: "Write all documents to standard output, secrets sealed as they are",
		Long: `Writes the present state as lines of JSON: a header, the documents, and their number.
Secrets stay sealed: an import needs the same keys. The history is not exported; see audit.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.with(cmd, reads, func(s *journal.Store) error {
				n, fresh, err := s.Export(cmd.Context(), cmd.OutOrStdout())
				if err != nil {
					return err
				}
				if !fresh.Fresh {
					fmt.Fprintf(cmd.ErrOrStderr(), "not fresh: the store as of %s: %v\n", at(fresh.AsOf), fresh.Why)
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "%d documents exported\n", n)
				return nil
			})
		},
	}
	f.bind(cmd)
	return cmd
}

func controlImportCommand() *cobra.Command {
	var f storeFlags
	cmd := &cobra.Command{
		Use:   "import FILE (--store DIR | --brokers LIST [--source FILE])",
		Short: "Add the documents of an export to a store that has none",
		Long: `Reads an export (- is standard input) and writes its documents to a store without
documents, which is made where there is none. Run again after it was cut off, it adds what
is missing. Keys, ids and sealed secrets stay as they are; versions are new.`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := cmd.InOrStdin()
			if args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return usageError{err}
				}
				defer func() { _ = file.Close() }() // it was only read
				in = file
			}
			return f.with(cmd, makes, func(s *journal.Store) error {
				n, err := s.Import(cmd.Context(), in, operator())
				if err == nil {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d documents imported\n", n)
				}
				return err
			})
		},
	}
	f.bind(cmd)
	return cmd
}

func controlCheckCommand() *cobra.Command {
	var f storeFlags
	var output string
	cmd := &cobra.Command{
		Use:   "check (--store DIR | --brokers LIST [--source FILE])",
		Short: "Read the whole journal and say what is wrong with it",
		Long: `Reads every entry anew: what is foreign or damaged, where it cannot be read on, whether
each checkpoint says what the entries before it do, and whether the topic keeps what is
written to it. With keys, also whether they open every secret. Exits 1 where there is
something to see to.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			return f.with(cmd, reads, func(s *journal.Store) error {
				r, err := s.Check(cmd.Context())
				if err != nil {
					return err
				}
				if len(f.keyFiles) > 0 || os.Getenv(controlKeys) != "" {
					ring, err := f.ring()
					if err != nil {
						return err
					}
					snapshot, _ := s.Read(cmd.Context())
					if err := seal.OpensAll(snapshot, ring); err != nil {
						r.Problems = append(r.Problems, strings.Split(err.Error(), "\n")...)
					}
				}
				return writeReport(cmd.OutOrStdout(), r, output)
			})
		},
	}
	f.bind(cmd)
	f.bindKeys(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", outputText, "text or json")
	return cmd
}

func writeReport(w io.Writer, r *journal.Report, output string) error {
	var err error
	if output == outputJSON {
		err = json.NewEncoder(w).Encode(r)
	} else {
		var b strings.Builder
		fmt.Fprintf(&b, "store %s: offsets %d to %d, %d documents\n", terminal.Text(r.Store), r.First, r.Next-1, r.Documents)
		for _, v := range journal.Verdicts {
			if n := r.Records[v]; n > 0 {
				fmt.Fprintf(&b, "%-10s %9d\n", v, n)
			}
		}
		fmt.Fprintf(&b, "%-10s %9d\n", "checkpoints", len(r.Checkpoints))
		for _, p := range r.Problems {
			fmt.Fprintf(&b, "PROBLEM %s\n", terminal.Text(p))
		}
		_, err = io.WriteString(w, b.String())
	}
	if err == nil && len(r.Problems) > 0 {
		err = fmt.Errorf("the store has %d problems", len(r.Problems))
	}
	return err
}

func controlResealCommand() *cobra.Command {
	var f storeFlags
	cmd := &cobra.Command{
		Use:   "reseal --seal-keys FILE (--store DIR | --brokers LIST [--source FILE])",
		Short: "Seal every secret anew with the first key",
		Long: `Opens each secret that another key has sealed, and seals it with the first key. To
replace a key: give all processes the new one behind the old one, then before it, reseal,
and take the old one away; so each opens what another seals, all the time. The journal's older entries stay sealed with the old key until a
checkpoint lets go of them; a key that others have seen means new secrets as well.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ring, err := f.ring()
			if err != nil {
				return err
			}
			return f.with(cmd, changes, func(s *journal.Store) error {
				documents, secrets, err := seal.ResealStore(cmd.Context(), s, ring, operator())
				if err != nil {
					return fmt.Errorf("after %d documents: %w", documents, err)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d secrets of %d documents sealed with key %s\n", secrets, documents, ring.IDs()[0])
				return err
			})
		},
	}
	f.bind(cmd)
	f.bindKeys(cmd)
	return cmd
}
