package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/cmd/internal/sample"
	"kinesis-destination/cmd/internal/terminal"
	"kinesis-destination/transform"
)

// explain is what the command line asks for.
type explain struct {
	config, schema, output string
	topic                  string
	partition              int
	offset                 int64
	raw, example           bool
}

func explainCommand() *cobra.Command {
	var x explain
	cmd := &cobra.Command{
		Use:   "explain -c destination.yaml ([--raw] FILE | --topic T --partition P --offset N | --example)",
		Short: "Show what would become of one event, and why",
		Long: `Reads one event in Avro JSON from FILE (- for standard input), by the destination's
schemaFile or the registry's newest schema, or by --schema; plain JSON will do, where
values of unions stand without their types, decimals are numbers, days and times text. With --raw FILE is a message's value as
it stands in Kafka, read by its own writer schema. Or reads the message at an offset
of Kafka; --topic may be the dead-letter topic. --example prints an event of the
schema to start from, which leaves with every mapped attribute.

On standard output the record as run would put it, or nothing; on standard error
the trigger, the rule with where it stands, and the reason. Nothing is sent.

With -o json: one object {outcome, reason, rule, partitionKey, record}. The rule is
one of the export rules, 0 where none speaks; the record is null where none leaves.`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := x.check(cmd, args); err != nil {
				return wrongUse(cmd, err)
			}
			configs, err := load([]string{x.config})
			if err != nil {
				return err
			}
			if x.example {
				return x.printExample(cmd, &configs[0])
			}
			var explanation rules.Explanation
			if len(args) == 0 {
				explanation, err = deadletters.ExplainAt(cmd.Context(), &configs[0], x.topic, x.partition, x.offset)
			} else {
				explanation, err = x.file(cmd, &configs[0], args[0])
			}
			if err != nil {
				return err
			}
			return writeExplanation(cmd.OutOrStdout(), cmd.ErrOrStderr(), explanation, x.output)
		},
	}
	cmd.Flags().StringVarP(&x.config, "config", "c", "", "destination's configuration file")
	cmd.Flags().StringVar(&x.schema, "schema", "", "schema of the event in FILE (.avsc)")
	cmd.Flags().BoolVar(&x.raw, "raw", false, "FILE is a message's value as it stands in Kafka")
	cmd.Flags().BoolVar(&x.example, "example", false, "print an event of the schema to start from")
	cmd.Flags().StringVar(&x.topic, "topic", "", "topic to read the event from")
	cmd.Flags().IntVar(&x.partition, "partition", 0, "partition of --topic")
	cmd.Flags().Int64Var(&x.offset, "offset", 0, "offset in --partition")
	cmd.Flags().StringVarP(&x.output, "output", "o", outputText, "text or json")
	return cmd
}

// check refuses what does not go together.
func (x *explain) check(cmd *cobra.Command, args []string) error {
	given := func(flag string) bool { return cmd.Flags().Changed(flag) }
	switch {
	case x.config == "":
		return errNoConfig
	case x.example && len(args) == 1:
		return fmt.Errorf("--example prints an event of the schema and reads none: leave FILE (%s) out", args[0])
	case x.example && (x.raw || given("topic") || given("partition") || given("offset")):
		return errors.New("--example goes with --schema alone")
	case x.example:
		return checkOutput(x.output)
	case len(args) == 1 && (given("topic") || given("partition") || given("offset")):
		return errors.New("FILE and --topic exclude each other")
	case len(args) == 0 && (!given("topic") || !given("partition") || !given("offset")):
		return errors.New("give FILE, all of --topic, --partition and --offset, or --example")
	case len(args) == 0 && x.raw:
		return errors.New("--raw goes with FILE")
	case (len(args) == 0 || x.raw) && given("schema"):
		return errors.New("--schema goes with FILE: a message is read by its own writer schema")
	case x.partition < 0 || x.offset < 0:
		return errors.New("--partition and --offset must not be negative")
	}
	return checkOutput(x.output)
}

