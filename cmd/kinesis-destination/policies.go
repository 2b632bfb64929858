package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/terminal"
	"kinesis-destination/transform"
)

func policiesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policies",
		Short: "List the data governance policies",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(policiesListCommand())
	return cmd
}

// governed is what there is to govern by, as policies list prints it.
type governed struct {
	MarketingActions []governedAction    `json:"marketingActions"`
	Policies         []transform.Policy  `json:"policies"`
	Labels           map[string][]string `json:"labels"` // the policies that speak of each
}

type governedAction struct {
	transform.MarketingAction
	Activated bool `json:"activated"` // the destination has it
}

func policiesListCommand() *cobra.Command {
	var file, output string
	cmd := &cobra.Command{
		Use:   "list [-c destination.yaml]",
		Short: "List marketing actions, policies and the labels that they speak of",
		Long: `Lists the marketing actions, the policies with what they deny, and the labels that they
speak of: those that are built in, and with -c those of the destination's policies file,
too, with which actions it has and which policies it enables. The validate command weighs
them over the fields that the destination maps.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			var governance transform.Governance
			var actions []string
			if file != "" {
				configs, err := load([]string{file})
				if err != nil {
					return err
				}
				governance, actions = configs[0].Governance, configs[0].Activation.MarketingActions
			}
			catalog, err := governance.Catalog()
			if err != nil {
				return err
			}
			found := govern(catalog, actions)
			if output == outputJSON {
				return writeJSON(cmd.OutOrStdout(), found)
			}
			return found.write(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "destination's configuration file; without it what is built in")
	cmd.Flags().StringVarP(&output, "output", "o", outputText, "text or json")
	return cmd
}

func govern(catalog transform.Catalog, activated []string) governed {
	g := governed{Policies: catalog.Policies, Labels: map[string][]string{}}
	for _, a := range catalog.MarketingActions {
		g.MarketingActions = append(g.MarketingActions, governedAction{a, slices.Contains(activated, a.Name)})
	}
	for _, p := range catalog.Policies {
		for _, label := range p.Deny.Labels() {
			if !slices.Contains(g.Labels[label], p.Name) {
				g.Labels[label] = append(g.Labels[label], p.Name)
			}
		}
	}
	return g
}

func (g governed) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(cells ...string) {
		for i := range cells {
			cells[i] = terminal.Text(cells[i])
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	row("MARKETING ACTION", "ACTIVATED", "DESCRIPTION")
	for _, a := range g.MarketingActions {
		row(a.Name, map[bool]string{true: "yes", false: "-"}[a.Activated], a.Description)
	}
	fmt.Fprintln(w)
	row("POLICY", "STATUS", "FORBIDS", "DATA THAT CARRIES", "DESCRIPTION")
	for _, p := range g.Policies {
		row(p.Name, p.Status, strings.Join(p.MarketingActions, ", "), p.Deny.String(), p.Description)
	}
	fmt.Fprintln(w)
	row("LABEL", "POLICIES THAT SPEAK OF IT")
	for _, label := range slices.SortedFunc(maps.Keys(g.Labels), byNumber) {
		row(label, strings.Join(g.Labels[label], ", "))
	}
	return w.Flush()
}

// byNumber puts C2 before C10.
func byNumber(a, b string) int {
	if len(a) != len(b) && a != "" && b != "" && a[0] == b[0] {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
