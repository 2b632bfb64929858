package consumer

import (
	"context"
	"net"
	"time"

	"kinesis-destination/consumer/connect"

	"github.com/segmentio/kafka-go"
)

// metadataTTL is how long a client keeps what it knows of topics and leaders.
const metadataTTL = 5 * time.Second

// Transport opens a pool of connections of its own to the cluster. A broker
// serves one connection's requests in turn, so whatever must not wait behind a
// long request (heartbeats behind a join or a fetch) needs its own transport.
func (c *Config) Transport(dial func(ctx context.Context, network, address string) (net.Conn, error)) (*kafka.Transport, error) {
	if _, err := c.TLS.Client("source.kafka.tls"); err != nil {
		return nil, err
	}
	return &kafka.Transport{
		Dial:           connect.New(dial, c.TLS, c.SASL, c.Brokers).Connect,
		DialTimeout:    connect.ConnectTimeout,
		ClientID:       connect.ClientID,
		MetadataTTL:    metadataTTL,
		MetadataTopics: c.MetadataTopics(),
	}, nil
}