func (x *explain) file(cmd *cobra.Command, cfg *config.Config, name string) (rules.Explanation, error) {
	text, err := config.ReadEvent(name, cmd.InOrStdin())
	if err != nil {
		return rules.Explanation{}, usageError{fmt.Errorf("read the event: %w", err)}
	}
	if x.raw {
		return rules.ExplainRaw(cmd.Context(), cfg, text)
	}
	if name == "-" {
		name = "standard input"
	}
	return rules.Explain(cmd.Context(), cfg, x.schema, name, text)
}

// printExample prints an event that leaves.
func (x *explain) printExample(cmd *cobra.Command, cfg *config.Config) error {
	schema, err := rules.ExplainSchema(cmd.Context(), cfg, x.schema)
	if err != nil {
		return err
	}
	event, err := sample.New(cfg, schema, 1, 1, time.Now).First()
	if err != nil {
		return err
	}
	plain, err := schema.PlainJSON(event.Body)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := json.Indent(&text, plain, "", "  "); err != nil {
		return fmt.Errorf("print the event: %w", err)
	}
	text.WriteByte('\n')
	if _, err := text.WriteTo(cmd.OutOrStdout()); err != nil {
		return fmt.Errorf("print the event: %w", err)
	}
	return nil
}

// explained is what explain -o json prints.
type explained struct {
	Outcome      string           `json:"outcome"`
	Reason       transform.Reason `json:"reason"`
	Rule         int              `json:"rule"`
	PartitionKey string           `json:"partitionKey"`
	Record       json.RawMessage  `json:"record"`
}

func writeExplanation(out, story io.Writer, e rules.Explanation, output string) error {
	d := e.Decision
	if output == outputJSON {
		x := explained{Outcome: outcomeWord(d.Outcome), Reason: d.Reason, Rule: d.Rule, PartitionKey: d.PartitionKey}
		if len(d.Data) > 0 {
			x.Record = d.Data
		}
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(x)
	}
	if len(d.Data) > 0 {
		if _, err := fmt.Fprintf(out, "%s\n", d.Data); err != nil {
			return fmt.Errorf("print the record: %w", err)
		}
	}
	return writeStory(story, e)
}

// ruleAddress is where a rule stands in this repository.
func ruleAddress(rule int) string { return fmt.Sprintf("transform/RULES.md#rule-%d", rule) }

// outcomeWord is the outcome as metrics and accounts have it.
func outcomeWord(o transform.Outcome) string {
	switch o {
	case transform.Export:
		return rules.Delivered
	case transform.Filter:
		return rules.Filtered
	case transform.Reject:
		return rules.DeadLettered
	}
	return "held"
}

func writeStory(w io.Writer, e rules.Explanation) error {
	d := e.Decision
	lines := [][2]string{
		{"outcome", outcomeWord(d.Outcome)},
		{"stage", string(d.Stage)},
		{"trigger", string(d.Trigger)},
		{"reason", string(d.Reason)},
		{"because", e.Message},
		{"partition key", terminal.Text(d.PartitionKey)},
		{"consent", e.Consent},
		{"unmet consents", strings.Join(e.UnmetConsents, ", ")},
		{"not in the schema", strings.Join(e.MissingPaths, ", ")},
		{"not exported", strings.Join(e.StayingBehind, "\n")},
		{"left out by policy", strings.Join(e.DroppedPaths, ", ")},
		{"schema", e.Schema},
	}
	if d.Rule > 0 {
		rule := strings.TrimSuffix(fmt.Sprintf("%d: %s", d.Rule, e.Text), ": ")
		lines = slices.Insert(lines, 3, [2]string{"rule", rule}, [2]string{"see", ruleAddress(d.Rule)})
	}
	for _, c := range e.Labels {
		lines = append(lines, [2]string{"label weighed", terminal.Text(fmt.Sprintf("%s on %s (%s)", c.Label, c.Field+c.Segment, c.Declared))})
	}
	for _, h := range e.Letter {
		lines = append(lines, [2]string{"dead letter", terminal.Text(fmt.Sprintf("%s %s", h.Key, h.Value))})
	}
	for _, line := range lines {
		if line[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s: %s\n", line[0], terminal.Indented(line[1])); err != nil {
			return fmt.Errorf("print the story: %w", err)
		}
	}
	return nil
}
