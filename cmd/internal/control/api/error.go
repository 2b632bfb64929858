package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
)

// Error is a refusal.
type Error struct {
	Type         string       `json:"type"`
	Status       int          `json:"status"`
	Title        string       `json:"title"`
	Detail       string       `json:"detail"`
	Code         string       `json:"error_code"`
	Message      string       `json:"message"`
	ErrorMessage string       `json:"errorMessage"`
	ErrorDetails string       `json:"errorDetails"`
	Errors       []FieldError `json:"errors,omitempty"`
	// Violations are what policies object to, in the shape of the policy service.
	Violations any `json:"violations,omitempty"`
	// Report is what a test of a connection found.
	Report any `json:"report,omitempty"`
}

// FieldError is one field that is wrong, by its path: auth.params.region.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error is the detail: what a log or a caller in this process shows.
func (e *Error) Error() string { return e.Detail }

// The codes of refusals that the platform's catalogue has; each ends with its status.
const (
	CodeNotFound        = "1101-404"
	CodeInternal        = "1102-500"
	CodeUnavailable     = "1103-503"
	CodeLimitAndCount   = "1401-400"
	CodeNoIfMatch       = "1403-400"
	CodeStale           = "1404-412"
	CodeNoBody          = "1405-400"
	CodeState           = "1410-400"
	CodeSpec            = "1413-400"
	CodeSpecChange      = "1414-400"
	CodeAuthSpec        = "1415-400"
	CodeInUse           = "1418-400"
	CodeAction          = "1422-400"
	CodeOrder           = "1432-400"
	CodeOrderField      = "1433-400"
	CodePatchOperation  = "1434-400"
	CodeParameter       = "1451-400"
	CodeParameterValue  = "1452-400"
	CodePatch           = "1455-400"
	CodeSandbox         = "2100-404"
	CodePermission      = "2118-403"
	CodeNoToken         = "403010-403"
	CodeBadToken        = "401013-401"
	CodeInvalid         = "1100-400"
	CodeUnprocessable   = "1100-422"
	CodeConflict        = "1100-409"
	CodeTooLarge        = "1100-413"
	CodeTooMany         = "1100-429"
	CodeFull            = "1100-507"
	CodeMethod          = "1100-405"
	CodeForbiddenOrigin = "1100-403"
)

var titles = map[int]string{
	400: "BadRequestError", 401: "Unauthorized", 403: "Forbidden", 404: "NotFoundError", 405: "MethodNotAllowed", 409: "ConflictError",
	412: "Version not matching", 413: "RequestTooLarge", 422: "UnprocessableEntity", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 507: "InsufficientStorage",
}

// Refuse makes a refusal of a code and what is wrong, in words that say what to do.
func Refuse(code, format string, args ...any) *Error {
	_, text, _ := strings.Cut(code, "-")
	status, err := strconv.Atoi(text)
	if err != nil {
		status = http.StatusInternalServerError
	}
	shown := bareCode(code)
	e := &Error{Type: "urn:kinesis-destination:error:" + shown, Status: status, Title: titles[status], Code: shown}
	return e.say(fmt.Sprintf(format, args...))
}

// bareCode is a code as it is shown: the gateway's have no status in them.
func bareCode(code string) string {
	if gateway, _, _ := strings.Cut(code, "-"); len(gateway) > len("1100") {
		return gateway
	}
	return code
}

func (e *Error) say(detail string) *Error {
	e.Detail, e.Message, e.ErrorMessage, e.ErrorDetails = detail, detail, e.Title, detail
	return e
}

// Titled gives the refusal a title of its own.
func (e *Error) Titled(title string) *Error {
	e.Title, e.ErrorMessage = title, title
	return e
}

// Invalid is the refusal of fields; its detail is the first of them.
func Invalid(fields []FieldError) *Error { return InvalidAs(CodeInvalid, fields) }

// InvalidAs is Invalid with another code.
func InvalidAs(code string, fields []FieldError) *Error {
	said := fields[0].Field + ": " + fields[0].Message
	if fields[0].Field == "" {
		said = fields[0].Message
	}
	if more := len(fields) - 1; more > 0 {
		said += fmt.Sprintf(" (and %d more; see errors)", more)
	}
	e := Refuse(code, "%s", said)
	e.Errors = fields
	return e
}

// Handler answers a request; an error is its refusal.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Handle makes handlers of the standard library from ours.
func Handle(log *slog.Logger, handler Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := handler(w, r); err != nil {
			Fail(log, w, r, err)
		}
	}
}

// Fail answers with a refusal.
func Fail(log *slog.Logger, w http.ResponseWriter, r *http.Request, err error) {
	refusal, ok := errors.AsType[*Error](err)
	if !ok {
		if r.Context().Err() != nil { // the caller has gone
			return
		}
		log.Error("a request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		refusal = Refuse(CodeInternal, "an internal error has occurred; the log of the control plane has the cause")
	}
	if refusal.Code == bareCode(CodeNoToken) || refusal.Code == bareCode(CodeBadToken) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="kinesis-destination"`)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	WriteStatus(w, refusal.Status, refusal)
}

// Write answers with a value as JSON.
func Write(w http.ResponseWriter, status int, value any) error {
	w.Header().Set("Content-Type", "application/json")
	WriteStatus(w, status, value)
	return nil
}

// WriteStatus writes the status and a value, under the headers that are set. A
// caller that is gone cannot be told.
func WriteStatus(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	text, err := json.Marshal(value)
	if err != nil { // every value is made of what JSON has
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}
