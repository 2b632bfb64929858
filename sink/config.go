package sink

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"kinesis-destination/schemas/credentials"
	"kinesis-destination/schemas/suggest"
	"kinesis-destination/sink/deadletter"
)

// Config is the block target.kinesis of a destination.
type Config struct {
	// Region is the stream's AWS region.
	Region string `yaml:"region"`
	// Stream is an existing stream, by name or ARN.
	Stream string `yaml:"stream"`
	// Endpoint is the service's URL, for local and VPC endpoints only.
	Endpoint string `yaml:"endpoint"`
	// Credentials left empty mean the AWS default chain.
	Credentials Credentials `yaml:"credentials"`
	// Aggregation is none or kpl; empty means none.
	Aggregation string `yaml:"aggregation"`
	// Protocol is json or cbor, for the calls that carry records; empty means json.
	Protocol string `yaml:"protocol"`
	// Retry paces the repetition of what failed.
	Retry Retry `yaml:"retry"`

	// Memory is the process's, of all sinks in it; nil: the sink has its own.
	Memory *Memory `yaml:"-"`
}

// Credentials of the account that owns the stream.
type Credentials struct {
	AccessKeyID     credentials.Secret `yaml:"accessKeyId"`
	SecretAccessKey credentials.Secret `yaml:"secretAccessKey"`
	// RoleARN is assumed on top of the keys or the default chain.
	RoleARN    string `yaml:"roleArn"`
	ExternalID string `yaml:"externalId"`
}

// Retry paces the repetition of what failed. Zero intervals mean the defaults.
type Retry struct {
	InitialInterval time.Duration `yaml:"initialInterval"`
	MaxInterval     time.Duration `yaml:"maxInterval"`
	// MaxElapsedTime is how long one record is tried; 0: for ever.
	MaxElapsedTime time.Duration `yaml:"maxElapsedTime"`
}

// Words of the configuration.
const (
	AggregationNone = "none"
	AggregationKPL  = "kpl"
	ProtocolJSON    = "json"
	ProtocolCBOR    = "cbor"
)

// Defaults of Retry; the documented ones.
const (
	DefaultInitialInterval = 100 * time.Millisecond
	DefaultMaxInterval     = 30 * time.Second
)

