package connect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kinesis-destination/schemas/credentials"
	"kinesis-destination/schemas/suggest"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// SASL is the block source.kafka.sasl.
type SASL struct {
	Mechanism string             `yaml:"mechanism"`
	Username  credentials.Secret `yaml:"username"`
	Password  credentials.Secret `yaml:"password"`
	TokenFile string             `yaml:"tokenFile"`

	region string // of the MSK cluster; empty: the AWS configuration's
}

// The values of source.kafka.sasl.mechanism.
const (
	Plain       = "plain"
	ScramSHA256 = "scram-sha-256"
	ScramSHA512 = "scram-sha-512"
	OAuthBearer = "oauthbearer"
	AWSMSKIAM   = "aws-msk-iam"
)

var mechanisms = []string{Plain, ScramSHA256, ScramSHA512, OAuthBearer, AWSMSKIAM}

// Validate reports every mistake with its key path below the block.
func (s *SASL) Validate(report func(path, message string)) {
	named := s.Mechanism == Plain || s.Mechanism == ScramSHA256 || s.Mechanism == ScramSHA512
	switch {
	case s.Mechanism == "" && (s.Username != nil || s.Password != nil || s.TokenFile != ""):
		report("mechanism", "is required when a username, password or tokenFile is given: one of "+strings.Join(mechanisms, ", "))
		return
	case s.Mechanism != "" && !slices.Contains(mechanisms, s.Mechanism):
		report("mechanism", "must be one of "+strings.Join(mechanisms, ", ")+suggest.DidYouMean(s.Mechanism, mechanisms))
		return
	}
	for _, key := range []struct {
		path          string
		given, needed bool
	}{
		{"username", s.Username != nil, named},
		{"password", s.Password != nil, named},
		{"tokenFile", s.TokenFile != "", s.Mechanism == OAuthBearer},
	} {
		switch {
		case key.needed && !key.given:
			report(key.path, "is required with "+s.Mechanism)
		case key.given && !key.needed && s.Mechanism != "":
			report(key.path, "is not used with "+s.Mechanism+": remove it")
		}
	}
	if s.Mechanism == OAuthBearer && s.TokenFile != "" {
		if _, err := s.fileToken(context.Background()); err != nil {
			report("tokenFile", err.Error())
		}
	}
}

// mechanism is the one to authenticate by, with the secrets as they are now.
func (s *SASL) mechanism() (sasl.Mechanism, error) {
	switch s.Mechanism {
	case OAuthBearer:
		return bearer{s.fileToken}, nil
	case AWSMSKIAM:
		return bearer{s.iamToken}, nil
	}
	username, err := s.Username()
	if err != nil {
		return nil, fmt.Errorf("source.kafka.sasl.username: %w", err)
	}
	password, err := s.Password()
	if err != nil {
		return nil, fmt.Errorf("source.kafka.sasl.password: %w", err)
	}
	if s.Mechanism == Plain {
		return plain.Mechanism{Username: username, Password: password}, nil
	}
	algorithm := scram.SHA256
	if s.Mechanism == ScramSHA512 {
		algorithm = scram.SHA512
	}
	m, err := scram.Mechanism(algorithm, username, password)
	if err != nil { // which quotes the character
		return nil, errors.New("source.kafka.sasl: the username or password holds a character that SASLprep (RFC 4013) forbids")
	}
	return m, nil
}

// fileToken is the token as the file has it now.
func (s *SASL) fileToken(context.Context) (string, error) {
	content, err := credentials.ReadFile(s.TokenFile, credentials.MaxFile)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(content))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%s holds no token: one word is expected", s.TokenFile)
	}
	return token, nil
}

// bearer is the mechanism OAUTHBEARER of RFC 7628, which kafka-go does not have.
type bearer struct {
	token func(ctx context.Context) (string, error)
}

// Name implements sasl.Mechanism.
func (bearer) Name() string { return "OAUTHBEARER" }

// Start implements sasl.Mechanism.
func (b bearer) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	token, err := b.token(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("get a token: %w", err)
	}
	return &bearerExchange{}, []byte("n,,\x01auth=Bearer " + token + "\x01\x01"), nil
}

// bearerExchange is the exchange of one connection.
type bearerExchange struct{ refused bool }

// Next implements sasl.StateMachine: an empty challenge is a success. Any other
// says why the token is refused, and is to be answered before the broker fails
// the exchange in its own words.
func (e *bearerExchange) Next(_ context.Context, challenge []byte) (done bool, response []byte, err error) {
	switch {
	case e.refused:
		return false, nil, errors.New("the broker refuses the token")
	case len(challenge) == 0:
		return true, nil, nil
	}
	e.refused = true
	return false, []byte{1}, nil
}
