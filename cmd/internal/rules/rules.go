package rules

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/schemas"
	"kinesis-destination/schemas/smallfile"
	"kinesis-destination/sink"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/transform"
)

// Ruleset is one version of what decides about content, with a plan for each
// writer schema that came up. A switch replaces it as a whole, so that no event
// is judged by a mixture.
type Ruleset struct {
	Revision
	Activation  transform.Activation
	Rules       *transform.Rules
	Plans       *schemas.Cache[*schemas.Schema, planned]
	Ended       chan struct{} // closed when another version took over
	OnViolation string        // what becomes of events whose writer schema a policy objects to
	target      sink.Config   // that explanations are about
	// Violated, if set, hears once of each writer schema that a policy objects to.
	Violated func(schema string, why error)
	// Tallies, if set, count the activation's segments, in their order.
	Tallies []*transform.Tally

	missing missingPaths
	log     *slog.Logger // of what sends; nil: nobody is told
}

// KeptPlans is how many bytes of plans are kept, with the schemas that they are
// of, where the configuration does not say: as many as the registry client keeps of schemas.
const KeptPlans = 64 << 20

// planned is the plan of a schema, or why there is none.
type planned struct {
	plan *transform.Plan
	err  error
}

// Revision tells versions of the rules apart, in one process by the number
// and over processes by the hash.
type Revision struct {
	Version  int       `json:"version"` // 1 at the start, one more with each switch
	Hash     string    `json:"hash"`    // of activation, governance and the policies file
	LoadedAt time.Time `json:"loadedAt"`
}

// New makes the rules of a configuration ready; version counts those of a process.
func New(config *config.Config, version int) (*Ruleset, error) {
	rules, err := transform.NewRules(config.Rules())
	if err != nil {
		return nil, err
	}
	hash, err := rulesHash(config)
	if err != nil {
		return nil, err
	}
	return &Ruleset{
		Revision:   Revision{Version: version, Hash: hash, LoadedAt: time.Now()},
		Activation: config.Activation, Rules: rules, Ended: make(chan struct{}), target: config.Target.Kinesis.Config,
		OnViolation: cmp.Or(config.Governance.OnViolation, transform.ViolationRefuse),
		Plans:       schemas.NewCache[*schemas.Schema, planned](cmp.Or(config.Source.Kept, KeptPlans)),
	}, nil
}

// rulesHash covers what may change without a restart, and no credentials: it is
// shown to everyone who may see /status.
func rulesHash(c *config.Config) (string, error) {
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
		text, err := smallfile.Read(file, config.MaxConfigBytes)
		if err != nil {
			return "", fmt.Errorf("governance.policiesFile: %w", err)
		}
		hash.Write(text)
	}
	return hex.EncodeToString(hash.Sum(nil)[:6]), nil
}

// Plan returns the plan of a writer schema, compiled once as long as it is in
// use.
func (r *Ruleset) Plan(schema *schemas.Schema) (*transform.Plan, error) {
	found, ok := r.Plans.Get(schema)
	if !ok {
		var made planned
		made.plan, made.err = transform.Compile(r.Rules, schema)
		// A plan has a piece of its own for each piece of the schema that it reads.
		if found, ok = r.Plans.Add(schema, made, 2*schema.Size()); !ok && found.err == nil {
			r.first(schema, found.plan)
		}
	}
	return found.plan, found.err
}

// first tells what is wrong with a writer schema that has not come up before.
func (r *Ruleset) first(schema *schemas.Schema, plan *transform.Plan) {
	r.note(schema)
	if why := plan.Violation(); why != nil && r.Violated != nil {
		r.Violated(schema.Origin, why)
	}
}

// SchemaStatus is a writer schema that came up, as /status shows it.
type SchemaStatus struct {
	Origin    string `json:"origin"`              // "schema id 7", "schemaFile events.avsc"
	Violation string `json:"violation,omitempty"` // what a policy objects to
	Refused   string `json:"refused,omitempty"`   // why no plan can be made for it
}

// ShownSchemas is how many schemas /status lists.
const ShownSchemas = 200

// Schemas are the writer schemas that have a plan under these rules; of very
// many the first by their names.
func (r *Ruleset) Schemas() []SchemaStatus {
	list := []SchemaStatus{}
	for schema, found := range r.Plans.Entries() {
		s := SchemaStatus{Origin: schema.Origin}
		if found.err != nil {
			s.Refused = deadletter.Brief(found.err.Error())
		} else if why := found.plan.Violation(); why != nil {
			s.Violation = deadletter.Brief(why.Error())
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b SchemaStatus) int { return cmp.Compare(a.Origin, b.Origin) })
	return list[:min(len(list), ShownSchemas)]
}

// Evaluate decides about one event; its record is appended to dst.
func (r *Ruleset) Evaluate(dst []byte, event schemas.Event, source transform.Source) (transform.Decision, error) {
	plan, err := r.Plan(event.Schema)
	if err != nil {
		return transform.Decision{Outcome: transform.Reject, Stage: transform.StageDecode, Reason: ReasonInvalidSchema}, err
	}
	return plan.Apply(dst, event, source)
}

// Rejection is why a decision rejects, as the dead letter has it.
func Rejection(d transform.Decision, err error) deadletter.Failure {
	return deadletter.Failure{Stage: string(d.Stage), Reason: string(d.Reason), Message: err.Error()}
}
