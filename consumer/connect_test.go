package consumer

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/consumer/connect"
	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/schemas/credentials"
)

func fixed(value string) credentials.Secret { return func() (string, error) { return value, nil } }

func inFile(file string) credentials.Secret {
	return func() (string, error) {
		content, err := os.ReadFile(file)
		return string(content), err
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificates are those of a new authority, in a folder of their own.
func certificates(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := embeddedkafka.WriteCertificates(folder); err != nil {
		t.Fatal(err)
	}
	return folder
}

func clientTLS(folder string, mutual bool) connect.TLS {
	config := connect.TLS{Enabled: true, CAFile: filepath.Join(folder, embeddedkafka.CAFile)}
	if mutual {
		config.CertFile, config.KeyFile = filepath.Join(folder, embeddedkafka.ClientCertFile), filepath.Join(folder, embeddedkafka.ClientKeyFile)
	}
	return config
}

// secured starts a Kafka that wants TLS (mutual or not) and users, and returns
// what to reach it with, but for the secrets.
func secured(t *testing.T, folder string, mutual bool, users ...embeddedkafka.User) Config {
	t.Helper()
	options := embeddedkafka.Options{Topics: map[string]int{"events": 3}, Users: users}
	if folder != "" {
		var err error
		if options.TLS, err = embeddedkafka.ServerTLS(folder, mutual); err != nil {
			t.Fatal(err)
		}
	}
	cluster, err := embeddedkafka.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return Config{Brokers: cluster.ListenAddrs(), Topic: "events", Group: "g"}
}

func lookUp(t *testing.T, config Config) error {
	t.Helper()
	transport, err := config.Transport(nil)
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	_, err = metadata(t.Context(), &kafka.Client{Transport: transport}, config.Addr(), config.TopicNames())
	return err
}

var userOf = map[string]string{connect.Plain: "PLAIN", connect.ScramSHA256: "SCRAM-SHA-256", connect.ScramSHA512: "SCRAM-SHA-512"}

func TestEveryMechanismWorksWithAndWithoutTLS(t *testing.T) {
	folder := certificates(t)
	for mechanism, name := range userOf {
		for _, mutual := range []bool{false, true} {
			config := secured(t, folder, mutual, embeddedkafka.User{Mechanism: name, Name: "u", Password: "p"})
			config.TLS = clientTLS(folder, mutual)
			config.SASL = connect.SASL{Mechanism: mechanism, Username: fixed("u"), Password: fixed("p")}
			if err := lookUp(t, config); err != nil {
				t.Errorf("%s, client certificate %v: %v", mechanism, mutual, err)
			}
		}
		config := secured(t, "", false, embeddedkafka.User{Mechanism: name, Name: "u", Password: "p"})
		config.SASL = connect.SASL{Mechanism: mechanism, Username: fixed("u"), Password: fixed("p")}
		if err := lookUp(t, config); err != nil {
			t.Errorf("%s: %v", mechanism, err)
		}
	}
}

func TestWhyAConnectionIsOfNoUseIsToldWithoutTheSecret(t *testing.T) {
	folder, strange := certificates(t), certificates(t)
	user := embeddedkafka.User{Mechanism: "SCRAM-SHA-512", Name: "u", Password: "p"}
	good := connect.SASL{Mechanism: connect.ScramSHA512, Username: fixed("u"), Password: fixed("p")}
	with := func(mechanism, password string) connect.SASL {
		return connect.SASL{Mechanism: mechanism, Username: fixed("u"), Password: fixed(password)}
	}
	for name, c := range map[string]struct {
		mutual bool
		tls    connect.TLS
		sasl   connect.SASL
		reason string
		says   string
	}{
		"wrong password":          {false, clientTLS(folder, false), with(connect.ScramSHA512, "hunter-2"), ReasonAuthentication, "authenticate with scram-sha-512 at the broker 127.0.0.1:"},
		"mechanism not offered":   {false, clientTLS(folder, false), with(connect.Plain, "hunter-2"), ReasonAuthentication, "authenticate with plain at the broker 127.0.0.1:"},
		"forbidden character":     {false, clientTLS(folder, false), with(connect.ScramSHA512, "hunter-2\x00"), ReasonAuthentication, "SASLprep"},
		"password's file is gone": {false, clientTLS(folder, false), connect.SASL{Mechanism: connect.Plain, Username: fixed("u"), Password: inFile(filepath.Join(folder, "gone"))}, ReasonAuthentication, "source.kafka.sasl.password: open "},
		"strange authority":       {false, clientTLS(strange, false), good, ReasonTLS, "certificate signed by unknown authority"},
		"no client certificate":   {true, clientTLS(folder, false), good, ReasonTLS, "certificate required"},
		"strange certificate":     {true, connect.TLS{Enabled: true, CAFile: filepath.Join(folder, embeddedkafka.CAFile), CertFile: filepath.Join(strange, embeddedkafka.ClientCertFile), KeyFile: filepath.Join(strange, embeddedkafka.ClientKeyFile)}, good, ReasonTLS, "tls: "},
	} {
		t.Run(name, func(t *testing.T) {
			config := secured(t, folder, c.mutual, user)
			config.TLS, config.SASL = c.tls, c.sasl
			err := lookUp(t, config)
			if err == nil || HoldReason(err) != c.reason || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter") {
				t.Errorf("%s: %v", HoldReason(err), err)
			}
		})
	}
}

// TestContractSpeakingTLSOrNotIsSaidToBeAmiss has each side speak TLS where the other one does not.
func TestContractSpeakingTLSOrNotIsSaidToBeAmiss(t *testing.T) {
	// What real Kafka does: without TLS it hangs up on a request that is too large; with TLS it answers
	// what begins no handshake with an alert.
	plain, secured := os.Getenv("KAFKA_BROKERS"), os.Getenv("KAFKA_TLS_BROKERS")
	if plain == "" {
		plain, secured = answering(t, ""), answering(t, "\x15\x03\x03\x00\x02\x02\x50")
	}
	for _, c := range []struct {
		name, broker string
		tls          connect.TLS
		sasl         connect.SASL
		says         string
	}{
		{"TLS where there is none", plain, clientTLS(certificates(t), false), connect.SASL{}, "; if it does not speak TLS on this port, source.kafka.tls.enabled must be false"},
		{"no TLS where there is", secured, connect.TLS{}, connect.SASL{}, "speaks TLS on this port: set source.kafka.tls.enabled"},
		{"SASL, no TLS where there is", secured, connect.TLS{}, connect.SASL{Mechanism: connect.Plain, Username: fixed("u"), Password: fixed("p")}, "speaks TLS on this port: set source.kafka.tls.enabled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := lookUp(t, Config{Brokers: []string{c.broker}, Topic: "events", TLS: c.tls, SASL: c.sasl})
			if err == nil || HoldReason(err) != ReasonTLS || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", HoldReason(err), err)
			}
		})
	}
}

