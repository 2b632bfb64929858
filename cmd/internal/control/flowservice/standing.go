package flowservice

import (
	"context"
	"slices"
	"time"

	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/transform"
)

// standingWait bounds the looks at all registries before a change of policies is answered.
const standingWait = 20 * time.Second

// Standing judges every enabled flow of a sandbox under other policies than before; the
// error is the refusal that names the first that they forbid. What a flow violated before,
// as by a label that its schema got since, is no fault of the change: refused for it, no
// policy could be disabled any more.
func (s *Service) Standing(ctx context.Context, v documents.Reader, sandbox string, before, after documents.PolicySet) error {
	ctx, cancel := context.WithTimeout(ctx, standingWait)
	defer cancel()
	for _, e := range v.List(documents.Prefix(documents.Flows, sandbox)) {
		var f Flow
		if documents.Decode(e, &f) != nil || f.State != stateEnabled || len(f.segments()) == 0 {
			continue
		}
		p, ok := s.gather(v.Get, v, sandbox, &f, func(string, string) {})
		if !ok {
			continue
		}
		if err := s.newlyForbidden(ctx, &f, p, before, after); err != nil {
			return err
		}
	}
	return nil
}

// newlyForbidden is the refusal of what a flow violates after a change and did not before.
func (s *Service) newlyForbidden(ctx context.Context, f *Flow, p parts, before, after documents.PolicySet) error {
	p.policies = after
	found, wrong := s.judged(ctx, f, p)
	if wrong == nil && len(found) == 0 {
		return nil
	}
	p.policies = before
	known, was := s.judged(ctx, f, p)
	if wrong != nil {
		if was != nil { // it cannot run as it is
			return nil
		}
		return wrong
	}
	return Violated(f, slices.DeleteFunc(found, func(v transform.Violation) bool {
		return slices.ContainsFunc(known, func(k transform.Violation) bool { return covers(k, v) })
	}))
}

// covers says whether a violation holds all that another one says: of the same policy, no
// action, label or carrier is new.
func covers(known, v transform.Violation) bool {
	return known.Policy == v.Policy && within(v.Actions, known.Actions) && within(v.Labels, known.Labels) && within(v.Carriers, known.Carriers)
}

func within[T comparable](list, all []T) bool {
	return !slices.ContainsFunc(list, func(one T) bool { return !slices.Contains(all, one) })
}
