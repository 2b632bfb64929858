// Package transform decides which events become records, and what a record holds: activation, projection, governance
// and consent, as the contract's export rules say. It is pure: no I/O after NewRules, no clock, no goroutine.
//
// A configuration becomes Rules once. Rules and a writer schema are compiled to a Plan once per schema: paths are
// looked up, labels gathered, policies evaluated. A Plan then reads the Avro bytes of each event in place. The first
// look goes over all of them once: it checks them, and finds what triggers an export. Only an event that is exported
// is looked at again, where its attributes, memberships and identities are. A filtered event allocates nothing, an
// exported one its partition key; the JSON is appended to a buffer of the caller's.
//
// Where the contract is silent, this package decides:
//
//   - A map whose entries would leave and that has a key twice makes a dead letter: whichever entry won, a reader
//     could be wrong. Bytes that are no UTF-8 become U+FFFD.
//   - A segment is mapped by its id, whatever namespace of segmentMembership it is in. A namespace of which no entry
//     is left is left out; a namespace of identityMap stays, be it empty.
//   - A mapped segment in changed.segments triggers a record even when segmentMembership no longer lists it.
//   - changed in a form that is not understood (segments that are no list) makes a dead letter: it would filter all.
//   - A mapped record exports its leaves; arrays and maps inside it stay behind unless allowCollections.
//   - drop-field leaves out every mapped path that carries a label which the violation is made of. Where what is left
//     still violates, by a segment's own labels, the partition holds. A consent exit has no fields, so nothing bars it.
//   - Of a consent that is stated more than once, all values must be accepted.
//   - Of a union with several branches a value is shown by the branch that it has, without its name. In arrays null
//     stays null, as places count there; in maps and records it leaves no key.
//   - Finer times than milliseconds keep six or nine digits when they are needed. A local timestamp has no zone to
//     state, so it has no Z. A time past the year 9999 has no RFC 3339 form and makes a dead letter.
//   - lastQualificationTime and evaluatedAt may be plain int or long, then they are milliseconds.
package transform

import (
	"errors"

	"kinesis-destination/schemas"
)

// Plan is how events of one writer schema are judged and exported under one set of rules. It is immutable and may be
// used by many goroutines at once.
type Plan struct {
	rules  *Rules
	root   *schemas.Type
	shapes []*shape // one per record that an event can be; one without its parts for a branch that is none
	bar    *bar     // nil, or why nothing may be exported under this schema

	dropped   []bool // per mapped path: left out, as a policy forbids it; nil for none
	violation error  // and why
}

// bar keeps what a policy forbids from being exported.
type bar struct {
	outcome Outcome
	err     error
}

// Compile judges a writer schema. A schema that lacks a required part, or violates a policy, has a plan as well: one
// that rejects or holds its events. The error is for a call without rules or schema, and for a schema in which too many
// ways lead to the mapped paths.
func Compile(r *Rules, s *schemas.Schema) (*Plan, error) {
	if r == nil || s == nil {
		return nil, errors.New("compile plan: rules and a schema are needed")
	}
	p := &Plan{rules: r, root: s.Root}
	p.govern(s)
	records := []*schemas.Type{s.Root}
	if s.Root.Kind == schemas.Union {
		records = s.Root.Union
	}
	for _, record := range records {
		shape, err := newShape(r, record, s.Origin, p.dropped)
		if err != nil {
			return nil, err
		}
		p.shapes = append(p.shapes, shape)
	}
	return p, nil
}

// Apply judges one event and appends its record to dst. The error is set exactly when the outcome is Reject or Hold,
// and says why in words for a person, without any value of the event; or it is ErrEnded, and there is no outcome.
func (p *Plan) Apply(dst []byte, ev schemas.Event, src Source) (Decision, error) {
	j := evaluation{plan: p, src: src, c: schemas.NewCursor(ev.Body), watch: watch{done: src.Done}}
	d, err := j.apply(dst)
	j.end()
	if j.watch.over {
		return Decision{}, ErrEnded
	}
	return d, err
}

func (j *evaluation) apply(dst []byte) (Decision, error) {
	j.choose()
	if j.shape.missing != nil {
		return reject(ReasonMissingPart, 20, j.shape.missing)
	}
	j.scan()
	if !j.c.Done() {
		return reject(ReasonMalformed, 0, errMalformed)
	}
	if j.result.unreadable {
		return j.reject(ReasonMissingPart, 20, errUnreadable)
	}
	trigger, rule, reason := j.result.verdict()
	if reason != "" {
		return Decision{Outcome: Filter, Reason: reason, Rule: rule, Trigger: trigger}, nil
	}
	if j.consents() {
		return j.export(dst, trigger, rule)
	}
	if !j.result.listed {
		return Decision{Outcome: Filter, Reason: ReasonConsent, Rule: 28, Trigger: trigger}, nil
	}
	return j.exit(dst, trigger)
}

