package rules

import (
	"errors"
	"fmt"

	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
	"kinesis-destination/sink"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/transform"
)

// The outcomes of an event, as metrics and accounts have them.
const (
	Delivered    = "delivered"
	Filtered     = "filtered"
	DeadLettered = "dead_lettered"
)

// The reasons that only the composition gives; the others are transform's and sink's.
const (
	ReasonTombstone     = "tombstone"
	ReasonMalformed     = "malformed"
	ReasonUnknownSchema = "unknown-schema"
	ReasonInvalidSchema = "invalid-schema"
	ReasonTooLarge      = "message-too-large"
)

// errTooLarge: the message has not come with its value.
var errTooLarge = errors.New("the message is larger than 32 MiB, or has more than 10,000 headers: it is read without its value and headers")

// tooLarge is nil for a message that is there as a whole.
func tooLarge(m *consumer.Message) error {
	if m.Omitted == nil {
		return nil
	}
	return fmt.Errorf("%w; the value has %d bytes, SHA-256 %x", errTooLarge, m.Omitted.Length, m.Omitted.SHA256)
}

// Why a partition is held, beside the consumer's and the sink's reasons.
const (
	HoldRegistry  = "schema-registry"
	HoldViolation = "policy-violation"
)

const stageDecode = "decode"

// LetterStages and letterReasons are the words that a dead letter may have: a letter
// with another one was written by something else. A test holds that every reason of
// the code is among them.
var (
	LetterStages  = []string{stageDecode, string(transform.StageTransform), sink.StageSink}
	LetterReasons = []string{
		ReasonMalformed, ReasonUnknownSchema, ReasonInvalidSchema, ReasonTooLarge,
		string(transform.ReasonMissingPart), string(transform.ReasonMissingProfileID), string(transform.ReasonNotANumber),
		string(transform.ReasonTimeOutOfRange), string(transform.ReasonDuplicateKey), string(transform.ReasonCollection),
		string(transform.ReasonPolicyViolation),
		sink.ReasonRecordTooLarge, sink.ReasonInvalidPartitionKey, sink.ReasonRejected, sink.ReasonRetriesExhausted, sink.ReasonParked,
	}
)

// IsMessageFault says that a message could not be decoded for what it is itself, and
// will be the same the next time.
func IsMessageFault(err error) bool {
	_, own := DecodeFailure(err)
	return own
}

// DecodeFailure names the message's own fault; false: the registry cannot answer now.
func DecodeFailure(err error) (deadletter.Failure, bool) {
	reason := ""
	switch {
	case errors.Is(err, schemas.ErrMalformed):
		reason = ReasonMalformed
	case errors.Is(err, schemas.ErrUnknownSchema):
		reason = ReasonUnknownSchema
	case errors.Is(err, schemas.ErrInvalidSchema):
		reason = ReasonInvalidSchema
	case errors.Is(err, errTooLarge):
		reason = ReasonTooLarge
	default:
		return deadletter.Failure{}, false
	}
	return deadletter.Failure{Stage: stageDecode, Reason: reason, Message: err.Error()}, true
}
