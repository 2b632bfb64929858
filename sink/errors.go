package sink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// classify says what the error of a call means, and gives an error that may be
// shown: the service's words only where they cannot hold a partition key.
func classify(act string, err error) (verdict, error) {
	var creds *credentialsError
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		status := 0
		if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
			status = answer.HTTPStatusCode()
		}
		v := judgeCall(api.ErrorCode(), status)
		if v.reason == HoldCredentials && clockSkew(api.ErrorMessage()) {
			v.reason = HoldClockSkew
		}
		if errors.As(err, &creds) && v.action != again {
			return verdict{hold, HoldCredentials, true}, fmt.Errorf("%s: get credentials: %s: %s", act, api.ErrorCode(), api.ErrorMessage())
		}
		if v.action == hold {
			return v, fmt.Errorf("%s: %s: %s", act, api.ErrorCode(), api.ErrorMessage())
		}
		return v, fmt.Errorf("%s: %s", act, api.ErrorCode())
	}
	if unreachable(err) {
		return verdict{hold, HoldUnreachable, false}, fmt.Errorf("%s: %w", act, root(err))
	}
	switch {
	case errors.As(err, &creds):
		return verdict{hold, HoldCredentials, true}, fmt.Errorf("%s: get credentials: %w", act, root(creds.err))
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, errTooLate), timedOut(err):
		return verdict{again, retryTimeout, false}, fmt.Errorf("%s: no answer in time", act)
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
	return errors.As(err, &dial) || errors.As(err, &cert) || errors.As(err, &alert) || errors.As(err, &header) ||
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
