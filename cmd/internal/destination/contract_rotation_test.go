package destination

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/verify"
	"kinesis-destination/consumer"
	"kinesis-destination/consumer/embeddedkafka"
)

// guarded is a site whose Kafka is reached by a listener, and the folder that
// the listener's keys name files in.
func guarded(t *testing.T, outside listener, embedded string) (s *site, folder string) {
	t.Helper()
	if certificates := os.Getenv("KAFKA_CERTIFICATES"); certificates != "" {
		s, folder = newSite(t, nil), secrets(t, certificates)
		s.behind(outside, folder)
		return s, folder
	}
	certificates, options, dial := embeddedSecurity(t)
	s, folder = newSiteOn(t, nil, options, dial), secrets(t, certificates)
	s.behind(listener{outside.name, s.brokers[0], embedded}, folder)
	return s, folder
}

const passwordKeys = "sasl: {mechanism: plain, username: plain, password: \"file://%[1]s/password\"}"

// rotation is a file that is not yet what the broker takes.
type rotation struct {
	listener
	embedded      string // the listener's keys for the embedded Kafka; empty: that has no such listener
	file          string
	before, after func(t *testing.T, folder string) string // content
	reason, says  string                                   // the latter of a real broker
}

func rotations() []rotation {
	text := func(content string) func(*testing.T, string) string {
		return func(*testing.T, string) string { return content }
	}
	authority := func(t *testing.T, folder string) string {
		t.Helper()
		content, err := os.ReadFile(folder + "/" + embeddedkafka.CAFile)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	another := func(t *testing.T, _ string) string {
		t.Helper()
		folder := t.TempDir()
		if err := embeddedkafka.WriteCertificates(folder); err != nil {
			t.Fatal(err)
		}
		return authority(t, folder)
	}
	sasl := os.Getenv("KAFKA_SASL_BROKERS")
	return []rotation{
		{
			listener{"password", sasl, passwordKeys},
			mutualKeys + ", " + passwordKeys, "password",
			text("hunter-2\n"), text("plain-secret\n"), consumer.ReasonAuthentication, "Invalid username or password",
		},
		{
			listener{"authority", os.Getenv("KAFKA_MTLS_BROKERS"), mutualKeys},
			mutualKeys + ", " + plainKeys, embeddedkafka.CAFile,
			another, authority, consumer.ReasonTLS, "certificate signed by unknown authority",
		},
		{
			listener{"token", sasl, bearerKeys},
			"", "token",
			text(token("bearer", -time.Hour)), text(token("bearer", time.Hour)), consumer.ReasonAuthentication, "authenticate with oauthbearer",
		},
	}
}

// What a broker does not take, yet or any more, is a hold that says so, and ends
// without a restart once the file holds what it takes.
func TestContractARefusalIsHeldUntilTheFileIsRotated(t *testing.T) {
	for _, r := range rotations() {
		if r.broker == "" && r.embedded == "" {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s, folder := guarded(t, r.listener, r.embedded)
			after := r.after(t, folder)
			put(t, folder+"/"+r.file, r.before(t, folder))
			g, o := newLeads(t, 33, 50), newOracle()
			s.feed(g, o, 100)
			p := s.start()
			s.await(30*time.Second, "held", func() bool {
				held := p.Holds()
				return len(held) > 0 && held[0].Reason == r.reason && (!s.real || strings.Contains(held[0].Cause, r.says))
			})
			if ready, why := p.Ready(); ready || why != "held: "+r.reason {
				t.Errorf("ready %v, %q", ready, why)
			}
			put(t, folder+"/"+r.file, after)
			s.await(30*time.Second, "all events at rest", func() bool { return atRest(p) >= o.total })
			p.stop(t)
			if v := o.judge(s.final()); v != (verdict{}) {
				t.Errorf("%+v", v)
			}
		})
	}
}

func TestContractAMechanismThatIsNotOfferedIsSaidBeforeTheStart(t *testing.T) {
	s, _ := guarded(t, listener{"mechanism", os.Getenv("KAFKA_SASL_BROKERS"), "sasl: {mechanism: scram-sha-256, username: scram, password: scram-secret}"},
		mutualKeys+", sasl: {mechanism: scram-sha-256, username: stranger, password: scram-secret}")
	config, err := config.Parse("site.yaml", []byte(s.configText()))
	if err != nil {
		t.Fatal(err)
	}
	checks, _, err := verify.Live(context.Background(), &config)
	if err != nil {
		t.Fatal(err)
	}
	said := checks[0].Note
	if checks[0].OK || !strings.Contains(said, "authenticate with scram-sha-256 at the broker "+config.Source.Kafka.Brokers[0]) || strings.Contains(said, "scram-secret") {
		t.Errorf("validate --live says %q", said)
	}
	if s.real && !strings.Contains(said, "it offers: ") {
		t.Errorf("validate --live does not say what the broker offers: %q", said)
	}
}

// Sessions of the real listener with PLAIN end after 3 s, and one with a token
// ends with the token. Whoever does not authenticate again loses the connection.
func TestContractSessionsThatEndAreRenewedUnnoticed(t *testing.T) {
	sasl := os.Getenv("KAFKA_SASL_BROKERS")
	const life = 8 * time.Second
	for _, l := range []listener{{"plain", sasl, plainKeys}, {"oauthbearer", sasl, bearerKeys}} {
		if l.broker == "" && l.name != "plain" {
			continue // the embedded Kafka does not know the mechanism
		}
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s, folder := guarded(t, l, mutualKeys+", "+plainKeys)
			put(t, folder+"/token", token("bearer", life))
			g, o := newLeads(t, 34, 50), newOracle()
			p := s.start()
			rounds := 1
			if s.real {
				rounds = 16 // of a second: two lives
			}
			s.await(60*time.Second, "an assignment", func() bool { return len(p.Stats().Partitions) > 0 })
			for range rounds {
				s.feed(g, o, 20)
				pass(time.Second)
				put(t, folder+"/token", token("bearer", life))
				if held := p.Holds(); len(held) > 0 {
					t.Errorf("held: %+v", held)
				}
			}
			s.await(30*time.Second, "all events at rest", func() bool { return atRest(p) >= o.total })
			p.stop(t)
			if v := o.judge(s.final()); v != (verdict{}) {
				t.Errorf("%+v", v)
			}
		})
	}
}
