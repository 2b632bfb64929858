package destination

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/consumer/connect"
	"kinesis-destination/consumer/embeddedkafka"
)

// listener is one way to reach the site's Kafka: the keys of source.kafka that
// it takes, with %s for the folder that its files are in.
type listener struct {
	name, broker string
	keys         string
}

// The users of .ci/kafka.security.properties and .ci/servers.sh.
const (
	plainKeys   = "sasl: {mechanism: plain, username: plain, password: plain-secret}"
	scramKeys   = "sasl: {mechanism: scram-sha-%s, username: scram, password: \"file://%%[1]s/password\"}"
	limitedKeys = "sasl: {mechanism: plain, username: limited, password: limited-secret}"
	bearerKeys  = "sasl: {mechanism: oauthbearer, tokenFile: \"%[1]s/token\"}"
	tlsKeys     = "tls: {enabled: true, caFile: \"%[1]s/ca.pem\"}"
	mutualKeys  = "tls: {enabled: true, caFile: \"%[1]s/ca.pem\", certFile: \"%[1]s/client.pem\", keyFile: \"%[1]s/client.key\"}"
)

// realListeners are those of the contract run's Kafka.
func realListeners() []listener {
	tls, mutual, sasl, both := os.Getenv("KAFKA_TLS_BROKERS"), os.Getenv("KAFKA_MTLS_BROKERS"), os.Getenv("KAFKA_SASL_BROKERS"), os.Getenv("KAFKA_SASL_TLS_BROKERS")
	return []listener{
		{"tls", tls, tlsKeys},
		{"client certificate", mutual, mutualKeys},
		{"plain", sasl, plainKeys},
		{"scram-sha-512", sasl, fmt.Sprintf(scramKeys, "512")},
		{"oauthbearer", sasl, bearerKeys},
		{"plain with tls", both, tlsKeys + ", " + plainKeys},
		{"scram-sha-256 with tls", both, tlsKeys + ", " + fmt.Sprintf(scramKeys, "256")},
	}
}

// token is an unsecured one (RFC 7515, A.5), as Kafka's built-in validator takes
// it in tests.
func token(subject string, life time.Duration) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	now := time.Now()
	return part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"sub":"%s","iat":%d,"exp":%d}`, subject, now.Unix(), now.Add(life).Unix())) + "."
}

// secrets writes what the listeners' keys name into a folder of its own.
func secrets(t *testing.T, certificates string) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{embeddedkafka.CAFile, embeddedkafka.ClientCertFile, embeddedkafka.ClientKeyFile} {
		content, err := os.ReadFile(filepath.Join(certificates, name))
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(folder, name), string(content))
	}
	put(t, filepath.Join(folder, "password"), "scram-secret\n")
	put(t, filepath.Join(folder, "token"), token("bearer", time.Hour))
	return folder
}

func put(t *testing.T, file, content string) {
	t.Helper()
	err := os.WriteFile(file+".new", []byte(content), 0o600)
	if err == nil { // whoever reads meanwhile gets the old file or the new one, as of a rotated secret
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// behind makes the site's destinations reach Kafka by a listener.
func (s *site) behind(l listener, folder string) {
	s.t.Helper()
	s.source = fmt.Sprintf("{brokers: [\"%s\"], topic: %s, %s}", l.broker, s.topic, strings.ReplaceAll(l.keys, "%[1]s", folder))
}

// listeners tells a story for each of the real listeners, or else for those that
// the embedded Kafka has: each with a site of its own.
func listeners(t *testing.T, story func(t *testing.T, s *site, l listener, folder string)) {
	t.Helper()
	if certificates := os.Getenv("KAFKA_CERTIFICATES"); certificates != "" {
		for _, l := range realListeners() {
			t.Run(l.name, func(t *testing.T) { story(t, newSite(t, nil), l, secrets(t, certificates)) })
		}
		return
	}
	certificates, options, dial := embeddedSecurity(t)
	folder := secrets(t, certificates)
	for _, l := range []listener{
		{name: "plain", keys: mutualKeys + ", " + plainKeys},
		{name: "scram-sha-256", keys: mutualKeys + ", " + fmt.Sprintf(scramKeys, "256")},
		{name: "scram-sha-512", keys: mutualKeys + ", " + fmt.Sprintf(scramKeys, "512")},
	} {
		t.Run(l.name, func(t *testing.T) {
			s := newSiteOn(t, nil, options, dial)
			l.broker = s.brokers[0]
			story(t, s, l, folder)
		})
	}
}

// embeddedSecurity is what an embedded Kafka wants (client certificates, and the
// users of the real one), and how its administrator gets in.
func embeddedSecurity(t *testing.T) (certificates string, options embeddedkafka.Options, dial dialer) {
	t.Helper()
	certificates = t.TempDir()
	if err := embeddedkafka.WriteCertificates(certificates); err != nil {
		t.Fatal(err)
	}
	tls, err := embeddedkafka.ServerTLS(certificates, true)
	if err != nil {
		t.Fatal(err)
	}
	folder := secrets(t, certificates)
	admin := consumer.Config{
		TLS:  connect.TLS{Enabled: true, CAFile: folder + "/ca.pem", CertFile: folder + "/client.pem", KeyFile: folder + "/client.key"},
		SASL: connect.SASL{Mechanism: connect.Plain, Username: config.Secret("plain", ""), Password: config.Secret("plain-secret", "")},
	}
	transport, err := admin.Transport(nil)
	if err != nil {
		t.Fatal(err)
	}
	return certificates, embeddedkafka.Options{TLS: tls, Users: []embeddedkafka.User{
		{Mechanism: "PLAIN", Name: "plain", Password: "plain-secret"},
		{Mechanism: "SCRAM-SHA-256", Name: "scram", Password: "scram-secret"},
		{Mechanism: "SCRAM-SHA-512", Name: "scram", Password: "scram-secret"},
		{Mechanism: "PLAIN", Name: "limited", Password: "limited-secret", Rights: []kfake.ACL{}},
	}}, transport.Dial
}

// An event, a dead letter and the commits go through every listener.
func TestContractEveryListenerEndToEnd(t *testing.T) {
	listeners(t, func(t *testing.T, s *site, l listener, folder string) {
		g, o := newLeads(t, 31, 50), newOracle()
		s.behind(l, folder)
		s.feed(g, o, 300)
		s.produce(kafka.Message{Key: []byte("poison"), Value: []byte("no Avro")})
		p := s.start()
		s.await(60*time.Second, "all events at rest", func() bool { return atRest(p) >= o.total+1 })
		a := p.Account()
		p.stop(t)
		if a.DeadLettered[rules.ReasonMalformed] != 1 || a.Unaccounted() != 0 {
			t.Errorf("account %+v", a)
		}
		if v := o.judge(s.final()); v != (verdict{}) {
			t.Errorf("%+v", v)
		}
		if !s.committed() {
			t.Error("after a clean end, not every offset is committed")
		}
	})
}
