package consumer

import (
	"context"
	"fmt"
	"net"
	"os"
	"regexp"

	"github.com/aws/aws-msk-iam-sasl-signer-go/signer"
	"github.com/aws/aws-sdk-go-v2/config"
)

// mskHost is the form of the names of MSK's brokers, serverless ones included.
var mskHost = regexp.MustCompile(`\.kafka(?:-serverless)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$`)

// mskRegion is the region that the brokers' names tell; empty: none.
func mskRegion(brokers []string) string {
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

// validateIAM reports what stands in the way of AWS MSK IAM.
func (c *Config) validateIAM(report func(path, message string)) {
	if c.SASL.Mechanism != AWSMSKIAM {
		return
	}
	if !c.TLS.Enabled {
		report("tls.enabled", "must be true with aws-msk-iam: MSK takes it on TLS listeners only")
	}
	if mskRegion(c.Brokers) == "" && os.Getenv("AWS_REGION") == "" && os.Getenv("AWS_PROFILE") == "" {
		report("sasl.mechanism", "aws-msk-iam needs the cluster's region, which the brokers' names do not tell: set the environment variable AWS_REGION")
	}
}

// iamToken signs a token with the credentials of the AWS default chain, which
// refreshes them: MSK takes it as the token of OAUTHBEARER.
func (s *SASL) iamToken(ctx context.Context) (string, error) {
	region := s.region
	if region == "" {
		shared, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return "", fmt.Errorf("load the AWS configuration: %w", err)
		}
		region = shared.Region
	}
	token, _, err := signer.GenerateAuthToken(ctx, region)
	if err != nil {
		return "", fmt.Errorf("sign the token of AWS MSK IAM: %w", err)
	}
	return token, nil
}
