package consumer

import (
	"context"
	"errors"
	"net"

	"kinesis-destination/consumer/connect"

	"github.com/segmentio/kafka-go"
)

// Addr is the address to bootstrap from.
func (c *Config) Addr() net.Addr { return kafka.TCP(c.Brokers...) }

// The reasons that Options.Hold is called with.
const (
	ReasonUnreachable    = "kafka-unreachable"
	ReasonTLS            = "kafka-tls"
	ReasonAuthentication = "kafka-authentication"
	ReasonAccessDenied   = "kafka-access-denied"
	ReasonTopicMissing   = "topic-missing"
	ReasonOutOfRange     = "offset-out-of-range"
	ReasonGroupProtocol  = "group-protocol"
	ReasonCorrupt        = "corrupt-batch"
	ReasonTooLarge       = "batch-too-large"
	ReasonKafka          = "kafka-error"
)

// settlesSoon tells of errors that are part of a cluster's ordinary life: a
// coordinator or leader that is being chosen, a member that must join anew.
func settlesSoon(err error) bool {
	for _, code := range []kafka.Error{
		kafka.NotCoordinatorForGroup, kafka.GroupCoordinatorNotAvailable, kafka.GroupLoadInProgress,
		kafka.LeaderNotAvailable, kafka.NotLeaderForPartition,
		kafka.RebalanceInProgress, kafka.UnknownMemberId, kafka.IllegalGeneration,
	} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// untilSettled asks again while what comes settles soon, for as long as one request may
// take.
func untilSettled(ctx context.Context, ask func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for wait := newBackoff(); ; pause(ctx, wait.NextBackOff()) {
		if err := ask(ctx); !settlesSoon(err) || ctx.Err() != nil {
			return err
		}
	}
}

// outOfGroup tells of errors that end a membership: nothing that it had can be
// committed any more.
func outOfGroup(err error) bool {
	return errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.FencedInstanceID)
}

// HoldReason names the cause of err in the closed set of reasons.
func HoldReason(err error) string {
	if unready, ok := errors.AsType[*connect.Error](err); ok {
		if unready.Credentials {
			return ReasonAuthentication
		}
		return ReasonTLS
	}
	if connect.Alerted(err) {
		return ReasonTLS
	}
	if _, ok := errors.AsType[errTooLarge](err); ok {
		return ReasonTooLarge
	}
	var code kafka.Error
	if !errors.As(err, &code) {
		if errors.Is(err, errCorrupt) {
			return ReasonCorrupt
		}
		return ReasonUnreachable
	}
	switch code {
	case kafka.TopicAuthorizationFailed, kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed:
		return ReasonAccessDenied
	case kafka.UnknownTopicOrPartition, kafka.InvalidTopic:
		return ReasonTopicMissing
	case kafka.OffsetOutOfRange:
		return ReasonOutOfRange
	case kafka.InconsistentGroupProtocol, kafka.InvalidSessionTimeout, kafka.InvalidGroupId:
		return ReasonGroupProtocol
	case kafka.InvalidMessage, kafka.UnsupportedCompressionType:
		return ReasonCorrupt
	}
	return ReasonKafka
}
