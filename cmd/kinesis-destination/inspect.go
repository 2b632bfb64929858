package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/transform"
)

// The values of -o.
const (
	outputText = "text"
	outputJSON = "json"
)

func checkOutput(output string) error {
	if output != outputText && output != outputJSON {
		return usageError{errors.New("-o must be text or json")}
	}
	return nil
}

// validation is what validate found out about one destination.
type validation struct {
	Destination string                 `json:"destination"`
	Warnings    []string               `json:"warnings"`
	Checks      []destination.Check    `json:"checks,omitempty"`
	Governance  []transform.Evaluation `json:"governance"`
}

func validateCommand() *cobra.Command {
	var files []string
	var live bool
	var output string
	cmd := &cobra.Command{
		Use:   "validate -c destination.yaml",
		Short: "Check a configuration",
		Long: `Reports all mistakes of the configuration, each with file, line and key, and weighs
the data governance policies. With --live it also checks the brokers, the topics,
the registry and its newest schemas, the stream and the credentials; nothing is written.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			configs, err := load(files)
			if err != nil {
				return err
			}
			var all []validation
			var failed error
			for i := range configs {
				v, err := validate(cmd, &configs[i], live)
				if err != nil {
					failed = errors.Join(failed, err)
				}
				all = append(all, v)
			}
			if err := writeValidation(cmd.OutOrStdout(), all, live, output); err != nil {
				return err
			}
			return failed
		},
	}
	cmd.Flags().StringArrayVarP(&files, "config", "c", nil, "destination's configuration file; may be repeated")
	cmd.Flags().BoolVar(&live, "live", false, "also check brokers, topics, registry, stream and credentials")
	cmd.Flags().StringVarP(&output, "output", "o", outputText, "text or json")
	return cmd
}

func validate(cmd *cobra.Command, config *destination.Config, live bool) (validation, error) {
	v := validation{Destination: config.Name, Warnings: config.Warnings()}
	var err error
	if live {
		v.Checks, v.Governance, err = destination.Live(cmd.Context(), config)
	} else {
		var e transform.Evaluation
		e, err = destination.Evaluate(config)
		v.Governance = []transform.Evaluation{e}
	}
	if err != nil {
		return v, err
	}
	failed := 0
	for _, c := range v.Checks {
		if !c.OK {
			failed++
		}
	}
	for _, e := range v.Governance {
		if violation := e.Err(); violation != nil {
			err = errors.Join(err, fmt.Errorf("destination %s: %w\n%w", config.Name, destination.ErrViolation, violation))
		}
	}
	if failed > 0 {
		err = errors.Join(err, fmt.Errorf("destination %s: %d checks failed", config.Name, failed))
	}
	return v, err
}

func writeValidation(w io.Writer, all []validation, live bool, output string) error {
	if output == outputJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(all)
	}
	for _, v := range all {
		fmt.Fprintf(w, "destination %s: the configuration is well-formed\n", v.Destination)
		for _, warning := range v.Warnings {
			fmt.Fprintf(w, "warning: %s\n", warning)
		}
		for _, c := range v.Checks {
			word := "ok    "
			if !c.OK {
				word = "FAILED"
			}
			fmt.Fprintf(w, "%s  %s", word, c.What)
			if c.Note != "" {
				fmt.Fprintf(w, ": %s", c.Note)
			}
			fmt.Fprintln(w)
		}
		for _, e := range v.Governance {
			fmt.Fprintln(w)
			if err := e.Write(w); err != nil {
				return err
			}
		}
		if !live {
			fmt.Fprintln(w, "\nNothing outside the file was looked at; --live checks brokers, topic, registry, stream and credentials.")
		}
	}
	return nil
}

func explainCommand() *cobra.Command {
	var file, schema, output string
	cmd := &cobra.Command{
		Use:   "explain -c destination.yaml FILE",
		Short: "Show what would become of one event, and why",
		Long: `Reads one event in Avro JSON (- for standard input). On standard output the record
as run would put it, or nothing; on standard error the trigger, the rule and the
reason. Nothing is sent. The event is read by the destination's schemaFile or the
registry's newest schema, or by --schema.`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			if file == "" {
				return usageError{errors.New("give the destination's configuration with -c destination.yaml")}
			}
			configs, err := load([]string{file})
			if err != nil {
				return err
			}
			text, err := readEvent(cmd.InOrStdin(), args[0])
			if err != nil {
				return usageError{err}
			}
			explanation, err := destination.Explain(cmd.Context(), &configs[0], schema, text)
			if err != nil {
				return usageError{err}
			}
			return writeExplanation(cmd.OutOrStdout(), cmd.ErrOrStderr(), explanation, output)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "destination's configuration file")
	cmd.Flags().StringVar(&schema, "schema", "", "schema of the event (.avsc)")
	cmd.Flags().StringVarP(&output, "output", "o", outputText, "text or json")
	return cmd
}

func readEvent(stdin io.Reader, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}

// explained is what explain -o json prints: first what the contract names, then the story.
type explained struct {
	Outcome      string                 `json:"outcome"`
	Reason       transform.Reason       `json:"reason"`
	Rule         int                    `json:"rule"`
	PartitionKey string                 `json:"partitionKey"`
	Record       json.RawMessage        `json:"record"`
	Story        *transform.Explanation `json:"story"`
}

func writeExplanation(out, story io.Writer, e transform.Explanation, output string) error {
	d := e.Decision
	if output == outputJSON {
		x := explained{Outcome: outcomeWord(d.Outcome), Reason: d.Reason, Rule: d.Rule, PartitionKey: d.PartitionKey, Story: &e}
		if len(d.Data) > 0 {
			x.Record = d.Data
		}
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(x)
	}
	if len(d.Data) > 0 {
		if _, err := fmt.Fprintf(out, "%s\n", d.Data); err != nil {
			return err
		}
	}
	return writeStory(story, e)
}

// outcomeWord is the outcome as metrics and accounts have it.
func outcomeWord(o transform.Outcome) string {
	switch o {
	case transform.Export:
		return destination.Delivered
	case transform.Filter:
		return destination.Filtered
	case transform.Reject:
		return destination.DeadLettered
	}
	return "held"
}

func writeStory(w io.Writer, e transform.Explanation) error {
	d := e.Decision
	lines := [][2]string{
		{"outcome", outcomeWord(d.Outcome)},
		{"trigger", string(d.Trigger)},
		{"reason", string(d.Reason)},
		{"because", e.Message},
		{"partition key", d.PartitionKey},
		{"consent", e.Consent},
		{"unmet consents", strings.Join(e.UnmetConsents, ", ")},
		{"not in the schema", strings.Join(e.MissingPaths, ", ")},
		{"left out by policy", strings.Join(e.DroppedPaths, ", ")},
		{"schema", e.Schema},
	}
	if d.Rule > 0 {
		lines = slices.Insert(lines, 2, [2]string{"rule", fmt.Sprintf("%d: %s", d.Rule, e.Text)})
	}
	for _, c := range e.Labels {
		lines = append(lines, [2]string{"label weighed", fmt.Sprintf("%s on %s (%s)", c.Label, c.Field+c.Segment, c.Declared)})
	}
	for _, line := range lines {
		if line[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s: %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}
