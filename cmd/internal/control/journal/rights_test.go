package journal

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/twmb/franz-go/pkg/kfake"

	"kinesis-destination/consumer/connect"
	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/schemas/credentials"
)

// limitedUser is a way to Kafka of a user without rights, and of one who may grant them.
func limitedUser(t *testing.T) (k Kafka, admin *kafka.Client) {
	t.Helper()
	secret := func(s string) credentials.Secret { return func() (string, error) { return s, nil } }
	k = Kafka{
		Topic: "control-" + strings.ToLower(newID()[:8]),
		SASL:  connect.SASL{Mechanism: connect.Plain, Username: secret("limited"), Password: secret("limited-secret")},
	}
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	if brokers := os.Getenv("KAFKA_SASL_BROKERS"); brokers != "" {
		k.Brokers = strings.Split(brokers, ",")
		return k, &kafka.Client{Addr: kafka.TCP(strings.Split(os.Getenv("KAFKA_BROKERS"), ",")...), Transport: transport}
	}
	embedded, err := embeddedkafka.Start(embeddedkafka.Options{Users: []embeddedkafka.User{
		{Mechanism: "PLAIN", Name: "admin", Password: "admin-secret"},
		{Mechanism: "PLAIN", Name: "limited", Password: "limited-secret", Rights: []kfake.ACL{}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(embedded.Close)
	k.Brokers = embedded.ListenAddrs()
	transport.SASL = plain.Mechanism{Username: "admin", Password: "admin-secret"}
	return k, &kafka.Client{Addr: kafka.TCP(k.Brokers...), Transport: transport}
}

// TestContractAMissingRightIsNamed: each right that the topic takes is named until
// it is granted, and then the next one.
func TestContractAMissingRightIsNamed(t *testing.T) {
	t.Parallel()
	k, admin := limitedUser(t)
	for _, right := range []struct {
		name string
		code kafka.ACLOperationType
	}{
		{"DESCRIBE", kafka.ACLOperationTypeDescribe},
		{"CREATE", kafka.ACLOperationTypeCreate},
		{"DESCRIBE_CONFIGS", kafka.ACLOperationTypeDescribeConfigs},
		{"WRITE", kafka.ACLOperationTypeWrite},
		{"READ", kafka.ACLOperationTypeRead},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		s, err := OpenKafka(ctx, k, options(t))
		cancel()
		said := ""
		if err != nil {
			said = err.Error()
		} else {
			said = s.Status().ReadOnly
			closed(t, s)
		}
		if !strings.Contains(said, "lacks the right "+right.name+" on topic "+k.Topic) {
			t.Errorf("without %s: %q", right.name, said)
		}
		res, err := admin.CreateACLs(t.Context(), &kafka.CreateACLsRequest{ACLs: []kafka.ACLEntry{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: k.Topic, ResourcePatternType: kafka.PatternTypeLiteral,
			Principal: "User:limited", Host: "*", Operation: right.code, PermissionType: kafka.ACLPermissionTypeAllow,
		}}})
		if err != nil || res.Errors[0] != nil {
			t.Fatal("grant a right:", err, res)
		}
	}
	s := openKafka(t, k)
	s.put(t, doc("flows/a", "", `{}`))
}
