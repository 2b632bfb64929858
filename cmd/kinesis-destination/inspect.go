package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/cmd/internal/terminal"
	"kinesis-destination/cmd/internal/verify"
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

// validation is what validate found out about one file.
type validation struct {
	File        string                 `json:"file"`
	Destination string                 `json:"destination,omitempty"`
	Live        bool                   `json:"live"` // also what is outside the file was looked at
	Problems    config.Problems        `json:"problems"`
	Warnings    []string               `json:"warnings"`
	Checks      []verify.Check         `json:"checks"`
	Governance  []transform.Evaluation `json:"governance"`

	config *config.Config // nil: the file has mistakes
}

func validateCommand() *cobra.Command {
	var files []string
	var live bool
	var output string
	cmd := &cobra.Command{
		Use:   "validate -c destination.yaml [-c another.yaml …]",
		Short: "Check a configuration",
		Long: `Reports all mistakes of the configuration, each with file, line and key, and weighs
the data governance policies. With --live it also checks the brokers, the topics,
the registry and its newest schemas, the stream and the credentials; nothing is written.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			if len(files) == 0 {
				return errNoConfig
			}
			var all []validation
			var failed error
			for _, file := range files {
				v, err := validate(cmd, file, live)
				failed = errors.Join(failed, err)
				all = append(all, v)
			}
			failed = errors.Join(failed, together(all))
			if err := writeValidation(cmd.OutOrStdout(), all, output); err != nil {
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

// together looks at the files beside each other, as run takes them.
func together(all []validation) error {
	var configs []config.Config
	for i := range all {
		if all[i].config != nil {
			configs = append(configs, *all[i].config)
		}
	}
	err := config.Together(configs)
	if problems, ok := errors.AsType[config.Problems](err); ok {
		for i := range all {
			for _, p := range problems {
				if p.File == all[i].File && all[i].config != nil {
					all[i].Problems = append(all[i].Problems, p)
				}
			}
		}
	}
	return err
}

// validate looks at one file. The error is short: what is wrong stands in the
// validation, except for mistakes in the file, which are the error.
func validate(cmd *cobra.Command, file string, live bool) (validation, error) {
	v := validation{
		File: file, Live: live, Problems: config.Problems{}, Warnings: []string{},
		Checks: []verify.Check{}, Governance: []transform.Evaluation{},
	}
	config, err := config.Load(file)
	if err != nil {
		errors.As(err, &v.Problems)
		return v, err
	}
	v.Destination, v.config = config.Name, &config
	v.Warnings = append(v.Warnings, config.Warnings()...)
	if live {
		v.Checks, v.Governance, err = verify.Live(cmd.Context(), &config)
	} else {
		var ofSchema []string
		v.Governance, ofSchema, err = verify.Evaluate(&config)
		v.Warnings = append(v.Warnings, ofSchema...)
	}
	if err != nil {
		errors.As(err, &v.Problems)
		return v, err
	}
	for _, e := range v.Governance {
		if len(e.Violations) > 0 {
			err = fmt.Errorf("destination %s: %w", config.Name, rules.ErrViolation)
		}
	}
	failed, wrong := 0, false
	for _, c := range v.Checks {
		if !c.OK {
			failed++
			wrong = wrong || c.Configuration
		}
	}
	if failed > 0 {
		failure := fmt.Errorf("destination %s: %d of %d checks failed", config.Name, failed, len(v.Checks))
		if wrong {
			failure = usageError{failure}
		}
		err = errors.Join(err, failure)
	}
	return v, err
}

func writeValidation(w io.Writer, all []validation, output string) error {
	if output == outputJSON {
		return writeJSON(w, all)
	}
	for i, v := range all {
		if len(v.Problems) > 0 {
			continue // told on standard error
		}
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := v.write(w); err != nil {
			return err
		}
	}
	return nil
}

func (v validation) write(w io.Writer) error {
	fmt.Fprintf(w, "destination %s: the configuration is well-formed\n", v.Destination)
	for _, warning := range v.Warnings {
		fmt.Fprintf(w, "warning: %s\n", terminal.Indented(warning))
	}
	for _, c := range v.Checks {
		word := "ok    "
		switch {
		case !c.OK:
			word = "FAILED"
		case c.Warning:
			word = "warn  "
		}
		fmt.Fprintf(w, "%s  %s", word, terminal.Text(c.What))
		if c.At != "" {
			fmt.Fprintf(w, " at %s", terminal.Text(c.At))
		}
		if c.Note != "" {
			fmt.Fprintf(w, ": %s", terminal.Indented(c.Note))
		}
		fmt.Fprintln(w)
	}
	for _, e := range v.Governance {
		fmt.Fprintln(w)
		for i := range e.Labels { // a schema brings them
			c := &e.Labels[i]
			c.Label, c.Field, c.Declared = terminal.Text(c.Label), terminal.Text(c.Field), terminal.Text(c.Declared)
		}
		if err := e.Write(w); err != nil {
			return err
		}
	}
	if !v.Live {
		fmt.Fprintln(w, "\nNothing outside the file was looked at; --live checks brokers, topic, registry, stream and credentials.")
	}
	return nil
}
