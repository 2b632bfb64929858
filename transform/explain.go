package transform

import (
	"fmt"
	"slices"

	"kinesis-destination/schemas"
)

// Explanation is the story of one event, for a person. It holds paths, ids of segments and labels, no values.
type Explanation struct {
	Outcome       string    `json:"outcome"`
	Stage         Stage     `json:"stage,omitempty"`
	Trigger       Trigger   `json:"trigger,omitempty"`
	Rule          int       `json:"rule,omitempty"`
	Text          string    `json:"text,omitempty"` // of the rule
	Reason        Reason    `json:"reason,omitempty"`
	Message       string    `json:"message,omitempty"`
	MissingPaths  []string  `json:"missingPaths,omitempty"`  // mapped, and not in the schema
	DroppedPaths  []string  `json:"droppedPaths,omitempty"`  // left out by onViolation: drop-field
	Labels        []Carrier `json:"labels,omitempty"`        // weighed
	Consent       string    `json:"consent,omitempty"`       // ignored, given or missing; empty where it was not asked for
	UnmetConsents []string  `json:"unmetConsents,omitempty"` // required, and not given
	Schema        string    `json:"schema"`
	Decision      Decision  `json:"-"`
}

// Explain applies the plan to an event and says how it came to its decision. It is not for the hot path.
func (p *Plan) Explain(ev schemas.Event, src Source) Explanation {
	decision, err := p.Apply(nil, ev, src)
	e := Explanation{
		Outcome: decision.Outcome.String(), Stage: decision.Stage, Trigger: decision.Trigger,
		Rule: decision.Rule, Text: ruleTexts[decision.Rule], Reason: decision.Reason,
		Labels: p.rules.Evaluate(ev.Schema).Labels, Schema: ev.Schema.Origin, Decision: decision,
	}
	if err != nil {
		e.Message = err.Error()
	}
	for _, problem := range p.rules.CheckPaths(ev.Schema) {
		if problem.Missing {
			e.MissingPaths = append(e.MissingPaths, problem.Path)
		}
	}
	for slot, dropped := range p.dropped {
		if dropped {
			e.DroppedPaths = append(e.DroppedPaths, p.rules.paths[slot])
		}
	}
	p.explainConsent(&e, ev)
	return e
}

func (p *Plan) explainConsent(e *Explanation, ev schemas.Event) {
	asked := e.Outcome == Export.String() || e.Reason == ReasonConsent
	switch {
	case !asked:
		return
	case len(p.rules.consent) == 0:
		e.Consent = "ignored"
		return
	}
	j := journey{plan: p, c: schemas.NewCursor(ev.Body)}
	j.choose()
	j.survey()
	e.Consent = "given"
	if e.UnmetConsents = j.unmetConsents(); len(e.UnmetConsents) > 0 {
		e.Consent = "missing"
	}
}

// ruleTexts are the contract's export rules that decide about one event, in short.
var ruleTexts = map[int]string{
	1:  "a mapped segment's status changed: one record",
	2:  "the profile left a mapped segment: one record, with status exited",
	3:  "only unmapped segments changed: nothing",
	4:  "an identity of a profile in a mapped segment changed: a record",
	5:  "a mapped attribute of a profile in a mapped segment was written: a record",
	6:  "only unmapped attributes changed: nothing",
	7:  "a change of a profile in no mapped segment: nothing",
	8:  "the upstream does not say what changed: a record when a mapped segment is listed",
	20: "an event needs profileId, segmentMembership and identityMap",
	26: "a schema violates a policy: as onViolation says",
	28: "a required consent is missing: the mapped segments as exited, or nothing",
}

// Problem is a mapped path that a schema does not support.
type Problem struct {
	Path    string // the mapped path
	Key     string // of the configuration: activation.attributes[0]
	Message string
	Missing bool // the schema has no such path; else it has one that cannot be exported
}

// CheckPaths compares the mapped paths with a schema: those that are not there, with the nearest that is, and those that
// are arrays or maps (rule 19).
func (r *Rules) CheckPaths(s *schemas.Schema) []Problem {
	var problems []Problem
	var known []string
	for i, path := range r.cfg.Activation.Attributes {
		problem := Problem{Path: path, Key: fmt.Sprintf("activation.attributes[%d]", i)}
		kinds := kindsAt(s.Root, path)
		switch {
		case kinds == nil:
			if known == nil {
				known = pathsOf(s.Root)
			}
			problem.Missing = true
			problem.Message = fmt.Sprintf("%s has no path %s%s", s.Origin, path, didYouMean(path, known))
		case r.cfg.Activation.AllowCollections:
			continue
		case slices.Contains(kinds, schemas.Array), slices.Contains(kinds, schemas.Map):
			problem.Message = fmt.Sprintf("%s is an array or map in %s: set activation.allowCollections, or map a path that is neither", path, s.Origin)
		default:
			continue
		}
		problems = append(problems, problem)
	}
	return problems
}

// kindsAt are the kinds that a path can have, null left out; nil when there is no such path.
func kindsAt(root *schemas.Type, path string) []schemas.Kind {
	at := attributesOf(root)
	for rest, name := path, ""; rest != ""; {
		name, rest = cut(rest)
		var next []*schemas.Type
		for _, t := range at {
			if t.Kind != schemas.Record {
				continue
			}
			if field := t.Field(name); field != nil {
				next = append(next, field.Type.Alternatives()...)
			}
		}
		at = next
	}
	var kinds []schemas.Kind
	for _, t := range at {
		kinds = append(kinds, t.Kind)
	}
	return kinds
}

// attributesOf are the records that the attributes of an event can be.
func attributesOf(root *schemas.Type) []*schemas.Type {
	var types []*schemas.Type
	for _, record := range root.Alternatives() {
		if record.Kind != schemas.Record {
			continue
		}
		if field := record.Field(partAttributes); field != nil {
			types = append(types, field.Type.Alternatives()...)
		}
	}
	return types
}

// maxKnownPaths bounds the search for a path that was meant.
const maxKnownPaths = 10_000

// pathsOf lists the paths below attributes. A recursive type is entered once on each way.
func pathsOf(root *schemas.Type) []string {
	var paths []string
	var list func(t *schemas.Type, path string, within []*schemas.Type)
	list = func(t *schemas.Type, path string, within []*schemas.Type) {
		for _, t := range t.Alternatives() {
			if t.Kind != schemas.Record || slices.Contains(within, t) {
				continue
			}
			for _, field := range t.Fields {
				if len(paths) < maxKnownPaths {
					paths = append(paths, join(path, field.Name))
					list(field.Type, join(path, field.Name), append(within, t))
				}
			}
		}
	}
	for _, t := range attributesOf(root) {
		list(t, "", nil)
	}
	return paths
}
