package transform

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rules is a configuration made ready to be compiled against writer schemas. It is immutable, and one set of rules
// serves every schema and goroutine.
type Rules struct {
	cfg       Config
	segments  segmentSet
	keys      [][]byte // per segment: its id, as the key of a JSON member
	extras    [][]byte // per segment: the members that includeSegment… adds, as JSON with a leading comma
	outline   *outline // what a record's attributes look like
	leaves    []leaf   // of it
	paths     []string // the path of each slot
	watched   pathSet
	unmapped  string
	namespace string // of the identity that is the partition key; empty for the profile id
	consent   []requirement
	policies  []Policy // the enabled ones that the destination's actions call up
}

// NewRules checks the configuration and makes it ready.
func NewRules(c Config) (*Rules, error) {
	var problems []error
	c.Validate(func(path, message string) { problems = append(problems, fmt.Errorf("%s: %s", path, message)) })
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	catalog, err := c.Governance.Catalog()
	if err != nil {
		return nil, err
	}
	r := &Rules{
		cfg: c, segments: newSegmentSet(c.Activation.Segments), outline: &outline{slot: noSlot},
		unmapped: c.Activation.UnmappedSegments, policies: catalog.concerning(c.Activation.MarketingActions),
	}
	if r.unmapped == "" {
		r.unmapped = SameMergePolicy
	}
	for _, segment := range c.Activation.Segments {
		r.keys = append(r.keys, append(appendString(nil, segment.ID), ':'))
		r.extras = append(r.extras, extras(c.Activation, segment))
	}
	r.paths, _ = uncovered(c.Activation.Attributes)
	for slot, path := range r.paths {
		r.outline.add(strings.Split(path, "."), slot)
	}
	r.leaves = r.outline.leaves()
	r.watched = newPathSet(r.paths)
	if namespace, ok := strings.CutPrefix(c.PartitionKey, keyByIdentity); ok {
		r.namespace = namespace
	}
	if c.Governance.Consent.Mode == ConsentEnforce {
		r.consent = requirements(c.Governance.Consent.Require)
	}
	return r, nil
}

// Warnings are what works but is likely not meant, or past the platform's soft limits.
func (r *Rules) Warnings() []string {
	var warnings []string
	a := r.cfg.Activation
	if n := len(a.Segments); n > softSegments {
		warnings = append(warnings, fmt.Sprintf("activation.segments: %d segments; the platform supports %d a destination", n, softSegments))
	}
	if n := len(a.Attributes); n > softAttributes {
		warnings = append(warnings, fmt.Sprintf("activation.attributes: %d attributes; the platform supports %d a destination", n, softAttributes))
	}
	_, covered := uncovered(a.Attributes)
	for _, path := range covered {
		warnings = append(warnings, fmt.Sprintf("activation.attributes: %s is part of another mapped path, which exports it anyway", path))
	}
	if r.cfg.Governance.Consent.Mode != ConsentEnforce && slices.Contains(a.MarketingActions, "exportToThirdParty") {
		warnings = append(warnings, "governance.consent.mode: ignore: records go to a third party whatever the profiles' consents say")
	}
	return warnings
}

// segmentSet finds mapped segments by id. A glance tells which segment an id can be, and most are none.
type segmentSet struct {
	hint  [256]hint
	index map[string]int // into Activation.Segments
}

// hint is which segments the ids of one glance can be.
type hint struct {
	id    string // of the first of them; empty: there is none
	first int
	more  bool
}

func newSegmentSet(segments []Segment) segmentSet {
	s := segmentSet{index: map[string]int{}}
	for i, segment := range segments {
		s.index[segment.ID] = i
		if h := &s.hint[glance(segment.ID)]; h.id == "" {
			*h = hint{id: segment.ID, first: i}
		} else {
			h.more = true
		}
	}
	return s
}

func (s *segmentSet) find(id string) (int, bool) {
	if len(id) == 0 {
		return 0, false
	}
	switch h := &s.hint[glance(id)]; {
	case h.id == id:
		return h.first, true
	case !h.more:
		return 0, false
	}
	i, ok := s.index[id]
	return i, ok
}

// glance is a number that few ids share. Ids are not empty.
func glance(id string) uint8 {
	return id[0] ^ id[len(id)/2]<<3 ^ id[len(id)-1]<<5 ^ id[len(id)-1]>>3 ^ uint8(len(id))
}

// extras renders what rule 15 adds to a mapped segment's entry.
func extras(a Activation, segment Segment) []byte {
	var dst []byte
	if a.IncludeSegmentNames && segment.Name != "" {
		dst = appendString(append(dst, `,"name":`...), segment.Name)
	}
	if !a.IncludeSegmentTimestamps {
		return dst
	}
	for _, stamp := range []struct {
		key  string
		when *time.Time
	}{
		{"createdAt", segment.CreatedAt},
		{"updatedAt", segment.UpdatedAt},
		{"mappingCreatedAt", segment.MappingCreatedAt},
		{"mappingUpdatedAt", segment.MappingUpdatedAt},
	} {
		if stamp.when != nil {
			dst = append(dst, `,"`+stamp.key+`":`...)
			dst = strconv.AppendInt(dst, stamp.when.UnixMilli(), 10)
		}
	}
	return dst
}

// sorted is a map's entries in the order of their keys: what is shown to users does not change from run to run.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}
