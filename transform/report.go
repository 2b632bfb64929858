package transform

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// maxListed is how many carriers and ways out of a violation its text names: it stands in logs and in each dead letter.
const maxListed = 50

// Error reads like a finding of a linter: what, why, where from, and each way out.
func (v Violation) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "policy violation: %s", v.Policy)
	if len(v.Actions) > 0 {
		fmt.Fprintf(&b, " forbids %s", strings.Join(v.Actions, ", "))
	}
	fmt.Fprintf(&b, " (labels %s)", strings.Join(v.Labels, ", "))
	if v.Description != "" {
		fmt.Fprintf(&b, "\n  because: %s", v.Description)
	}
	for i, c := range v.Carriers {
		if i == maxListed {
			fmt.Fprintf(&b, "\n  and %d more carry them", len(v.Carriers)-i)
			break
		}
		fmt.Fprintf(&b, "\n  %s carries %s: %s", c.what(), c.Label, c.where())
	}
	for i, way := range v.WaysOut {
		if i == maxListed {
			fmt.Fprintf(&b, "\n  or one of %d more ways like these", len(v.WaysOut)-i)
			break
		}
		lead := "or"
		if i == 0 {
			lead = "either"
		}
		fmt.Fprintf(&b, "\n  %s %s", lead, way)
	}
	return b.String()
}

// Write prints the evaluation as a table.
func (e Evaluation) Write(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	schema := e.Schema
	if schema == "" {
		schema = "none was looked at; labels on schema fields are not known"
	}
	fmt.Fprintf(w, "marketing actions:\t%s\n", orNone(e.MarketingActions))
	fmt.Fprintf(w, "field labels from:\t%s\n\n", schema)
	if len(e.Labels) == 0 {
		fmt.Fprintf(w, "no label is carried by what is exported\n")
	} else {
		fmt.Fprintf(w, "LABEL\tCARRIED BY\tDECLARED\n")
	}
	for _, c := range e.Labels {
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.Label, c.what(), c.where())
	}
	if len(e.Policies) == 0 {
		fmt.Fprintf(w, "\nno policy is about these marketing actions\n")
	} else {
		fmt.Fprintf(w, "\nPOLICY\tMARKETING ACTIONS\tVERDICT\n")
	}
	for _, j := range e.Policies {
		verdict := "allowed"
		if !j.Allowed {
			verdict = "violated"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", j.Policy, strings.Join(j.Actions, ", "), verdict)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print evaluation: %w", err)
	}
	for _, v := range e.Violations {
		if _, err := fmt.Fprintf(to, "\n%s\n", v.Error()); err != nil {
			return fmt.Errorf("print evaluation: %w", err)
		}
	}
	return nil
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
