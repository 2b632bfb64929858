package web

import (
	"cmp"
	"slices"
	"strings"
)

// listedAction is a marketing action, and the policies that it brings.
type listedAction struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Custom      bool   `json:"-"`
	Policies    []listedPolicy
}

// listedPolicy is a policy.
type listedPolicy struct {
	Name        string   `json:"name"`
	Status      string   `json:"status"`
	Description string   `json:"description"`
	Refs        []string `json:"marketingActionRefs"`
	Deny        any      `json:"deny"`
}

// InForce says whether the policy is judged by.
func (l listedPolicy) InForce() bool { return strings.EqualFold(l.Status, "ENABLED") }

// Labels are those that the policy looks for.
func (l listedPolicy) Labels() []string {
	var found []string
	var look func(v any)
	look = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if label, ok := v["label"].(string); ok && label != "" {
				found = append(found, label)
			}
			for _, inner := range v {
				look(inner)
			}
		case []any:
			for _, inner := range v {
				look(inner)
			}
		}
	}
	look(l.Deny)
	slices.Sort(found)
	return slices.Compact(found)
}

// actions are the marketing actions, core and custom, each with its policies.
func (p *page) actions() ([]listedAction, error) {
	var all []listedAction
	var policies []listedPolicy
	for _, container := range []string{"core", "custom"} {
		var actions struct {
			Children []listedAction `json:"children"`
		}
		if err := p.get(p.ctx(), policyService+"/marketingActions/"+container, &actions); err != nil {
			return nil, err
		}
		for _, a := range actions.Children {
			a.Custom = container == "custom"
			all = append(all, a)
		}
		var found struct {
			Children []listedPolicy `json:"children"`
		}
		if err := p.get(p.ctx(), policyService+"/policies/"+container, &found); err != nil {
			return nil, err
		}
		policies = append(policies, found.Children...)
	}
	for i := range all {
		for _, policy := range policies {
			if slices.ContainsFunc(policy.Refs, func(ref string) bool { return strings.HasSuffix(ref, "/"+all[i].Name) }) {
				all[i].Policies = append(all[i].Policies, policy)
			}
		}
		slices.SortStableFunc(all[i].Policies, func(a, b listedPolicy) int {
			return cmp.Compare(order(a.InForce()), order(b.InForce()))
		})
	}
	return all, nil
}

func order(first bool) int {
	if first {
		return 0
	}
	return 1
}
