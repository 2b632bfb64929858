package connect

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"regexp"
	"time"

	"github.com/aws/aws-msk-iam-sasl-signer-go/signer"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// mskHost is the form of the names of MSK's brokers, serverless ones included.
var mskHost = regexp.MustCompile(`\.kafka(?:-serverless)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$`)

// MskRegion is the region that the brokers' names tell; empty: none.
func MskRegion(brokers []string) string {
	for _, b := range brokers {
		host, _, err := net.SplitHostPort(b)
		if err != nil {
			continue
		}
		if at := mskHost.FindStringSubmatch(host); at != nil {
			return at[1]
		}
	}
	return ""
}

// iamToken signs a token with the credentials of the AWS default chain, which
// refreshes them: MSK takes it as the token of OAUTHBEARER.
func (s *SASL) iamToken(ctx context.Context) (string, error) {
	shared, err := config.LoadDefaultConfig(ctx, config.WithLogger(sdkLogger{}),
		config.WithAPIOptions([]func(*middleware.Stack) error{limitAnswers}), config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(tokenTimeout)))
	if err != nil {
		return "", fmt.Errorf("load the AWS configuration: %w", err)
	}
	region := cmp.Or(s.region, shared.Region)
	token, _, err := signer.GenerateAuthTokenFromCredentialsProvider(ctx, region, shared.Credentials)
	if err != nil {
		return "", fmt.Errorf("sign the token of AWS MSK IAM: %w", err)
	}
	return token, nil
}

// tokenTimeout bounds each call for credentials, body included: a credentials
// cache gives it no deadline.
const tokenTimeout = 10 * time.Second

// maxTokenAnswer is many times an answer with credentials, of whatever gives them.
const maxTokenAnswer = 1 << 20

// errTokenAnswer is an answer that was not read to its end.
var errTokenAnswer = fmt.Errorf("the answer with credentials has more than the %d bytes that it may have", maxTokenAnswer)

// limitAnswers is the API option that bounds what is read for credentials.
func limitAnswers(s *middleware.Stack) error {
	limit := middleware.DeserializeMiddlewareFunc("LimitAnswers", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
		middleware.DeserializeOutput, middleware.Metadata, error,
	) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if response, ok := out.RawResponse.(*smithyhttp.Response); ok && response.Response != nil && response.Body != nil {
			response.Body = &limitedBody{response.Body, maxTokenAnswer}
		}
		return out, metadata, err
	})
	return s.Deserialize.Add(limit, middleware.After) // the nearest to the wire
}

// limitedBody fails where more comes than is left.
type limitedBody struct {
	io.ReadCloser
	left int
}

// Read implements io.Reader.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTokenAnswer
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		return n - 1, errTokenAnswer
	}
	return n, err
}

// sdkLogger takes what the SDK has to tell into the log of the process, where it
// would otherwise write lines of its own form to standard error.
type sdkLogger struct{}

// Logf implements logging.Logger.
func (sdkLogger) Logf(class logging.Classification, format string, v ...any) {
	level := slog.LevelWarn
	if class == logging.Debug {
		level = slog.LevelDebug
	}
	slog.Default().Log(context.Background(), level, "the AWS SDK says something", "text", fmt.Sprintf(format, v...))
}
