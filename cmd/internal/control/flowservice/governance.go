package flowservice

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/transform"
)

// violations judges a destination over the labels of the configuration and those of
// each newest schema. Where these cannot be looked up now, the data plane weighs each
// writer schema when its first event arrives, as it does with a file.
func (s *Service) violations(ctx context.Context, from *sources.Source, rules *transform.Rules) (found []transform.Violation, unknown string) {
	found = rules.Evaluate(nil).Violations
	if s.o.Schemas == nil {
		return found, ""
	}
	ctx, cancel := context.WithTimeout(ctx, schemaWait)
	defer cancel()
	all, err := s.o.Schemas(ctx, from)
	if err != nil {
		s.o.Log.Warn("the schemas of a source could not all be looked up: labels on the fields of these are not weighed now", "source", from.Name, "error", err)
		unknown = "the schemas of source " + from.Name + " could not all be looked up: labels on their fields are weighed when the first event arrives"
	}
	for _, schema := range all {
		for _, violation := range rules.Evaluate(schema).Violations {
			if !slices.ContainsFunc(found, func(v transform.Violation) bool { return v.Policy == violation.Policy }) {
				found = append(found, violation)
				continue
			}
			// The same policy over more labels: the one that names more carriers.
			for i := range found {
				if found[i].Policy == violation.Policy && len(violation.Carriers) > len(found[i].Carriers) {
					found[i] = violation
				}
			}
		}
	}
	return found, unknown
}

// violation is one in the shape of the policy service.
type violation struct {
	EnforcementRef   string           `json:"enforcementRef"`
	Entities         []object         `json:"entities"`
	ViolatedPolicies []violatedPolicy `json:"violatedPolicies"`
}

type violatedPolicy struct {
	Name             string              `json:"name"`
	Description      string              `json:"description,omitempty"`
	MarketingActions []string            `json:"marketingActions,omitempty"`
	Labels           []string            `json:"labels"`
	Carriers         []transform.Carrier `json:"carriers"`
	WaysOut          []string            `json:"waysOut"`
}

// maxShown is how many carriers and ways out a refusal names.
const maxShown = 50

// Violated is the refusal of a change after which policies would forbid a flow; nil
// where none would.
func Violated(f *Flow, found []transform.Violation) error {
	if len(found) == 0 {
		return nil
	}
	shown := violation{EnforcementRef: Base + "/flows/" + f.ID, Entities: []object{{"entityType": "flow", "entityId": f.ID, "name": f.Name}}}
	var said []string
	for _, v := range found {
		first := v.Carriers[0]
		what := "field " + first.Field
		if first.Segment != "" {
			what = "segment " + first.Segment
		}
		said = append(said, fmt.Sprintf("%s (labels %s, carried by %s)", v.Policy, strings.Join(v.Labels, ", "), what))
		shown.ViolatedPolicies = append(shown.ViolatedPolicies, show(v))
	}
	for _, v := range found {
		for _, c := range v.Carriers {
			if c.Segment != "" && !slices.ContainsFunc(shown.Entities, func(o object) bool { return o["entityId"] == c.Segment }) {
				shown.Entities = append(shown.Entities, object{"entityType": "segment", "entityId": c.Segment})
			}
		}
	}
	e := api.Refuse(api.CodeConflict, "flow %s (%s) would violate %s; violations has who carries the labels and each way out", f.ID, f.Name, strings.Join(said, "; "))
	e.Violations = []violation{shown}
	return e.Titled("Violations Error")
}

func show(v transform.Violation) violatedPolicy {
	p := violatedPolicy{Name: v.Policy, Description: v.Description, MarketingActions: v.Actions, Labels: v.Labels}
	for _, carrier := range v.Carriers[:min(len(v.Carriers), maxShown)] {
		carrier.Declared = inAPIWords(carrier.Declared)
		p.Carriers = append(p.Carriers, carrier)
	}
	for _, way := range v.WaysOut[:min(len(v.WaysOut), maxShown)] {
		p.WaysOut = append(p.WaysOut, inAPIWords(way))
	}
	return p
}

var apiWords = strings.NewReplacer(
	"activation.attributes", "the flow's profileSelectors",
	"activation.segments", "the flow's segmentSelectors",
	"activation.marketingActions", "the target connection's params.marketingActions",
	"governance.enabledPolicies", "the enabled core policies (PUT /enabledCorePolicies)",
	"governance.policiesFile", "the policy service",
	"governance.fieldLabels", "fieldLabels of the source or of the target connection's params.governance",
	"governance.consent", "the target connection's params.governance.consent",
)

// inAPIWords says by the API's fields what a destination's file would call by its keys.
func inAPIWords(text string) string { return apiWords.Replace(text) }

// Judge evaluates a marketing action over labels and the fields of a schema's
// attributes, by the policies of a set: the code that judges flows.
func Judge(policies documents.PolicySet, action string, evaluate func(rules *transform.Rules) transform.Evaluation, labels, paths []string) (transform.Evaluation, error) {
	rules, err := transform.NewRules(transform.Config{
		Activation: transform.Activation{
			Segments:   []transform.Segment{{ID: "labels", Labels: labels}},
			Attributes: paths, MarketingActions: []string{action}, AllowCollections: true,
		},
		Governance: transform.Governance{Custom: &policies.Custom, EnabledPolicies: policies.Enabled},
	})
	if err != nil {
		return transform.Evaluation{}, fmt.Errorf("evaluate: %w", err)
	}
	return evaluate(rules), nil
}
