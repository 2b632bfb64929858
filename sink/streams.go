package sink

import (
	"context"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// The bounds of a list of streams: a hundred a call, and Kinesis answers 20 calls a
// second that describe one.
const (
	mostStreamNames     = 1000
	mostStreamsDescribe = 15
)

// StreamList is the streams of an account in a region.
type StreamList struct {
	Streams []ListedStream
	More    bool // there are others
}

// ListedStream is a stream; State is nil where it was not asked for, or not told.
type ListedStream struct {
	Name  string
	State *StreamState
}

// ListStreams lists the streams of an account, and what the first of them say of
// themselves.
func ListStreams(ctx context.Context, cfg Config, log *slog.Logger) (StreamList, error) {
	cfg.Stream = "none" // it is not asked for
	c, err := newClient(ctx, cfg, Options{Logger: log, Lanes: 1})
	if err != nil {
		return StreamList{}, err
	}
	defer c.close()
	var list StreamList
	var token *string
	for {
		asked, cancel := context.WithTimeout(ctx, requestTimeout)
		out, err := c.api.ListStreams(asked, &kinesis.ListStreamsInput{NextToken: token, Limit: aws.Int32(100)})
		cancel()
		if err != nil {
			_, shown := c.classify("list streams", err)
			return StreamList{}, shown
		}
		for _, name := range out.StreamNames {
			list.Streams = append(list.Streams, ListedStream{Name: name})
		}
		token = out.NextToken
		list.More = aws.ToBool(out.HasMoreStreams)
		if !list.More || token == nil || len(list.Streams) >= mostStreamNames {
			break
		}
	}
	for i := range list.Streams[:min(len(list.Streams), mostStreamsDescribe)] {
		p := &examination{client: c, cfg: cfg}
		asked, cancel := context.WithTimeout(ctx, requestTimeout)
		out, err := c.api.DescribeStreamSummary(asked, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(list.Streams[i].Name)})
		cancel()
		if err != nil {
			break // the right is missing, or it takes long: the names are what is needed
		}
		p.describe(out.StreamDescriptionSummary)
		list.Streams[i].State = p.report.Stream
	}
	return list, nil
}
