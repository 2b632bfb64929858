package connect

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/schemas/credentials"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
)

func TestTheRegionOfMSKIsInItsBrokersNames(t *testing.T) {
	for broker, want := range map[string]string{
		"b-1.leads.abc.c2.kafka.eu-west-1.amazonaws.com:9098":       "eu-west-1",
		"boot-abc.c3.kafka-serverless.us-east-1.amazonaws.com:9098": "us-east-1",
		"b-2.leads.abc.c2.kafka.cn-north-1.amazonaws.com.cn:9098":   "cn-north-1",
		"kafka.eu-west-1.amazonaws.com.example.org:9098":            "",
		"localhost:9092": "",
	} {
		if got := MskRegion([]string{broker}); got != want {
			t.Errorf("%s: %q, want %q", broker, got, want)
		}
	}
}

// AWS documents the token of MSK IAM as a URL of SigV4, signed in the query: the
// real service cannot be had here, so its parts are looked at.
func TestTheTokenOfMSKIAMIsASignedURLOfTheRegion(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter-2")
	t.Setenv("AWS_SESSION_TOKEN", "session")
	m, err := (&SASL{Mechanism: AWSMSKIAM, region: "eu-west-1"}).mechanism()
	if err != nil || m.Name() != "OAUTHBEARER" {
		t.Fatal(m, err)
	}
	_, message, err := m.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	token, ok := strings.CutPrefix(string(message), "n,,\x01auth=Bearer ")
	token, ended := strings.CutSuffix(token, "\x01\x01")
	signed, err := base64.RawURLEncoding.DecodeString(token)
	if !ok || !ended || err != nil {
		t.Fatalf("%q: %v", message, err)
	}
	at, err := url.Parse(string(signed))
	if err != nil || at.Host != "kafka.eu-west-1.amazonaws.com" || at.Scheme != "https" {
		t.Fatalf("%s: %v", signed, err)
	}
	for name, form := range map[string]string{
		"Action": `^kafka-cluster:Connect$`, "X-Amz-Algorithm": `^AWS4-HMAC-SHA256$`, "X-Amz-Expires": `^900$`,
		"X-Amz-Credential": `^AKIDEXAMPLE/\d{8}/eu-west-1/kafka-cluster/aws4_request$`, "X-Amz-Date": `^\d{8}T\d{6}Z$`,
		"X-Amz-Signature": `^[0-9a-f]{64}$`, "X-Amz-Security-Token": `^session$`, "X-Amz-SignedHeaders": `^host$`,
	} {
		if got := at.Query().Get(name); !regexp.MustCompile(form).MatchString(got) {
			t.Errorf("%s is %q", name, got)
		}
	}
	if strings.Contains(string(signed), "hunter") {
		t.Error("the token holds the secret key")
	}
}

func TestABearerTokenIsReadAnewAndRefusalsAreAnswered(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	s := &SASL{Mechanism: OAuthBearer, TokenFile: file}
	m, err := s.mechanism()
	if err != nil {
		t.Fatal(err)
	}
	for content, want := range map[string]string{"one\n": "one", "two": "two", "": "", "two words": "", "a\x01b": ""} {
		write(t, file, content)
		_, message, err := m.Start(t.Context())
		if (err == nil) != (want != "") || want != "" && string(message) != "n,,\x01auth=Bearer "+want+"\x01\x01" {
			t.Errorf("%q: %q, %v", content, message, err)
		}
	}
	e := &bearerExchange{}
	done, answer, err := e.Next(t.Context(), []byte(`{"status":"invalid_token"}`))
	if done || string(answer) != "\x01" || err != nil {
		t.Errorf("a refusal is answered with %q (%v), done %v", answer, err, done)
	}
	if done, _, err := e.Next(t.Context(), nil); done || err == nil {
		t.Error("a refused token passes")
	}
}

// scripted is a broker for one connection, which ends sessions after a while. It
// answers ApiVersions requests, as often as they come, and SASL.
type scripted struct {
	conn     net.Conn
	lifetime time.Duration
	refuse   bool
	log      []string
}

func (b *scripted) serve() error {
	for {
		version, id, _, request, err := protocol.ReadRequest(b.conn)
		if err != nil {
			return err
		}
		var response protocol.Message
		switch r := request.(type) {
		case *apiversions.Request:
			b.log = append(b.log, "request")
			response = &apiversions.Response{ApiKeys: []apiversions.ApiKeyResponse{
				{ApiKey: int16(protocol.SaslHandshake), MaxVersion: 1}, {ApiKey: int16(protocol.SaslAuthenticate), MaxVersion: 1},
			}}
		case *saslhandshake.Request:
			b.log = append(b.log, r.Mechanism)
			response = &saslhandshake.Response{Mechanisms: []string{r.Mechanism}}
		case *saslauthenticate.Request:
			answer := &saslauthenticate.Response{SessionLifetimeMs: b.lifetime.Milliseconds()}
			if b.refuse {
				answer.ErrorCode, answer.ErrorMessage = 58, "no longer"
			}
			response = answer
		default:
			return fmt.Errorf("unexpected %T", request)
		}
		if err := protocol.WriteResponse(b.conn, version, id, response); err != nil {
			return err
		}
	}
}

func TestASessionIsRenewedBetweenTwoRequestsBeforeItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		broker := &scripted{conn: there, lifetime: 10 * time.Second}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = broker.serve() // ends with the connection
		}()
		password := "first"
		c := &Connector{
			Dial: func(context.Context, string, string) (net.Conn, error) { return here, nil },
			sasl: SASL{Mechanism: Plain, Username: fixed("u"), Password: func() (string, error) { return password, nil }},
		}
		conn, err := c.Connect(t.Context(), "tcp", "broker:9092")
		if err != nil {
			t.Fatal(err)
		}
		client := protocol.NewConn(conn, ClientID)
		ask := func() error {
			_, err := client.RoundTrip(&apiversions.Request{})
			return err
		}
		password = "second"
		for range 4 { // at 0, 4, 8 and 12 s
			if err := ask(); err != nil {
				t.Fatal(err)
			}
			pass(4 * time.Second)
		}
		broker.refuse = true
		pass(10 * time.Second)
		if err := ask(); !refused(err) || !strings.Contains(err.Error(), "no longer") {
			t.Errorf("a session that is not renewed: %v", err)
		}
		_ = conn.Close()
		<-ended
		want := []string{"request", "PLAIN", "request", "request", "request", "PLAIN", "request", "PLAIN"}
		if !slices.Equal(broker.log, want) {
			t.Errorf("the broker saw %v, want %v", broker.log, want)
		}
	})
}

func fixed(value string) credentials.Secret { return func() (string, error) { return value, nil } }

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pass lets virtual time go by.
func pass(d time.Duration) { <-time.After(d) }

// refused tells whether a broker refused the credentials.
func refused(err error) bool {
	unready, ok := errors.AsType[*Error](err)
	return ok && unready.Credentials
}
