package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"kinesis-destination/schemas/credentials"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
)

// client makes calls to one stream. Retries are the lanes' own.
type client struct {
	api         *kinesis.Client // of all calls but PutRecords
	credentials aws.CredentialsProvider
	signer      *v4.Signer
	wire        *wire
	drafted     atomic.Pointer[draft]
	transport   *transport
	http        *http.Client
	proxy       func(*http.Request) (*url.URL, error) // nil: none
}

func newClient(ctx context.Context, cfg Config, opts Options) (*client, error) {
	c := &client{signer: v4.NewSigner(), wire: wireOf(cfg.Protocol)}
	buildable := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		configureTransport(t, opts.Dial, opts.Lanes)
	})
	load := []func(*config.LoadOptions) error{
		config.WithRegion(cfg.Region),
		config.WithHTTPClient(buildable.WithTimeout(answerTime)), // which takes AWS_CA_BUNDLE
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		config.WithAPIOptions([]func(*middleware.Stack) error{limitKeys}),
		config.WithLogger(sdkLogger{opts.Logger}),
	}
	if k := cfg.Credentials; k.AccessKeyID != nil {
		load = append(load, config.WithCredentialsProvider(aws.NewCredentialsCache(aws.CredentialsProviderFunc(k.retrieve))))
	}
	shared, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("load the AWS configuration: %w", err)
	}
	if b, ok := shared.HTTPClient.(*awshttp.BuildableClient); ok {
		buildable = b
	}
	base := buildable.GetTransport() // with its CA bundle by now
	dialTLS(base)
	c.proxy = base.Proxy
	c.transport = &transport{base: base, own: shared.DisableClockSkewCorrection}
	c.http = &http.Client{
		Transport:     c.transport,
		Timeout:       answerTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	shared.HTTPClient = c.http
	if k := cfg.Credentials; k.RoleARN != "" {
		role := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(shared), k.RoleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "kinesis-destination"
			if k.ExternalID != "" {
				o.ExternalID = aws.String(k.ExternalID)
			}
		})
		shared.Credentials = aws.NewCredentialsCache(role)
	}
	c.credentials = namedCredentials{shared.Credentials}
	shared.Credentials = c.credentials
	c.api = kinesis.NewFromConfig(shared, func(o *kinesis.Options) {
		o.APIOptions = []func(*middleware.Stack) error{limitAnswers}
		if cfg.Endpoint != "" {
			o.BaseEndpoint = aws.String(cfg.Endpoint)
		}
	})
	return c, nil
}

// keysLast is how long keys are used before they are looked at again: they may
// stand in files that are rotated.
const keysLast = 30 * time.Second

// errNoKey is said of what the service would only call an invalid signature.
var errNoKey = errors.New("holds a blank or another character that no key has: it is one word of ASCII")

// keyOf is a key as it is now.
func keyOf(secret credentials.Secret) (string, error) {
	key, err := secret()
	if err == nil && strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errNoKey
	}
	return key, err
}

// retrieve implements aws.CredentialsProviderFunc.
func (c *Credentials) retrieve(context.Context) (aws.Credentials, error) {
	id, err := keyOf(c.AccessKeyID)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("target.kinesis.credentials.accessKeyId: %w", err)
	}
	key, err := keyOf(c.SecretAccessKey)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("target.kinesis.credentials.secretAccessKey: %w", err)
	}
	return aws.Credentials{AccessKeyID: id, SecretAccessKey: key, Source: "target.kinesis.credentials", CanExpire: true, Expires: time.Now().Add(keysLast)}, nil
}

// sdkLogger takes what the SDK has to tell into the log of this process, where
// it would otherwise write a line of its own form to standard error.
type sdkLogger struct{ *slog.Logger }

// Logf implements logging.Logger.
func (l sdkLogger) Logf(class logging.Classification, format string, v ...any) {
	level := slog.LevelWarn
	if class == logging.Debug {
		level = slog.LevelDebug
	}
	l.Log(context.Background(), level, "the AWS SDK says something", "text", plain(fmt.Sprintf(format, v...)))
}

func (c *client) close() { c.http.CloseIdleConnections() }

// credentialsError marks a failure to get credentials, which the SDK does not
// type.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "get credentials: " + e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

type namedCredentials struct{ aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (n namedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := n.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return c, &credentialsError{err}
	}
	return c, nil
}

// target names the stream in a request: by ARN once it is known, as the service
// recommends.
func target(stream string) (name, arn *string) {
	if strings.HasPrefix(stream, "arn:") {
		return nil, aws.String(stream)
	}
	return aws.String(stream), nil
}
