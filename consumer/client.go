package consumer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// Transport opens a pool of connections of its own to the cluster. A broker
// serves one connection's requests in turn, so whatever must not wait behind a
// long request (heartbeats behind a join or a fetch) needs its own transport.
func (c *Config) Transport(dial func(ctx context.Context, network, address string) (net.Conn, error)) (*kafka.Transport, error) {
	config, err := c.TLS.client()
	if err != nil {
		return nil, err
	}
	mechanism, err := c.SASL.mechanism()
	if err != nil {
		return nil, err
	}
	return &kafka.Transport{
		Dial:           dial,
		ClientID:       "kinesis-destination",
		MetadataTTL:    5 * time.Second,
		MetadataTopics: c.TopicNames(),
		TLS:            config,
		SASL:           mechanism,
	}, nil
}

// Addr is the address to bootstrap from.
func (c *Config) Addr() net.Addr { return kafka.TCP(c.Brokers...) }

func (t *TLS) client() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read source.kafka.tls.caFile: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("source.kafka.tls.caFile %s holds no PEM certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("load source.kafka.tls.certFile and keyFile: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func (s *SASL) mechanism() (sasl.Mechanism, error) {
	switch s.Mechanism {
	case "plain":
		return plain.Mechanism{Username: s.Username, Password: s.Password}, nil
	case "scram-sha-256":
		return scram.Mechanism(scram.SHA256, s.Username, s.Password)
	case "scram-sha-512":
		return scram.Mechanism(scram.SHA512, s.Username, s.Password)
	}
	return nil, nil
}

// The reasons that Options.Hold is called with.
const (
	ReasonUnreachable   = "kafka-unreachable"
	ReasonAccessDenied  = "kafka-access-denied"
	ReasonTopicMissing  = "topic-missing"
	ReasonOutOfRange    = "offset-out-of-range"
	ReasonGroupProtocol = "group-protocol"
	ReasonCorrupt       = "corrupt-batch"
	ReasonKafka         = "kafka-error"
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

// outOfGroup tells of errors that end a membership: nothing that it had can be
// committed any more.
func outOfGroup(err error) bool {
	return errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.FencedInstanceID)
}

// holdReason names the cause of err in the closed set of reasons.
func holdReason(err error) string {
	var code kafka.Error
	if !errors.As(err, &code) {
		var netErr net.Error
		switch {
		case errors.As(err, &netErr), errors.Is(err, context.DeadlineExceeded),
			errors.Is(err, net.ErrClosed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
			return ReasonUnreachable
		case strings.Contains(err.Error(), "crc32"), strings.Contains(err.Error(), "unsupported message version"),
			strings.Contains(err.Error(), "unsupported compression"):
			return ReasonCorrupt
		}
		return ReasonUnreachable
	}
	switch code {
	case kafka.TopicAuthorizationFailed, kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed,
		kafka.SASLAuthenticationFailed, kafka.UnsupportedSASLMechanism, kafka.IllegalSASLState:
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
