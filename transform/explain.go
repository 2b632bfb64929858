package transform

import "kinesis-destination/schemas"

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
	StayingBehind []string  `json:"stayingBehind,omitempty"` // arrays and maps below mapped records
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
		Rule: decision.Rule, Text: RuleText(decision.Rule), Reason: decision.Reason,
		Labels: p.rules.Evaluate(ev.Schema).Labels, Schema: ev.Schema.Origin, Decision: decision,
	}
	if err != nil {
		e.Message = err.Error()
	}
	for _, problem := range p.rules.CheckPaths(ev.Schema) {
		if problem.Missing && !problem.Label {
			e.MissingPaths = append(e.MissingPaths, problem.Path)
		}
	}
	e.StayingBehind = p.rules.StayingBehind(ev.Schema)
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
	j := evaluation{plan: p, c: schemas.NewCursor(ev.Body)}
	defer j.end()
	j.choose()
	j.scan()
	e.Consent = "given"
	if e.UnmetConsents = j.unmetConsents(); len(e.UnmetConsents) > 0 {
		e.Consent = "missing"
	}
}

// RuleText is a rule in short; empty for one that decides about no event.
func RuleText(rule int) string { return ruleTexts[rule] }

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
	10: "a message without a value is skipped and counted",
	20: "an event needs profileId, segmentMembership and identityMap",
	26: "a schema violates a policy: as onViolation says",
	28: "a required consent is missing: the mapped segments as exited, or nothing",
}
