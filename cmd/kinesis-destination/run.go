package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/destination"
)

// runOptions are the flags of run.
type runOptions struct {
	files                    []string
	format, level, profiling string
	ram                      memoryFlag
	following                bool
	plane                    planeOptions
	follow                   followOptions
}

func runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run (-c destination.yaml [-c another.yaml …] | --follow --brokers LIST --source FILE)",
		Short: "Run the pipeline",
		Long: `Runs one destination for each -c until SIGTERM or SIGINT; then it stops fetching,
delivers what it has read, commits, leaves the group and exits with 0, within 15 s. A
second signal, a second later or more, ends it at once: what was under way is sent again.

What is nobody's record's fault (Kafka, registry or stream away, access denied,
throttling) is held and retried for as long as it takes; see /readyz and /status
on server.listen.

OpenTelemetry traces, a span for each fetched batch and each PutRecords call, go
where the standard environment variables say (OTEL_EXPORTER_OTLP_ENDPOINT,
OTEL_TRACES_EXPORTER, OTEL_TRACES_SAMPLER and so on); with none of them, nowhere.

--memory is what the whole process may take, resident, whatever waits: all budgets of
all destinations and the limit of Go's collector follow from it. With less than is
needed it does not start. GOMEMLIMIT counts, too, where it is less.

SIGHUP, or a change of the file, has the configuration read again. Activation and
governance change between two events; a change of any other key is refused and
needs a restart, and a file with a mistake changes nothing.

--follow runs the flows of a control plane ('serve') in place of files: those that are
enabled in its journal, each as it is made, changed, paused and deleted, within two
seconds. It needs the journal's --brokers, the same --source files as serve, and the keys
that credentials are sealed with. Several processes share each flow's partitions. A flow
that cannot run is refused by itself; while the journal is away, flows go on as they are.
A journal in a folder (--store) is one process's at a time: its flows run so while nothing
serves it, and 'serve' can run what it serves.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd, o) },
	}
	cmd.Flags().StringArrayVarP(&o.files, "config", "c", nil, "destination's configuration file; may be repeated")
	o.ram.bind(cmd)
	cmd.Flags().BoolVar(&o.following, "follow", false, "run the flows of a control plane")
	o.plane.bind(cmd)
	o.follow.bind(cmd)
	cmd.Flags().StringVar(&o.profiling, "pprof", "", "serve profiles (/debug/pprof) on this address, such as 127.0.0.1:6060; without a host on 127.0.0.1")
	cmd.Flags().StringVar(&o.format, "log-format", "text", "text or json")
	cmd.Flags().StringVar(&o.level, "log-level", "info", "debug, info, warn or error")
	return cmd
}

func run(cmd *cobra.Command, o runOptions) error {
	if o.following && len(o.files) > 0 {
		return usageError{errors.New("-c and --follow do not go together: flows of the control plane have no files")}
	}
	var configs []config.Config
	var err error
	if !o.following {
		if configs, err = load(o.files); err != nil {
			return err
		}
	}
	log, err := logger(cmd.ErrOrStderr(), o.format, o.level)
	if err != nil {
		return err
	}
	if o.profiling != "" {
		if o.profiling, err = destination.ProfilingAddress(o.profiling); err != nil {
			return usageError{errors.New("--pprof " + config.MustListen + "127.0.0.1:6060")}
		}
	}
	if o.following {
		slog.SetDefault(log)
		o.follow.size, o.follow.profiling = o.ram.size, o.profiling
		return runFollowing(cmd.Context(), &o.plane, &o.follow, log)
	}
	endMemory, err := o.ram.apply(configs)
	if err != nil {
		return err
	}
	defer endMemory()
	slog.SetDefault(log) // and with it what libraries write by package log
	tracing, stopTracing, err := tracer(cmd.Context(), log)
	if err != nil {
		return err
	}
	defer stopTracing()
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	reload, stopped := config.Watch(ctx, configs, hangup, log)
	defer func() { cancel(); <-stopped }()
	v, commit, _ := buildInfo()
	return destination.Run(ctx, configs, destination.Options{Logger: log, Version: v, Commit: commit, Profiling: o.profiling, Reload: reload, Tracing: tracing})
}

// flushTimeout bounds the wait for the last spans. It comes after the drain, so
// that both fit into the time that users are told.
const flushTimeout = time.Second

// tracer sets tracing up as the environment has it; it is nil where that is off.
func tracer(ctx context.Context, log *slog.Logger) (provider trace.TracerProvider, stop func(), err error) {
	v, _, _ := buildInfo()
	sdk, err := destination.Tracing(ctx, v, log)
	if err != nil {
		return nil, nil, usageError{err}
	}
	if sdk == nil {
		return nil, func() {}, nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("spans are lost", "error", err) }))
	return sdk, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		if err := sdk.Shutdown(ctx); err != nil {
			log.Warn("the last spans are lost", "error", err)
		}
	}, nil
}
