package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/control/journal"
	"kinesis-destination/cmd/internal/terminal"
)

func controlAuditCommand() *cobra.Command {
	var f storeFlags
	var output, key string
	cmd := &cobra.Command{
		Use:   "audit (--store DIR | --brokers LIST [--source FILE])",
		Short: "Tell who changed what, from which version, also what was refused",
		Long: `Reads the journal's entries, the oldest that it still holds first: at least the last
10,000. With -o json a line has everything, bodies too; secrets are sealed in them.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			return f.with(cmd, reads, func(s *journal.Store) error {
				w, shown := cmd.OutOrStdout(), 0
				err := s.Audit(cmd.Context(), func(a journal.Audited) error {
					if !concerns(&a, key) {
						return nil
					}
					if shown++; shown == 1 && output == outputText {
						fmt.Fprintf(w, "%-9s  %-20s  %-9s  %-24s  %s\n", "OFFSET", "AT", "VERDICT", "BY", "WHAT")
					}
					return writeAudited(w, &a, output)
				})
				if err == nil && shown == 0 && output == outputText {
					_, err = fmt.Fprintln(w, "no entries"+map[bool]string{true: " that concern " + terminal.Text(key)}[key != ""])
				}
				return err
			})
		},
	}
	f.bind(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", outputText, "text or json")
	cmd.Flags().StringVar(&key, "key", "", "only what concerns documents whose keys begin so, as flows/")
	return cmd
}

func concerns(a *journal.Audited, key string) bool {
	for _, d := range a.Docs {
		if strings.HasPrefix(d.Key, key) {
			return true
		}
	}
	return key == ""
}

func writeAudited(w io.Writer, a *journal.Audited, output string) error {
	if output == outputJSON {
		return json.NewEncoder(w).Encode(a)
	}
	var what []string
	for _, d := range a.Docs {
		verb, from := "changes", " from "+d.Base
		switch {
		case d.Base == "":
			verb, from = "makes", ""
		case len(d.Body) == 0 || string(d.Body) == "null":
			verb = "deletes"
		}
		if a.Verdict == journal.Refused {
			verb = "would change"
		}
		what = append(what, verb+" "+d.Key+from)
	}
	for _, d := range a.Differs {
		what = append(what, fmt.Sprintf("%s is %s", d.Key, orNone(d.Present)))
	}
	for _, text := range []string{a.Why, a.Reason} {
		if text != "" {
			what = append(what, text)
		}
	}
	when := ""
	if !a.At.IsZero() {
		when = at(a.At)
	}
	_, err := fmt.Fprintf(w, "%-9d  %-20s  %-9s  %-24s  %s\n", a.Offset, when, a.Verdict, terminal.Text(a.By), terminal.Text(strings.Join(what, "; ")))
	return err
}

func orNone(etag string) string {
	if etag == "" {
		return "not there"
	}
	return etag
}
