package destination

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"kinesis-destination/schemas"
	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

// ruleset is one version of what decides about content, with a plan for each
// writer schema that came up. A switch replaces it as a whole, so that no event
// is judged by a mixture.
type ruleset struct {
	RulesVersion
	activation transform.Activation
	rules      *transform.Rules
	plans      sync.Map      // *schemas.Schema → *transform.Plan or error
	ended      chan struct{} // closed when another version took over
	target     sink.Config   // that explanations are about
	// violated, if set, hears once of each writer schema that a policy objects to.
	violated func(schema string, why error)
}

// RulesVersion tells versions of the rules apart, in one process by the number
// and over processes by the hash.
type RulesVersion struct {
	Version  int       `json:"version"` // 1 at the start, one more with each switch
	Hash     string    `json:"hash"`    // of activation, governance and the policies file
	LoadedAt time.Time `json:"loadedAt"`
}

func newRuleset(config *Config, version int) (*ruleset, error) {
	rules, err := transform.NewRules(config.rules())
	if err != nil {
		return nil, err
	}
	hash, err := config.rulesHash()
	if err != nil {
		return nil, err
	}
	return &ruleset{
		RulesVersion: RulesVersion{Version: version, Hash: hash, LoadedAt: time.Now()},
		activation:   config.Activation, rules: rules, ended: make(chan struct{}), target: config.Target.Kinesis.Config,
	}, nil
}

// rulesHash covers what may change without a restart, and no credentials: it is
// shown to everyone who may see /status.
func (c *Config) rulesHash() (string, error) {
	hash := sha256.New()
	encoder := yaml.NewEncoder(hash)
	for _, block := range []any{c.Activation, c.Governance} {
		if err := encoder.Encode(block); err != nil {
			return "", fmt.Errorf("hash the rules: %w", err)
		}
	}
	if err := encoder.Close(); err != nil {
		return "", fmt.Errorf("hash the rules: %w", err)
	}
	if file := c.Governance.PoliciesFile; file != "" {
		text, err := readFile(file, maxConfigBytes)
		if err != nil {
			return "", fmt.Errorf("governance.policiesFile: %w", err)
		}
		hash.Write(text)
	}
	return hex.EncodeToString(hash.Sum(nil)[:6]), nil
}

// plan returns the plan of a writer schema, compiled once.
func (r *ruleset) plan(schema *schemas.Schema) (*transform.Plan, error) {
	found, ok := r.plans.Load(schema)
	if !ok {
		plan, err := transform.Compile(r.rules, schema)
		if err != nil {
			found, _ = r.plans.LoadOrStore(schema, err)
		} else {
			var known bool
			found, known = r.plans.LoadOrStore(schema, plan)
			if why := plan.Violation(); why != nil && !known && r.violated != nil {
				r.violated(schema.Origin, why)
			}
		}
	}
	switch v := found.(type) {
	case *transform.Plan:
		return v, nil
	default:
		return nil, v.(error)
	}
}

// SchemaStatus is a writer schema that came up, as /status shows it.
type SchemaStatus struct {
	Origin    string `json:"origin"`              // "schema id 7", "schemaFile events.avsc"
	Violation string `json:"violation,omitempty"` // what a policy objects to
	Refused   string `json:"refused,omitempty"`   // why no plan can be made for it
}

// schemas are the writer schemas that have a plan under these rules.
func (r *ruleset) schemas() []SchemaStatus {
	list := []SchemaStatus{}
	r.plans.Range(func(key, found any) bool {
		s := SchemaStatus{Origin: key.(*schemas.Schema).Origin}
		switch v := found.(type) {
		case *transform.Plan:
			if why := v.Violation(); why != nil {
				s.Violation = why.Error()
			}
		case error:
			s.Refused = v.Error()
		}
		list = append(list, s)
		return true
	})
	slices.SortFunc(list, func(a, b SchemaStatus) int { return cmp.Compare(a.Origin, b.Origin) })
	return list
}

// judge decides about one event; its record is appended to dst.
func (r *ruleset) judge(dst []byte, event schemas.Event, source transform.Source) (transform.Decision, error) {
	plan, err := r.plan(event.Schema)
	if err != nil {
		return transform.Decision{Outcome: transform.Reject, Stage: transform.StageDecode, Reason: ReasonInvalidSchema}, err
	}
	return plan.Apply(dst, event, source)
}

// rejection is why a decision rejects, as the dead letter has it.
func rejection(d transform.Decision, err error) sink.Failure {
	return sink.Failure{Stage: string(d.Stage), Reason: string(d.Reason), Message: err.Error()}
}
