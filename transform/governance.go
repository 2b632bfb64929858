package transform

import (
	"errors"
	"fmt"
	"slices"

	"kinesis-destination/schemas"
)

// Evaluation is what the policies say of a destination, and what they looked at.
type Evaluation struct {
	MarketingActions []string        `json:"marketingActions"`
	Schema           string          `json:"schema,omitempty"` // where field labels were read; empty when no schema was looked at
	Policies         []PolicyVerdict `json:"policies"`
	Labels           []Carrier       `json:"labels"`
	Violations       []Violation     `json:"violations"`
}

// PolicyVerdict is what one policy says.
type PolicyVerdict struct {
	Policy  string   `json:"policy"`
	Actions []string `json:"marketingActions"` // those of the destination that call it up
	Allowed bool     `json:"allowed"`
}

// Violation is a policy that forbids what a destination would do.
type Violation struct {
	Policy      string    `json:"policy"` // or the label C12, which needs no policy
	Description string    `json:"description,omitempty"`
	Actions     []string  `json:"marketingActions,omitempty"`
	Labels      []string  `json:"labels"`
	Carriers    []Carrier `json:"carriers"`
	WaysOut     []string  `json:"waysOut"`
}

// Evaluate judges the destination by its policies: over the labels of the configuration, and those of a schema's fields
// if there is one.
func (r *Rules) Evaluate(s *schemas.Schema) Evaluation {
	e := r.evaluate(r.fieldLabels(s))
	if s != nil {
		e.Schema = s.Origin
	}
	return e
}

func (r *Rules) evaluate(fields *carriers) Evaluation {
	segments := r.segmentLabels()
	e := Evaluation{
		MarketingActions: r.cfg.Activation.MarketingActions,
		Policies:         []PolicyVerdict{}, Labels: slices.Clone(fields.list), Violations: []Violation{},
	}
	for _, labels := range segments {
		e.Labels = append(e.Labels, labels.list...)
	}
	if v, violated := noExport(e.Labels); violated {
		e.Violations = append(e.Violations, v)
	}
	for _, policy := range r.policies {
		v, violated := r.violationOf(policy, fields, segments)
		e.Policies = append(e.Policies, PolicyVerdict{policy.Name, v.Actions, !violated})
		if violated {
			e.Violations = append(e.Violations, v)
		}
	}
	return e
}

// Check is an error that names every violation; nil when there is none.
func (r *Rules) Check(s *schemas.Schema) error { return r.Evaluate(s).Err() }

// Err is the violations as one error.
func (e Evaluation) Err() error {
	var all []error
	for _, v := range e.Violations {
		all = append(all, v)
	}
	return errors.Join(all...)
}

// violationOf evaluates one policy for each segment together with the fields: labels of two segments do not combine.
func (r *Rules) violationOf(policy Policy, fields *carriers, segments []carriers) (Violation, bool) {
	v := Violation{
		Policy: policy.Name, Description: policy.Description,
		Actions: shared(r.cfg.Activation.MarketingActions, policy.MarketingActions),
	}
	onFields := map[string]bool{} // the labels of the policy that fields carry
	for _, label := range policy.Deny.labels() {
		onFields[label] = fields.has(label)
	}
	var ofSegments []Carrier
	for i := range segments {
		holds, witnesses := policy.Deny.holds(func(label string) bool { return onFields[label] || segments[i].has(label) })
		if !holds {
			continue
		}
		v.Labels = append(v.Labels, witnesses...)
		for _, carrier := range segments[i].list {
			if slices.Contains(witnesses, carrier.Label) {
				ofSegments = append(ofSegments, carrier)
			}
		}
	}
	slices.Sort(v.Labels)
	v.Labels = slices.Compact(v.Labels)
	for _, carrier := range fields.list {
		if slices.Contains(v.Labels, carrier.Label) {
			v.Carriers = append(v.Carriers, carrier)
		}
	}
	v.Carriers = append(v.Carriers, ofSegments...)
	if len(v.Carriers) == 0 {
		return v, false
	}
	v.WaysOut = waysOut(v, policy)
	return v, true
}

// noExport is the violation of rule 24.
func noExport(labels []Carrier) (Violation, bool) {
	v := Violation{
		Policy: labelNoExport, Labels: []string{labelNoExport},
		Description: "What carries " + labelNoExport + " is never exported, whatever the policies",
	}
	for _, carrier := range labels {
		if carrier.Label == labelNoExport {
			v.Carriers = append(v.Carriers, carrier)
		}
	}
	v.WaysOut = unmap(v.Carriers)
	return v, len(v.Carriers) > 0
}

func waysOut(v Violation, policy Policy) []string {
	ways := unmap(v.Carriers)
	for _, action := range v.Actions {
		ways = append(ways, fmt.Sprintf("remove %s from activation.marketingActions, if the destination is not used for it", action))
	}
	if policy.Core() {
		return append(ways, fmt.Sprintf("remove %s from governance.enabledPolicies", policy.Name))
	}
	return append(ways, fmt.Sprintf("change status or deny of %s in governance.policiesFile", policy.Name))
}

// unmap names the ways out that every violation has: without the field or segment, or without its label.
func unmap(cs []Carrier) []string {
	var ways []string
	for _, c := range cs {
		way := fmt.Sprintf("remove %s from activation.attributes", c.Mapped)
		if c.Segment != "" {
			way = fmt.Sprintf("remove segment %s from activation.segments", c.Segment)
		}
		if !slices.Contains(ways, way) {
			ways = append(ways, way)
		}
	}
	for _, c := range cs {
		label := c.Label
		if c.ImpliedBy != "" {
			label = c.ImpliedBy
		}
		ways = append(ways, fmt.Sprintf("remove label %s of %s, if it is wrong: %s", label, c.what(), c.Declared))
	}
	return ways
}

// govern judges a schema that came up at run time, and does what onViolation says: it bars exports, or
// leaves mapped paths out.
func (p *Plan) govern(s *schemas.Schema) {
	evaluation := p.rules.Evaluate(s)
	err := evaluation.Err()
	if err == nil {
		return
	}
	err = fmt.Errorf("%s: %w", s.Origin, err)
	switch p.rules.cfg.Governance.OnViolation {
	case ViolationDeadLetter:
		p.bar = &bar{Reject, err}
	case ViolationDropField:
		p.dropped, p.violation = p.rules.drop(evaluation), err
		kept := p.rules.fieldLabels(s)
		kept.list = slices.DeleteFunc(kept.list, func(c Carrier) bool {
			return p.dropped[slices.Index(p.rules.paths, c.Mapped)]
		})
		if p.rules.evaluate(kept).Err() != nil { // by a segment's own labels: there is no field to leave out
			p.bar = &bar{Hold, err}
		}
	default:
		p.bar = &bar{Hold, err}
	}
}

// drop marks the mapped paths that carry a label which a violation is made of. Where several fields make it together,
// all of them go: which one matters less is not for us to say.
func (r *Rules) drop(e Evaluation) []bool {
	dropped := make([]bool, len(r.paths))
	for _, v := range e.Violations {
		for _, carrier := range v.Carriers {
			if carrier.Field != "" {
				dropped[slices.Index(r.paths, carrier.Mapped)] = true
			}
		}
	}
	return dropped
}

// Violation is why records of this schema are held, rejected or lack a field; nil when no policy objects.
func (p *Plan) Violation() error {
	if p.bar != nil {
		return p.bar.err
	}
	return p.violation
}