var (
	regionName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	// How all regions of the service are named; behind an endpoint any name may do.
	awsRegion = regexp.MustCompile(`^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$`)
	// What is suggested; regions that AWS adds are taken all the same.
	regions = strings.Fields(`af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1
		ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1 cn-north-1 cn-northwest-1
		eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 eusc-de-east-1 il-central-1 me-central-1 me-south-1
		mx-central-1 sa-east-1 us-east-1 us-east-2 us-gov-east-1 us-gov-west-1 us-west-1 us-west-2`)
	// The service's own rule for stream names.
	streamName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)
	streamARN  = regexp.MustCompile(`^arn:aws[a-z-]*:kinesis:[a-z0-9-]+:[0-9]{12}:stream/[a-zA-Z0-9_.-]{1,128}$`)
	roleARN    = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$`)
)

// Warnings are what is taken, and probably not meant: a region that is like one of AWS',
// and none. AWS adds regions, and behind an endpoint any name may do.
func (c *Config) Warnings() []string {
	if slices.Contains(regions, c.Region) {
		return nil
	}
	if meant := suggest.DidYouMean(c.Region, regions); meant != "" {
		return []string{"target.kinesis.region: " + c.Region + " is no region of AWS that is known here" + meant}
	}
	return nil
}

// Validate reports every mistake with its path inside the destination.
func (c *Config) Validate(report func(path, message string)) {
	const at = "target.kinesis."
	if !regionName.MatchString(c.Region) || c.Endpoint == "" && c.Region != "" && !awsRegion.MatchString(c.Region) {
		report(at+"region", "must be an AWS region, such as us-east-1"+suggest.DidYouMean(c.Region, regions))
	}
	switch {
	case c.Stream == "":
		report(at+"stream", "is required: the name or ARN of an existing stream")
	case strings.HasPrefix(c.Stream, "arn:") && !streamARN.MatchString(c.Stream):
		report(at+"stream", "is not the ARN of a Kinesis data stream")
	case strings.HasPrefix(c.Stream, "arn:") && strings.Split(c.Stream, ":")[3] != c.Region:
		report(at+"stream", "the ARN names another region than "+at+"region")
	case !strings.HasPrefix(c.Stream, "arn:") && !streamName.MatchString(c.Stream):
		report(at+"stream", "must be 1 to 128 letters, digits, '.', '_' or '-'")
	}
	if c.Endpoint != "" {
		u, err := url.Parse(c.Endpoint)
		if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") || noPort(u) {
			report(at+"endpoint", "must be an http or https URL")
		} else if u.User != nil {
			report(at+"endpoint", "must not hold a user or a password: requests are signed with target.kinesis.credentials")
		}
	}
	c.Credentials.validate(at+"credentials.", report)
	switch c.Aggregation {
	case "", AggregationNone, AggregationKPL:
	default:
		report(at+"aggregation", "must be none or kpl")
	}
	switch c.Protocol {
	case "", ProtocolJSON, ProtocolCBOR:
	default:
		report(at+"protocol", "must be json or cbor")
	}
	c.Retry.validate(at+"retry.", report)
}

// validate joins all mistakes of the configuration into one error.
func validate(cfg *Config, dead *deadletter.Config) error {
	var mistakes []error
	report := func(path, message string) { mistakes = append(mistakes, fmt.Errorf("%s: %s", path, message)) }
	cfg.Validate(report)
	dead.Validate(report)
	if dead.Topic == "" {
		report("deadLetter.topic", "is required")
	}
	return errors.Join(mistakes...)
}

func (c *Credentials) validate(at string, report func(path, message string)) {
	if (c.AccessKeyID == nil) != (c.SecretAccessKey == nil) {
		report(at+"accessKeyId", "accessKeyId and secretAccessKey go together; leave both out for the AWS default chain")
	}
	for _, key := range []struct {
		path   string
		secret credentials.Secret
	}{{"accessKeyId", c.AccessKeyID}, {"secretAccessKey", c.SecretAccessKey}} {
		if key.secret == nil {
			continue
		}
		if _, err := keyOf(key.secret); err != nil {
			report(at+key.path, err.Error())
		}
	}
	if c.RoleARN != "" && !roleARN.MatchString(c.RoleARN) {
		report(at+"roleArn", "is not the ARN of an IAM role")
	}
	if c.ExternalID != "" && c.RoleARN == "" {
		report(at+"externalId", "is only used with roleArn")
	}
}

func (r *Retry) validate(at string, report func(path, message string)) {
	if r.InitialInterval < 0 {
		report(at+"initialInterval", "must not be negative")
	}
	if r.MaxInterval < 0 {
		report(at+"maxInterval", "must not be negative")
	}
	if r.MaxElapsedTime < 0 {
		report(at+"maxElapsedTime", "must not be negative; 0s means for ever")
	}
	if d := r.withDefaults(); d.InitialInterval > d.MaxInterval {
		report(at+"initialInterval", fmt.Sprintf("must not be above maxInterval (%s)", d.MaxInterval))
	}
}

func (r Retry) withDefaults() Retry {
	if r.InitialInterval == 0 {
		r.InitialInterval = DefaultInitialInterval
	}
	if r.MaxInterval == 0 {
		r.MaxInterval = DefaultMaxInterval
	}
	return r
}

// noPort tells whether an address names a port that there is none of.
func noPort(u *url.URL) bool {
	_, err := strconv.ParseUint(cmp.Or(u.Port(), "443"), 10, 16)
	return err != nil
}
