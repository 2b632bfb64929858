package transform

// Outcome is what becomes of an event.
type Outcome uint8

// The outcomes of Apply.
const (
	Export Outcome = iota + 1 // Data leaves under PartitionKey
	Filter                    // nothing leaves, and nothing is wrong
	Reject                    // it cannot be exported, now or later: a dead letter
	Hold                      // it must not be exported as things are; again when they changed
)

var outcomeNames = [...]string{"", "export", "filter", "reject", "hold"}

// String is the outcome's name.
func (o Outcome) String() string { return outcomeNames[o] }

// Stage is the part of the journey that an event was rejected in.
type Stage string

// The stages that Apply rejects in.
const (
	StageDecode    Stage = "decode"
	StageTransform Stage = "transform"
)

// Reason says why, in one of a fixed set of words.
type Reason string

// Why an event is exported other than as it is.
const (
	ReasonConsentExit Reason = "consent-exit" // rule 28: the exit that a missing consent makes
)

// Why an event is filtered.
const (
	ReasonUnmappedSegment    Reason = "unmapped-segment"      // rule 3
	ReasonUnmappedAttribute  Reason = "unmapped-attribute"    // rule 6
	ReasonNotInMappedSegment Reason = "not-in-mapped-segment" // rules 7 and 8
	ReasonNothingChanged     Reason = "nothing-changed"       // the upstream says that it changed nothing
	ReasonConsent            Reason = "consent"               // rule 28: there is no membership to exit from
)

// Why an event is rejected.
const (
	ReasonMalformed        Reason = "malformed"            // the bytes do not fit the schema (stage decode)
	ReasonMissingPart      Reason = "missing-part"         // rule 20: no profileId, segmentMembership or identityMap
	ReasonMissingProfileID Reason = "missing-profile-id"   // profileId is null or empty
	ReasonNotANumber       Reason = "not-a-number"         // rule 18: NaN, an infinity, an endless decimal
	ReasonTimeOutOfRange   Reason = "time-out-of-range"    // RFC 3339 ends with the year 9999
	ReasonDuplicateKey     Reason = "duplicate-key"        // a map that would leave has a key twice
	ReasonRecordTooLarge   Reason = "record-too-large"     // larger than any stream takes; the sink's word for the same
	ReasonCollection       Reason = "collection-attribute" // rule 19: a mapped path is an array or map
	ReasonPolicyViolation  Reason = "policy-violation"     // rule 26, onViolation dead-letter; or refuse, then a hold
)

// Reasons is every reason, in the order of the outcomes.
var Reasons = []Reason{
	ReasonConsentExit,
	ReasonUnmappedSegment, ReasonUnmappedAttribute, ReasonNotInMappedSegment, ReasonNothingChanged, ReasonConsent,
	ReasonMalformed, ReasonMissingPart, ReasonMissingProfileID, ReasonNotANumber, ReasonTimeOutOfRange,
	ReasonDuplicateKey, ReasonRecordTooLarge, ReasonCollection, ReasonPolicyViolation,
}

// Trigger is what made an event a candidate for export.
type Trigger string

// The triggers, in the order in which they are looked for.
const (
	TriggerNone      Trigger = ""
	TriggerSegment   Trigger = "segment"   // rules 1 and 2
	TriggerIdentity  Trigger = "identity"  // rule 4
	TriggerAttribute Trigger = "attribute" // rule 5
	TriggerUnstated  Trigger = "unstated"  // rule 8: the upstream does not say what changed
)

// Decision is the answer about one event.
type Decision struct {
	Outcome      Outcome
	Reason       Reason  // empty for a plain export
	Rule         int     // of the contract's export rules; 0 where none speaks
	Trigger      Trigger // also of a filtered event, where there was one
	Stage        Stage   // of a rejected event
	PartitionKey string  // of an exported event, and of a rejected one where it could be read
	Data         []byte  // JSON, appended to what Apply was given; of an exported event
}

// Source is where an event was read, for the metadata of its record.
type Source struct {
	Topic     string
	Partition int
	Offset    int64
	// Resend names what sends the event once more on purpose, which no reader may
	// take for a repetition; empty: nothing does.
	Resend string `json:"-"`
	// Done ends the walk over the event when it is closed; nil: nothing does.
	Done <-chan struct{} `json:"-"`
	// Noted takes which mapped segments the record has; nil: nobody counts them.
	Noted *Noted `json:"-"`
}
