package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/cmd/internal/rules"
)

// docsCommand writes what packagers ship beside the binary. It is hidden: users
// have --help and `completion`.
func docsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "docs DIR", Hidden: true, Args: usageArgs(cobra.ExactArgs(1)),
		Short: "Write man pages, Markdown and shell completions to man, markdown and completions below DIR",
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true // it holds the day
			dirs := map[string]string{}
			for _, name := range []string{"man", "markdown", "completions"} {
				dirs[name] = filepath.Join(args[0], name)
				if err := os.MkdirAll(dirs[name], 0o755); err != nil {
					return fmt.Errorf("write documentation: %w", err)
				}
			}
			header := &doc.GenManHeader{Section: "1", Source: "kinesis-destination", Manual: "Kinesis destination"}
			if _, _, built := buildInfo(); built != "unknown" {
				if day, err := time.Parse(time.RFC3339, built); err == nil {
					header.Date = &day // the same build writes the same pages
				}
			}
			if err := doc.GenManTree(root, header, dirs["man"]); err != nil {
				return fmt.Errorf("write man pages: %w", err)
			}
			if err := doc.GenMarkdownTree(root, dirs["markdown"]); err != nil {
				return fmt.Errorf("write Markdown: %w", err)
			}
			return writeCompletions(root, dirs["completions"])
		},
	}
}

func writeCompletions(root *cobra.Command, dir string) error {
	for name, write := range map[string]func(string) error{
		"kinesis-destination.bash": func(file string) error { return root.GenBashCompletionFileV2(file, true) },
		"_kinesis-destination":     root.GenZshCompletionFile,
		"kinesis-destination.fish": func(file string) error { return root.GenFishCompletionFile(file, true) },
		"kinesis-destination.ps1":  root.GenPowerShellCompletionFileWithDesc,
	} {
		if err := write(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("write completions: %w", err)
		}
	}
	return nil
}

// Times as people write them; what follows the tab is shown beside them.
var (
	pastTimes  = []cobra.Completion{"15m\ta quarter of an hour ago", "1h\tan hour ago", "24h\ta day ago", "7d\ta week ago", "today\tsince midnight (UTC)", "yesterday\tsince its midnight (UTC)"}
	rangeTimes = append([]cobra.Completion{"earliest\twhere the topic begins", "latest\twhere it ends now"}, pastTimes...)
)

// completeSegments names the activated segments of the configuration that is given before.
func completeSegments(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	file, err := c.Flags().GetString("config")
	if err != nil || file == "" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	cfg, err := config.Load(file)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []cobra.Completion
	for _, s := range cfg.Activation.Segments {
		ids = append(ids, cobra.CompletionWithDesc(s.ID, s.Name))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// completeFlags lets shells complete what the flags of c and all below it take:
// a closed set of words is what the flag's help says. A flag that completes
// itself keeps its own way, so the errors say nothing.
func completeFlags(c *cobra.Command) {
	for _, name := range []string{"output", "log-format", "log-level"} {
		if f := c.Flags().Lookup(name); f != nil {
			words := strings.Split(strings.ReplaceAll(f.Usage, " or ", ", "), ", ")
			_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	for name, words := range map[string][]cobra.Completion{
		"stage": rules.LetterStages, "reason": deadletters.FilterReasons(),
		"letters": {"write", "skip"},
		"from":    rangeTimes, "to": rangeTimes, "since": pastTimes, "until": pastTimes,
	} {
		if c.Flags().Lookup(name) != nil {
			_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	if c.Flags().Lookup("segment") != nil {
		_ = c.RegisterFlagCompletionFunc("segment", completeSegments)
	}
	if c.Flags().Lookup("config") != nil {
		_ = c.MarkFlagFilename("config", "yaml", "yml")
	}
	for _, below := range c.Commands() {
		completeFlags(below)
	}
}
