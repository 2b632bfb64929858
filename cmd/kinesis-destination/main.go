// Command kinesis-destination exports segment evaluations from Kafka to an
// Amazon Kinesis stream.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/cmd/internal/terminal"
	"kinesis-destination/sink/deadletter"
)

// Set by the linker; see the Makefile.
var version, commit, date string

// The exit codes that users can rely on.
const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a wrong use or configuration, a policy violation included.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// stoppedError is what a command had done when it was interrupted, which is no error of
// anything; it was not done, though, so that the process does not exit with 0.
type stoppedError string

func (e stoppedError) Error() string { return "stopped: " + string(e) }

// stopped makes an error that is only the interruption say so.
func stopped(ctx context.Context, err error) error {
	if _, said := errors.AsType[stoppedError](err); err == nil || said || !errors.Is(context.Cause(ctx), context.Canceled) {
		return err
	}
	if text := err.Error(); !errors.Is(err, context.Canceled) && !strings.Contains(text, "operation was canceled") {
		return err
	}
	return stoppedError("it was interrupted before it was done")
}

func main() {
	os.Exit(execute(untilSignal(context.Background()), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// sameSignal is within which time a second signal is the first one's double: timeout(1)
// and shells send one to a process and to its group.
const sameSignal = time.Second

// untilSignal ends with the first SIGTERM or interrupt, upon which a process drains. A
// second one ends it at once.
func untilSignal(ctx context.Context) context.Context {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, func() { time.AfterFunc(sameSignal, stop) })
	return ctx
}

// execute runs a command line and returns its exit code.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	stdout, stderr = terminal.NewWriter(stdout), terminal.NewWriter(stderr)
	root := rootCommand()
	refuseExtraArgs(root)
	refuseUnknownTopics(root)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := stopped(ctx, root.ExecuteContext(ctx))
	var problems config.Problems
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &problems), errors.As(err, &usage), errors.Is(err, rules.ErrViolation):
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	if ended, ok := errors.AsType[stoppedError](err); ok {
		fmt.Fprintln(stderr, "stopped: "+string(ended))
		return exitFailed
	}
	fmt.Fprintln(stderr, "kinesis-destination:", deadletter.Plain(err.Error()))
	return exitFailed
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "kinesis-destination",
		Short: "Segment evaluations from Kafka to Amazon Kinesis, in order per identity",
		Long: `Reads segment-evaluation events (Avro) from Kafka, exports those of activated
segments as JSON records to a Kinesis stream, in order per identity, and puts
what cannot be delivered on a dead-letter topic.

Exit status: 0 done, 1 failed, 2 wrong usage or configuration.`,
		Version:       versionText(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("{{.Version}}")
	root.SetFlagErrorFunc(wrongFlag)
	root.AddCommand(demoCommand(), runCommand(), validateCommand(), explainCommand(), replayCommand(), verifyCommand(), lagCommand(), policiesCommand(), deadLettersCommand(), produceSampleCommand(), controlCommand(), serveCommand(), tokenCommand(), versionCommand(), docsCommand())
	completeFlags(root)
	return root
}

// refuseUnknownTopics makes help on a command that there is not a wrong use: Cobra
// answers with the help and exit 0.
func refuseUnknownTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil || help == root {
		return
	}
	help.Args = func(_ *cobra.Command, args []string) error {
		if found, left, err := root.Find(args); err != nil || found == nil || len(left) > 0 {
			meant := ""
			if found != nil && len(left) > 0 {
				meant = commandMeant(found, left[0])
			}
			return wrongUse(root, fmt.Errorf("there is no command %q%s", strings.Join(args, " "), meant))
		}
		return nil
	}
}

// refuseExtraArgs makes a shell that there is not, or too much said, a wrong use
// of completion: Cobra answers the one with the help and exit 0, the other with 1.
func refuseExtraArgs(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	completion, _, err := root.Find([]string{"completion"})
	if err != nil || completion == root {
		return
	}
	completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	completion.Args = usageArgs(cobra.NoArgs)
	for _, shell := range completion.Commands() {
		shell.Args = usageArgs(cobra.NoArgs)
	}
}

// usageArgs makes a wrong number of arguments a wrong use.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			if cmd.HasSubCommands() && len(args) > 0 {
				err = fmt.Errorf("%w%s", err, commandMeant(cmd, args[0]))
			}
			return wrongUse(cmd, err)
		}
		return nil
	}
}

// wrongUse is err with where to read on.
func wrongUse(cmd *cobra.Command, err error) error {
	return usageError{fmt.Errorf("%w\nSee '%s --help'", err, cmd.CommandPath())}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version, commit, build time, Go version and platform", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), versionText())
			return err
		},
	}
}

func versionText() string {
	v, c, d := buildInfo()
	return fmt.Sprintf("kinesis-destination %s commit %s built %s with %s for %s/%s\n", v, c, d, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// buildInfo is what the linker was told, or else what Go knows of the build.
func buildInfo() (v, c, d string) {
	v, c, d = version, commit, date
	if info, ok := debug.ReadBuildInfo(); ok {
		v = cmp.Or(v, info.Main.Version)
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				c = cmp.Or(c, s.Value)
			case "vcs.time":
				d = cmp.Or(d, s.Value)
			}
		}
	}
	return cmp.Or(v, "unknown"), cmp.Or(c, "unknown"), cmp.Or(d, "unknown")
}

// saysNothing refuses flags that are given and empty, as an unset variable of a
// script has them: that would do more than was meant.
func saysNothing(flags *pflag.FlagSet, would string, names ...string) error {
	for _, name := range names {
		if value := flags.Lookup(name).Value.String(); flags.Changed(name) && (value == "" || value == "[]") {
			return fmt.Errorf("--%s is empty, which would %s: leave it out if that is meant", name, would)
		}
	}
	return nil
}

var errNoConfig = usageError{errors.New("give the destination's configuration with -c destination.yaml")}

// load reads the configurations; the mistakes of all files are reported together.
func load(files []string) ([]config.Config, error) {
	if len(files) == 0 {
		return nil, errNoConfig
	}
	var configs []config.Config
	var all config.Problems
	for _, file := range files {
		cfg, err := config.Load(file)
		if problems, ok := errors.AsType[config.Problems](err); ok {
			all = append(all, problems...)
			continue
		}
		if err != nil { // that is no mistake in a file
			return nil, err
		}
		configs = append(configs, cfg)
	}
	if len(all) > 0 {
		return nil, all
	}
	return configs, nil
}

// logger writes to standard error; what a command prints goes to standard output.
func logger(w io.Writer, format, level string) (*slog.Logger, error) {
	var at slog.Level
	if err := at.UnmarshalText([]byte(level)); err != nil {
		return nil, usageError{errors.New("--log-level must be debug, info, warn or error")}
	}
	options := &slog.HandlerOptions{Level: at, ReplaceAttr: hold.BriefAttr}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, usageError{errors.New("--log-format must be text or json")}
}
