package sink

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// What an answer of AWS may have. Whoever answers, a proxy that is in between
// included, can neither fill the memory nor hold a call for ever.
const (
	// answerTime bounds a call from dialling to the last byte of its answer where
	// nothing shorter does: what a credentials cache calls has no deadline of its
	// own. A GetRecords answer of 14 MB takes as long at 4 Mbit/s.
	answerTime = 30 * time.Second
	// maxPutAnswer is four times 500 entries with an error and its message of 500 bytes.
	maxPutAnswer = 1 << 20
	// maxRecordsAnswer is twice the 10 MiB of GetRecords, as base64, and more.
	// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
	maxRecordsAnswer = 32 << 20
	// maxAnswer is twice what 10,000 shards take, which is what ListShards gives at most.
	maxAnswer = 8 << 20
	// maxKeysAnswer is a hundred times a session's credentials, of STS or of a metadata service.
	maxKeysAnswer = 1 << 20
	// maxErrorAnswer is for a code and some sentences.
	maxErrorAnswer = 64 << 10
	// maxAnswerHeader is what servers commonly allow for headers, many times over.
	maxAnswerHeader = 64 << 10
)

// answerTooLarge is an answer that was not read to its end.
type answerTooLarge int64

func (e answerTooLarge) Error() string {
	return fmt.Sprintf("the answer has more than the %d bytes that it may have", int64(e))
}

// limitAnswers is the API option that bounds what the client of the stream reads.
func limitAnswers(s *middleware.Stack) error {
	return s.Deserialize.Add(limitedAnswers{answerLimit}, middleware.After) // the nearest to the wire
}

// limitKeys is limitAnswers of the clients that get credentials. Those may be called
// within a call to the stream, whose name they would be known by.
func limitKeys(s *middleware.Stack) error {
	return s.Deserialize.Add(limitedAnswers{func(string) int64 { return maxKeysAnswer }}, middleware.After)
}

// limitedAnswers is what limitAnswers adds.
type limitedAnswers struct{ limit func(operation string) int64 }

// ID implements middleware.DeserializeMiddleware.
func (limitedAnswers) ID() string { return "LimitAnswers" }

// HandleDeserialize implements middleware.DeserializeMiddleware. Of an error that
// is too large the status and the header stay, which say enough.
func (l limitedAnswers) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	middleware.DeserializeOutput, middleware.Metadata, error,
) {
	out, metadata, err := next.HandleDeserialize(ctx, in)
	response, ok := out.RawResponse.(*smithyhttp.Response)
	if !ok || response.Response == nil || response.Body == nil {
		return out, metadata, err
	}
	if response.StatusCode < http.StatusMultipleChoices {
		limit := l.limit(awsmiddleware.GetOperationName(ctx))
		response.Body = &limitedBody{ReadCloser: response.Body, left: limit, limit: limit}
		return out, metadata, err
	}
	text, readErr := io.ReadAll(io.LimitReader(response.Body, maxErrorAnswer+1))
	_ = response.Body.Close() // the rest is not wanted, nor the connection if there is one
	if readErr != nil || len(text) > maxErrorAnswer {
		text = nil
	}
	response.Body = io.NopCloser(bytes.NewReader(text))
	return out, metadata, err
}

func answerLimit(operation string) int64 {
	switch operation {
	case "PutRecords":
		return maxPutAnswer
	case "GetRecords":
		return maxRecordsAnswer
	}
	return maxAnswer
}

// limitedBody fails where more comes than the limit. Closed before its end, it
// takes its connection with it.
type limitedBody struct {
	io.ReadCloser
	left, limit int64
}

// Read implements io.Reader.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, answerTooLarge(b.limit)
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n + int(b.left), answerTooLarge(b.limit)
	}
	return n, err
}
