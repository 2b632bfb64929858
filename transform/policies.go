package transform

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"kinesis-destination/schemas/smallfile"
	"kinesis-destination/schemas/suggest"
)

// The statuses of a policy. Only an enabled one counts.
const (
	PolicyDraft    = "draft"
	PolicyEnabled  = "enabled"
	PolicyDisabled = "disabled"
)

const corePrefix = "core/"

//go:embed core-policies.yaml
var corePolicies []byte

// MarketingAction is a purpose that data is used for. It forbids nothing by itself; policies name it.
type MarketingAction struct {
	Name        string `yaml:"name" json:"name"`
	Description string `yaml:"description" json:"description,omitempty"`
}

// Policy forbids data under certain labels to be used for certain marketing actions, any of them.
type Policy struct {
	Name             string     `yaml:"name" json:"name"`
	Description      string     `yaml:"description" json:"description,omitempty"`
	Status           string     `yaml:"status" json:"status"`
	MarketingActions []string   `yaml:"marketingActions" json:"marketingActions"`
	Deny             Expression `yaml:"deny" json:"deny"`
}

// Core says whether the policy is one of the platform's own.
func (p Policy) Core() bool { return strings.HasPrefix(p.Name, corePrefix) }

// Catalog is every marketing action and policy that a destination knows, built-in ones first.
type Catalog struct {
	MarketingActions []MarketingAction `yaml:"marketingActions" json:"marketingActions"`
	Policies         []Policy          `yaml:"policies" json:"policies"`
}

// parsedCore is what is built in, read once.
var parsedCore = sync.OnceValues(func() (Catalog, error) { return ParsePolicies(corePolicies, Catalog{}) })

// CoreCatalog is what the platform has of its own: marketing actions, and policies that are all disabled.
func CoreCatalog() (Catalog, error) {
	core, err := parsedCore()
	if err != nil {
		return core, fmt.Errorf("core policies: %w", err)
	}
	return Catalog{slices.Clone(core.MarketingActions), slices.Clone(core.Policies)}, nil
}

// Catalog is the core policies, with those enabled that the configuration names, and what the policies file adds.
func (g *Governance) Catalog() (Catalog, error) {
	core, err := CoreCatalog()
	if err != nil {
		return core, err
	}
	for i := range core.Policies {
		if slices.Contains(g.EnabledPolicies, core.Policies[i].Name) {
			core.Policies[i].Status = PolicyEnabled
		}
	}
	if g.Custom != nil {
		core.MarketingActions = append(core.MarketingActions, g.Custom.MarketingActions...)
		core.Policies = append(core.Policies, g.Custom.Policies...)
		return core, nil
	}
	if g.PoliciesFile == "" {
		return core, nil
	}
	text, err := readPolicies(g.PoliciesFile)
	if err != nil {
		return core, fmt.Errorf("governance.policiesFile: %w", err)
	}
	custom, err := ParsePolicies(text, core)
	if err != nil {
		return core, inFile(g.PoliciesFile, err)
	}
	core.MarketingActions = append(core.MarketingActions, custom.MarketingActions...)
	core.Policies = append(core.Policies, custom.Policies...)
	return core, nil
}

// maxPoliciesBytes is what a ConfigMap of Kubernetes holds, and with it any policies file.
const maxPoliciesBytes = 1 << 20

func readPolicies(name string) ([]byte, error) {
	text, err := smallfile.Read(name, maxPoliciesBytes)
	if _, own := errors.AsType[*os.PathError](err); err != nil && !own {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	return text, err
}

// Check reports what is wrong with a policy that may name these actions; each message begins with the field.
func (p Policy) Check(actions []string, report func(message string)) {
	p.check(actions, func(format string, args ...any) { report(fmt.Sprintf(format, args...)) })
}

func (p Policy) check(actions []string, report func(format string, args ...any)) {
	if p.Name == "" {
		report("name: required")
	}
	if !slices.Contains([]string{PolicyDraft, PolicyEnabled, PolicyDisabled}, p.Status) {
		report("status: must be one of %s, %s, %s", PolicyDraft, PolicyEnabled, PolicyDisabled)
	}
	if len(p.MarketingActions) == 0 {
		report("marketingActions: must name at least one")
	}
	for _, action := range p.MarketingActions {
		if !slices.Contains(actions, action) {
			report("marketingActions: unknown action %q%s", action, suggest.DidYouMean(action, actions))
		}
	}
	if problem := p.Deny.problem(); problem != "" {
		report("deny%s", problem)
	}
}

// validateActions checks what names actions and policies against those that there are.
// What is wrong inside the policies file, Governance.Mistakes tells.
func (c *Config) validateActions(report func(path, message string)) {
	catalog, err := c.Governance.Catalog()
	if _, own := errors.AsType[PolicyMistakes](err); err != nil && !own { // those have a file of their own
		path, message, _ := strings.Cut(err.Error(), ": ")
		report(path, message)
	}
	actions, core := catalog.actionNames(), []string{}
	for _, policy := range catalog.Policies {
		if policy.Core() {
			core = append(core, policy.Name)
		}
	}
	for i, action := range c.Activation.MarketingActions {
		if !slices.Contains(actions, action) && err == nil {
			report(fmt.Sprintf("activation.marketingActions[%d]", i),
				fmt.Sprintf("unknown marketing action %q%s", action, suggest.DidYouMean(action, actions)))
		}
	}
	for i, name := range c.Governance.EnabledPolicies {
		if !slices.Contains(core, name) {
			report(fmt.Sprintf("governance.enabledPolicies[%d]", i),
				fmt.Sprintf("%q is no core policy%s; a custom one has its status in the policies file", name, suggest.DidYouMean(name, core)))
		}
	}
}

// concerning are the enabled policies that name one of a destination's actions.
func (c Catalog) concerning(actions []string) []Policy {
	var list []Policy
	for _, policy := range c.Policies {
		if policy.Status == PolicyEnabled && len(shared(policy.MarketingActions, actions)) > 0 {
			list = append(list, policy)
		}
	}
	return list
}

func (c Catalog) actionNames() []string {
	var names []string
	for _, action := range c.MarketingActions {
		names = append(names, action.Name)
	}
	return names
}

func (c Catalog) policyNames() []string {
	var names []string
	for _, policy := range c.Policies {
		names = append(names, policy.Name)
	}
	return names
}

// shared is what two lists have in common, in the order of the first.
func shared(a, b []string) []string {
	var both []string
	for _, s := range a {
		if slices.Contains(b, s) {
			both = append(both, s)
		}
	}
	return both
}
