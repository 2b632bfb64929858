package sink

import (
	"bytes"
	"context"
	"encoding/base64"
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
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// client makes calls to one stream. Retries are the lanes' own.
type client struct {
	api   *kinesis.Client
	http  *http.Client
	proxy func(*http.Request) (*url.URL, error) // nil: none
	asked atomic.Pointer[url.URL]               // where the last request to the stream went
}

func newClient(ctx context.Context, cfg Config, opts Options) (*client, error) {
	c := &client{}
	buildable := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		configureTransport(t, opts.Dial, opts.Lanes)
	})
	load := []func(*config.LoadOptions) error{
		config.WithRegion(cfg.Region),
		config.WithHTTPClient(buildable.WithTimeout(answerTime)), // which takes AWS_CA_BUNDLE
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		config.WithAPIOptions([]func(*middleware.Stack) error{limitAnswers}),
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
	transport := buildable.GetTransport()
	c.proxy = transport.Proxy
	c.http = &http.Client{
		Transport:     ownedBody{transport, &c.asked},
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
	shared.Credentials = namedCredentials{shared.Credentials}
	c.api = kinesis.NewFromConfig(shared, func(o *kinesis.Options) {
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

// putRecords makes one call with a body that is already serialised.
func (c *client) putRecords(ctx context.Context, body []byte) (*kinesis.PutRecordsOutput, error) {
	// The SDK's own validation wants records; the body already has them.
	in := &kinesis.PutRecordsInput{Records: []types.PutRecordsRequestEntry{}}
	return c.api.PutRecords(ctx, in, kinesis.WithAPIOptions(func(s *middleware.Stack) error {
		_, err := s.Serialize.Swap("OperationSerializer", serialised(body))
		return err
	}))
}

// serialised stands in for the SDK's serialiser of PutRecords, which takes most
// of the time of a call. Signing, endpoints and errors stay the SDK's.
type serialised []byte

// ID implements middleware.SerializeMiddleware.
func (serialised) ID() string { return "OperationSerializer" }

// HandleSerialize implements middleware.SerializeMiddleware.
func (b serialised) HandleSerialize(ctx context.Context, in middleware.SerializeInput, next middleware.SerializeHandler) (
	out middleware.SerializeOutput, metadata middleware.Metadata, err error,
) {
	req, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return out, metadata, fmt.Errorf("serialise PutRecords: unexpected request %T", in.Request)
	}
	req.Method = http.MethodPost
	if req.URL.Path == "" {
		req.URL.Path = "/"
	}
	req.Header.Set(operationHeader, "Kinesis_20131202.PutRecords")
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	if req, err = req.SetStream(bytes.NewReader(b)); err != nil {
		return out, metadata, fmt.Errorf("serialise PutRecords: %w", err)
	}
	in.Request = req
	return next.HandleSerialize(ctx, in)
}

// target names the stream in a request: by ARN once it is known, as the service
// recommends.
func target(stream string) (name, arn *string) {
	if strings.HasPrefix(stream, "arn:") {
		return nil, aws.String(stream)
	}
	return aws.String(stream), nil
}

// The parts of a PutRecords body.
const (
	bodyHead    = `{"Records":[`
	bodyData    = `{"Data":"`
	bodyKey     = `","PartitionKey":`
	bodyName    = `],"StreamName":`
	bodyARN     = `],"StreamARN":`
	bodyPerItem = len(bodyData) + len(bodyKey) + len(`"",`) + 1
)

func appendItem(dst []byte, first bool, data []byte, key string) []byte {
	if !first {
		dst = append(dst, ',')
	}
	dst = append(dst, bodyData...)
	dst = base64.StdEncoding.AppendEncode(dst, data)
	dst = append(dst, bodyKey...)
	dst = appendString(dst, key)
	return append(dst, '}')
}

func appendTail(dst []byte, stream string) []byte {
	if strings.HasPrefix(stream, "arn:") {
		dst = append(dst, bodyARN...)
	} else {
		dst = append(dst, bodyName...)
	}
	return append(appendString(dst, stream), '}')
}

// appendString appends a JSON string. Invalid UTF-8 becomes the replacement
// character, as in encoding/json.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s { // ranging replaces what is invalid
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		case r < 0x80:
			dst = append(dst, byte(r))
		default:
			dst = append(dst, string(r)...)
		}
	}
	return append(dst, '"')
}
