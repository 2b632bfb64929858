package sink

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// classify says what the error of a call means, and gives an error that may be
// shown: it names who was asked.
func (c *client) classify(act string, err error) (verdict, error) {
	v, shown := classify(act, err)
	return v, &addressedError{shown, c.whom(err)}
}

// addressedError is an error and, in words, who was asked.
type addressedError struct {
	error
	whom string
}

func (e *addressedError) Error() string { return e.error.Error() + e.whom }
func (e *addressedError) Unwrap() error { return e.error }

// addressed is err of what the stream said well formed.
func (c *client) addressed(err error) error {
	if asked := c.transport.asked.Load(); asked != nil {
		return &addressedError{err, " (" + c.way(asked) + ")"}
	}
	return err
}

// whom tells which host a call asked, through which proxy, and the status of its
// answer if there was one. A failure to get credentials asked another host.
func (c *client) whom(err error) string {
	var at *url.URL
	status := ""
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.Response != nil && answer.Response.Response != nil {
		if code := answer.HTTPStatusCode(); code > 0 { // of a call that was not answered it is 0
			status = fmt.Sprintf(", HTTP %d", code)
		}
		if request := answer.Response.Request; request != nil {
			at = request.URL
		}
	}
	if failed, ok := errors.AsType[*url.Error](err); ok && at == nil {
		at, _ = url.Parse(failed.URL) // what cannot be parsed is not named
	}
	if at == nil && !errors.As(err, new(*credentialsError)) {
		at = c.transport.asked.Load()
	}
	if at == nil || at.Host == "" {
		return ""
	}
	return " (" + c.way(at) + status + ")"
}

// way is a host, and the proxy on the way to it without its credentials.
func (c *client) way(to *url.URL) string {
	if c.proxy == nil {
		return to.Host
	}
	proxy, err := c.proxy(&http.Request{URL: to})
	if err != nil || proxy == nil {
		return to.Host
	}
	return to.Host + " through the proxy " + proxy.Host
}

// maxWords is how many characters of somebody else's words an error takes.
const maxWords = 500

// plain is a text of somebody else as one line, without what a terminal takes for
// an order, and not too long.
func plain(text string) string {
	words := []rune(strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) && r != unicode.ReplacementChar {
			return r
		}
		return ' '
	}, text))
	if len(words) > maxWords {
		words = append(words[:maxWords], '…')
	}
	return strings.TrimSpace(string(words))
}

// classify is the method without who was asked: the service's words are shown only
// where they cannot hold a partition key.
func classify(act string, err error) (verdict, error) {
	var creds *credentialsError
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		status := 0
		if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
			status = answer.HTTPStatusCode()
		}
		v := callVerdict(api.ErrorCode(), status)
		if v.reason == HoldCredentials && clockSkew(api.ErrorMessage()) {
			v.reason = HoldClockSkew
		}
		if errors.As(err, &creds) && v.action != again {
			return verdict{hold, HoldCredentials, true}, fmt.Errorf("%s: get credentials: %s: %s", act, plain(api.ErrorCode()), plain(api.ErrorMessage()))
		}
		if v.reason == HoldUnknown { // nobody knows what its words may quote
			return v, fmt.Errorf("%s: %s, status %d", act, plain(api.ErrorCode()), status)
		}
		if v.action == hold {
			return v, fmt.Errorf("%s: %s: %s", act, plain(api.ErrorCode()), plain(api.ErrorMessage()))
		}
		return v, fmt.Errorf("%s: %s", act, plain(api.ErrorCode()))
	}
	if unreachable(err) {
		return verdict{hold, HoldUnreachable, false}, fmt.Errorf("%s: %w", act, root(err))
	}
	switch {
	case errors.As(err, &creds):
		return verdict{hold, HoldCredentials, true}, fmt.Errorf("%s: get credentials: %w", act, root(creds.err))
	case errors.Is(err, errTooLate), timedOut(err):
		return verdict{again, retryTimeout, false}, fmt.Errorf("%s: no answer in time", act)
	}
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.HTTPStatusCode() >= http.StatusMultipleChoices {
		return callVerdict("", answer.HTTPStatusCode()), fmt.Errorf("%s: an answer that is none of the service's, as of a proxy", act)
	}
	return verdict{again, retryNetwork, false}, fmt.Errorf("%s: %w", act, root(err))
}

// clockSkew tells a signature of another time from one with a wrong secret: the
// service has one code for both.
func clockSkew(message string) bool {
	return strings.HasPrefix(message, "Signature expired") || strings.HasPrefix(message, "Signature not yet current")
}

func timedOut(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// unreachable says that no connection was made, so nothing was sent.
func unreachable(err error) bool {
	var dial *dialError
	var cert *tls.CertificateVerificationError
	var alert tls.AlertError
	var header tls.RecordHeaderError
	var proxy *proxyError
	return errors.As(err, &dial) || errors.As(err, &cert) || errors.As(err, &alert) || errors.As(err, &header) || errors.As(err, &proxy) ||
		errors.Is(err, http.ErrSchemeMismatch)
}

// root is the innermost error: the outer ones repeat the whole request.
func root(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
