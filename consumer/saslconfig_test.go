package consumer

import (
	"path/filepath"
	"slices"
	"testing"

	"kinesis-destination/consumer/connect"
)

func TestASASLConfigurationSaysWhichKeyIsMissingOrTooMuch(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, "a.b.c\n")
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_PROFILE", "")
	msk := []string{"b-1.leads.abc.c2.kafka.eu-west-1.amazonaws.com:9098"}
	user, password := fixed("u"), fixed("p")
	for _, c := range []struct {
		brokers []string
		tls     bool
		sasl    connect.SASL
		paths   []string
	}{
		{nil, false, connect.SASL{}, nil},
		{nil, false, connect.SASL{Username: user}, []string{"sasl.mechanism"}},
		{nil, false, connect.SASL{TokenFile: token}, []string{"sasl.mechanism"}},
		{nil, false, connect.SASL{Mechanism: "gssapi", Username: user}, []string{"sasl.mechanism"}},
		{nil, false, connect.SASL{Mechanism: connect.Plain, Username: user, Password: password}, nil},
		{nil, false, connect.SASL{Mechanism: connect.ScramSHA256}, []string{"sasl.username", "sasl.password"}},
		{nil, false, connect.SASL{Mechanism: connect.ScramSHA512, Username: user, TokenFile: token}, []string{"sasl.password", "sasl.tokenFile"}},
		{nil, false, connect.SASL{Mechanism: connect.OAuthBearer}, []string{"sasl.tokenFile"}},
		{nil, false, connect.SASL{Mechanism: connect.OAuthBearer, TokenFile: token}, nil},
		{nil, false, connect.SASL{Mechanism: connect.OAuthBearer, TokenFile: token + "-gone"}, []string{"sasl.tokenFile"}},
		{nil, false, connect.SASL{Mechanism: connect.OAuthBearer, TokenFile: token, Password: password}, []string{"sasl.password"}},
		{msk, true, connect.SASL{Mechanism: connect.AWSMSKIAM}, nil},
		{msk, false, connect.SASL{Mechanism: connect.AWSMSKIAM}, []string{"tls.enabled"}},
		{nil, true, connect.SASL{Mechanism: connect.AWSMSKIAM}, []string{"sasl.mechanism"}},
		{msk, true, connect.SASL{Mechanism: connect.AWSMSKIAM, Username: user}, []string{"sasl.username"}},
	} {
		config := Config{Brokers: c.brokers, Topic: "events", Group: "g", TLS: connect.TLS{Enabled: c.tls}, SASL: c.sasl}
		if c.brokers == nil {
			config.Brokers = []string{"localhost:9092"}
		}
		config.Defaults()
		var paths []string
		config.Validate(func(path, _ string) { paths = append(paths, path) })
		if !slices.Equal(paths, c.paths) {
			t.Errorf("%s: %v, want %v", c.sasl.Mechanism, paths, c.paths)
		}
	}
}

func TestASecretThatTravelsInTheClearIsWarnedOf(t *testing.T) {
	for _, c := range []struct {
		mechanism string
		tls       bool
		warned    bool
	}{
		{connect.Plain, false, true},
		{connect.Plain, true, false},
		{connect.OAuthBearer, false, true},
		{connect.OAuthBearer, true, false},
		{connect.ScramSHA512, false, false},
		{"", false, false},
	} {
		config := Config{TLS: connect.TLS{Enabled: c.tls}, SASL: connect.SASL{Mechanism: c.mechanism}}
		if got := config.Warnings(); len(got) > 0 != c.warned {
			t.Errorf("%q, TLS %v: %q", c.mechanism, c.tls, got)
		}
	}
}
