package policyservice

import (
	"fmt"
	"slices"
	"strings"

	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/flowservice"
	"kinesis-destination/transform"
)

// Policy is a custom policy as it is kept.
type Policy struct {
	flowservice.Meta
	Name        string               `json:"name"`
	Description string               `json:"description,omitempty"`
	Status      string               `json:"status"`
	Actions     []string             `json:"marketingActions"`
	Deny        transform.Expression `json:"deny"`
}

// MarketingAction is a custom one as it is kept.
type MarketingAction struct {
	flowservice.Meta
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// Settings is which core policies are enabled.
type Settings struct {
	flowservice.Meta
	PolicyIDs []string `json:"policyIds"`
}

const enabledCore = "enabledCorePolicies"

// The statuses of a policy; in files they are of small letters.
const (
	draft    = "DRAFT"
	enabled  = "ENABLED"
	disabled = "DISABLED"
)

func coreID(i int) string { return fmt.Sprintf("corepolicy_%04d", i+1) }

// Policies are those of a sandbox in a state.
func Policies(v documents.Reader, sandbox string) (documents.PolicySet, error) {
	set := documents.PolicySet{Custom: transform.Catalog{}}
	core, err := transform.CoreCatalog()
	if err != nil {
		return set, err
	}
	for _, e := range v.List(documents.Prefix(documents.MarketingActions, sandbox)) {
		var a MarketingAction
		if err := documents.Decode(e, &a); err != nil {
			return set, err
		}
		// One of the name of a core one is the same to a destination, which names it alone.
		if !slices.ContainsFunc(core.MarketingActions, func(c transform.MarketingAction) bool { return c.Name == a.Name }) {
			set.Custom.MarketingActions = append(set.Custom.MarketingActions, transform.MarketingAction{Name: a.Name, Description: a.Description})
		}
	}
	for _, e := range v.List(documents.Prefix(documents.Policies, sandbox)) {
		var p Policy
		if err := documents.Decode(e, &p); err != nil {
			return set, err
		}
		set.Custom.Policies = append(set.Custom.Policies, p.transform())
	}
	ids, err := enabledIDs(v, sandbox)
	for i, p := range core.Policies {
		if slices.Contains(ids, coreID(i)) {
			set.Enabled = append(set.Enabled, p.Name)
		}
	}
	return set, err
}

func enabledIDs(v documents.Reader, sandbox string) ([]string, error) {
	e, ok := v.Get(documents.Key(documents.Settings, sandbox, enabledCore))
	if !ok {
		return nil, nil
	}
	var s Settings
	err := documents.Decode(e, &s)
	return s.PolicyIDs, err
}

// transform is the policy as the pipeline has it.
func (p *Policy) transform() transform.Policy {
	return transform.Policy{Name: p.Name, Description: p.Description, Status: strings.ToLower(p.Status), MarketingActions: p.Actions, Deny: p.Deny}
}
