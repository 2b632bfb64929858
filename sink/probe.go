package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"kinesis-destination/sink/deadletter"
)

// Report is what a test of an account, and of a stream, found.
type Report struct {
	// Identity is whom AWS takes the caller for, as an ARN; empty where it was not asked.
	Identity string  `json:"identity,omitempty"`
	Checks   []Probe `json:"checks"`
	// Policy is what to add to the identity's policy; nil: nothing.
	Policy map[string]any `json:"policy,omitempty"`
	Stream *StreamState   `json:"stream,omitempty"`
}

// Probe is one thing that was tried.
type Probe struct {
	What string `json:"what"` // identity, or the right: kinesis:PutRecords
	OK   bool   `json:"ok"`
	// Needed: without it nothing can be delivered.
	Needed       bool    `json:"needed"`
	Note         string  `json:"note,omitempty"`
	Milliseconds float64 `json:"milliseconds"`
}

// StreamState is what the stream says of itself.
type StreamState struct {
	ARN        string `json:"arn,omitempty"`
	Status     string `json:"status"`
	Mode       string `json:"mode,omitempty"`
	Encryption string `json:"encryption,omitempty"`
	Shards     int    `json:"shards"`
	// Strategy is AUTO where the stream ignores partition keys.
	Strategy string `json:"recordDistributionStrategy,omitempty"`
}

// OK says whether nothing that is needed failed.
func (r *Report) OK() bool {
	for _, c := range r.Checks {
		if !c.OK && c.Needed {
			return false
		}
	}
	return true
}

// Examine asks AWS what an account may do; with a stream also what can be done with
// it. Nothing is written: PutRecords is asked with a hash key that no shard has, which
// the service refuses after it has looked at the rights.
func Examine(ctx context.Context, cfg Config, opts Options) Report {
	stream := cfg.Stream
	if stream == "" {
		cfg.Stream = "none" // it is not asked for
	}
	var wrong []Probe
	cfg.Validate(func(path, message string) {
		wrong = append(wrong, Probe{What: "configuration", Needed: true, Note: path + ": " + message})
	})
	if len(wrong) > 0 {
		return Report{Checks: wrong}
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	opts.Lanes = max(opts.Lanes, 1)
	c, err := newClient(ctx, cfg, opts)
	if err != nil {
		return Report{Checks: []Probe{{What: "configuration", Needed: true, Note: err.Error()}}}
	}
	defer c.close()
	p := &examination{client: c, cfg: cfg, rights: map[string]string{}}
	p.identity(ctx)
	p.try(ctx, "kinesis:ListStreams", false, func(ctx context.Context) error {
		_, err := c.api.ListStreams(ctx, &kinesis.ListStreamsInput{Limit: aws.Int32(1)})
		return err
	})
	if stream != "" {
		p.stream(ctx, stream)
	}
	p.report.Policy = p.missing()
	return p.report
}

// examination gathers a report.
type examination struct {
	client *client
	cfg    Config
	report Report
	rights map[string]string // that are missing, and the resource
}

// try makes one call. An error that is no refusal of the right shows that the right
// is there; it is reported where passes does not take it.
func (p *examination) try(ctx context.Context, what string, needed bool, call func(ctx context.Context) error) bool {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	began := time.Now()
	err := call(ctx)
	probe := Probe{What: what, OK: err == nil, Needed: needed, Milliseconds: float64(time.Since(began).Microseconds()) / 1000}
	if err != nil {
		v, shown := p.client.classify("ask for "+what, err)
		probe.Note = deadletter.Brief(shown.Error())
		if v.reason == "access-denied" && !errors.As(err, new(*credentialsError)) {
			p.rights[what] = p.resource(what)
			probe.Note = "the right " + what + " is missing: " + probe.Note
			if !needed {
				probe.Note += ". It is not needed; with it streams can be listed"
			}
		} else if !needed {
			probe.Needed = true // it is not the right that failed
		}
	}
	p.report.Checks = append(p.report.Checks, probe)
	return err == nil
}

func (p *examination) identity(ctx context.Context) {
	if p.cfg.Endpoint != "" && os.Getenv("AWS_ENDPOINT_URL_STS") == "" && !strings.Contains(p.cfg.Endpoint, ".amazonaws.com") {
		p.report.Checks = append(p.report.Checks, Probe{What: "identity", OK: true, Note: "was not asked: the endpoint is not AWS's own"})
		return
	}
	p.try(ctx, "identity", true, func(ctx context.Context) error {
		o := p.client.api.Options()
		api := sts.New(sts.Options{Region: p.cfg.Region, Credentials: o.Credentials, HTTPClient: o.HTTPClient, Retryer: aws.NopRetryer{}, BaseEndpoint: stsEndpoint()})
		out, err := api.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err == nil {
			p.report.Identity = aws.ToString(out.Arn)
		}
		return err
	})
}

// stsEndpoint is where the environment has the service; nil: AWS.
func stsEndpoint() *string {
	if at := os.Getenv("AWS_ENDPOINT_URL_STS"); at != "" {
		return &at
	}
	return nil
}

// outOfRange is a hash key behind the last one that there is.
const outOfRange = "340282366920938463463374607431768211456"

func (p *examination) stream(ctx context.Context, name string) {
	streamName, streamARN := target(name)
	described := p.try(ctx, "kinesis:DescribeStreamSummary", false, func(ctx context.Context) error {
		out, err := p.client.api.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: streamName, StreamARN: streamARN})
		if err != nil {
			return err
		}
		p.describe(out.StreamDescriptionSummary)
		return nil
	})
	p.try(ctx, "kinesis:ListShards", false, func(ctx context.Context) error {
		_, err := p.client.api.ListShards(ctx, &kinesis.ListShardsInput{StreamName: streamName, StreamARN: streamARN, MaxResults: aws.Int32(1)})
		return err
	})
	if s := p.report.Stream; s != nil && s.Strategy == string(types.RecordDistributionStrategyAuto) {
		// It ignores hash keys as well, so that the record would be written.
		p.report.Checks = append(p.report.Checks, Probe{What: "order", Needed: true, Note: errKeysIgnored.Error()})
		return
	}
	p.try(ctx, "kinesis:PutRecords", true, func(ctx context.Context) error {
		_, err := p.client.api.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: streamName, StreamARN: streamARN, Records: []types.PutRecordsRequestEntry{
			{PartitionKey: aws.String("test"), ExplicitHashKey: aws.String(outOfRange), Data: []byte("test")},
		}})
		if refused, ok := errors.AsType[smithy.APIError](err); ok && (refused.ErrorCode() == "InvalidArgumentException" || refused.ErrorCode() == "ValidationException") {
			return nil
		}
		return err
	})
	s := p.report.Stream
	if !described || s == nil {
		return
	}
	if s.Status != string(types.StreamStatusActive) && s.Status != string(types.StreamStatusUpdating) {
		p.report.Checks = append(p.report.Checks, Probe{What: "status", Needed: true, Note: "the stream's status is " + s.Status})
	}
	p.report.Checks = append(p.report.Checks, Probe{What: "order", OK: true, Needed: true})
}