// evaluation is one event on its way through a plan.
type evaluation struct {
	plan    *Plan
	shape   *shape
	src     Source
	c       schemas.Cursor
	result  scanResult
	watch   watch
	scratch *scratch // what is lent to the event, until end; nil: its attributes were not looked for
}

// choose finds which record the event is, of those that the schema's root can be.
func (j *evaluation) choose() {
	j.shape = j.plan.shapes[0]
	if j.plan.root.Kind == schemas.Union {
		j.shape = j.plan.shapes[j.c.Index(len(j.plan.shapes))]
	}
}

// export writes the whole record.
func (j *evaluation) export(dst []byte, trigger Trigger, rule int) (Decision, error) {
	if bar := j.plan.bar; bar != nil {
		d := Decision{Outcome: bar.outcome, Reason: ReasonPolicyViolation, Rule: 26, Trigger: trigger, Stage: StageTransform}
		if d.Outcome == Reject {
			d.PartitionKey = j.key()
		}
		return d, bar.err
	}
	w := writer{dst: append(dst, '{'), collections: j.plan.rules.cfg.Activation.AllowCollections, limit: len(dst) + maxRecord, watch: j.watch}
	j.writeAttributes(&w)
	left := j.writeMemberships(&w, false)
	if trigger == TriggerSegment && left {
		rule = 2
	}
	return j.finish(&w, len(dst), Decision{Outcome: Export, Rule: rule, Trigger: trigger})
}

// exit writes the record of rule 28. It carries no attribute, so no policy bars it.
func (j *evaluation) exit(dst []byte, trigger Trigger) (Decision, error) {
	w := writer{dst: append(dst, '{'), limit: len(dst) + maxRecord, watch: j.watch}
	j.writeMemberships(&w, true)
	return j.finish(&w, len(dst), Decision{Outcome: Export, Reason: ReasonConsentExit, Rule: 28, Trigger: trigger})
}

// finish writes what every record ends with, and finds its partition key.
func (j *evaluation) finish(w *writer, start int, d Decision) (Decision, error) {
	d.PartitionKey = j.partitionKey(j.writeIdentities(w))
	if j.plan.rules.cfg.Metadata {
		j.writeSource(w)
	}
	w.dst = append(w.dst, '}')
	w.ended() // what the last part made too large
	j.watch = w.watch
	switch {
	case j.result.unreadable:
		return j.reject(ReasonMissingPart, 20, errUnreadable)
	case w.reason != "":
		return j.reject(w.reason, 0, unwritable[w.reason])
	case d.PartitionKey == "":
		return reject(ReasonMissingProfileID, 20, errMissingProfileID)
	}
	d.Data = w.dst[start:]
	return d, nil
}

// reject is for an event whose bytes are sound: its partition key is known, so that its dead letter can keep its place.
func (j *evaluation) reject(reason Reason, rule int, err error) (Decision, error) {
	d, err := reject(reason, rule, err)
	d.PartitionKey = j.key()
	return d, err
}

// key is the partition key that the record would have had.
func (j *evaluation) key() string {
	w := writer{dst: []byte{'{'}, limit: maxRecord, watch: j.watch}
	identity := j.writeIdentities(&w)
	j.watch = w.watch
	return j.partitionKey(identity)
}

func reject(reason Reason, rule int, err error) (Decision, error) {
	stage := StageTransform
	if reason == ReasonMalformed {
		stage = StageDecode
	}
	return Decision{Outcome: Reject, Reason: reason, Rule: rule, Stage: stage}, err
}

var (
	errMalformed        = errors.New("the Avro bytes end early, go on too long or do not fit their schema")
	errUnreadable       = errors.New("segmentMembership, identityMap or changed is of a branch of its union that is none of its forms")
	errMissingProfileID = errors.New("profileId is null or empty, so the record has no partition key")

	unwritable = map[Reason]error{
		ReasonNotANumber:     errors.New("a mapped attribute is NaN, an infinity or a decimal of more than 1,200 digits: JSON has no such number"),
		ReasonTimeOutOfRange: errors.New("a time to export is outside the years 0 to 9999 or the hours of a day"),
		ReasonDuplicateKey:   errors.New("a map to export has a key twice"),
		ReasonRecordTooLarge: errors.New("the record would be larger than the 10 MiB that a stream takes at most"),
		ReasonCollection:     errors.New("a mapped attribute is an array or map, and activation.allowCollections is not set"),
	}
)
