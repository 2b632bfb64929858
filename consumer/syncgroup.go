package consumer

import (
	"context"
	"net"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/consumer"
	"github.com/segmentio/kafka-go/protocol/syncgroup"
)

// refusals lets refusals of SyncGroup requests be read. kafka-go decodes the
// assignment before it looks at the error code; a refusal has none, and would
// pass for a connection that broke ("unexpected EOF").
type refusals struct{ *kafka.Transport }

// RoundTrip implements kafka.RoundTripper.
func (t refusals) RoundTrip(ctx context.Context, addr net.Addr, request kafka.Request) (kafka.Response, error) {
	response, err := t.Transport.RoundTrip(ctx, addr, request)
	if answer, ok := response.(*syncgroup.Response); ok && err == nil && len(answer.Assignments) == 0 {
		answer.Assignments, err = protocol.Marshal(consumer.MaxVersionSupported, consumer.Assignment{})
	}
	return response, err
}