func (p *examination) describe(d *types.StreamDescriptionSummary) {
	if d == nil {
		return
	}
	s := &StreamState{
		ARN: aws.ToString(d.StreamARN), Status: string(d.StreamStatus), Encryption: string(d.EncryptionType),
		Shards: int(aws.ToInt32(d.OpenShardCount)), Strategy: string(d.RecordDistributionStrategy),
	}
	if d.StreamModeDetails != nil {
		s.Mode = string(d.StreamModeDetails.StreamMode)
	}
	p.report.Stream = s
}

// resource is what a right is needed for, as a policy has it.
func (p *examination) resource(right string) string {
	stream := p.cfg.Stream
	switch {
	case right == "kinesis:ListStreams" || right == "identity":
		return "*"
	case strings.HasPrefix(stream, "arn:"):
		return stream
	case p.report.Stream != nil && p.report.Stream.ARN != "":
		return p.report.Stream.ARN
	}
	account := "*"
	if parts := strings.Split(p.report.Identity, ":"); len(parts) > 4 {
		account = parts[4]
	}
	return fmt.Sprintf("arn:aws:kinesis:%s:%s:stream/%s", p.cfg.Region, account, stream)
}

// missing is the policy that grants what was refused.
func (p *examination) missing() map[string]any {
	var statements []map[string]any
	for _, c := range p.report.Checks {
		if resource, lacks := p.rights[c.What]; lacks {
			statements = append(statements, map[string]any{"Effect": "Allow", "Action": c.What, "Resource": resource})
		}
	}
	if statements == nil {
		return nil
	}
	return map[string]any{"Version": "2012-10-17", "Statement": statements}
}
