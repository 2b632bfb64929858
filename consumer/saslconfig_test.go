package consumer

import (
	"path/filepath"
	"slices"
	"testing"
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
		sasl    SASL
		paths   []string
	}{
		{nil, false, SASL{}, nil},
		{nil, false, SASL{Username: user}, []string{"sasl.mechanism"}},
		{nil, false, SASL{TokenFile: token}, []string{"sasl.mechanism"}},
		{nil, false, SASL{Mechanism: "gssapi", Username: user}, []string{"sasl.mechanism"}},
		{nil, false, SASL{Mechanism: Plain, Username: user, Password: password}, nil},
		{nil, false, SASL{Mechanism: ScramSHA256}, []string{"sasl.username", "sasl.password"}},
		{nil, false, SASL{Mechanism: ScramSHA512, Username: user, TokenFile: token}, []string{"sasl.password", "sasl.tokenFile"}},
		{nil, false, SASL{Mechanism: OAuthBearer}, []string{"sasl.tokenFile"}},
		{nil, false, SASL{Mechanism: OAuthBearer, TokenFile: token}, nil},
		{nil, false, SASL{Mechanism: OAuthBearer, TokenFile: token + "-gone"}, []string{"sasl.tokenFile"}},
		{nil, false, SASL{Mechanism: OAuthBearer, TokenFile: token, Password: password}, []string{"sasl.password"}},
		{msk, true, SASL{Mechanism: AWSMSKIAM}, nil},
		{msk, false, SASL{Mechanism: AWSMSKIAM}, []string{"tls.enabled"}},
		{nil, true, SASL{Mechanism: AWSMSKIAM}, []string{"sasl.mechanism"}},
		{msk, true, SASL{Mechanism: AWSMSKIAM, Username: user}, []string{"sasl.username"}},
	} {
		config := Config{Brokers: c.brokers, Topic: "events", Group: "g", TLS: TLS{Enabled: c.tls}, SASL: c.sasl}
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
		{Plain, false, true},
		{Plain, true, false},
		{OAuthBearer, false, true},
		{OAuthBearer, true, false},
		{ScramSHA512, false, false},
		{"", false, false},
	} {
		config := Config{TLS: TLS{Enabled: c.tls}, SASL: SASL{Mechanism: c.mechanism}}
		if got := config.Warnings(); len(got) > 0 != c.warned {
			t.Errorf("%q, TLS %v: %q", c.mechanism, c.tls, got)
		}
	}
}
