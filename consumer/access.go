package consumer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
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

// lacking names the right that an answer is about, where it says that the user
// lacks one: the broker only says which kind of thing is forbidden.
func lacking(err error, right, name string) error {
	if !denied(err) {
		return err
	}
	return fmt.Errorf("the user lacks the right %s%s: %w", right, name, err)
}

// lackingToCommit is lacking for what a commit answers, which takes rights on both.
func (c *Consumer) lackingToCommit(err error, topic string) error {
	if errors.Is(err, kafka.GroupAuthorizationFailed) {
		return lacking(err, readGroup, c.cfg.Group)
	}
	return lacking(err, readTopic, topic)
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

// Lacking tells which rights the cluster says that the user lacks, of those that
// reading the topics in the group takes, and writing to the topics of write.
// Nothing is read or written. Brokers before Kafka 2.3 do not say.
func Lacking(ctx context.Context, cfg Config, dial func(ctx context.Context, network, address string) (net.Conn, error), write ...string) ([]string, error) {
	transport, err := cfg.Transport(dial)
	if err != nil {
		return nil, err
	}
	defer transport.CloseIdleConnections()
	read := len(cfg.TopicNames())
	names := slices.Concat(cfg.TopicNames(), write)
	topics, err := permittedOnTopics(ctx, transport, cfg.Brokers, names)
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

// permittedOnTopics asks on a connection of its own: kafka-go answers questions
// about topics from what it has cached, which holds no rights.
func permittedOnTopics(ctx context.Context, transport *kafka.Transport, brokers, topics []string) (map[string]int32, error) {
	var conn net.Conn
	var err error
	for _, b := range brokers {
		if conn, err = transport.Dial(ctx, "tcp", b); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // nothing was written that could be lost
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // a connection that takes none fails below
	}
	broker := protocol.NewConn(conn, clientID)
	answer, err := broker.RoundTrip(&apiversions.Request{})
	if err != nil {
		return nil, fmt.Errorf("ask for the API versions: %w", err)
	}
	for _, api := range answer.(*apiversions.Response).ApiKeys {
		if key := protocol.ApiKey(api.ApiKey); key == protocol.Metadata {
			broker.SetVersions(map[protocol.ApiKey]int16{key: key.SelectVersion(api.MinVersion, api.MaxVersion)})
		}
	}
	answer, err = broker.RoundTrip(&metadataAPI.Request{TopicNames: topics, IncludeTopicAuthorizedOperations: true})
	if err != nil {
		return nil, fmt.Errorf("look up rights: %w", err)
	}
	found := map[string]int32{}
	for _, t := range answer.(*metadataAPI.Response).Topics {
		switch {
		case denied(kafka.Error(t.ErrorCode)):
			found[t.Name] = 0
		case t.ErrorCode == 0:
			found[t.Name] = t.TopicAuthorizedOperations
		}
	}
	return found, nil
}
