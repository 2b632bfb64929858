package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/destination"
)

func runCommand() *cobra.Command {
	var files []string
	var format, level string
	cmd := &cobra.Command{
		Use:   "run -c destination.yaml [-c another.yaml …]",
		Short: "Run the pipeline",
		Long: `Runs one destination for each -c until SIGTERM or SIGINT; then it stops fetching,
delivers what it has read, commits, leaves the group and exits with 0, within 15 s.

What is nobody's record's fault (Kafka, registry or stream away, access denied,
throttling) is held and retried for as long as it takes; see /readyz and /status
on server.listen.

SIGHUP, or a change of the file, has the configuration read again. Activation and
governance change between two events; a change of any other key is refused and
needs a restart, and a file with a mistake changes nothing.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			configs, err := load(files)
			if err != nil {
				return err
			}
			log, err := logger(cmd.ErrOrStderr(), format, level)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			hangup := make(chan os.Signal, 1)
			signal.Notify(hangup, syscall.SIGHUP)
			defer signal.Stop(hangup)
			reload, stopped := destination.Watch(ctx, configs, hangup, log)
			defer func() { cancel(); <-stopped }()
			return destination.Run(ctx, configs, destination.Options{Logger: log, Reload: reload})
		},
	}
	cmd.Flags().StringArrayVarP(&files, "config", "c", nil, "destination's configuration file; may be repeated")
	cmd.Flags().StringVar(&format, "log-format", "text", "text or json")
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}
