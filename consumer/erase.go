package consumer

import (
	"context"
	"fmt"
	"net"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// kafka-go has no DeleteRecords call. Its wire format is declared here; package
// protocol does the rest. https://kafka.apache.org/protocol#The_Messages_DeleteRecords
type deleteRecordsRequest struct {
	Topics    []deleteRecordsTopic `kafka:"min=v0,max=v1"`
	TimeoutMs int32                `kafka:"min=v0,max=v1"`
}

type deleteRecordsTopic struct {
	Name       string                   `kafka:"min=v0,max=v1"`
	Partitions []deleteRecordsPartition `kafka:"min=v0,max=v1"`
}

type deleteRecordsPartition struct {
	Partition int32 `kafka:"min=v0,max=v1"`
	Offset    int64 `kafka:"min=v0,max=v1"`
}

type deleteRecordsResponse struct {
	ThrottleTimeMs int32                 `kafka:"min=v0,max=v1"`
	Topics         []deletedRecordsTopic `kafka:"min=v0,max=v1"`
}

type deletedRecordsTopic struct {
	Name       string                    `kafka:"min=v0,max=v1"`
	Partitions []deletedRecordsPartition `kafka:"min=v0,max=v1"`
}

type deletedRecordsPartition struct {
	Partition    int32 `kafka:"min=v0,max=v1"`
	LowWatermark int64 `kafka:"min=v0,max=v1"`
	ErrorCode    int16 `kafka:"min=v0,max=v1"`
}

// ApiKey implements protocol.Message.
func (*deleteRecordsRequest) ApiKey() protocol.ApiKey { return protocol.DeleteRecords }

// ApiKey implements protocol.Message.
func (*deleteRecordsResponse) ApiKey() protocol.ApiKey { return protocol.DeleteRecords }

// Broker implements protocol.BrokerMessage: a request is about one partition,
// and goes to its leader.
func (r *deleteRecordsRequest) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	t := r.Topics[0]
	partition, ok := cluster.Topics[t.Name].Partitions[t.Partitions[0].Partition]
	if !ok {
		return protocol.Broker{ID: -1}, kafka.UnknownTopicOrPartition
	}
	return cluster.Brokers[partition.Leader], nil
}

// kafka-go's table of messages is read by every connection, so it must be
// complete before the first one.
var _ = func() struct{} {
	protocol.Register(&deleteRecordsRequest{}, &deleteRecordsResponse{})
	return struct{}{}
}()

// Erase has Kafka let go of the messages of a partition before an offset.
func (h *History) Erase(ctx context.Context, topic string, partition int, before int64) error {
	return Erase(ctx, h.transport, h.cfg.Addr(), topic, partition, before)
}

// Erase has Kafka let go of the messages of a partition before an offset.
func Erase(ctx context.Context, transport *kafka.Transport, addr net.Addr, topic string, partition int, before int64) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := transport.RoundTrip(ctx, addr, &deleteRecordsRequest{
		Topics:    []deleteRecordsTopic{{Name: topic, Partitions: []deleteRecordsPartition{{Partition: int32(partition), Offset: before}}}},
		TimeoutMs: int32(requestTimeout.Milliseconds()),
	})
	if err != nil {
		return fmt.Errorf("delete records of %s/%d: %w", topic, partition, err)
	}
	for _, t := range answer.(*deleteRecordsResponse).Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return fmt.Errorf("delete records of %s/%d: %w", topic, partition, kafka.Error(p.ErrorCode))
			}
		}
	}
	return nil
}
