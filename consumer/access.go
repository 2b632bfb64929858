package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"

	"kinesis-destination/consumer/connect"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/describegroups"
	metadataAPI "github.com/segmentio/kafka-go/protocol/metadata"
)

// The rights that are asked for, as Kafka's tools name them.
const (
	readTopic     = "READ on topic "
	describeTopic = "DESCRIBE (which READ includes) on topic "
	writeTopic    = "WRITE on topic "
	readGroup     = "READ on group "
	describeGroup = "DESCRIBE (which READ includes) on group "
)

// missingRight names the right that an answer is about, where it says that the user
// lacks one: the broker only says which kind of thing is forbidden.
func missingRight(err error, right, name string) error {
	if !denied(err) {
		return err
	}
	return fmt.Errorf("the user lacks the right %s%s: %w", right, name, err)
}

// missingRightToCommit is missingRight for what a commit answers, which takes rights on both.
func (c *Consumer) missingRightToCommit(err error, topic string) error {
	if errors.Is(err, kafka.GroupAuthorizationFailed) {
		return missingRight(err, readGroup, c.cfg.Group)
	}
	return missingRight(err, readTopic, topic)
}

func denied(err error) bool {
	return errors.Is(err, kafka.TopicAuthorizationFailed) || errors.Is(err, kafka.GroupAuthorizationFailed) || errors.Is(err, kafka.ClusterAuthorizationFailed)
}

// Where the rights of KIP-430 stand in the bits of an answer, and what there is
// instead of bits where the broker does not say.
const (
	bitRead, bitWrite = 3, 4
	unsaid            = math.MinInt32
)

func permitted(operations int32, bit int) bool {
	return operations == unsaid || operations&(1<<bit) != 0
}

// MissingRights tells which rights the cluster says that the user lacks, of those that
// reading the topics in the group takes, and writing to the topics of write.
// Nothing is read or written. Brokers before Kafka 2.3 do not say.
func MissingRights(ctx context.Context, cfg Config, dial func(ctx context.Context, network, address string) (net.Conn, error), write ...string) ([]string, error) {
	transport, err := cfg.Transport(dial)
	if err != nil {
		return nil, err
	}
	defer transport.CloseIdleConnections()
	sources, err := cfg.Resolve(ctx, dial)
	if err != nil && !errors.Is(err, kafka.UnknownTopicOrPartition) { // of no topic no right is lacking
		return nil, err
	}
	read := len(sources)
	names := slices.Concat(sources, write)
	topics, err := permittedOnTopics(ctx, transport, cfg.Addr(), names)
	if err != nil {
		return nil, err
	}
	var missing []string
	for i, name := range names {
		bit, right := bitRead, readTopic
		if i >= read {
			bit, right = bitWrite, writeTopic
		}
		if operations, known := topics[name]; known && !permitted(operations, bit) {
			missing = append(missing, right+name)
		}
	}
	response, err := transport.RoundTrip(ctx, cfg.Addr(), &describegroups.Request{Groups: []string{cfg.Group}, IncludeAuthorizedOperations: true})
	if err != nil {
		return nil, fmt.Errorf("describe group %s: %w", cfg.Group, err)
	}
	for _, g := range response.(*describegroups.Response).Groups {
		if denied(kafka.Error(g.ErrorCode)) || g.ErrorCode == 0 && !permitted(g.AuthorizedOperations, bitRead) {
			missing = append(missing, readGroup+cfg.Group)
		}
	}
	return missing, nil
}

// rightsCall asks any broker for the rights on topics: kafka-go answers questions
// about topics from what it has cached, which holds no rights.
type rightsCall struct {
	topics  []string
	version int16
}

// ApiKey implements protocol.Message.
func (*rightsCall) ApiKey() protocol.ApiKey { return protocol.Metadata }

// Required tells kafka-go to leave the exchange to RawExchange.
func (c *rightsCall) Required(versions map[protocol.ApiKey]int16) bool {
	c.version = versions[protocol.Metadata]
	return true
}

// RawExchange sends the request and reads the response.
func (c *rightsCall) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	answer, err := protocol.RoundTrip(rw, c.version, correlation, connect.ClientID, &metadataAPI.Request{TopicNames: c.topics, IncludeTopicAuthorizedOperations: true})
	if err != nil {
		return nil, err
	}
	return &rightsAnswer{answer.(*metadataAPI.Response)}, nil
}

// rightsAnswer is one that kafka-go takes for none of its own.
type rightsAnswer struct{ response *metadataAPI.Response }

// ApiKey implements protocol.Message.
func (*rightsAnswer) ApiKey() protocol.ApiKey { return protocol.Metadata }

func permittedOnTopics(ctx context.Context, transport *kafka.Transport, addr net.Addr, topics []string) (map[string]int32, error) {
	answer, err := transport.RoundTrip(ctx, addr, &rightsCall{topics: topics})
	if err != nil {
		return nil, fmt.Errorf("look up rights: %w", err)
	}
	found := map[string]int32{}
	for _, t := range answer.(*rightsAnswer).response.Topics {
		switch {
		case denied(kafka.Error(t.ErrorCode)):
			found[t.Name] = 0
		case t.ErrorCode == 0:
			found[t.Name] = t.TopicAuthorizedOperations
		}
	}
	return found, nil
}
