package transform

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kinesis-destination/schemas/suggest"
)

// The soft limits of the platform: past them a destination works, and is warned about.
const (
	softSegments   = 250
	softAttributes = 50
)

// BackfillSegments is how many segments a destination with a backfill may have.
const BackfillSegments = 500

// Which unmapped segments a record holds beside the mapped ones.
const (
	SameMergePolicy = "same-merge-policy" // those under the merge policy of a mapped one in the record
	MappedOnly      = "mapped-only"
	AllSegments     = "all"
)

// What is done with a schema that appears at run time and violates a policy.
const (
	ViolationRefuse     = "refuse"
	ViolationDropField  = "drop-field"
	ViolationDeadLetter = "dead-letter"
)

// Whether consents are looked at.
const (
	ConsentIgnore  = "ignore"
	ConsentEnforce = "enforce"
)

const (
	keyByProfile  = "profileId"
	keyByIdentity = "identity:"
)

// Config is what decides about content: which events become records, and what they hold.
type Config struct {
	Activation   Activation
	Governance   Governance
	PartitionKey string // profileId (also when empty) | identity:<namespace>
	Metadata     bool   // adds _source
}

// Activation says what is exported: the block of that name in a destination's file.
type Activation struct {
	Segments                 []Segment `yaml:"segments"`
	Attributes               []string  `yaml:"attributes"`
	MarketingActions         []string  `yaml:"marketingActions"`
	UnmappedSegments         string    `yaml:"unmappedSegments"`
	IncludeSegmentNames      bool      `yaml:"includeSegmentNames"`
	IncludeSegmentTimestamps bool      `yaml:"includeSegmentTimestamps"`
	AllowCollections         bool      `yaml:"allowCollections"`
	Backfill                 Backfill  `yaml:"backfill"`

	// MayBeEmpty: no segment is no mistake, and nothing leaves until some are activated.
	MayBeEmpty bool `yaml:"-"`
}

// Segment is a mapped segment.
type Segment struct {
	ID               string     `yaml:"id"`
	Name             string     `yaml:"name"`
	Labels           []string   `yaml:"labels"`
	CreatedAt        *time.Time `yaml:"createdAt"`
	UpdatedAt        *time.Time `yaml:"updatedAt"`
	MappingCreatedAt *time.Time `yaml:"mappingCreatedAt"`
	MappingUpdatedAt *time.Time `yaml:"mappingUpdatedAt"`
}

// Backfill says whether the present members of a segment that is added later are exported.
type Backfill struct {
	NewSegments bool          `yaml:"newSegments"`
	Since       time.Duration `yaml:"since"`
}

// Governance says what may be exported: the block of that name in a destination's file.
type Governance struct {
	PoliciesFile    string              `yaml:"policiesFile"`
	EnabledPolicies []string            `yaml:"enabledPolicies"`
	FieldLabels     map[string][]string `yaml:"fieldLabels"`
	OnViolation     string              `yaml:"onViolation"`
	Consent         Consent             `yaml:"consent"`

	// Custom is what a policies file would hold, where it is at hand; beside a file it counts alone.
	Custom *Catalog `yaml:",omitempty"`
}

// Consent says which consents an event needs.
type Consent struct {
	Mode    string              `yaml:"mode"`
	Require map[string][]string `yaml:"require"`
}

// Validate reports every mistake with the path of its key. It reads the policies file, and looks at no schema.
func (c *Config) Validate(report func(path, message string)) {
	c.Activation.validate(report)
	c.Governance.validate(report)
	c.validateActions(report)
	key, byIdentity := strings.CutPrefix(c.PartitionKey, keyByIdentity)
	if c.PartitionKey != "" && c.PartitionKey != keyByProfile && (!byIdentity || key == "") {
		report("target.kinesis.partitionKey", "must be profileId or identity:<namespace>")
	}
}

func (a *Activation) validate(report func(path, message string)) {
	if len(a.Segments) == 0 && !a.MayBeEmpty {
		report("activation.segments", "must hold at least one segment")
	}
	seen := map[string]int{}
	for i, segment := range a.Segments {
		path := fmt.Sprintf("activation.segments[%d]", i)
		if first, twice := seen[segment.ID]; segment.ID == "" {
			report(path+".id", "required")
		} else if twice {
			report(path+".id", fmt.Sprintf("the same segment as activation.segments[%d]", first))
		} else {
			seen[segment.ID] = i
		}
		if slices.Contains(segment.Labels, "") {
			report(path+".labels", "a label is not empty")
		}
	}
	for i, attribute := range a.Attributes {
		path := fmt.Sprintf("activation.attributes[%d]", i)
		if problem := pathProblem(attribute); problem != "" {
			report(path, problem)
		} else if first := slices.Index(a.Attributes, attribute); first < i {
			report(path, fmt.Sprintf("the same path as activation.attributes[%d]", first))
		}
	}
	oneOf(report, "activation.unmappedSegments", a.UnmappedSegments, SameMergePolicy, MappedOnly, AllSegments)
	if a.Backfill.NewSegments && len(a.Segments) > BackfillSegments {
		report("activation.backfill.newSegments", fmt.Sprintf("is for at most %d segments: which ones are known would not fit beside an offset in Kafka", BackfillSegments))
	}
	if a.Backfill.Since < 0 {
		report("activation.backfill.since", "must not be negative")
	}
}

// pathProblem says what is wrong with the form of a mapped path; empty when nothing is.
func pathProblem(path string) string {
	parts := strings.Split(path, ".")
	switch {
	case slices.Contains(parts, ""):
		return "must be a dotted path like person.name.firstName"
	case slices.Contains([]string{partMembership, partIdentities, memberSource}, parts[0]):
		return parts[0] + " is always part of a record and cannot be mapped"
	}
	return ""
}

func (g *Governance) validate(report func(path, message string)) {
	oneOf(report, "governance.onViolation", g.OnViolation, ViolationRefuse, ViolationDropField, ViolationDeadLetter)
	oneOf(report, "governance.consent.mode", g.Consent.Mode, ConsentIgnore, ConsentEnforce)
	for path, labels := range sorted(g.FieldLabels) {
		if problem := pathProblem(path); problem != "" {
			report("governance.fieldLabels."+path, problem)
		}
		if slices.Contains(labels, "") {
			report("governance.fieldLabels."+path, "a label is not empty")
		}
	}
	if g.Consent.Mode == ConsentEnforce && len(g.Consent.Require) == 0 {
		report("governance.consent.require", "must name at least one consent when the mode is enforce")
	}
	for path, accepted := range sorted(g.Consent.Require) {
		if path == "" || len(accepted) == 0 {
			report("governance.consent.require."+path, "must list the values that are accepted")
		}
		for _, value := range accepted {
			if !slices.Contains(consentValues, value) {
				report("governance.consent.require."+path,
					fmt.Sprintf("%q is no consent value; they are %s", value, strings.Join(consentValues, " ")))
			}
		}
	}
}

func oneOf(report func(path, message string), path, value string, among ...string) {
	if value != "" && !slices.Contains(among, value) {
		report(path, "must be one of "+strings.Join(among, ", ")+suggest.DidYouMean(value, among))
	}
}
