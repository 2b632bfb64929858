package sink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// exchange is what one PutRecords call after another is made with. Its buffers
// have one owner: the goroutine that makes the calls.
type exchange struct {
	body    []byte   // the request's, written before the call
	answer  []byte   // as it came
	results []result // of the records, in their order; they lie in answer
	packed  []byte   // an aggregate on its way into the body
}

// What an exchange keeps from one call to the next.
const (
	// keepCall is a usual full request and its answer.
	keepCall = 2 << 20
	// keepAnswer is twice the answer to a full request, 500 records stored.
	keepAnswer = 128 << 10
)

// trim lets go of buffers that an unusual call needed, so that no more than keep
// bytes stay in all.
func (x *exchange) trim(keep int) {
	if cap(x.answer) > keepAnswer {
		x.answer, x.results = nil, nil
	}
	if x.kept() > keep {
		x.body = nil // by far the largest of a usual call
	}
	if x.kept() > keep {
		*x = exchange{}
	}
}

// kept is what the buffers take.
func (x *exchange) kept() int {
	return cap(x.body) + cap(x.answer) + cap(x.results)*int(unsafe.Sizeof(result{})) + cap(x.packed)
}

// draft is a PutRecords request as the SDK would send it, short of what differs
// between calls: body, length, date and signature. So the SDK says where it goes,
// through which names of the host, what its headers are and how it is signed.
type draft struct {
	account         string // the endpoint depends on the credentials' account
	url             *url.URL
	host            string
	header          http.Header
	service, region string
	signing         []func(*v4.SignerOptions)
}

// errDrafted ends a call of the SDK where it would be signed.
var errDrafted = errors.New("the request is drafted")

// drafter is the signer of a client that drafts requests.
type drafter struct{ made *draft }

// SignHTTP implements kinesis.HTTPSignerV4.
func (d *drafter) SignHTTP(_ context.Context, keys aws.Credentials, r *http.Request, _, service, region string, _ time.Time, signing ...func(*v4.SignerOptions)) error {
	d.made = &draft{account: keys.AccountID, url: r.URL, host: r.Host, header: r.Header.Clone(), service: service, region: region, signing: signing}
	return errDrafted
}

// draftFor gives the draft for an account's credentials. It is made once: of what
// it depends on only the account may change.
func (c *client) draftFor(ctx context.Context, account string) (*draft, error) {
	if d := c.drafted.Load(); d != nil && d.account == account {
		return d, nil
	}
	d := new(drafter)
	options := c.api.Options()
	options.HTTPSignerV4, options.AuthSchemes = d, nil
	// The SDK's own validation wants records.
	_, err := kinesis.New(options).PutRecords(ctx, &kinesis.PutRecordsInput{Records: []types.PutRecordsRequestEntry{}})
	if d.made == nil {
		return nil, fmt.Errorf("draft the request: %w", err)
	}
	for name := range d.made.header {
		// They number the SDK's own calls and attempts.
		if strings.HasPrefix(name, "Amz-Sdk-") {
			d.made.header.Del(name)
		}
	}
	d.made.header.Set("Content-Type", c.wire.contentType)
	c.drafted.Store(d.made)
	return d.made, nil
}

// request is a request of the draft with a body.
func (d *draft) request(ctx context.Context, sent *body) *http.Request {
	to := *d.url
	r := &http.Request{
		Method: http.MethodPost, URL: &to, Host: d.host, Header: d.header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: sent, GetBody: sent.again, ContentLength: int64(len(sent.data)),
	}
	return r.WithContext(ctx)
}

// putRecords makes one call with the body that the exchange holds. The results
// are good until the next call. The context must have a deadline: nothing else
// ends a call.
func (c *client) putRecords(ctx context.Context, x *exchange) ([]result, error) {
	x.results = x.results[:0]
	keys, err := c.credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	d, err := c.draftFor(ctx, keys.AccountID)
	if err != nil {
		return nil, err
	}
	sent := newBody(ctx, x.body)
	r := d.request(ctx, sent)
	sum := sha256.Sum256(x.body)
	if err := c.signer.SignHTTP(ctx, keys, r, hex.EncodeToString(sum[:]), d.service, d.region, c.transport.now(), d.signing...); err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	response, err := c.transport.send(r)
	if err != nil {
		x.release(sent)
		return nil, err
	}
	if err := x.read(response); err != nil {
		x.release(sent)
		return nil, &awshttp.ResponseError{
			ResponseError: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: response}, Err: err},
			RequestID:     response.Header.Get("X-Amzn-Requestid"),
		}
	}
	x.release(sent)
	return x.results, nil
}

// release takes the body's buffer back for the next call, or leaves it to a
// transport that may still be reading it: the service may answer before it has
// read all, and a call that is given up may be in the middle of a write.
func (x *exchange) release(sent *body) {
	if !sent.done() {
		x.body = nil
	}
}

// read takes the answer in.
func (x *exchange) read(response *http.Response) error {
	defer func() { _ = response.Body.Close() }() // an unread rest takes the connection with it
	binary := strings.HasPrefix(response.Header.Get("Content-Type"), cborType)
	var err error
	if response.StatusCode >= http.StatusMultipleChoices {
		// Of an error that is too large, status and header stay.
		if x.answer, err = appendAll(x.answer[:0], response, maxErrorAnswer); err != nil {
			x.answer = x.answer[:0]
		}
		return refusal(response.Header.Get("X-Amzn-Errortype"), x.answer, binary)
	}
	if x.answer, err = appendAll(x.answer[:0], response, maxPutAnswer); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if x.results, err = appendResults(x.results, x.answer, binary); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// appendAll appends a whole answer, of at most limit bytes.
func appendAll(dst []byte, response *http.Response, limit int64) ([]byte, error) {
	from := limitedBody{ReadCloser: response.Body, left: limit, limit: limit}
	// A byte more, so that the end is seen without growing.
	dst = slices.Grow(dst, int(min(max(response.ContentLength, 511), limit))+1)
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, len(dst))
		}
		n, err := from.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}
