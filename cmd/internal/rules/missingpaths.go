package rules

import (
	"slices"
	"sync"

	"kinesis-destination/schemas"
	"kinesis-destination/transform"
)

// missingPaths follows which mapped attributes no schema has that came up: records
// leave without them, which is seldom what was meant.
type missingPaths struct {
	mu      sync.Mutex
	lacking []string        // by some schema, and not seen in another; in the order of the mapping
	found   map[string]bool // paths that some schema has
	told    map[string]bool
}

// note takes a schema into account: one that the registry has newest, or that an event
// came with. Each mapped attribute is told of once, when the first schema lacks it.
func (r *Ruleset) note(schema *schemas.Schema) {
	for _, p := range r.missing.note(r.Activation.Attributes, r.Rules, schema) {
		if r.log != nil {
			r.log.Warn("a mapped attribute is in no schema so far: records leave without it", "key", p.Key, "problem", p.Message)
		}
	}
}

// note returns what is to be told for the first time.
func (m *missingPaths) note(mapped []string, rules *transform.Rules, schema *schemas.Schema) []transform.Problem {
	lacks := rules.LackedPaths(schema)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.found == nil {
		m.found, m.told = map[string]bool{}, map[string]bool{}
	}
	m.lacking = nil
	fresh := false
	for _, path := range mapped {
		lacked := slices.Contains(lacks, path)
		m.found[path] = m.found[path] || !lacked
		if m.found[path] {
			continue
		}
		m.lacking = append(m.lacking, path)
		fresh = fresh || !m.told[path]
	}
	if !fresh {
		return nil
	}
	return slices.DeleteFunc(rules.CheckPaths(schema), func(p transform.Problem) bool {
		if !p.Missing || p.Label || m.found[p.Path] || m.told[p.Path] {
			return true
		}
		m.told[p.Path] = true
		return false
	})
}

// MissingPaths are the mapped attributes that none of the schemas that came up has;
// before the first one there are none.
func (r *Ruleset) MissingPaths() []string {
	r.missing.mu.Lock()
	defer r.missing.mu.Unlock()
	return slices.Clone(r.missing.lacking)
}
