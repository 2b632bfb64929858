package transform

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

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
		return core, fmt.Errorf("governance.policiesFile: %s: %w", g.PoliciesFile, err)
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

// furtherDocument refuses a second document, which would be passed over. An empty one, as after a last ---, is none.
func furtherDocument(decoder *yaml.Decoder) error {
	for {
		var next yaml.Node
		switch err := decoder.Decode(&next); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return plainYAML(err)
		}
		if root := next.Content[0]; root.Kind != yaml.ScalarNode || root.Tag != "!!null" || root.Value != "" {
			return fmt.Errorf("line %d: a second YAML document begins here: put all policies into one", next.Line)
		}
	}
}

// ParsePolicies reads a policies file that stands beside what is known already. The error joins every mistake, each
// with its line.
func ParsePolicies(text []byte, known Catalog) (Catalog, error) {
	var c Catalog
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return c, plainYAML(err)
	}
	if err := furtherDocument(decoder); err != nil {
		return c, err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return c, plainYAML(err)
	}
	var problems []error
	report := func(list string, i int, format string, args ...any) {
		line := lineOf(&root, list, i)
		problems = append(problems, fmt.Errorf("line %d: %s[%d]: "+format, append([]any{line, list, i}, args...)...))
	}
	actions := known.actionNames()
	for i, action := range c.MarketingActions {
		if action.Name == "" {
			report("marketingActions", i, "name: required")
		} else if slices.Contains(actions, action.Name) {
			report("marketingActions", i, "%s is there already", action.Name)
		}
		actions = append(actions, action.Name)
	}
	names := known.policyNames()
	for i, policy := range c.Policies {
		if slices.Contains(names, policy.Name) || len(known.Policies) > 0 && policy.Core() {
			report("policies", i, "name: %s is there already, or a name of the platform's own", policy.Name)
		}
		names = append(names, policy.Name)
		policy.check(actions, func(format string, args ...any) { report("policies", i, format, args...) })
	}
	return c, errors.Join(problems...)
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
func (c *Config) validateActions(report func(path, message string)) {
	catalog, err := c.Governance.Catalog()
	if err != nil {
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

// lineOf is the line of an item of a list in a YAML document.
func lineOf(root *yaml.Node, list string, i int) int {
	if len(root.Content) == 0 {
		return 0
	}
	entries := root.Content[0].Content
	for k := 0; k+1 < len(entries); k += 2 {
		if entries[k].Value == list && i < len(entries[k+1].Content) {
			return entries[k+1].Content[i].Line
		}
	}
	return 0
}

var goTypes = regexp.MustCompile(`field (\S+) not found in type \S+`)

// plainYAML rewrites what the YAML library says of Go types, which mean nothing to who wrote the file.
func plainYAML(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.ReplaceAll(strings.TrimPrefix(text, "unmarshal errors:\n  "), "\n  ", "\n")
	return errors.New(goTypes.ReplaceAllString(text, `unknown key "$1"`))
}