// answering is the address of a listener that gives this answer to the first
// bytes of a connection, and ends it.
func answering(t *testing.T, answer string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1<<16)) // all that is sent at first: a rest would reset the connection
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return listener.Addr().String()
}

func TestABrokersNameIsLookedUpForEachConnection(t *testing.T) {
	a, b := secured(t, "", false), secured(t, "", false)
	where := map[string]string{"kafka.example:9092": a.Brokers[0]}
	a.Brokers = []string{"kafka.example:9092"}
	transport, err := a.Transport(func(ctx context.Context, network, address string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, where[address])
	})
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	for _, want := range []string{where["kafka.example:9092"], b.Brokers[0]} {
		where["kafka.example:9092"] = want
		conn, err := transport.Dial(t.Context(), "tcp", "kafka.example:9092")
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.RemoteAddr().String(); got != want {
			t.Errorf("connected to %s, the name leads to %s", got, want)
		}
		_ = conn.Close()
	}
}

func TestATLSConfigurationSaysWhatIsWrongWithItsFiles(t *testing.T) {
	folder := certificates(t)
	text := filepath.Join(folder, "text")
	write(t, text, "no PEM")
	ca, cert, key := filepath.Join(folder, embeddedkafka.CAFile), filepath.Join(folder, embeddedkafka.ClientCertFile), filepath.Join(folder, embeddedkafka.ClientKeyFile)
	for _, c := range []struct {
		tls  connect.TLS
		path string
	}{
		{connect.TLS{Enabled: true, CAFile: ca, CertFile: cert, KeyFile: key}, ""},
		{connect.TLS{}, ""},
		{connect.TLS{Enabled: false, CAFile: ca, CertFile: "", KeyFile: ""}, "tls.enabled"},
		{connect.TLS{Enabled: true, CAFile: text, CertFile: "", KeyFile: ""}, "tls.caFile"},
		{connect.TLS{Enabled: true, CAFile: filepath.Join(folder, "gone")}, "tls.caFile"},
		{connect.TLS{Enabled: true, CAFile: ca, CertFile: cert, KeyFile: ""}, "tls.certFile"},
		{connect.TLS{Enabled: true, CAFile: ca, CertFile: cert, KeyFile: text}, "tls.keyFile"},
		{connect.TLS{Enabled: true, CAFile: ca, CertFile: ca, KeyFile: key}, "tls.keyFile"},
	} {
		config := Config{Brokers: []string{"localhost:9093"}, Topic: "events", Group: "g", TLS: c.tls}
		config.Defaults()
		path := ""
		config.Validate(func(at, _ string) { path += at })
		if path != c.path {
			t.Errorf("%+v: %q, want %q", c.tls, path, c.path)
		}
		if _, err := config.Transport(nil); (err != nil) != (c.path != "" && c.tls.Enabled) {
			t.Errorf("%+v: %v", c.tls, err)
		}
	}
}

func TestABrokerThatIsAwayIsNoMatterOfTLSOrCredentials(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	config := Config{Brokers: []string{listener.Addr().String()}, Topic: "events", TLS: clientTLS(certificates(t), false)}
	if err := lookUp(t, config); err == nil || HoldReason(err) != ReasonUnreachable || errors.Is(err, kafka.SASLAuthenticationFailed) {
		t.Errorf("%s: %v", HoldReason(err), err)
	}
}
